/**
 * Which rules let packets of a region through, or decide them in any other way.
 *
 * @module
 */
import type { Packet } from "../policy/field.ts";
import type { Policy, Rule, VerdictName } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { deciders, Ruleset, spaceOf } from "./ruleset.ts";

export interface Reached {
  readonly rule: Rule;
  /** A packet of the region that the rule decides. */
  readonly packet: Packet;
}

/**
 * The rules that give packets of the region this verdict, in file order; none if no packet of it
 * gets it. Exact; throws OutOfBudget if that takes too long.
 */
export function reach(policy: Policy, region: Region, verdict: VerdictName): Reached[] {
  const space = spaceOf([policy], [region]);
  return deciders(new Ruleset(policy, space), space, space.boxes(region))
    .filter(({ rule }) => policy.rules[rule]!.verdict.name === verdict)
    .map(({ rule, witness }) => ({ rule: policy.rules[rule]!, packet: space.packet(witness) }));
}
