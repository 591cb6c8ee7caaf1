/**
 * The meaning of a policy, packet by packet: slow, obvious, and the oracle for everything else.
 *
 * @module
 */
import type { Packet } from "./field.ts";
import { conditionsOf, type Policy, type Rule } from "./policy.ts";
import { hasPacket } from "./region.ts";

export interface Decision {
  /** The rule that decides; undefined when the packet's hook has no chain. */
  readonly rule: Rule | undefined;
  /** The rules that match and do not decide, passed on the way, in order. */
  readonly passed: readonly Rule[];
}

/** Whether a literal of the policy is true of the packet in question. */
export type Truth = (literal: number) => boolean;

/**
 * Decides one packet by the definition of the language: the first rule that matches and decides.
 *
 * A literal is asked for when the packet has all else that a region wants, and once at most: asking
 * a limit takes a token. Without `truth` every literal is false.
 */
export function decide(policy: Policy, packet: Packet, truth: Truth = () => false): Decision {
  const known = new Map<number, boolean>();
  const holds = (literal: number) => {
    const value = known.get(literal) ?? truth(literal);
    known.set(literal, value);
    return value;
  };
  const passed: Rule[] = [];
  for (const rule of policy.rules) {
    const matches = rule.regions.some((region) =>
      hasPacket(region, packet) &&
      conditionsOf(policy, region).every(([literal, wanted]) => holds(literal) === wanted)
    );
    if (!matches) continue;
    if (rule.verdict.name !== "next") return { rule, passed };
    passed.push(rule);
  }
  return { rule: undefined, passed };
}
