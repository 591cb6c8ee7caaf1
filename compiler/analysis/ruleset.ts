/**
 * A policy as boxes: what every analysis starts from.
 *
 * @module
 */
import type { Policy, Rule } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { Layers } from "./layers.ts";
import { type Box, Space } from "./space.ts";
import { BUDGET, uncovered } from "./uncovered.ts";

export class Ruleset {
  readonly space: Space;
  /** Boxes of each rule; none if no packet can match it. The owner is the rule's number. */
  readonly boxes: readonly (readonly Box[])[];
  /** The boxes of the rules that decide, and not only count. */
  readonly deciding: Layers;

  /** `space` must know the sets of all rules. */
  constructor(readonly policy: Policy, space?: Space) {
    this.space = space ?? spaceOf([policy]);
    this.boxes = policy.rules.map(({ regions }, i) =>
      regions.flatMap((region) => this.space.boxes(region, i))
    );
    this.deciding = new Layers(
      this.boxes.flatMap((boxes, i) => decides(policy.rules[i]!) ? boxes : []),
    );
  }

  /** What of a box reaches rule `rule` undecided: some of it, nothing, or not known in time. */
  reaching(box: Box, rule: number, budget: number = BUDGET): ReturnType<typeof uncovered> {
    return uncovered(box, this.deciding.meeting(box, 0, rule), budget);
  }

  /**
   * Which rules decide the packets of a box, if it comes to the rules `from` to before `to`: the
   * part that each takes first, and what is left. Undefined once that is more than `most` parts.
   */
  partition(box: Box, from: number, to: number, most = 4096): Partition | undefined {
    const parts: Box[] = [];
    let rest: Box[] = [box];
    for (const taker of this.deciding.meeting(box, from, to)) {
      const still: Box[] = [];
      for (const piece of rest) {
        const part = this.space.both(piece, taker);
        if (part) parts.push({ ...part, owner: taker.owner });
        still.push(...this.space.without(piece, taker));
      }
      rest = still;
      if (rest.length === 0) break;
      if (parts.length + rest.length > most) return undefined;
    }
    return { parts, rest };
  }
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

/** Whether two rules do the same with a packet. */
export function sameEffect(a: Rule, b: Rule): boolean {
  return a.verdict.name === b.verdict.name && a.verdict.reject === b.verdict.reject;
}
