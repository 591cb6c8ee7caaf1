/**
 * Sets of small integers as intervals, flat: `[lo, hi, lo, hi, …]`, ascending, disjoint, merged.
 *
 * They stand for the interval sets of `policy/interval.ts` after coordinate compression, where
 * speed is what matters: no bigint and no object an interval.
 *
 * @module
 */

export type Ordinals = readonly number[];

/** The set of some values, in any order. */
export function ordinalsOf(values: readonly number[]): Ordinals {
  const result: number[] = [];
  for (const value of [...values].sort((a, b) => a - b)) {
    if (result.length > 0 && value <= result.at(-1)! + 1) result[result.length - 1] = value;
    else result.push(value, value);
  }
  return result;
}

/** The values of a set, ascending. */
export function valuesIn(set: Ordinals): number[] {
  const values: number[] = [];
  for (let i = 0; i < set.length; i += 2) {
    for (let value = set[i]!; value <= set[i + 1]!; value++) values.push(value);
  }
  return values;
}

/** How many values are in the set. */
export function count(set: Ordinals): number {
  let n = 0;
  for (let i = 0; i < set.length; i += 2) n += set[i + 1]! - set[i]! + 1;
  return n;
}

/** How many values are in both. */
export function countBoth(a: Ordinals, b: Ordinals): number {
  let n = 0;
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const lo = Math.max(a[i]!, b[j]!), hi = Math.min(a[i + 1]!, b[j + 1]!);
    if (lo <= hi) n += hi - lo + 1;
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return n;
}

/** Whether a value is in the set. */
export function has(set: Ordinals, value: number): boolean {
  for (let i = 0; i < set.length; i += 2) {
    if (value <= set[i + 1]!) return value >= set[i]!;
  }
  return false;
}

/** The value of the set that `n` others are below. */
export function nth(set: Ordinals, n: number): number {
  let i = 0;
  for (; n > set[i + 1]! - set[i]!; i += 2) n -= set[i + 1]! - set[i]! + 1;
  return set[i]! + n;
}

/** Whether some value is in both. */
export function meet(a: Ordinals, b: Ordinals): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i]! <= b[j + 1]! && b[j]! <= a[i + 1]!) return true;
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return false;
}

/** Whether every value of `a` is in `b`. */
export function inside(a: Ordinals, b: Ordinals): boolean {
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    while (j < b.length && b[j + 1]! < a[i]!) j += 2;
    if (j === b.length || b[j]! > a[i]! || b[j + 1]! < a[i + 1]!) return false;
  }
  return true;
}

export function intersection(a: Ordinals, b: Ordinals): Ordinals {
  const result: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const lo = Math.max(a[i]!, b[j]!), hi = Math.min(a[i + 1]!, b[j + 1]!);
    if (lo <= hi) result.push(lo, hi);
    if (a[i + 1]! < b[j + 1]!) i += 2;
    else j += 2;
  }
  return result;
}

/** The values of `a` that are not in `b`. */
export function difference(a: Ordinals, b: Ordinals): Ordinals {
  const result: number[] = [];
  let j = 0;
  for (let i = 0; i < a.length; i += 2) {
    let from = a[i]!;
    const to = a[i + 1]!;
    while (j < b.length && b[j + 1]! < from) j += 2;
    for (let k = j; k < b.length && b[k]! <= to; k += 2) {
      if (from < b[k]!) result.push(from, b[k]! - 1);
      from = b[k + 1]! + 1;
    }
    if (from <= to) result.push(from, to);
  }
  return result;
}
