/**
 * The meaning of a policy, packet by packet: slow, obvious, and the oracle for everything else.
 *
 * @module
 */
import type { Packet } from "./field.ts";
import { contains } from "./interval.ts";
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

/** When a packet is there, by the clock of the place. */
export interface Moment {
  /** Of the day. */
  readonly minute: number;
  /** 0 is Sunday. */
  readonly weekday: number;
  /** As 20261231. */
  readonly day: number;
}

/**
 * What is true of the first packet after a start: every limit has its tokens, and sets that change
 * have the members that the file gives them.
 */
export function firstPacket({ literals, sets }: Policy, packet: Packet, at: Moment): Truth {
  return (number) => {
    const literal = literals[number]!;
    switch (literal.kind) {
      case "limit":
        return true;
      case "time": {
        const { from, to, days } = literal;
        const today = days.includes(at.weekday), yesterday = days.includes((at.weekday + 6) % 7);
        if (from < to) return today && from <= at.minute && at.minute < to;
        return (today && from <= at.minute) || (yesterday && at.minute < to);
      }
      case "until":
        return at.day <= literal.day;
      case "member":
        return contains(sets[literal.set]!.members, packet[literal.of]);
    }
  };
}
