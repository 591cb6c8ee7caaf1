/**
 * Rows of bits: which entries a class leaves possible.
 *
 * A dense row is plain bits. A sparse row has three levels: a word with a bit for each block of
 * 4096 entries, a block's word with a bit for each 64, and those words; what is zero is left out,
 * and equal blocks are stored once.
 *
 * @module
 */
import { type Bits, type Classes, groupBy, Numbering, setBit } from "./classes.ts";

/** Bits of one sparse row. */
export const MAX_BITS = 64 * 4096;
/** Bytes of all sparse rows: beyond it a policy is refused. */
const MAX_BYTES = 1 << 29;

/** Lists of entries by class: those of broad sets are shared, and made once. */
export interface Holders {
  readonly count: number;
  /** Entries of a class; the same array for classes that share them. */
  readonly shared: (cls: number) => readonly number[];
  readonly own: (cls: number) => readonly number[];
}

/** Who is in the classes of an address: the entries of each set. */
export function holdersOf(
  classes: Classes,
  setOf: Uint32Array<ArrayBuffer>,
  sets: number,
): Holders {
  const bySet = groupBy(setOf, sets);
  const lists = new Map<readonly number[], readonly number[]>();
  return {
    count: classes.count,
    shared: (cls) => {
      const broad = classes.broad[cls]!;
      const known = lists.get(broad);
      if (known) return known;
      const entries = broad.flatMap((set) => bySet[set]!);
      lists.set(broad, entries);
      return entries;
    },
    own: (cls) => classes.narrow[cls]!.flatMap((set) => bySet[set]!),
  };
}

/** Words of a dense row, here as pairs of u32: one u64, or 256 bits times a power of two. */
export function denseWords(bits: number): number {
  let words = bits <= 64 ? 2 : 8;
  while (32 * words < bits) words *= 2;
  return words;
}

/** Words of 64 bits for the combinations that a class of a scalar axis leaves possible. */
export function combinationWords(combinations: number): number {
  return Math.max(1, Math.ceil(combinations / 64));
}

/** One dense row a class. `bitOf` is an entry's bit, or negative. */
export function denseRows(holders: Holders, bitOf: Int32Array<ArrayBuffer>, bits: number): Bits {
  const words = denseWords(bits);
  const rows = new Uint32Array(holders.count * words);
  for (let cls = 0; cls < holders.count; cls++) {
    const row = rows.subarray(cls * words, (cls + 1) * words);
    for (const list of [holders.shared(cls), holders.own(cls)]) {
      for (const entry of list) if (bitOf[entry]! >= 0) setBit(row, bitOf[entry]!);
    }
  }
  return rows;
}

/** A row: the blocks that are there, and where their numbers stand in `numbers`. */
export interface SparseRow {
  readonly top: bigint;
  readonly first: number;
}

/** The rows of all axes share blocks and words. */
export class SparseRows {
  readonly numbers: number[] = [];
  readonly blocks: { readonly bits: bigint; readonly first: number }[] = [];
  readonly words: number[] = [];
  readonly #numbering = new Numbering<Bits>();
  readonly #rowNumbering = new Numbering<readonly number[]>();
  readonly #firstOfRow: number[] = [];

  /** One row a class. Undefined if they would be too large. */
  rows(holders: Holders, bitOf: Int32Array<ArrayBuffer>, bits: number): SparseRow[] | undefined {
    const blockCount = Math.ceil(bits / 4096);
    const spread = (list: readonly number[], blocks: Map<number, Bits>, base?: BlockList) => {
      for (const entry of list) {
        const bit = bitOf[entry]!;
        if (bit < 0) continue;
        const number = bit >>> 12;
        let block = blocks.get(number);
        if (!block) {
          block = base?.content(number)?.slice() ?? new Uint32Array(128);
          blocks.set(number, block);
        }
        setBit(block, bit & 4095);
      }
      return blocks;
    };
    const shared = new Map<readonly number[], BlockList>();
    const rows: SparseRow[] = [];
    for (let cls = 0; cls < holders.count; cls++) {
      const list = holders.shared(cls);
      let base = shared.get(list);
      if (!base) {
        base = new BlockList(blockCount, this.#numbering);
        base.put(spread(list, new Map()), this);
        shared.set(list, base);
      }
      const changed = spread(holders.own(cls), new Map(), base);
      rows.push(this.#row(changed.size > 0 ? base.changed(changed, this) : base));
      if (8 * this.words.length / 2 > MAX_BYTES || 4 * this.numbers.length > MAX_BYTES) {
        return undefined;
      }
    }
    return rows;
  }

  /** The number of a block of 4096 bits, stored if it is new. */
  block(content: Bits): number {
    const number = this.#numbering.number(content);
    if (number < this.blocks.length) return number;
    let bits = 0n;
    const first = this.words.length / 2;
    for (let w = 0; w < 64; w++) {
      if (content[2 * w] === 0 && content[2 * w + 1] === 0) continue;
      bits |= 1n << BigInt(w);
      this.words.push(content[2 * w]!, content[2 * w + 1]!);
    }
    this.blocks.push({ bits, first });
    return number;
  }

  #row(list: BlockList): SparseRow {
    let top = 0n;
    const numbers: number[] = [];
    for (const [i, number] of list.numbers.entries()) {
      if (number < 0) continue;
      top |= 1n << BigInt(i);
      numbers.push(number);
    }
    const row = this.#rowNumbering.number(numbers);
    if (row === this.#firstOfRow.length) {
      this.#firstOfRow.push(this.numbers.length);
      for (const number of numbers) this.numbers.push(number);
    }
    return { top, first: this.#firstOfRow[row]! };
  }
}

/** The blocks of one row by position, -1 where all bits are zero. */
class BlockList {
  readonly numbers: Int32Array;
  readonly #known: Numbering<Bits>;

  constructor(count: number, known: Numbering<Bits>) {
    this.numbers = new Int32Array(count).fill(-1);
    this.#known = known;
  }

  content(position: number): Bits | undefined {
    return this.#known.all[this.numbers[position]!];
  }

  put(blocks: ReadonlyMap<number, Bits>, store: SparseRows): void {
    for (const [position, content] of blocks) this.numbers[position] = store.block(content);
  }

  changed(blocks: ReadonlyMap<number, Bits>, store: SparseRows): BlockList {
    const copy = new BlockList(this.numbers.length, this.#known);
    copy.numbers.set(this.numbers);
    copy.put(blocks, store);
    return copy;
  }
}
