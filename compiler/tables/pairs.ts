/**
 * Pairs of numbers in a table without collisions, for the groups of the partitions whose pairs are few
 * of those that there could be.
 *
 * @module
 */
import { PAIR_MIX, PAIR_SPREAD } from "./layout.ts";

export interface Hashed {
  /** Words of a slot: the pair in one, and its row; or four if numbers need more than 16 bits. */
  readonly width: 2 | 4;
  /** Zeros where there is no pair. */
  readonly slots: Uint32Array<ArrayBuffer>;
  readonly multipliers: Uint32Array<ArrayBuffer>;
}

/** Share of the slots that pairs fill. */
const FILL = 0.8;
/** Pairs that share a multiplier, on average. */
const SHARED = 6;
/** Multipliers that are tried for one block. */
const MOST_TRIED = 1 << 16;
const MOST_GROWN = 8;

/**
 * Hash and displace (Pagh 1999; Belazzougui, Botelho, Dietzfelbinger 2009): the hash of a pair says
 * its block, whose multiplier says its slot. Blocks take, those of most pairs first, the first
 * multiplier by which all of their pairs find slots that are free. Undefined if one finds none.
 */
export function hashPairs(
  width: 2 | 4,
  source: readonly number[],
  destination: readonly number[],
  row: readonly number[],
): Hashed | undefined {
  const blocks = Math.ceil(source.length / SHARED);
  let count = Math.ceil(source.length / FILL);
  for (let grown = 0; grown < MOST_GROWN; grown++, count = Math.ceil(count * 1.1)) {
    const multipliers = multipliersFor(source, destination, blocks, count);
    if (!multipliers) continue;
    const slots = new Uint32Array(count * width);
    for (const [i, s] of source.entries()) {
      const d = destination[i]!;
      const slot = slotOf(s, d, blocks, count, (block) => multipliers[block]!);
      slots[slot * width] = width === 2 ? s << 16 | d : s;
      if (width === 4) slots[slot * width + 1] = d;
      slots[slot * width + width / 2] = row[i]!;
    }
    return { width, slots, multipliers };
  }
  return undefined;
}

/** The multiplier of each block; undefined if none that is tried suits some block. */
function multipliersFor(
  source: readonly number[],
  destination: readonly number[],
  blocks: number,
  count: number,
): Uint32Array<ArrayBuffer> | undefined {
  const blockOf = Uint32Array.from(source, (s, i) => share(hashOf(s, destination[i]!), blocks));
  const first = new Uint32Array(blocks + 1);
  for (const block of blockOf) first[block + 1]!++;
  for (let b = 0; b < blocks; b++) first[b + 1]! += first[b]!;
  // What says the slots of pairs, block by block.
  const hashes = new Uint32Array(blockOf.length), mixed = new Uint32Array(blockOf.length);
  const next = first.slice();
  for (const [i, block] of blockOf.entries()) {
    const at = next[block]!++;
    hashes[at] = hashOf(source[i]!, destination[i]!);
    mixed[at] = Math.imul(source[i]!, PAIR_MIX);
  }
  const multipliers = new Uint32Array(blocks);
  const taken = new Uint8Array(count);
  const suits = (block: number, multiplier: number) => {
    const from = first[block]!, end = first[block + 1]!;
    for (let i = from; i < end; i++) {
      const slot = slotBy(hashes[i]!, mixed[i]!, multiplier, count);
      if (taken[slot]) {
        while (i-- > from) taken[slotBy(hashes[i]!, mixed[i]!, multiplier, count)] = 0;
        return false;
      }
      taken[slot] = 1;
    }
    return true;
  };
  const size = (block: number) => first[block + 1]! - first[block]!;
  const order = Uint32Array.from(multipliers.keys()).sort((a, b) => size(b) - size(a) || a - b);
  for (const block of order) {
    let tried = 0, multiplier = 1;
    while (!suits(block, multiplier)) {
      if (++tried === MOST_TRIED) return undefined;
      multiplier = (Math.imul(tried, 0x85ebca6b) | 1) >>> 0;
    }
    multipliers[block] = multiplier;
  }
  return multipliers;
}

function hashOf(source: number, destination: number): number {
  return Math.imul(Math.imul(source, PAIR_MIX) + destination, PAIR_SPREAD) >>> 0;
}

/**
 * An odd number has as many products as there are multipliers. What the source is mixed to sets pairs
 * of one hash apart.
 */
function slotBy(hash: number, mixed: number, multiplier: number, count: number): number {
  return share((Math.imul(hash | 1, multiplier) + mixed) >>> 0, count);
}

/** A hash as a fraction of `count`, without a division (Lemire 2016): hash * count / 2^32. */
function share(hash: number, count: number): number {
  const low = Math.floor((hash & 0xffff) * count / 2 ** 16);
  return Math.floor(((hash >>> 16) * count + low) / 2 ** 16);
}

/** The slot of a pair, of so many, if there are so many blocks, of which each has a multiplier. */
export function slotOf(
  source: number,
  destination: number,
  blocks: number,
  count: number,
  multiplier: (block: number) => number,
): number {
  const hash = hashOf(source, destination);
  const mixed = Math.imul(source, PAIR_MIX);
  return slotBy(hash, mixed, multiplier(share(hash, blocks)), count);
}
