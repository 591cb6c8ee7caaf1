/**
 * What a sound policy does that its author hardly meant: the classic holes and the classic
 * self-inflicted outages.
 *
 * Each question is asked of the rules that accept: is there one that takes such a packet? A rule
 * that does so only in part is given the benefit of the doubt, so a finding is never a guess.
 *
 * @module
 */
import type { Diagnostic } from "../diagnostic.ts";
import { readV4 } from "../policy/address.ts";
import {
  DOMAIN,
  FRAGMENT,
  type Hook,
  ICMPV6_BASE,
  interfaceNumber,
  IPV4,
  IPV6,
  PROTO,
  STATES,
} from "../policy/field.ts";
import { intersect, type IntervalSet, setOf, span, subtract, within } from "../policy/interval.ts";
import type { Policy, Rule } from "../policy/policy.ts";
import { both, isPossible, narrow, type Region, valuesOf } from "../policy/region.ts";

/** Ports by which machines are managed, and data bases are read. */
const MANAGEMENT: Readonly<Record<number, string>> = {
  22: "SSH",
  23: "Telnet",
  445: "SMB",
  2375: "Docker",
  3306: "MySQL",
  3389: "RDP",
  5432: "PostgreSQL",
  5900: "VNC",
  6379: "Redis",
  6443: "Kubernetes",
  9200: "Elasticsearch",
  27017: "MongoDB",
};

const [ESTABLISHED, RELATED, INVALID] = (["established", "related", "invalid"] as const)
  .map((name) => BigInt(STATES.indexOf(name))) as [bigint, bigint, bigint];

const RELATED_STATE = span(RELATED);
/** `new` and `untracked`, as kernels differ. */
const UNTRACKED = ["new", "untracked"].flatMap((name) =>
  span(STATES.findIndex((state) => state === name))
);

/** Neighbour discovery and path MTU, without which IPv6 does not work (RFC 4890, 4.3.1 and 4.4.1). */
const NEEDED_ICMPV6: Readonly<Record<string, number>> = {
  "packet-too-big": 2,
  "nd-neighbor-solicit": 135,
  "nd-neighbor-advert": 136,
};

/** Findings about a sound policy. */
export function safety(policy: Policy): Diagnostic[] {
  return policy.hooks.flatMap((hook) => {
    const all = policy.rules.filter((rule) => rule.hook === hook);
    const byDefault = all.at(-1)!;
    const chain = new Chain(hook, all.slice(0, -1), byDefault);
    const denies = byDefault.verdict.name !== "accept";
    return [
      ...open(chain),
      ...invalidAccepted(chain),
      ...familyForgotten(chain),
      ...(denies ? [...repliesDenied(chain), ...icmpDenied(chain), ...loopbackDenied(chain)] : []),
      ...management(chain, policy),
      ...fragments(chain, denies),
    ];
  });
}

/** The rules of one hook, and its default. */
class Chain {
  readonly accepting: readonly Rule[];
  constructor(readonly hook: Hook, readonly rules: readonly Rule[], readonly byDefault: Rule) {
    this.accepting = rules.filter(({ verdict }) => verdict.name === "accept");
  }
  /** Whether some rule accepts some of these packets. */
  accepts(packets: Region): boolean {
    return this.accepting.some(({ regions }) => regions.some((region) => meet(region, packets)));
  }
}

function meet(a: Region, b: Region): boolean {
  return isPossible(both(a, b));
}

/** FW401 */
function open({ hook, accepting, byDefault }: Chain): Diagnostic[] {
  const found: Diagnostic[] = accepting.filter(({ regions }) => regions.some(isAll)).map((
    rule,
  ) => ({
    code: "FW401",
    message: "this rule accepts any packet from anywhere",
    span: rule.span,
    help: "say which: `in on`, `from`, or a protocol and port",
  }));
  if (hook === "output" || byDefault.verdict.name !== "accept") return found;
  return [{
    code: "FW401",
    message: `what no rule of ${hook} decides is accepted`,
    span: byDefault.span,
    help: `write \`chain ${hook} default drop {\` and accept what is wanted`,
  }, ...found];
}

function isAll(region: Region): boolean {
  return Object.keys(region).every((field) => field === "hook");
}

/** FW403 */
function repliesDenied(chain: Chain): Diagnostic[] {
  const replies = { state: span(ESTABLISHED) };
  const asked = chain.accepting.some(({ regions }) =>
    regions.some((region) => meet(region, replies) && (region.state || statelessly(region)))
  );
  if (asked || chain.accepting.length === 0) return [];
  return [{
    code: "FW403",
    message: `${chain.hook} denies by default, and no rule accepts replies`,
    span: chain.byDefault.span,
    help: "begin with `accept state established, related`",
  }];
}

/** Whether a region takes whole flows of both directions, as far as one clause can say. */
function statelessly(region: Region): boolean {
  return Object.keys(region).every((field) => field === "hook" || field === "family");
}

/** FW404 */
function invalidAccepted({ accepting }: Chain): Diagnostic[] {
  const invalid = span(INVALID);
  return accepting.filter(({ regions }) =>
    regions.some(({ state }) => state && within(invalid, state))
  ).map((rule) => ({
    code: "FW404",
    message: "this rule accepts packets of state invalid",
    span: rule.span,
    note: "conntrack could make nothing of them: forged, late, or half of a flow",
    help: "put `drop state invalid` before it, or name the states that are meant",
  }));
}

/** FW405 */
function familyForgotten({ hook, rules, byDefault }: Chain): Diagnostic[] {
  const families = (rule: Rule) => rule.regions.map((region) => valuesOf(narrow(region), "family"));
  const only = (family: bigint, rule: Rule) =>
    families(rule).every((set) => within(set, span(family)));
  // `drop ipv4` and ICMP are for IPv4 by what they are; a rule with addresses by what it names.
  const addressed = rules.filter(({ regions }) => regions.every((region) => addressOf(region)));
  // A list of hosts kept out of what is closed in any case leaves IPv6 nothing to miss.
  const accepts = ({ verdict }: Rule) => verdict.name === "accept";
  const four = addressed.find((rule) => only(IPV4, rule) && accepts(rule) !== accepts(byDefault));
  if (!four || rules.some((rule) => only(IPV6, rule))) return [];
  if (addressed.some((rule) => !only(IPV4, rule))) return [];
  const becomes = byDefault.verdict.name === "accept" ? "accepted" : "denied";
  return [{
    code: "FW405",
    message: `some rules of ${hook} are for IPv4 alone, and none for IPv6, which is ${becomes}`,
    span: byDefault.span,
    related: [{ span: four.span, message: "of IPv4 alone" }],
    help: "add the IPv6 addresses to the lists, or say `drop ipv6` if that is meant",
  }];
}

/** Addresses that are only for what IPv4 does: loopback, link-local, multicast and reserved ones. */
const OF_IPV4 = setOf(
  ["127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"].flatMap((a) => readV4(a).set),
);

/** The addresses that a region names: not all there are, nor such as only IPv4 has. */
function addressOf({ src, dst }: Region): IntervalSet | undefined {
  return [src, dst].find((set) => set && !within(DOMAIN.src, set) && !within(set, OF_IPV4));
}

/** FW406 and FW407 */
function icmpDenied(chain: Chain): Diagnostic[] {
  if (chain.hook === "output" || chain.accepting.length === 0) return [];
  const found: Diagnostic[] = [];
  const fromOutside = { in: subtract(DOMAIN.in, span(interfaceNumber("lo"))) };
  const v6 = { ...fromOutside, family: span(IPV6), proto: span(PROTO.icmpv6) };
  // Conntrack follows no neighbour discovery, and relates packet-too-big to its flow.
  const states = (name: string) => setOf(name.startsWith("nd-") ? UNTRACKED : RELATED_STATE);
  const missing = Object.entries(NEEDED_ICMPV6).filter(([name, type]) =>
    !(chain.hook === "forward" && name.startsWith("nd-")) &&
    !chain.accepts({
      ...v6,
      type: span(ICMPV6_BASE + BigInt(type)),
      state: states(name),
    })
  ).map(([name]) => name);
  if (missing.length > 0 && chain.accepts({ ...fromOutside, family: span(IPV6) })) {
    found.push({
      code: "FW406",
      message: `${chain.hook} denies ${missing.join(", ")}, which IPv6 needs`,
      span: chain.byDefault.span,
      help: `write \`accept icmpv6 type ${
        missing.length > 1 ? `{ ${missing.join(", ")} }` : missing[0]
      }\``,
    });
  }
  const tooBig = { proto: span(PROTO.icmp), type: span(3), code: span(4) };
  const v4 = { ...fromOutside, family: span(IPV4) };
  const taken = chain.accepts({ ...v4, ...tooBig, state: span(RELATED) });
  if (!taken && chain.accepts(v4)) {
    found.push({
      code: "FW407",
      message: `${chain.hook} denies frag-needed, so large transfers may hang`,
      span: chain.byDefault.span,
      help: "begin with `accept state established, related`, or accept icmp code frag-needed",
    });
  }
  return found;
}

/** FW409 */
function loopbackDenied(chain: Chain): Diagnostic[] {
  if (chain.hook === "forward") return [];
  const way = chain.hook === "input" ? "in" : "out";
  const name = interfaceNumber("lo");
  const taken = chain.accepting.some(({ regions }) =>
    regions.some((region) => {
      const { hook: _, [way]: set, ...rest } = region;
      return (!set || within(span(name), set)) && Object.keys(rest).length === 0;
    })
  );
  if (taken || chain.rules.length === 0) return [];
  return [{
    code: "FW409",
    message: `${chain.hook} denies loopback, which programs on this host talk over`,
    span: chain.byDefault.span,
    help: `begin with \`accept ${way} on lo\``,
  }];
}

/** FW411 */
function management({ hook, accepting }: Chain, { literals }: Policy): Diagnostic[] {
  if (hook === "output") return [];
  const inSet = ({ dynamic }: Region) =>
    [...dynamic ?? []].some(([literal, value]) => value && literals[literal]!.kind === "member");
  const ports = setOf(Object.keys(MANAGEMENT).flatMap((port) => span(Number(port))));
  return accepting.flatMap((rule): Diagnostic[] => {
    const open = rule.regions.flatMap((region) => {
      const bound = region.src || region.in || region.dst || region.mark || inSet(region);
      return region.dport && !bound ? intersect(region.dport, ports) : [];
    });
    if (open.length === 0) return [];
    const names = open.map(({ lo }) => `${MANAGEMENT[Number(lo)]} (${lo})`);
    return [{
      code: "FW411",
      message: `${names.join(", ")} ${names.length > 1 ? "are" : "is"} open to any address`,
      span: rule.span,
      help: "add `from` with the addresses that manage this host, or `in on`",
    }];
  });
}

/** FW412 */
function fragments({ rules, byDefault }: Chain, denies: boolean): Diagnostic[] {
  const regions = rules.flatMap((rule) => rule.regions);
  if (denies || regions.some((region) => region.state)) return [];
  const later = span(FRAGMENT.later);
  if (regions.some(({ fragment }) => fragment && within(later, fragment))) return [];
  const blind = rules.find((rule) =>
    rule.verdict.name !== "accept" && rule.verdict.name !== "next" &&
    rule.regions.some((r) => r.dport || r.sport)
  );
  if (!blind) return [];
  return [{
    code: "FW412",
    message: "later fragments have no ports, so they pass by this rule",
    span: blind.span,
    related: [{ span: byDefault.span, message: "and are accepted here" }],
    help: "begin with `drop fragment`, or with `accept state established, related`",
  }];
}
