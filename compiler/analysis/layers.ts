/**
 * Many boxes, and quickly those among them that meet a given one.
 *
 * @module
 */
import type { Box } from "./space.ts";
import { overlap } from "./uncovered.ts";

/** As many boxes are looked at one by one. */
const FEW = 32;
/** Fields by which boxes are looked up. */
const KEYS = 12;
/** Stretches that a key field is divided into at most: a power of two. */
const STRETCHES = 256;

export class Layers {
  /** By shape. */
  readonly #layers: readonly Layer[];

  /** All of `boxes`, which are in the order of their owners; that is the order in which they are found. */
  constructor(boxes: readonly Box[]);
  /** Those of `boxes` that are added later. */
  constructor(boxes: Layers);
  constructor(boxes: Layers | readonly Box[]) {
    if (boxes instanceof Layers) {
      this.#layers = boxes.#layers.map(({ index }) => new Layer(index));
      return;
    }
    const byShape: Box[][] = [];
    for (const box of boxes) (byShape[box.shape] ??= []).push(box);
    this.#layers = byShape.map((boxes) => new Layer(new Index(boxes)));
    this.add(boxes);
  }

  /** Adds boxes, in the order of their owners. */
  add(boxes: readonly Box[]): void {
    for (const box of boxes) this.#layers[box.shape]!.add(box);
  }

  /** The boxes with owners from `from` to before `to` that meet `box`. */
  meeting(box: Box, from = -Infinity, to = Infinity): Box[] {
    const met: Box[] = [];
    this.first(box, from, to, (other) => {
      met.push(other);
      return false;
    });
    return met;
  }

  /** The first of them that is `wanted`; undefined if none is. */
  first(
    box: Box,
    from = -Infinity,
    to = Infinity,
    wanted: (other: Box) => boolean = () => true,
  ): Box | undefined {
    return this.#layers[box.shape]?.first(box, from, to, wanted);
  }
}

/** Some of the boxes of one shape: a bit each, so that 32 are looked up at once. */
class Layer {
  readonly index: Index;
  readonly #added: Int32Array;
  /** Number of the next box to be added, at least. */
  #next = 0;

  constructor(index: Index) {
    this.index = index;
    this.#added = new Int32Array(wordsFor(index.boxes.length));
  }

  add(box: Box): void {
    const { boxes } = this.index;
    while (boxes[this.#next] !== box) this.#next++;
    this.#added[this.#next >> 5]! |= 1 << (this.#next & 31);
  }

  first(
    box: Box,
    from: number,
    to: number,
    wanted: (other: Box) => boolean,
  ): Box | undefined {
    const { boxes } = this.index;
    const added = this.#added;
    const first = lowerBound(boxes, from);
    const end = Math.min(lowerBound(boxes, to), this.#next + 1);
    if (first >= end) return undefined;
    const isPlain = this.index.isPlain(box);
    // In all other fields it meets every box.
    const keys = this.index.keys.filter(({ field }) => box.narrow.includes(field));
    const stretches = keys.map((key) => key.stretches(box));
    for (let w = first >> 5; w << 5 < end; w++) {
      let bits = added[w]!;
      for (let k = 0; k < keys.length && bits !== 0; k++) bits &= keys[k]!.among(stretches[k]!, w);
      if (w === first >> 5) bits &= -1 << (first & 31);
      for (; bits !== 0; bits &= bits - 1) {
        const i = (w << 5) + 31 - Math.clz32(bits & -bits);
        if (i >= end) break;
        // The rows tell most apart, the ends nearly all others.
        if (isApart(keys, i, box)) continue;
        const other = boxes[i]!;
        if (!(isPlain && this.index.plain[i]) && !overlap(box, other)) continue;
        if (wanted(other)) return other;
      }
    }
    return undefined;
  }
}

/** What is known of the boxes of one shape, by their numbers. */
class Index {
  readonly boxes: readonly Box[];
  readonly keys: readonly Key[];
  /** Whether the ends of a box in the key fields say all of it, and it asks no literals. */
  readonly plain: Uint8Array;

  constructor(boxes: readonly Box[]) {
    this.boxes = boxes;
    this.keys = boxes.length > FEW ? keysFor(boxes) : [];
    this.plain = new Uint8Array(boxes.length);
    for (const [i, box] of boxes.entries()) {
      this.plain[i] = !box.literals && this.isPlain(box) ? 1 : 0;
    }
  }

  isPlain({ narrow, sets }: Box): boolean {
    return narrow.every((f) => sets[f]!.length === 2 && this.keys.some(({ field }) => field === f));
  }
}

/** Whether box number `i` ends before another begins in some key field, or begins behind its end. */
function isApart(keys: readonly Key[], i: number, { sets }: Box): boolean {
  for (const { field, lo, hi } of keys) {
    const set = sets[field]!;
    if (hi[i]! < set[0]! || lo[i]! > set[set.length - 1]!) return true;
  }
  return false;
}

/** The fields that most boxes narrow part them best. */
function keysFor(boxes: readonly Box[]): Key[] {
  const used = boxes[0]!.sets.map(() => 0);
  for (const { narrow } of boxes) for (const f of narrow) used[f]!++;
  return used.map((_, f) => f).filter((f) => used[f]! > 0)
    .sort((f, g) => used[g]! - used[f]!).slice(0, KEYS)
    .map((f) => new Key(f, boxes));
}

/**
 * Boxes by where they are in one field. It is cut into stretches, and these are the leaves of a binary
 * tree (the segment tree of Bentley): each node has a row of bits, which boxes are in any of its leaves.
 */
class Key {
  readonly field: number;
  /** First and last value of each box. */
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly #shift: number;
  readonly #leaves: number;
  /** Words of a row. */
  readonly #words: number;
  /** Row after row; the children of node n are 2n and 2n + 1, and 1 is the root. */
  readonly #rows: Int32Array;

  constructor(field: number, boxes: readonly Box[]) {
    this.field = field;
    this.lo = new Int32Array(boxes.length);
    this.hi = new Int32Array(boxes.length);
    let last = 0;
    for (let i = 0; i < boxes.length; i++) {
      const set = boxes[i]!.sets[field]!;
      this.lo[i] = set[0]!;
      this.hi[i] = set[set.length - 1]!;
      last = Math.max(last, this.hi[i]!);
    }
    const bits = 32 - Math.clz32(last);
    const depth = Math.min(
      bits,
      Math.log2(STRETCHES),
      Math.ceil(Math.log2(boxes.length / FEW)) + 3,
    );
    this.#shift = bits - depth;
    this.#leaves = 1 << depth;
    this.#words = wordsFor(boxes.length);
    this.#rows = new Int32Array(2 * this.#leaves * this.#words);
    for (let i = 0; i < boxes.length; i++) {
      for (const node of this.#nodes(boxes[i]!.sets[field]!)) {
        this.#rows[node * this.#words + (i >> 5)]! |= 1 << (i & 31);
      }
    }
    // So far each is where its nodes together are just what it has. It is below these, and above.
    for (let node = 2; node < 2 * this.#leaves; node++) this.#add(node >> 1, node);
    for (let node = 2 * this.#leaves - 1; node > 1; node--) this.#add(node, node >> 1);
  }

  /** Where the rows of the stretches begin that a box is in, for `among`. */
  stretches({ sets }: Box): readonly number[] {
    return this.#nodes(sets[this.field]!).map((node) => node * this.#words);
  }

  /** Of word `w` of all boxes, those that are in some of the stretches. */
  among(stretches: readonly number[], w: number): number {
    let bits = 0;
    for (let k = 0; k < stretches.length; k++) bits |= this.#rows[stretches[k]! + w]!;
    return bits;
  }

  /** The fewest nodes that together have the stretches which a set is in, and no others. */
  #nodes(set: readonly number[]): number[] {
    const nodes: number[] = [];
    let next = 0;
    for (let i = 0; i < set.length && next < this.#leaves; i += 2) {
      // Nobody is behind the last leaf.
      const last = Math.min(set[i + 1]! >> this.#shift, this.#leaves - 1);
      let from = Math.max(next, set[i]! >> this.#shift) + this.#leaves;
      let end = last + 1 + this.#leaves;
      for (; from < end; from >>= 1, end >>= 1) {
        if (from & 1) nodes.push(from++);
        if (end & 1) nodes.push(--end);
      }
      next = last + 1;
    }
    return nodes;
  }

  #add(from: number, to: number): void {
    const rows = this.#rows, [a, b] = [from * this.#words, to * this.#words];
    for (let w = 0; w < this.#words; w++) rows[b + w]! |= rows[a + w]!;
  }
}

function wordsFor(bits: number): number {
  return (bits + 31) >> 5;
}

/** The index of the first box whose owner is at least `owner`. */
function lowerBound(boxes: readonly Box[], owner: number): number {
  let lo = 0, hi = boxes.length;
  while (lo < hi) {
    const middle = (lo + hi) >>> 1;
    if (boxes[middle]!.owner < owner) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}
