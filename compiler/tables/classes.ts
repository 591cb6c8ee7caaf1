/**
 * Equivalence classes: values of a field that no rule tells apart share one small number.
 *
 * @module
 */
import { type IntervalSet, within } from "../policy/interval.ts";

/** Values from `start` to the next piece's start are in `cls`. The first piece starts the domain. */
export interface Piece {
  readonly start: bigint;
  readonly cls: number;
}

/** A field's values, put into classes by the sets that the rules compare it with. */
export interface Classes {
  readonly pieces: readonly Piece[];
  readonly count: number;
  /** For each set, in how many classes it is. */
  readonly covers: Uint32Array<ArrayBuffer>;
  /** The sets that hold a class: the narrow ones in a list of its own, the broad ones in a shared list. */
  readonly narrow: readonly (readonly number[])[];
  readonly broad: readonly (readonly number[])[];
}

/** A set of small numbers. Bit `i` is in word `i >> 5`. */
export type Bits = Uint32Array<ArrayBuffer>;

/** A set in more pieces than this is broad: its classes share the list that names it. */
const BROAD = 64;

export function bitsFor(size: number): Bits {
  return new Uint32Array((size + 31) >>> 5);
}

export function setBit(bits: Bits, i: number): void {
  bits[i >>> 5]! |= 1 << (i & 31);
}

export function hasBit(bits: Bits, i: number): boolean {
  return (bits[i >>> 5]! >>> (i & 31) & 1) === 1;
}

/** The numbers in a set, ascending. */
export function onesOf(bits: Bits): number[] {
  const ones: number[] = [];
  for (let w = 0; w < bits.length; w++) {
    for (let word = bits[w]!; word !== 0; word &= word - 1) {
      ones.push(32 * w + 31 - Math.clz32(word & -word));
    }
  }
  return ones;
}

/** Numbers arrays of integers by their content: equal ones get equal numbers, counted from 0. */
export class Numbering<A extends ArrayLike<number>> {
  readonly all: A[] = [];
  readonly #byHash = new Map<number, number | number[]>();

  /** The number of this content; `content` is kept, and must not change any more. */
  number(content: A): number {
    let hash = content.length;
    for (let i = 0; i < content.length; i++) {
      hash = Math.imul(hash ^ content[i]!, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const same = this.#byHash.get(hash);
    if (same === undefined) {
      const number = this.all.push(content) - 1;
      this.#byHash.set(hash, number);
      return number;
    }
    const candidates = typeof same === "number" ? [same] : same;
    const known = candidates.find((n) => equal(this.all[n]!, content));
    if (known !== undefined) return known;
    const number = this.all.push(content) - 1;
    this.#byHash.set(hash, [...candidates, number]);
    return number;
  }
}

function equal(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lists the positions of each number: `groupBy([1, 0, 1], 2)` is `[[1], [0, 2]]`. */
export function groupBy(numbers: ArrayLike<number>, groups: number): number[][] {
  const lists: number[][] = Array.from({ length: groups }, () => []);
  for (let i = 0; i < numbers.length; i++) lists[numbers[i]!]!.push(i);
  return lists;
}

/** The sets that hold a class. */
export function setsOfClass(classes: Classes, cls: number): readonly number[] {
  const [narrow, broad] = [classes.narrow[cls]!, classes.broad[cls]!];
  return narrow.length === 0 ? broad : broad.length === 0 ? narrow : [...narrow, ...broad];
}

/** The classes that `sets` make of a domain of one interval that starts at 0. */
export function classesOf(domain: IntervalSet, sets: readonly IntervalSet[]): Classes {
  const end = domain.at(-1)!.hi + 1n;
  const edges: { readonly at: bigint; readonly set: number }[] = [];
  for (const [set, intervals] of sets.entries()) {
    if (!within(intervals, domain)) throw new Error("Cannot classify values outside the domain");
    for (const { lo, hi } of intervals) edges.push({ at: lo, set }, { at: hi + 1n, set });
  }
  edges.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);

  const starts = [0n];
  const pieceOf = edges.map(({ at }) => {
    if (at !== starts.at(-1)) starts.push(at);
    return starts.length - 1;
  });
  if (starts.at(-1) === end) starts.pop();

  // How many pieces a set is in, from where it begins to where it ends.
  const spans = new Int32Array(sets.length);
  const inside = new Uint8Array(sets.length);
  for (const [i, { set }] of edges.entries()) {
    inside[set]! ^= 1;
    spans[set]! += inside[set] ? -pieceOf[i]! : pieceOf[i]!;
  }

  const numbering = new Numbering<readonly number[]>();
  const broadNumbering = new Numbering<Bits>();
  const narrow: number[][] = [];
  const broadOf: number[] = [];
  const pieces: Piece[] = [];
  const active: number[] = [];
  const broad = bitsFor(sets.length);
  let broadNumber = broadNumbering.number(broad.slice());
  let edge = 0;
  for (const [piece, start] of starts.entries()) {
    let broadChanged = false;
    for (; edge < edges.length && pieceOf[edge] === piece; edge++) {
      const { set } = edges[edge]!;
      if (spans[set]! > BROAD) {
        broad[set >>> 5]! ^= 1 << (set & 31);
        broadChanged = true;
      } else toggle(active, set);
    }
    if (broadChanged) broadNumber = broadNumbering.number(broad.slice());
    const cls = numbering.number([broadNumber, ...active]);
    if (cls === narrow.length) {
      narrow.push([...active]);
      broadOf.push(broadNumber);
    }
    if (pieces.at(-1)?.cls !== cls) pieces.push({ start, cls });
  }
  const broadLists = broadNumbering.all.map(onesOf);
  const covers = new Uint32Array(sets.length);
  const classesOfBroad = new Uint32Array(broadLists.length);
  for (const n of broadOf) classesOfBroad[n]!++;
  for (const list of narrow) for (const set of list) covers[set]!++;
  for (const [n, list] of broadLists.entries()) {
    for (const set of list) covers[set]! += classesOfBroad[n]!;
  }
  return {
    pieces,
    count: narrow.length,
    covers,
    narrow,
    broad: broadOf.map((n) => broadLists[n]!),
  };
}

/** Puts a number into an ascending list, or takes it out. */
function toggle(list: number[], value: number): void {
  let at = list.length;
  while (at > 0 && list[at - 1]! > value) at--;
  if (list[at - 1] === value) list.splice(at - 1, 1);
  else list.splice(at, 0, value);
}
