/**
 * Looks for a packet that escapes some boxes: by trying a few at random, and then by going, in one
 * field after the other, to where the fewest boxes are. It proves nothing when it finds none; but
 * most rules can match, and then this finds a packet in a hundredth of the time that a proof takes.
 *
 * @module
 */
import { count, has, intersection, meet, nth, type Ordinals } from "./ordinals.ts";
import type { Box } from "./space.ts";
import type { Budget } from "./uncovered.ts";

/** Packets tried at random: more would find little that fewer do not. */
const TRIES = 16;

/** Sets, within `sets`, that no box of `cover` meets; undefined if none were found. */
export function hunt(
  sets: readonly Ordinals[],
  cover: readonly Box[],
  budget: Budget,
): readonly Ordinals[] | undefined {
  const fields = new Set<number>();
  for (const { narrow } of cover) for (const f of narrow) fields.add(f);
  return atRandom(sets, [...fields], cover) ?? emptiestWay(sets, fields, cover, budget);
}

/** Tries single values of `fields`. One that escapes most of the time is found at once. */
function atRandom(
  sets: readonly Ordinals[],
  fields: readonly number[],
  cover: readonly Box[],
): readonly Ordinals[] | undefined {
  const sizes = fields.map((f) => count(sets[f]!));
  const point = sets.map(() => 0);
  const taken = ({ sets, narrow }: Box) => narrow.every((f) => has(sets[f]!, point[f]!));
  // A linear congruence (Numerical Recipes): the same packets each time.
  let seed = cover.length;
  for (let n = 0; n < TRIES; n++) {
    for (let k = 0; k < fields.length; k++) {
      seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
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

function emptiestWay(
  sets: readonly Ordinals[],
  fields: Set<number>,
  cover: readonly Box[],
  budget: Budget,
): readonly Ordinals[] | undefined {
  let left = cover;
  while (left.length > 0) {
    let best: Place | undefined, where = -1;
    budget.left -= left.length * fields.size;
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
  let best: Place | undefined;
  let fewest = below, from = first, now = changes[0]!;
  for (let at = first + 1; at <= last + 1; at++) {
    const change = changes[at - first]!;
    if (change === 0 && at <= last) continue;
    if (now < fewest && meet([from, at - 1], set)) {
      best = { from, to: at - 1, boxes: now };
      fewest = now;
    }
    from = at;
    now += change;
  }
  return best;
}

/** Zeros, in one array for all: none is looked at behind the next call. */
function cleared(length: number): Int32Array {
  if (counts.length < length) counts = new Int32Array(2 * length);
  return counts.fill(0, 0, length);
}

let counts = new Int32Array(0);
