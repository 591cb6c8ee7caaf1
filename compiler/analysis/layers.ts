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
const KEYS = 3;
/** Stretches that a key field is divided into, and how many of them a box may be listed in. */
const STRETCHES = 1024;
const MOST = 4;
/** Stretches of a box beyond which its field is no help in looking others up. */
const USEFUL = 64;

export class Layers {
  readonly #layers: readonly Layer[];

  /** None yet; `boxes` are all that may be added. */
  constructor(boxes: readonly Box[]) {
    const byShape: Box[][] = [];
    for (const box of boxes) (byShape[box.shape] ??= []).push(box);
    this.#layers = byShape.map((boxes) => new Layer(boxes));
  }

  /** All of `boxes`, in the order of their owners. */
  static of(boxes: readonly Box[]): Layers {
    const layers = new Layers(boxes);
    layers.add(boxes);
    return layers;
  }

  /** Adds boxes in the order of their owners; that is the order in which they are found. */
  add(boxes: readonly Box[]): void {
    for (const box of boxes) this.#layers[box.shape]!.add(box);
  }

  /** The boxes with owners from `from` to before `to` that meet `box`. */
  meeting(box: Box, from = -Infinity, to = Infinity): Box[] {
    return this.#layers[box.shape]?.meeting(box, from, to) ?? [];
  }
}

/** The boxes of one shape. */
class Layer {
  readonly #boxes: Box[] = [];
  readonly #all: number[] = [];
  readonly #keys: readonly Key[];

  constructor(boxes: readonly Box[]) {
    this.#keys = boxes.length > FEW ? keysFor(boxes) : [];
  }

  add(box: Box): void {
    this.#all.push(this.#boxes.length);
    for (const key of this.#keys) key.add(this.#boxes.length, box);
    this.#boxes.push(box);
  }

  meeting(box: Box, from: number, to: number): Box[] {
    if (this.#keys.length === 0) {
      return this.#boxes.filter((other) =>
        from <= other.owner && other.owner < to && overlap(box, other)
      );
    }
    const first = lowerBound(this.#boxes, from), end = lowerBound(this.#boxes, to);
    const fewest = this.#candidates(box);
    const [a, b, c] = this.#keys as readonly [Key, Key, Key];
    const [a0, a1] = a.ends(box), [b0, b1] = b.ends(box), [c0, c1] = c.ends(box);
    const met: number[] = [];
    for (const list of fewest) {
      for (let k = first === 0 ? 0 : placeOf(list, first); k < list.length; k++) {
        const i = list[k]!;
        if (i >= end) break;
        // Most are told apart by the ends alone.
        if (a.hi[i]! < a0 || a.lo[i]! > a1 || b.hi[i]! < b0 || b.lo[i]! > b1) continue;
        if (c.hi[i]! < c0 || c.lo[i]! > c1) continue;
        if (overlap(box, this.#boxes[i]!)) met.push(i);
      }
    }
    // A box that is in several lists is found several times.
    if (fewest.length > 1) met.sort((a, b) => a - b);
    const found: Box[] = [];
    for (let k = 0; k < met.length; k++) {
      if (met[k] !== met[k - 1]) found.push(this.#boxes[met[k]!]!);
    }
    return found;
  }

  #candidates(box: Box): readonly (readonly number[])[] {
    let fewest: readonly (readonly number[])[] = [this.#all];
    for (const key of this.#keys) {
      const candidates = key.candidates(box);
      if (candidates && total(candidates) < total(fewest)) fewest = candidates;
    }
    return fewest;
  }
}

/** The fields that most boxes narrow part them best; if there are fewer than keys, one does twice. */
function keysFor(boxes: readonly Box[]): Key[] {
  const used = boxes[0]!.sets.map(() => 0);
  for (const { narrow } of boxes) for (const f of narrow) used[f]!++;
  const best = used.map((_, f) => f).sort((f, g) => used[g]! - used[f]!);
  return Array.from({ length: KEYS }, (_, k) => new Key(best[k] ?? best[0]!, boxes));
}

/** Boxes listed by where they are in one field. */
class Key {
  /** First and last value of each box. */
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  readonly #field: number;
  readonly #shift: number;
  /** Numbers of boxes in each stretch of the field, ascending. */
  readonly #lists: readonly number[][];
  /** Those that are in more stretches than it pays to list. */
  readonly #wide: number[] = [];

  constructor(field: number, boxes: readonly Box[]) {
    this.#field = field;
    this.lo = new Int32Array(boxes.length);
    this.hi = new Int32Array(boxes.length);
    const last = boxes.reduce((most, { sets }) => Math.max(most, sets[field]!.at(-1)!), 0);
    this.#shift = Math.max(0, Math.ceil(Math.log2((last + 1) / STRETCHES)));
    this.#lists = Array.from({ length: (last >> this.#shift) + 1 }, () => []);
  }

  add(i: number, box: Box): void {
    [this.lo[i], this.hi[i]] = this.ends(box);
    const stretches = this.#stretches(box, MOST);
    if (!stretches) this.#wide.push(i);
    else for (const s of stretches) this.#lists[s]!.push(i);
  }

  ends({ sets }: Box): readonly [number, number] {
    const set = sets[this.#field]!;
    return [set[0]!, set.at(-1)!];
  }

  /** Lists that together have every box which can meet this one; undefined if it is too wide. */
  candidates(box: Box): readonly (readonly number[])[] | undefined {
    const stretches = this.#stretches(box, USEFUL);
    if (!stretches) return undefined;
    const lists: (readonly number[])[] = [this.#wide];
    for (const s of stretches) {
      const list = this.#lists[s];
      if (list && list.length > 0) lists.push(list);
    }
    return lists;
  }

  /** The stretches that a box is in, or undefined if they are more than `most`. */
  #stretches(box: Box, most: number): readonly number[] | undefined {
    const set = box.sets[this.#field]!;
    const found: number[] = [];
    let next = 0;
    for (let i = 0; i < set.length; i += 2) {
      const last = set[i + 1]! >> this.#shift;
      for (let s = Math.max(next, set[i]! >> this.#shift); s <= last; s++) {
        if (found.length === most) return undefined;
        found.push(s);
      }
      next = last + 1;
    }
    return found;
  }
}

function total(lists: readonly (readonly number[])[]): number {
  return lists.reduce((sum, list) => sum + list.length, 0);
}

/** The index of the first number of an ascending list that is at least `least`. */
function placeOf(list: readonly number[], least: number): number {
  let lo = 0, hi = list.length;
  while (lo < hi) {
    const middle = (lo + hi) >>> 1;
    if (list[middle]! < least) lo = middle + 1;
    else hi = middle;
  }
  return lo;
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
