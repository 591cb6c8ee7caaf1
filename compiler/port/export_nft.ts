/**
 * A policy as a table of nft.
 *
 * @module
 */
import type { Inexpressible } from "../kernel/cases.ts";
import { nftMatches } from "../kernel/nft.ts";
import { type Refusal, refusal } from "../kernel/refuse.ts";
import { v4Text, v6Text } from "../policy/address.ts";
import { IPV4, IPV6 } from "../policy/field.ts";
import { span } from "../policy/interval.ts";
import type { Limit, Policy, Rule } from "../policy/policy.ts";
import { both, isPossible } from "../policy/region.ts";
import {
  effectLosses,
  type Exported,
  type Limited,
  limitOf,
  logRate,
  type Loss,
  quoted,
  sayRules,
} from "./export.ts";

/** Longest comment that nft takes. */
const COMMENT_BYTES = 128;

/**
 * The policy as a file for `nft -f`: one table, which takes the place of an earlier one. Sound without
 * any loss of `verdict`.
 */
export function exportNft(policy: Policy, table = "barrage-export"): Exported {
  const losses: Loss[] = policy.rules.flatMap(effectLosses);
  const sets: string[] = [];
  const said = sayRules(
    policy,
    (rule) => {
      const limited = limitOf(policy, rule);
      return limited ? limitedMatches(policy, limited, sets) : nftMatches(policy, rule);
    },
    (rule) => nftMatches(policy, rule, "widen"),
    losses,
  );
  const lines = [...said].flatMap(([hook, rules]) => {
    const [last] = rules.at(-1)!;
    const policyWord = last.verdict.name === "accept" ? "accept" : "drop";
    return [
      `\tchain ${hook} {`,
      `\t\ttype filter hook ${hook} priority filter; policy ${policyWord};`,
      ...rules.flatMap(([rule, matches]) =>
        // What the chain's own policy does needs no rule.
        rule === last && !rule.log && rule.verdict.name !== "reject"
          ? []
          : matches.flatMap((match) => ruleLines(rule, match))
      ).map((line) => `\t\t${line}`),
      "\t}",
    ];
  });
  const name = `table inet ${table}`;
  return {
    text: [name, `delete ${name}`, `${name} {`, ...sets, ...lines, "}", ""].join("\n"),
    losses,
  };
}

/** The matches of a rule with its limit; the sets that keep its buckets are added to `sets`. */
function limitedMatches(
  policy: Policy,
  { rule, limit, within, rate, number }: Limited,
  sets: string[],
): readonly string[] | Inexpressible {
  const words = `limit rate ${within ? "" : "over "}${rate} burst ${limit.burst} packets`;
  if (!limit.source && !limit.destination && !limit.sport && !limit.dport) {
    const matches = nftMatches(policy, rule);
    if ("why" in matches || matches.length === 1) {
      return "why" in matches ? matches : [`${matches[0]} ${words}`];
    }
    return { why: "several rules of nft would have to share its limit" };
  }
  if (!limit.source && !limit.destination) {
    return { why: "both families would have to share its limit" };
  }
  const all: string[] = [];
  for (const family of FAMILIES) {
    const regions = rule.regions.map((region) => both(region, { family: span(family) }))
      .filter((region) => isPossible(region));
    const matches = nftMatches(policy, { ...rule, regions });
    if ("why" in matches) return matches;
    if (matches.length === 0) continue;
    const keys = limitKeys(limit, family);
    const set = `limit-${number}-${family === IPV4 ? "ipv4" : "ipv6"}`;
    // A bucket is full again after so long, and is as good as a new one.
    const seconds = limit.intervalNs * BigInt(limit.burst) / 1_000_000_000n + 1n;
    sets.push(
      `\tset ${set} {`,
      `\t\ttypeof ${keys.map(([type]) => type).join(" . ")}`,
      `\t\tsize 65535`,
      "\t\tflags dynamic,timeout",
      `\t\ttimeout ${seconds > 60n ? seconds : 60n}s`,
      "\t}",
    );
    const key = keys.map(([, key]) => key).join(" . ");
    all.push(...matches.map((match) => `${match} update @${set} { ${key} ${words} }`));
  }
  return all;
}

const FAMILIES = [IPV4, IPV6];

/** What a limit has a bucket for: each key's type, and how it is taken from a packet. */
function limitKeys(limit: Limit, family: bigint): (readonly [string, string])[] {
  const [proto, width, text] = family === IPV4
    ? ["ip", 32, v4Text] as const
    : ["ip6", 128, v6Text] as const;
  const address = (side: string, lengths: Limit["source"]) => {
    if (!lengths) return [];
    const length = family === IPV4 ? lengths.v4 : lengths.v6;
    const type = `${proto} ${side}`;
    const mask = ((1n << BigInt(length)) - 1n) << BigInt(width - length);
    return [[type, length === width ? type : `${type} & ${text(mask)}`]] as const;
  };
  return [
    ...address("saddr", limit.source),
    ...address("daddr", limit.destination),
    ...(limit.sport ? [["th sport", "th sport"]] as const : []),
    ...(limit.dport ? [["th dport", "th dport"]] as const : []),
  ];
}

/** What a rule does to the packets of one match. */
function ruleLines(rule: Rule, match: string): string[] {
  const { log, mark, verdict, name } = rule;
  const comment = new TextEncoder().encode(name).length <= COMMENT_BYTES
    ? ` comment ${quoted(name)}`
    : "";
  const prefix = log?.prefix ? ` prefix ${quoted(log.prefix)}` : "";
  const rate = log && logRate(log.everyNs);
  // A log that is held back must not hold back the verdict.
  const apart = rate ? [`${match} limit rate ${rate} burst 1 packets log${prefix}`] : [];
  const words = [
    match,
    "counter",
    ...(log && !rate ? [`log${prefix}`] : []),
    ...(mark ? [markText(mark.value, mark.clear)] : []),
    ...(verdict.name === "next"
      ? []
      : verdict.name === "reject"
      ? [`reject with ${refusal(verdict.reject as Refusal["kind"]).words.nft}`]
      : [verdict.name]),
  ];
  return [...apart, words.join(" ") + comment].map((line) => line.trim());
}

function markText(value: number, clear: number): string {
  const keep = ~clear >>> 0;
  const hex = (bits: number) => `0x${bits.toString(16)}`;
  if (keep === 0) return `meta mark set ${hex(value)}`;
  return `meta mark set meta mark & ${hex(keep)} | ${hex(value)}`;
}
