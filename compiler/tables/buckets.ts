/**
 * Pairs of numbers in buckets of a cache line, for the groups of the partitions whose pairs are few of
 * those that there could be.
 *
 * @module
 */
import { BLOCK_BUCKETS, NO_PAIR, PAIR_MIX, PAIR_SPREAD } from "./layout.ts";

export interface Buckets {
  /** Keys of a bucket: 8 of 32 bits, or 4 of 64 where numbers need more than 16. */
  readonly ways: 4 | 8;
  /** One a block of BLOCK_BUCKETS buckets. */
  readonly multipliers: Uint32Array<ArrayBuffer>;
  /** `[bucket][way]`: a pair, NO_PAIR where empty, and its row. */
  readonly source: Uint32Array<ArrayBuffer>;
  readonly destination: Uint32Array<ArrayBuffer>;
  readonly row: Uint32Array<ArrayBuffer>;
}

/** Share of a bucket's ways that pairs fill, on average. */
const FILL = { 4: 0.5, 8: 0.6 };
const MAX_BLOCKS = 1 << 17;
/** Multipliers that are tried for one block. */
const MOST_TRIED = 1 << 12;

/**
 * Pairs into buckets of a cache line. A block of buckets has a multiplier of its own, the first by
 * which none of its buckets overflows: so they are filled well, and a pair has one place to be
 * (after hash and displace; Pagh, Hash and Displace, 1999). Undefined if there would be too many.
 */
export function hashPairs(
  ways: 4 | 8,
  source: readonly number[],
  destination: readonly number[],
  row: readonly number[],
): Buckets | undefined {
  const hashes = Uint32Array.from(source, (s, i) => hashOf(s, destination[i]!));
  let blocks = Math.max(1, Math.ceil(source.length / (BLOCK_BUCKETS * ways * FILL[ways])));
  for (; blocks <= MAX_BLOCKS; blocks = Math.ceil(blocks * 1.1)) {
    const multipliers = multipliersFor(hashes, blocks, ways);
    if (!multipliers) continue;
    const buckets = blocks * BLOCK_BUCKETS;
    const filled = new Uint8Array(buckets);
    const result = {
      source: new Uint32Array(buckets * ways).fill(NO_PAIR),
      destination: new Uint32Array(buckets * ways).fill(NO_PAIR),
      row: new Uint32Array(buckets * ways),
    };
    for (let i = 0; i < hashes.length; i++) {
      const block = blockOf(hashes[i]!, blocks);
      const bucket = bucketIn(hashes[i]!, block, multipliers[block]!);
      const at = bucket * ways + filled[bucket]!++;
      result.source[at] = source[i]!;
      result.destination[at] = destination[i]!;
      result.row[at] = row[i]!;
    }
    return { ways, multipliers, ...result };
  }
  return undefined;
}

/** The multiplier of each block; undefined if some block is too full for all that are tried. */
function multipliersFor(hashes: Uint32Array, blocks: number, ways: number) {
  const first = new Uint32Array(blocks + 1);
  for (const hash of hashes) first[blockOf(hash, blocks) + 1]!++;
  for (let b = 0; b < blocks; b++) first[b + 1]! += first[b]!;
  const sorted = new Uint32Array(hashes.length), next = first.slice();
  for (const hash of hashes) sorted[next[blockOf(hash, blocks)]!++] = hash;
  const multipliers = new Uint32Array(blocks);
  const filled = new Uint8Array(BLOCK_BUCKETS);
  const fits = (block: number, multiplier: number) => {
    filled.fill(0);
    for (let i = first[block]!; i < first[block + 1]!; i++) {
      if (filled[bucketIn(sorted[i]!, 0, multiplier)]!++ === ways) return false;
    }
    return true;
  };
  for (let block = 0; block < blocks; block++) {
    let tried = 0, multiplier = 1;
    while (!fits(block, multiplier)) {
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

/** A hash as a fraction of all blocks, without a division (Lemire 2016). */
function blockOf(hash: number, blocks: number): number {
  return Math.floor(hash * blocks / 2 ** 32);
}

function bucketIn(hash: number, block: number, multiplier: number): number {
  return block * BLOCK_BUCKETS + (Math.imul(hash, multiplier) >>> 28);
}

/** The bucket of a pair, if there are so many blocks, of which each has a multiplier. */
export function bucketOf(
  source: number,
  destination: number,
  blocks: number,
  multiplier: (block: number) => number,
): number {
  const hash = hashOf(source, destination);
  const block = blockOf(hash, blocks);
  return bucketIn(hash, block, multiplier(block));
}
