/**
 * Random policies of few rules over two or three fields, so small that every packet they tell
 * apart can be tried.
 *
 * @module
 */
import { DEFAULTS } from "../../compiler/mod.ts";
import { HOOKS, interfaceNumber, type Packet, V6_BASE } from "../../compiler/policy/field.ts";
import { type IntervalSet, setOf, span, subtract } from "../../compiler/policy/interval.ts";
import type { Policy, Rule, Verdict } from "../../compiler/policy/policy.ts";
import type { Region } from "../../compiler/policy/region.ts";
import { hasPacket } from "../../compiler/policy/region.ts";
import type { Random } from "./policy.ts";
import { everyPacket } from "./space.ts";

type Name = keyof Packet;

const POOLS: Partial<Record<Name, readonly bigint[]>> = {
  src: [1n, 2n, 3n, 4n, V6_BASE + 1n, V6_BASE + 2n, V6_BASE + 3n].map((n) =>
    n < V6_BASE ? n + (10n << 24n) : n + (0xfdn << 120n)
  ),
  dst: [0n, 0xffffffffn, 10n << 24n, V6_BASE, 2n * V6_BASE - 1n],
  sport: [0n, 1n, 65535n],
  dport: [1n, 2n, 3n, 4n],
  proto: [1n, 6n, 17n, 58n, 132n, 47n],
  type: [0n, 3n, 8n, 256n + 128n, 511n],
  flags: [0n, 2n, 16n, 18n, 255n],
  fragment: [0n, 1n, 2n],
  state: [0n, 1n, 2n, 3n, 4n],
  mark: [0n, 1n, 4n, 5n],
  family: [0n, 1n],
  in: ["lo", "eth0", "eth1", "wan0"].map(interfaceNumber),
  out: ["lo", "eth0", "wan0"].map(interfaceNumber),
};

const DOMAINS: Partial<Record<Name, IntervalSet>> = {
  dport: span(0, 65535),
  mark: span(0, 0xffffffff),
  state: span(0, 4),
  in: span(1n, (1n << 128n) - 1n),
};

const VERDICTS: readonly Verdict[] = [
  { name: "accept" },
  { name: "accept" },
  { name: "drop" },
  { name: "drop" },
  { name: "reject", reject: "auto" },
  { name: "next" },
];

export interface SmallPolicy {
  readonly policy: Policy;
  /** Every packet that the rules can tell apart, at least once. */
  readonly packets: readonly Packet[];
  /** For each rule, the numbers of the packets that it matches. */
  readonly matched: readonly ReadonlySet<number>[];
}

/** A policy of one hook, of up to `rules` rules and a default. */
export function smallPolicy(random: Random, rules: number): SmallPolicy {
  const hook = random.pick(HOOKS);
  const allowed = (Object.keys(POOLS) as Name[]).filter((field) =>
    !(hook === "input" && field === "out") && !(hook === "output" && field === "in")
  );
  const fields = Array.from(
    { length: random.pick([1, 1, 2, 2, 2, 3]) },
    () => random.pick(allowed),
  );
  const hookSet = span(HOOKS.indexOf(hook));
  const rule = (i: number): Rule => ({
    name: `${hook}:${i + 1}`,
    hook,
    verdict: random.pick(VERDICTS),
    regions: Array.from(
      { length: random.chance(6) ? 2 : 1 },
      () => region(random, fields, hookSet),
    ),
    span: { start: 100 * i, end: 100 * i + 1 },
  });
  const count = 1 + random.below(rules);
  const last: Rule = {
    name: `${hook}:default`,
    hook,
    verdict: random.pick(VERDICTS.slice(0, 4)),
    regions: [{ hook: hookSet }],
    span: { start: 100 * count, end: 100 * count + 1 },
  };
  const policy: Policy = {
    rules: [...Array.from({ length: count }, (_, i) => rule(i)), last],
    hooks: [hook],
    markBits: 5,
    literals: [],
    sets: [],
    options: DEFAULTS,
  };
  const regions = policy.rules.flatMap((r) => r.regions);
  const packets = everyPacket(hook, regions, policy.markBits);
  const matched = policy.rules.map((r) =>
    new Set(
      packets.flatMap((packet, p) => r.regions.some((g) => hasPacket(g, packet)) ? [p] : []),
    )
  );
  return { policy, packets, matched };
}

function region(random: Random, fields: readonly Name[], hook: IntervalSet): Region {
  const named = fields.filter(() => !random.chance(4));
  return Object.fromEntries([["hook", hook], ...named.map((f) => [f, values(random, f)])]);
}

function values(random: Random, field: Name): IntervalSet {
  const pool = POOLS[field]!;
  const one = () => {
    const a = random.pick(pool), b = random.chance(2) ? random.pick(pool) : a;
    return a < b ? { lo: a, hi: b } : { lo: b, hi: a };
  };
  const set = setOf(Array.from({ length: 1 + random.below(2) }, one));
  const domain = DOMAINS[field];
  const rest = domain && random.chance(4) ? subtract(domain, set) : set;
  return rest.length > 0 ? rest : set;
}
