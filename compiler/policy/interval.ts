/**
 * Sets of integers as intervals.
 *
 * An interval is inclusive at both ends, so that a full domain needs no value past its end. A set
 * is ascending, disjoint and merged: no interval touches the next.
 *
 * @module
 */

/** `lo <= hi`, both included. */
export interface Interval {
  readonly lo: bigint;
  readonly hi: bigint;
}

export type IntervalSet = readonly Interval[];

export const EMPTY: IntervalSet = [];

/** The set of the given intervals, in any order, overlapping or not. */
export function setOf(intervals: readonly Interval[]): IntervalSet {
  const sorted = intervals.toSorted((a, b) => a.lo < b.lo ? -1 : a.lo > b.lo ? 1 : 0);
  const merged: { lo: bigint; hi: bigint }[] = [];
  for (const { lo, hi } of sorted) {
    const last = merged.at(-1);
    if (last && lo <= last.hi + 1n) {
      if (hi > last.hi) last.hi = hi;
    } else {
      merged.push({ lo, hi });
    }
  }
  return merged;
}

/** The values `lo` to `hi`, or the one value `lo`. */
export function span(lo: bigint | number, hi: bigint | number = lo): IntervalSet {
  return [{ lo: BigInt(lo), hi: BigInt(hi) }];
}

export function union(a: IntervalSet, b: IntervalSet): IntervalSet {
  return setOf([...a, ...b]);
}

export function intersect(a: IntervalSet, b: IntervalSet): IntervalSet {
  const both: Interval[] = [];
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!, y = b[j]!;
    const lo = x.lo > y.lo ? x.lo : y.lo;
    const hi = x.hi < y.hi ? x.hi : y.hi;
    if (lo <= hi) both.push({ lo, hi });
    if (x.hi < y.hi) i++;
    else j++;
  }
  return both;
}

/** The values of `domain` that are not in `set`. */
export function subtract(domain: IntervalSet, set: IntervalSet): IntervalSet {
  const rest: Interval[] = [];
  let next = 0;
  for (const { lo, hi } of domain) {
    let from = lo;
    while (next < set.length && set[next]!.hi < lo) next++;
    for (let i = next; i < set.length && set[i]!.lo <= hi; i++) {
      if (from < set[i]!.lo) rest.push({ lo: from, hi: set[i]!.lo - 1n });
      from = set[i]!.hi + 1n;
    }
    if (from <= hi) rest.push({ lo: from, hi });
  }
  return rest;
}

/** Whether `value` is in the set, by binary search. */
export function contains(set: IntervalSet, value: bigint): boolean {
  let lo = 0, hi = set.length;
  while (lo < hi) {
    const middle = (lo + hi) >>> 1;
    if (set[middle]!.hi < value) lo = middle + 1;
    else hi = middle;
  }
  return lo < set.length && set[lo]!.lo <= value;
}

/** Whether some value is in both. */
export function overlap(a: IntervalSet, b: IntervalSet): boolean {
  let i = 0, j = 0;
  while (i < a.length && j < b.length) {
    const x = a[i]!, y = b[j]!;
    if (x.lo <= y.hi && y.lo <= x.hi) return true;
    if (x.hi < y.hi) i++;
    else j++;
  }
  return false;
}

/** Whether every value of `a` is in `b`. */
export function within(a: IntervalSet, b: IntervalSet): boolean {
  let i = 0;
  for (const { lo, hi } of a) {
    while (i < b.length && b[i]!.hi < lo) i++;
    if (i === b.length || b[i]!.lo > lo || b[i]!.hi < hi) return false;
  }
  return true;
}
