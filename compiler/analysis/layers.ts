/**
 * Many boxes, and quickly those among them that meet a given one.
 *
 * @module
 */
import type { Box } from "./space.ts";
import { overlap } from "./uncovered.ts";

/** Fields compared by their ends before all fields are compared exactly. */
const KEYS = 3;

/** The boxes of one shape, with the ends of the most selective fields in flat arrays. */
interface Layer {
  readonly boxes: readonly Box[];
  readonly keys: readonly number[];
  /** First and last value in each key field: `ends[2k][i]` and `ends[2k + 1][i]`. */
  readonly ends: readonly Int32Array[];
}

export class Layers {
  readonly #layers: readonly Layer[];

  /** Boxes are found again in the order given here. */
  constructor(boxes: readonly Box[]) {
    const byShape: Box[][] = [];
    for (const box of boxes) (byShape[box.shape] ??= []).push(box);
    this.#layers = byShape.map(layer);
  }

  /** The boxes with owners from `from` to before `to` that meet `box`. Owners must ascend. */
  meeting(box: Box, from = -Infinity, to = Infinity): Box[] {
    const layer = this.#layers[box.shape];
    if (!layer) return [];
    const { boxes, keys, ends } = layer;
    const [lo0, hi0, lo1, hi1, lo2, hi2] = ends as readonly [
      ...[Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array],
    ];
    const [a, b, c] = keys.map((f) => box.sets[f]!) as [number[], number[], number[]];
    const [a0, a1, b0, b1] = [a[0]!, a.at(-1)!, b[0]!, b.at(-1)!];
    const [c0, c1] = [c[0]!, c.at(-1)!];
    const met: Box[] = [];
    const end = lowerBound(boxes, to);
    for (let i = lowerBound(boxes, from); i < end; i++) {
      if (lo0[i]! > a1 || hi0[i]! < a0 || lo1[i]! > b1 || hi1[i]! < b0) continue;
      if (lo2[i]! > c1 || hi2[i]! < c0) continue;
      if (overlap(box, boxes[i]!)) met.push(boxes[i]!);
    }
    return met;
  }
}

function layer(boxes: readonly Box[]): Layer {
  const used = boxes[0]!.sets.map(() => 0);
  for (const { narrow } of boxes) for (const f of narrow) used[f]!++;
  // The field that most boxes narrow parts them best.
  const keys = used.map((_, f) => f).sort((f, g) => used[g]! - used[f]!).slice(0, KEYS);
  const ends = keys.flatMap((f) => [
    Int32Array.from(boxes, ({ sets }) => sets[f]![0]!),
    Int32Array.from(boxes, ({ sets }) => sets[f]!.at(-1)!),
  ]);
  return { boxes, keys, ends };
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
