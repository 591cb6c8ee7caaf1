/**
 * The meaning of a policy, packet by packet: slow, obvious, and the oracle for everything else.
 *
 * @module
 */
import type { Packet } from "./field.ts";
import type { Policy, Rule } from "./policy.ts";
import { hasPacket } from "./region.ts";

export interface Decision {
  /** The rule that decides; undefined when the packet's hook has no chain. */
  readonly rule: Rule | undefined;
  /** The `match` rules passed on the way, in order. */
  readonly passed: readonly Rule[];
}

/** Decides one packet by the definition of the language: the first rule that matches and decides. */
export function decide(policy: Policy, packet: Packet): Decision {
  const passed: Rule[] = [];
  for (const rule of policy.rules) {
    if (!rule.regions.some((region) => hasPacket(region, packet))) continue;
    if (rule.verdict.name !== "next") return { rule, passed };
    passed.push(rule);
  }
  return { rule: undefined, passed };
}
