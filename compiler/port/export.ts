/**
 * A policy for the kernel alone: what both tools that it is written for have in common.
 *
 * What a tool cannot express is never left out in silence, and only towards the safe side: an
 * accept goes without, and a drop or a reject matches more.
 *
 * @module
 */
import { type Inexpressible, settled, withoutLiterals } from "../kernel/cases.ts";
import type { Hook } from "../policy/field.ts";
import { HOOKS } from "../policy/field.ts";
import type { Limit, Policy, Rule } from "../policy/policy.ts";

/** A rule that the tool cannot express, and what the text has in its place. */
export interface Loss {
  readonly rule: Rule;
  readonly why: string;
  /** `verdict` if it denies more or accepts less than the policy, `effect` if only what it does besides. */
  readonly of: "verdict" | "effect";
}

export interface Exported {
  readonly text: string;
  readonly losses: readonly Loss[];
}

/** A rule in some words of a tool, or why there are none. */
export type Said<T> = readonly T[] | Inexpressible;

/**
 * The rules of each hook, each in the words that `say` finds for it. `wider` finds words for all that
 * the rule matches, and perhaps more.
 */
export function sayRules<T>(
  policy: Policy,
  say: (rule: Rule) => Said<T>,
  wider: (rule: Rule) => Said<T>,
  losses: Loss[],
): ReadonlyMap<Hook, readonly (readonly [Rule, readonly T[]])[]> {
  const sayOne = (rule: Rule): readonly T[] => {
    const said = say(rule);
    if (!("why" in said)) return said;
    const denies = rule.verdict.name === "drop" || rule.verdict.name === "reject";
    const instead = denies ? wider(rule) : [];
    const of = rule.verdict.name === "next" ? "effect" : "verdict";
    if ("why" in instead) throw new Error(`Cannot say even more than ${rule.name}: ${instead.why}`);
    if (!losses.some((loss) => loss.rule.name === rule.name)) {
      losses.push({ rule, why: said.why, of });
    }
    return instead;
  };
  return new Map(
    policy.hooks.toSorted((a, b) => HOOKS.indexOf(a) - HOOKS.indexOf(b)).map((hook) => [
      hook,
      policy.rules.filter((rule) => rule.hook === hook).flatMap(settled)
        .map((rule) => [rule, sayOne(rule)] as const),
    ]),
  );
}

/** A limit that a rule asks besides its packets. */
export interface Limited {
  readonly rule: Rule;
  readonly limit: Limit;
  /** True of packets within the limit, else of those over it. */
  readonly within: boolean;
  /** As the tools say it: packets in a unit of time. */
  readonly rate: string;
  /** Distinguishes it from the other limits of the policy. */
  readonly number: number;
}

/**
 * The one limit of a rule, and the rule without it. Undefined if it asks more than that, or if other
 * rules ask the same limit: a packet takes one token of it, which no tool could say.
 */
export function limitOf(policy: Policy, rule: Rule): Limited | undefined {
  const asked = rule.regions.map(({ dynamic }) => [...dynamic ?? []]);
  const [[number, within] = []] = asked[0] ?? [];
  const literal = number === undefined ? undefined : policy.literals[number];
  if (literal?.kind !== "limit" || rule.verdict.reject === "auto") return undefined;
  const same = asked.every((list) =>
    list.length === 1 && list[0]![0] === number && list[0]![1] === within
  );
  const asking = policy.rules.filter(({ regions }) =>
    regions.some(({ dynamic }) => dynamic?.has(number!))
  );
  const rate = rateText(literal.intervalNs);
  if (!same || asking.length > 1 || !rate) return undefined;
  // No packet may match two of the rules that it comes to: each would take a token.
  const once = { ...withoutLiterals(rule), verdict: { name: "next" as const } };
  return { rule: once, limit: literal, within: within!, rate, number: number! };
}

/** The rate at which a token comes every so many nanoseconds, in the largest unit that says it. */
function rateText(intervalNs: bigint): string | undefined {
  for (const [unit, ns] of UNITS) {
    const amount = (ns + intervalNs / 2n) / intervalNs;
    if (amount > 0n && ns / amount === intervalNs) return `${amount}/${unit}`;
  }
  return undefined;
}

/** What a rule does besides its verdict, and does not where the tools filter. */
export function effectLosses(rule: Rule): Loss[] {
  const why = [
    ...(rule.log?.pcap ? ["the kernel's log does not keep packets"] : []),
    ...(rule.mark && rule.hook === "output"
      ? ["the kernel does not route again by a mark that is set where it filters"]
      : []),
  ];
  return why.map((why) => ({ rule, why, of: "effect" }));
}

/** How often a log may be written, as the kernel's tools say it; undefined for every packet. */
export function logRate(everyNs: bigint): string | undefined {
  if (everyNs === 0n) return undefined;
  for (const [unit, ns] of UNITS) if (everyNs <= ns) return `${ns / everyNs}/${unit}`;
  return "1/day";
}

/** Units of a rate, with their length in nanoseconds. */
export const UNITS: readonly (readonly [string, bigint])[] = [
  ["second", 1_000_000_000n],
  ["minute", 60_000_000_000n],
  ["hour", 3_600_000_000_000n],
  ["day", 86_400_000_000_000n],
];

/** A prefix as it may stand in quotes in the tools' files. */
export function quoted(text: string): string {
  return `"${text.replace(/["\\\n]/g, "_")}"`;
}
