/**
 * A policy as boxes: what every analysis starts from.
 *
 * @module
 */
import type { Policy, Rule } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { Layers } from "./layers.ts";
import { type Box, Space } from "./space.ts";
import { type Budget, uncovered } from "./uncovered.ts";

export class Ruleset {
  readonly space: Space;
  /** Boxes of each rule; none if no packet can match it. The owner is the rule's number. */
  readonly boxes: readonly (readonly Box[])[];
  /** The boxes of the rules that decide, and not only count. */
  readonly deciding: Layers;
  /** What each rule does with a packet, as a number: the same for those of the same effect. */
  readonly effects: readonly number[];

  /** `space` must know the sets of all rules. */
  constructor(readonly policy: Policy, space?: Space) {
    this.space = space ?? spaceOf([policy]);
    this.boxes = policy.rules.map(({ regions }, i) =>
      regions.flatMap((region) => this.space.boxes(region, i))
    );
    this.deciding = new Layers(
      this.boxes.flatMap((boxes, i) => decides(policy.rules[i]!) ? boxes : []),
    );
    const effects: Rule[] = [];
    this.effects = policy.rules.map((rule) => {
      const known = effects.findIndex((other) => sameEffect(rule, other));
      return known < 0 ? effects.push(rule) - 1 : known;
    });
  }

  /** Whether two rules, by their numbers, do the same with a packet. */
  sameEffect(i: number, j: number): boolean {
    return this.effects[i] === this.effects[j];
  }

  /** The boxes of deciding rules before rule `i` that meet each of its boxes, in file order. */
  above(i: number): Box[][] {
    return this.boxes[i]!.map((box) => this.deciding.meeting(box, 0, i));
  }
}

/**
 * Which of `takers`, in this order, decide the packets of a box: the part that each takes first,
 * and what is left. Undefined once that is more than `most` parts.
 */
export function partition(
  space: Space,
  box: Box,
  takers: readonly Box[],
  most = 4096,
): Partition | undefined {
  const parts: Box[] = [];
  const budget = { left: Infinity };
  const { rest, whole } = carve(space, box, takers, most, budget, (part) => parts.push(part));
  return whole ? { parts, rest } : undefined;
}

/**
 * Tells `take` the part of a box that each of `takers`, in this order, gets, and returns what is
 * left: for as many of the takers, from the first on, as can be done with `most` parts and within
 * `budget`, and not `whole` if some were left out.
 */
export function carve(
  space: Space,
  box: Box,
  takers: readonly Box[],
  most: number,
  budget: Budget,
  take: (part: Box) => void,
): { readonly rest: readonly Box[]; readonly whole: boolean } {
  let parts = 0;
  let rest: Box[] = [box];
  for (const taker of takers) {
    if (parts + rest.length > most || budget.left < rest.length) return { rest, whole: false };
    budget.left -= rest.length;
    const still: Box[] = [];
    for (const piece of rest) {
      const part = space.both(piece, taker);
      if (!part) {
        still.push(piece);
        continue;
      }
      parts++;
      take({ ...part, owner: taker.owner });
      space.beside(piece, taker, part, still);
    }
    rest = still;
    if (rest.length === 0) break;
  }
  return { rest, whole: true };
}

/** A rule that decides some packets of a region. */
export interface Decider {
  readonly rule: number;
  /** Packets of the region that it decides. */
  readonly witness: Box;
}

/**
 * The rules that decide packets of some boxes, in file order, each with packets that it decides.
 * Exact. Throws OutOfBudget when that cannot be found out in time.
 */
export function deciders({ deciding }: Ruleset, space: Space, boxes: readonly Box[]): Decider[] {
  const found = new Map<number, Decider>();
  for (const box of boxes) {
    const met = deciding.meeting(box);
    for (const [i, candidate] of met.entries()) {
      if (found.has(candidate.owner)) continue;
      const part = space.both(box, candidate)!;
      const above = met.slice(0, i).filter((other) => other.owner < candidate.owner);
      const result = uncovered(part, above);
      if (result.kind === "undecided") throw new OutOfBudget();
      if (result.kind === "escapes") {
        found.set(candidate.owner, { rule: candidate.owner, witness: result.witness });
      }
    }
  }
  return [...found.values()].sort((a, b) => a.rule - b.rule);
}

/** A question that would take too long to answer exactly. */
export class OutOfBudget extends Error {
  override name = "OutOfBudget";
  override message = "these rules overlap in too many ways to answer that exactly in time";
}

export interface Partition {
  /** Disjoint; the owner of each is the rule that decides it. */
  readonly parts: readonly Box[];
  readonly rest: readonly Box[];
}

/** A space for the rules of some policies, and for more regions. */
export function spaceOf(policies: readonly Policy[], more: readonly Region[] = []): Space {
  const regions = policies.flatMap(({ rules }) => rules.flatMap((rule) => rule.regions));
  const markBits = policies.reduce((bits, policy) => (bits | policy.markBits) >>> 0, 0);
  return new Space([...regions, ...more], markBits);
}

export function decides(rule: Rule): boolean {
  return rule.verdict.name !== "next";
}

export function sameVerdict(a: Pick<Rule, "verdict">, b: Pick<Rule, "verdict">): boolean {
  return a.verdict.name === b.verdict.name && a.verdict.reject === b.verdict.reject;
}

/** Whether two rules do the same with a packet. */
export function sameEffect(a: Rule, b: Rule): boolean {
  return sameVerdict(a, b) &&
    a.mark?.value === b.mark?.value && a.mark?.clear === b.mark?.clear;
}
