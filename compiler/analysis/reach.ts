/**
 * Which rules let packets of some regions through, or decide them in any other way.
 *
 * @module
 */
import type { Packet } from "../policy/field.ts";
import type { Policy, Rule, VerdictName } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { deciders, Ruleset, spaceOf } from "./ruleset.ts";

export interface Reached {
  readonly rule: Rule;
  /** A packet of the regions that the rule decides. */
  readonly packet: Packet;
}

/**
 * The rules that give packets of the regions this verdict, in file order; none if no packet of them
 * gets it. Exact; throws OutOfBudget if that takes too long.
 */
export function reach(policy: Policy, regions: readonly Region[], verdict: VerdictName): Reached[] {
  const space = spaceOf([policy], regions);
  return deciders(
    new Ruleset(policy, space),
    space,
    regions.flatMap((region) => space.boxes(region)),
  )
    .filter(({ rule }) => policy.rules[rule]!.verdict.name === verdict)
    .map(({ rule, witness }) => ({ rule: policy.rules[rule]!, packet: space.packet(witness) }));
}
