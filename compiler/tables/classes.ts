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
  /** For each class, which of the sets hold it. */
  readonly members: readonly Bits[];
}

/** A set of small numbers. Bit `i` is in word `i >> 5`. */
export type Bits = Uint32Array<ArrayBuffer>;

export function bitsFor(size: number): Bits {
  return new Uint32Array((size + 31) >>> 5);
}

export function setBit(bits: Bits, i: number): void {
  bits[i >>> 5]! |= 1 << (i & 31);
}

/** The numbers in a set, ascending. */
export function* onesOf(bits: Bits): Generator<number> {
  for (let w = 0; w < bits.length; w++) {
    for (let word = bits[w]!; word !== 0; word &= word - 1) {
      yield 32 * w + 31 - Math.clz32(word & -word);
    }
  }
}

/** Numbers bit sets by their content: equal sets get equal numbers, counted from 0. */
export class BitsTable {
  readonly all: Bits[] = [];
  readonly #byHash = new Map<number, number[]>();

  /** The number of a set with this content; `bits` is kept, and must not change any more. */
  number(bits: Bits): number {
    let hash = 0;
    for (const word of bits) {
      hash = Math.imul(hash ^ word, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    const same = this.#byHash.get(hash);
    const known = same?.find((n) => equal(this.all[n]!, bits));
    if (known !== undefined) return known;
    const number = this.all.push(bits) - 1;
    if (same) same.push(number);
    else this.#byHash.set(hash, [number]);
    return number;
  }
}

function equal(a: Bits, b: Bits): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The classes that `sets` make of a domain of one interval that starts at 0. */
export function classesOf(domain: IntervalSet, sets: readonly IntervalSet[]): Classes {
  const edges: { at: bigint; set: number }[] = [];
  const end = domain.at(-1)!.hi + 1n;
  for (const [set, intervals] of sets.entries()) {
    if (!within(intervals, domain)) throw new Error("Cannot classify values outside the domain");
    for (const { lo, hi } of intervals) edges.push({ at: lo, set }, { at: hi + 1n, set });
  }
  edges.sort((a, b) => a.at < b.at ? -1 : a.at > b.at ? 1 : 0);

  const table = new BitsTable();
  const pieces: Piece[] = [];
  const now = bitsFor(sets.length);
  let next = 0;
  for (let at = 0n; at < end; at = edges[next]?.at ?? end) {
    for (; next < edges.length && edges[next]!.at === at; next++) {
      const { set } = edges[next]!;
      now[set >>> 5]! ^= 1 << (set & 31);
    }
    const cls = table.number(now.slice());
    if (pieces.at(-1)?.cls !== cls) pieces.push({ start: at, cls });
  }
  return { pieces, members: table.all };
}
