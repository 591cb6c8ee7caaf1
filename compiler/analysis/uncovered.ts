/**
 * The one question that the analyses ask: does some packet of a box escape all the others?
 *
 * Depth first: take the box that covers most, look at what it leaves, at most one disjoint piece
 * a field, and ask again. The first piece that nothing meets is the answer. The order matters: in
 * file order a few thousand overlapping boxes take a thousand times as many steps.
 *
 * @module
 */
import { atRandom, type Question, relevant, whereFewest } from "./hunt.ts";
import { agree, withoutLiterals } from "./literals.ts";
import { count, countBoth, difference, meet, type Ordinals } from "./ordinals.ts";
import type { Box } from "./space.ts";

/** Comparisons of two boxes that a question may cost before it is given up: about a second. */
export const BUDGET = 20_000_000;

/** What may be spent, in comparisons of two boxes; those who are given one take from it. */
export interface Budget {
  left: number;
}

export interface Covered {
  readonly kind: "covered";
  /** Boxes that suffice to cover it: those that the proof used. */
  readonly by: readonly Box[];
}

export interface Escapes {
  readonly kind: "escapes";
  /** Packets that none of the boxes has. */
  readonly witness: Box;
}

/** The budget was used up: neither was shown. */
export interface Undecided {
  readonly kind: "undecided";
}

export type Answer = Covered | Escapes | Undecided;

/** Whether `cover` holds every packet of `box`, a packet of it that escapes, or neither in time. */
export function uncovered(
  box: Box,
  cover: readonly Box[],
  budget: Budget = { left: BUDGET },
): Answer {
  const alike = cover.filter((other) => other.shape === box.shape && agree(box, other));
  const plain = withoutLiterals(box, alike, budget);
  const by = new Set<Box>();
  const open: Question[] = [plain];
  const escapes = (sets: readonly Ordinals[]): Escapes => {
    const own = sets.slice(0, box.sets.length), literals = plain.literals(sets);
    return { kind: "escapes", witness: { ...box, sets: own, narrow: [...own.keys()], literals } };
  };
  // What is hard to find is not hunted for at every step: each failure waits a step longer.
  let wait = 0, failed = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    budget.left -= next.cover.length + 1;
    if (budget.left < 0) return { kind: "undecided" };
    const { sets, cover } = next;
    const sizes = sets.map(count);
    const met: Box[] = [];
    let pivot: Box | undefined, most = 0;
    for (const candidate of cover) {
      const share = shareOf(candidate, sets, sizes);
      if (share === 0) continue;
      met.push(candidate);
      if (share > most) [pivot, most] = [candidate, share];
      if (share === 1) break;
    }
    if (!pivot) return escapes(sets);
    if (most === 1) {
      by.add(pivot);
      continue;
    }
    if (wait-- === 0) {
      const found = atRandom(sets, met);
      if (found) return escapes(found);
      const less = relevant(sets, met);
      if (less.cover.length < met.length) {
        open.push(less);
        wait = 0;
        continue;
      }
      budget.left -= met.length * pivot.narrow.length;
      const far = whereFewest(sets, met);
      if (far) return escapes(far);
      wait = failed++;
    }
    by.add(pivot);
    // What is left beside the pivot in one field, then within it in that field beside it in the next.
    let inner = sets;
    for (const f of pivot.narrow) {
      const rest = difference(sets[f]!, pivot.sets[f]!);
      if (rest.length === 0) continue;
      open.push({ sets: inner.with(f, rest), cover: met });
      inner = inner.with(f, difference(sets[f]!, rest));
    }
  }
  return { kind: "covered", by: [...by].map((box) => plain.given.get(box) ?? box) };
}

/** The share of the cells in `sets` that a box has: 0 if none, and exactly 1 only if all. */
function shareOf(box: Box, sets: readonly Ordinals[], sizes: readonly number[]): number {
  let share = 1;
  for (const f of box.narrow) {
    const both = countBoth(sets[f]!, box.sets[f]!);
    if (both === 0) return 0;
    if (both !== sizes[f]) share = Math.min(share * both / sizes[f]!, 1 - Number.EPSILON);
  }
  // An underflow is still not nothing.
  return Math.max(share, Number.MIN_VALUE);
}

/** Whether two boxes have a packet in common. */
export function overlap(a: Box, b: Box): boolean {
  if (a.shape !== b.shape) return false;
  for (const f of b.narrow) if (!meet(a.sets[f]!, b.sets[f]!)) return false;
  return agree(a, b);
}
