/**
 * A policy as a file that iptables-restore and ip6tables-restore both read.
 *
 * @module
 */
import type { Family, Inexpressible } from "../kernel/cases.ts";
import { iptablesWays, type Ways } from "../kernel/iptables.ts";
import type { Hook } from "../policy/field.ts";
import { type Refusal, refusal } from "../kernel/refuse.ts";
import type { Limit, Policy, Rule } from "../policy/policy.ts";
import {
  effectLosses,
  type Exported,
  type Limited,
  limitOf,
  logRate,
  type Loss,
  quoted,
  type Said,
  sayRules,
} from "./export.ts";

const BUILT_IN: Readonly<Record<Hook, string>> = {
  input: "INPUT",
  forward: "FORWARD",
  output: "OUTPUT",
};

/** Longest comment that the match of that name takes. */
const COMMENT_BYTES = 255;
/** Longest prefix that a log line takes. */
const PREFIX_LENGTH = 29;

/** First line of a file that is for both families, even if no line of it says so. */
export const BOTH_FAMILIES = "# Generated for iptables-restore and for ip6tables-restore";

/** A part of a rule, for both families, or for the one whose tool reads the flag. */
interface Words {
  readonly flag: "" | "-4" | "-6";
  readonly text: string;
}

type Match = Words & Pick<Ways, "except">;

/**
 * The policy as the table `filter`. Lines that begin with `-4` or `-6` are read by the tool of that
 * family only. Sound without any loss of `verdict`.
 */
export function exportIptables(policy: Policy): Exported {
  const losses: Loss[] = policy.rules.flatMap(effectLosses);
  const said = sayRules(
    policy,
    (rule) => {
      const limited = limitOf(policy, rule);
      if (limited) return limitedMatches(policy, limited);
      return matchesOf((family) => iptablesWays(policy, rule, family));
    },
    (rule) => matchesOf((family) => iptablesWays(policy, rule, family, "widen")),
    losses,
  );
  const chains: string[] = [];
  const lines: string[] = [];
  for (const [hook, rules] of said) {
    const [last] = rules.at(-1)!;
    chains.push(`:${BUILT_IN[hook]} ${last.verdict.name === "accept" ? "ACCEPT" : "DROP"} [0:0]`);
    for (const [rule, matches] of rules) {
      // What the chain's own policy does needs no rule.
      if (rule === last && !rule.log && rule.verdict.name !== "reject") continue;
      if (matches.length === 0) continue;
      const effects = effectsOf(rule);
      const verdicts = verdictsOf(rule);
      const targets = [...effects, ...verdicts];
      const several = effects.length + (verdicts.length > 0 ? 1 : 0) > 1;
      const own = new Map<string, Words>();
      // Several targets take a chain: what was matched once must not be asked for again. So do
      // packets that are not meant, which return from it.
      const chainFor = ({ except }: Match): readonly Words[] => {
        if (!several && except.length === 0) {
          return targets.length > 0 ? targets : [{ flag: "", text: "" }];
        }
        const known = own.get(except.join());
        if (known) return [known];
        const name = `rule-${chains.length}`;
        chains.push(`:${name} - [0:0]`);
        lines.push(
          ...except.map((match) => line("", name, match, "-j RETURN")),
          ...(targets.length > 0 ? targets : [{ flag: "" as const, text: "" }])
            .map(({ flag, text }) => line(flag, name, text)),
        );
        const jump = { flag: "" as const, text: `-j ${name}` };
        own.set(except.join(), jump);
        return [jump];
      };
      lines.push(...matches.flatMap((match) =>
        chainFor(match).flatMap((target) => {
          const flag = match.flag || target.flag;
          if (target.flag && flag !== target.flag) return [];
          // A reset says that it is for TCP by itself where it stands alone.
          const text = target.text.replace(/^-p tcp /, match.text.includes("-p tcp") ? "" : "$&");
          return line(flag, BUILT_IN[hook], match.text, comment(rule.name), text);
        })
      ));
    }
  }
  return { text: [BOTH_FAMILIES, "*filter", ...chains, ...lines, "COMMIT", ""].join("\n"), losses };
}

/** The matches of both families, those that are the same once. */
function matchesOf(of: (family: Family) => readonly Ways[] | Inexpressible): Said<Match> {
  const [four, six] = [of("ipv4"), of("ipv6")];
  if ("why" in four) return four;
  if ("why" in six) return six;
  const key = ({ text, except }: Ways) => [text, ...except].join(" | ");
  const [inFour, inSix] = [new Set(four.map(key)), new Set(six.map(key))];
  return [
    ...four.map((ways): Match => ({ ...ways, flag: inSix.has(key(ways)) ? "" : "-4" })),
    ...six.filter((ways) => !inFour.has(key(ways))).map((ways): Match => ({ ...ways, flag: "-6" })),
  ];
}

/** The matches of a rule with its limit. */
function limitedMatches(policy: Policy, limited: Limited): Said<Match> {
  const { rule, limit } = limited;
  const keyed = limit.source || limit.destination;
  const matches = matchesOf((family) => {
    const ways = iptablesWays(policy, rule, family);
    if ("why" in ways) return ways;
    if (ways.some(({ except }) => except.length > 0)) {
      return { why: "its limit would count packets that its rule leaves out" };
    }
    const words = limitText(limited, family);
    return ways.map(({ text }) => ({ text: `${text} ${words}`.trim(), except: [] }));
  });
  if ("why" in matches || keyed) return matches;
  // The tables of each family have buckets of their own.
  const one = matches.every(({ flag }) => flag !== "" && flag === matches[0]!.flag);
  return one ? matches : { why: "both families would have to share its limit" };
}

/** Rules of one name share their buckets. */
function limitText({ limit, within, rate, number }: Limited, family: Family): string {
  const modes = [
    ...(limit.source ? ["srcip"] : []),
    ...(limit.destination ? ["dstip"] : []),
    ...(limit.sport ? ["srcport"] : []),
    ...(limit.dport ? ["dstport"] : []),
  ];
  const mask = (option: string, lengths: Limit["source"]) => {
    const length = family === "ipv4" ? lengths?.v4 : lengths?.v6;
    return length === undefined || length === (family === "ipv4" ? 32 : 128)
      ? []
      : [`--hashlimit-${option} ${length}`];
  };
  return [
    "-m hashlimit",
    `--hashlimit-${within ? "upto" : "above"} ${rate} --hashlimit-burst ${limit.burst}`,
    ...(modes.length > 0 ? [`--hashlimit-mode ${modes.join(",")}`] : []),
    ...mask("srcmask", limit.source),
    ...mask("dstmask", limit.destination),
    `--hashlimit-name limit-${number}`,
  ].join(" ");
}

function effectsOf({ log, mark }: Rule): Words[] {
  const rate = log && logRate(log.everyNs);
  const limit = rate ? `-m limit --limit ${rate} --limit-burst 1 ` : "";
  const prefix = log?.prefix ? ` --log-prefix ${quoted(log.prefix.slice(0, PREFIX_LENGTH))}` : "";
  const hex = (bits: number) => `0x${bits.toString(16)}`;
  return [
    ...(log ? [`${limit}-j LOG${prefix}`] : []),
    ...(mark ? [`-j MARK --set-xmark ${hex(mark.value)}/${hex(mark.clear)}`] : []),
  ].map((text) => ({ flag: "", text }));
}

function verdictsOf({ verdict: { name, reject } }: Rule): Words[] {
  if (name === "next") return [];
  if (name !== "reject") return [{ flag: "", text: `-j ${name.toUpperCase()}` }];
  const refuse = (family: Family) =>
    `-j REJECT --reject-with ${refusal(reject as Refusal["kind"]).words[family]}`;
  if (reject === "tcp_reset") return [{ flag: "", text: `-p tcp ${refuse("ipv4")}` }];
  return [{ flag: "-4", text: refuse("ipv4") }, { flag: "-6", text: refuse("ipv6") }];
}

function line(flag: Words["flag"], chain: string, ...words: readonly string[]): string {
  return [flag, `-A ${chain}`, ...words].filter((word) => word !== "").join(" ");
}

function comment(name: string): string {
  const fits = new TextEncoder().encode(name).length <= COMMENT_BYTES;
  return fits ? `-m comment --comment ${quoted(name)}` : "";
}
