/**
 * A policy as a table of nft.
 *
 * @module
 */
import { nftMatches } from "../kernel/nft.ts";
import type { Policy, RejectKind, Rule } from "../policy/policy.ts";
import { type Exported, logLoss, logRate, type Loss, quoted, sayRules } from "./export.ts";

const REJECT_WITH: Readonly<Record<Exclude<RejectKind, "auto">, string>> = {
  tcp_reset: "tcp reset",
  icmp_port: "icmpx type port-unreachable",
  icmp_host: "icmpx type host-unreachable",
  icmp_net: "icmpx type no-route",
  icmp_admin: "icmpx type admin-prohibited",
};

/** Longest comment that nft takes. */
const COMMENT_BYTES = 128;

/**
 * The policy as a file for `nft -f`: one table, which takes the place of an earlier one. Sound without
 * any loss of `verdict`.
 */
export function exportNft(policy: Policy, table = "barrage-export"): Exported {
  const losses: Loss[] = policy.rules.flatMap((rule) => logLoss(rule) ?? []);
  const said = sayRules(
    policy,
    (rule) => nftMatches(policy, rule),
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
  return { text: [name, `delete ${name}`, `${name} {`, ...lines, "}", ""].join("\n"), losses };
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
      ? [`reject with ${REJECT_WITH[verdict.reject as keyof typeof REJECT_WITH]}`]
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
