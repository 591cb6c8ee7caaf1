/**
 * Short cuts to a packet that escapes some boxes, or to a question with fewer of them. What finds
 * none proves nothing; but most rules can match, and then one is found in a hundredth of the time
 * that a proof takes.
 *
 * @module
 */
import { count, difference, has, intersection, meet, nth, type Ordinals } from "./ordinals.ts";
import type { Box } from "./space.ts";

/** Packets tried at random: more would find little that fewer do not. */
const TRIES = 16;

/** Some packets, and the boxes that may cover them. */
export interface Question {
  readonly sets: readonly Ordinals[];
  readonly cover: readonly Box[];
}

/**
 * The same question without the boxes that cannot matter. Where those that name a field leave a
 * value of it free, a packet with that value escapes them all and is alike to the others: so one
 * side of a network needs no thought.
 */
export function relevant(sets: readonly Ordinals[], cover: readonly Box[]): Question {
  for (;;) {
    const free = unnamed(sets, cover);
    const left = cover.filter(({ narrow }) => narrow.every((f) => free[f]!.length === 0));
    if (left.length === cover.length) return { sets, cover };
    sets = sets.map((set, f) => free[f]?.length ? free[f] : set);
    cover = left;
  }
}

/** One packet of a box at a time when no other literal holds, another for each seed. */
export function anyOf(box: Box, seed: number): Box {
  let state = seed;
  const sets = box.sets.map((set) => {
    state = another(state);
    const value = nth(set, Math.floor(state / 2 ** 32 * count(set)));
    return [value, value];
  });
  return { ...box, sets, narrow: [...sets.keys()], isPoint: true };
}

/** The next of a row of numbers below 2^32, by linear congruence (Numerical Recipes). */
function another(seed: number): number {
  return (Math.imul(seed, 1664525) + 1013904223) >>> 0;
}

/** Tries a few single values of each field. What escapes most of the time is found at once. */
export function atRandom(
  sets: readonly Ordinals[],
  cover: readonly Box[],
): readonly Ordinals[] | undefined {
  const fields = [...fieldsOf(cover)];
  const sizes = fields.map((f) => count(sets[f]!));
  const point = sets.map(() => 0);
  const taken = ({ sets, narrow }: Box) => narrow.every((f) => has(sets[f]!, point[f]!));
  // The same packets each time.
  let seed = cover.length;
  for (let n = 0; n < TRIES; n++) {
    for (let k = 0; k < fields.length; k++) {
      seed = another(seed);
      const f = fields[k]!;
      point[f] = nth(sets[f]!, Math.floor(seed / 2 ** 32 * sizes[k]!));
    }
    if (cover.some(taken)) continue;
    const found = [...sets];
    for (const f of fields) found[f] = [point[f]!, point[f]!];
    return found;
  }
  return undefined;
}

/** Goes, in one field after the other, to where the fewest boxes are. */
export function whereFewest(
  sets: readonly Ordinals[],
  cover: readonly Box[],
): readonly Ordinals[] | undefined {
  const fields = fieldsOf(cover);
  let left = cover;
  while (left.length > 0) {
    let best: Place | undefined, where = -1;
    for (const f of fields) {
      const place = emptiest(f, sets[f]!, left, best?.boxes ?? left.length);
      if (place) [best, where] = [place, f];
      if (place?.boxes === 0) break;
    }
    if (!best) return undefined;
    const range = [best.from, best.to];
    sets = sets.with(where, intersection(sets[where]!, range));
    left = left.filter((box) => meet(box.sets[where]!, range));
    fields.delete(where);
  }
  return sets;
}

function fieldsOf(boxes: readonly Box[]): Set<number> {
  const fields = new Set<number>();
  for (const { narrow } of boxes) for (const f of narrow) fields.add(f);
  return fields;
}

interface Place {
  readonly from: number;
  readonly to: number;
  readonly boxes: number;
}

/** The stretch of a set in field `f` where fewest boxes are, if fewer than `below`. */
function emptiest(
  f: number,
  set: Ordinals,
  boxes: readonly Box[],
  below: number,
): Place | undefined {
  let best: Place | undefined;
  let fewest = below;
  along(f, set, boxes, (from, to, boxes) => {
    if (boxes >= fewest || !meet([from, to], set)) return;
    best = { from, to, boxes };
    fewest = boxes;
  });
  return best;
}

/** Stretches that are left of a field, beyond which it is quicker to count than to take away. */
const MANY = 16;

/** For each field that a box narrows, the values of its set that none of these boxes has. */
function unnamed(sets: readonly Ordinals[], boxes: readonly Box[]): (Ordinals | undefined)[] {
  const left = Array<Ordinals | undefined>(sets.length), counted = new Set<number>();
  for (const { narrow, sets: own } of boxes) {
    for (const f of narrow) {
      const now = left[f] ?? sets[f]!;
      if (now.length === 0 || counted.has(f)) continue;
      if (now.length <= 2 * MANY) left[f] = difference(now, own[f]!);
      else {
        left[f] = uncounted(f, sets[f]!, boxes.filter(({ narrow }) => narrow.includes(f)));
        counted.add(f);
      }
    }
  }
  return left;
}

/** The values of a set in field `f` that none of the boxes has. */
function uncounted(f: number, set: Ordinals, boxes: readonly Box[]): Ordinals {
  const free: number[] = [];
  along(f, set, boxes, (from, to, boxes) => {
    if (boxes === 0) free.push(from, to);
  });
  return intersection(free, set);
}

/** Tells how many boxes are in each stretch of field `f`, from the first value of a set to its last. */
function along(
  f: number,
  set: Ordinals,
  boxes: readonly Box[],
  tell: (from: number, to: number, boxes: number) => void,
): void {
  const first = set[0]!, last = set.at(-1)!;
  const changes = cleared(last - first + 2);
  for (const { sets } of boxes) {
    const own = sets[f]!;
    for (let i = 0; i < own.length; i += 2) {
      const from = Math.max(own[i]!, first), to = Math.min(own[i + 1]!, last);
      if (from > to) continue;
      changes[from - first]!++;
      changes[to + 1 - first]!--;
    }
  }
  let from = first, now = changes[0]!;
  for (let at = first + 1; at <= last + 1; at++) {
    const change = changes[at - first]!;
    if (change === 0 && at <= last) continue;
    tell(from, at - 1, now);
    from = at;
    now += change;
  }
}

/** Zeros, in one array for all: none is looked at behind the next call. */
function cleared(length: number): Int32Array {
  if (counts.length < length) counts = new Int32Array(2 * length);
  return counts.fill(0, 0, length);
}

let counts = new Int32Array(0);
