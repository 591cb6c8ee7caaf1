/**
 * The packets of a rule as the kernel can ask for them: a list of cases, each a test a field.
 *
 * A policy's packet has every field, and a value that says that it has no port. The kernel has no
 * such value: to ask for a port is to ask for a header that is there, and so for a protocol and for
 * no later fragment. A case never asks for absence, and asks for presence no more than it must.
 *
 * @module
 */
import { addressText, prefixesOf } from "../policy/address.ts";
import {
  DOMAIN,
  type Field,
  FIELDS,
  FRAGMENT,
  ICMP_TYPES,
  ICMPV6_BASE,
  ICMPV6_TYPES,
  IPV4,
  IPV6,
  NAME_BYTES,
  NO_FLAGS,
  NO_INTERFACE,
  PORT_PROTOCOLS,
  PORTS,
  PROTO,
  V6_BASE,
} from "../policy/field.ts";
import {
  intersect,
  type Interval,
  type IntervalSet,
  span,
  subtract,
  union,
  within,
} from "../policy/interval.ts";
import type { Rule } from "../policy/policy.ts";
import {
  both,
  emptyField,
  impliedValues,
  narrow,
  type Region,
  valuesOf,
  without,
} from "../policy/region.ts";
import { valueText } from "../policy/text.ts";

/** Rules of the kernel that one rule of the policy may become. */
export const MAX_RULES = 4096;

/** Why the kernel, or the tool that would tell it, cannot do what a rule wants. */
export interface Inexpressible {
  /** As in "nft cannot ask for the authentication header". */
  readonly why: string;
}

export type Family = "ipv4" | "ipv6";

/** What a packet must have. Addresses are plain numbers, ICMP types 0 to 255 in both families. */
export type Tests = { readonly [F in Exclude<Field, "hook" | "family">]?: IntervalSet };

/** The packets that have all of the tests. */
export interface Case {
  /** `both`: the tests are the same words in either family. */
  readonly family: Family | "both";
  readonly tests: Tests;
}

/** As much of a rule as says which packets it matches. */
export type Matchable = Pick<Rule, "hook" | "regions" | "verdict">;

/** The transport's fields: what each has when its header is there, and which protocols have it. */
const TRANSPORT = [
  ["sport", PORTS, PORT_PROTOCOLS],
  ["dport", PORTS, PORT_PROTOCOLS],
  ["type", union(ICMP_TYPES, ICMPV6_TYPES), union(span(PROTO.icmp), span(PROTO.icmpv6))],
  ["code", union(ICMP_TYPES, ICMPV6_TYPES), union(span(PROTO.icmp), span(PROTO.icmpv6))],
  ["flags", span(0n, NO_FLAGS - 1n), span(PROTO.tcp)],
] as const;
const NOT_LATER = span(FRAGMENT.whole, FRAGMENT.first);
/** Names of interfaces, as numbers. */
export const NAMED: IntervalSet = span(NO_INTERFACE + 1n, DOMAIN.in.at(-1)!.hi);

/**
 * The cases of a rule. They overlap only where the rule's own regions do, and not at all if it does
 * not decide, so that it counts and logs a packet once.
 */
export function casesOf(rule: Matchable): Case[] | Inexpressible {
  if (rule.regions.some(({ dynamic }) => dynamic && dynamic.size > 0)) {
    return { why: "it asks for a limit, the time or a set that changes" };
  }
  const regions = rule.verdict.name === "next" ? disjoint(rule.regions) : rule.regions;
  const of = (family: Family) => regions.flatMap((region) => casesOfFamily(region, family));
  const [four, six] = [of("ipv4"), of("ipv6")];
  const inSix = new Map(six.map((one) => [keyOf(one), one]));
  const shared = new Set(four.map(keyOf).filter((key) => inSix.has(key)));
  return [
    ...four.map((one) => shared.has(keyOf(one)) ? { ...one, family: "both" as const } : one),
    ...six.filter((one) => !shared.has(keyOf(one))),
  ];
}

/** The rule without what it asks of limits, times and sets: it matches more. */
export function withoutLiterals<R extends Matchable>(rule: R): R {
  return { ...rule, regions: rule.regions.map(({ dynamic: _, ...region }) => region) };
}

/** What becomes of a test that cannot be said: the rule is refused, or goes without and matches more. */
export type Unsayable = "refuse" | "widen";

/** What the words of a tool depend on besides the tests. */
export interface Context {
  readonly six: boolean;
  readonly markBits: bigint;
}

/** How a tool asks for some fields: alternatives that no packet has two of. */
export interface Words<W> {
  readonly fields: readonly (keyof Tests)[];
  readonly words: (tests: Tests, context: Context) => readonly W[] | Inexpressible;
}

/** A tool's words for all fields, and how two of them stand together. */
export interface Tool<W> {
  readonly name: string;
  readonly words: readonly Words<W>[];
  readonly joined: (ahead: W, behind: W) => W;
}

/** All ways to ask for the tests, each of which begins with `none`: one word of each field's. */
export function waysOf<W>(
  { name, words, joined }: Tool<W>,
  none: W,
  tests: Tests,
  context: Context,
  unsayable: Unsayable,
): readonly W[] | Inexpressible {
  let all: readonly W[] = [none];
  for (const { fields, words: wordsOf } of words) {
    if (!fields.some((field) => tests[field])) continue;
    const ways = wordsOf(tests, context);
    if ("why" in ways) {
      if (unsayable === "widen") continue;
      return ways;
    }
    if (all.length * ways.length > MAX_RULES) return tooMany(name);
    all = all.flatMap((one) => ways.map((way) => joined(one, way)));
  }
  return all;
}

export function tooMany(tool: string): Inexpressible {
  return { why: `it would take over ${MAX_RULES} rules of ${tool}` };
}

/**
 * `reject` without a kind as two rules: TCP gets a reset, what is left gets "port unreachable". Any
 * other rule is itself. A later fragment of TCP, which the kernel cannot reset, gets no answer.
 */
export function settled(rule: Rule): Rule[] {
  if (rule.verdict.reject !== "auto") return [rule];
  const proto = span(PROTO.tcp);
  const tcp = rule.regions.map((region) => narrow(both(region, { proto })))
    .filter((region) => !emptyField(region));
  const name = "reject" as const;
  const rest = { ...rule, verdict: { name, reject: "icmp_port" as const } };
  if (tcp.length === 0) return [rest];
  const reset = { ...rule, regions: tcp, verdict: { name, reject: "tcp_reset" as const } };
  const isTcp = (region: Region) => within(valuesOf(narrow(region), "proto"), proto);
  return rule.regions.every(isTcp) ? [reset] : [reset, rest];
}

function disjoint(regions: readonly Region[]): Region[] {
  return regions.flatMap((region, i) =>
    regions.slice(0, i).reduce<Region[]>(
      (rest, earlier) => rest.flatMap((piece) => without(piece, earlier)),
      [region],
    )
  );
}

function casesOfFamily(region: Region, family: Family): Case[] {
  const number = family === "ipv4" ? IPV4 : IPV6;
  const start = narrow(both(region, { family: span(number) }));
  return present(start, 0).flatMap((piece) => {
    const region = narrow(piece);
    return emptyField(region) ? [] : [{ family, tests: testsOf(region) }];
  });
}

/** Splits a region until none of the transport's fields is asked to be absent. */
function present(region: Region, from: number): Region[] {
  if (emptyField(region)) return [];
  for (const [i, [field, there, protocols]] of TRANSPORT.slice(from).entries()) {
    const set = region[field];
    if (!set) continue;
    const next = from + i + 1;
    const having = intersect(set, there);
    const { [field]: _, ...rest } = region;
    if (within(DOMAIN[field], set)) return present(rest, next);
    const pieces = having.length > 0 ? present({ ...region, [field]: having }, next) : [];
    if (within(set, there)) return pieces;
    // The families' protocols for ICMP are each other's only by number.
    const own = field === "type" || field === "code"
      ? span(contains4(region) ? PROTO.icmp : PROTO.icmpv6)
      : protocols;
    const lacking = [
      { proto: subtract(DOMAIN.proto, own) },
      { proto: own, fragment: span(FRAGMENT.later) },
    ];
    return [...pieces, ...lacking.flatMap((lack) => present(both(rest, lack), next))];
  }
  return [region];
}

function contains4(region: Region): boolean {
  return region.family![0]!.lo === IPV4;
}

/** What is left to ask, once the family and the hook are known. */
function testsOf(region: Region): Tests {
  const { hook, family } = region;
  const known = { hook: hook!, family: family! };
  const tests: { -readonly [F in keyof Tests]: IntervalSet } = {};
  for (const field of FIELDS) {
    const set = region[field];
    if (!set || field === "hook" || field === "family") continue;
    const transport = TRANSPORT.find(([name]) => name === field);
    const implied = transport ? transport[1] : impliedValues(known, field);
    const name = (field === "in" || field === "out") && implied.at(-1)!.hi !== NO_INTERFACE;
    const possible = name ? NAMED : implied;
    const wanted = intersect(set, possible);
    if (!within(possible, wanted)) tests[field] = plain(field, wanted);
  }
  for (const [field, there] of TRANSPORT) {
    // Every value there is, of a family's types too.
    const all = field === "type" || field === "code" ? span(0, 255) : there;
    if (tests[field] && within(all, tests[field])) delete tests[field];
  }
  const header = TRANSPORT.some(([field]) => tests[field]);
  if (header && tests.fragment) {
    // Asking for a header asks for no later fragment.
    if (within(NOT_LATER, tests.fragment)) delete tests.fragment;
  }
  return tests;
}

/** Values as the kernel numbers them. */
function plain(field: Field, set: IntervalSet): IntervalSet {
  const base = field === "src" || field === "dst"
    ? V6_BASE
    : field === "type" || field === "code"
    ? ICMPV6_BASE
    : undefined;
  if (base === undefined || set[0]!.lo < base) return set;
  return set.map(({ lo, hi }) => ({ lo: lo - base, hi: hi - base }));
}

/** Tests whose words depend on the family. */
const FAMILIAR: readonly (keyof Tests)[] = [
  ...["src", "dst", "type", "code", "fragment", "ttl", "dscp", "exthdr"] as const,
];

/** The same for two cases that are the same in both families. */
function keyOf({ family, tests }: Case): string {
  const own = FAMILIAR.some((field) => tests[field]);
  const fields = FIELDS.map((field) =>
    (tests as Region)[field]?.map(({ lo, hi }) => `${lo}-${hi}`).join() ?? ""
  );
  return `${own ? family : ""}|${fields.join("|")}`;
}

/** The values of which the bits under a mask are `value`. */
export interface Cube {
  readonly value: bigint;
  readonly mask: bigint;
}

/** Disjoint cubes that hold those values of `set` that have no bit outside `bits`. */
export function cubesOf(set: IntervalSet, bits: bigint): Cube[] {
  const inside = (lo: bigint, hi: bigint) => intersect(set, span(lo, hi));
  const cubes = (value: bigint, rest: bigint): Cube[] => {
    const there = inside(value, value | rest);
    if (there.length === 0) return [];
    if (there[0]!.lo === value && there[0]!.hi === (value | rest)) return [{ value: 0n, mask: 0n }];
    const bit = highest(rest);
    const low = cubes(value, rest & ~bit);
    const high = cubes(value | bit, rest & ~bit);
    const same = (a: Cube) => (b: Cube) => a.value === b.value && a.mask === b.mask;
    return [
      ...low.filter((cube) => high.some(same(cube))),
      ...low.filter((cube) => !high.some(same(cube)))
        .map(({ value, mask }) => ({ value, mask: mask | bit })),
      ...high.filter((cube) => !low.some(same(cube)))
        .map(({ value, mask }) => ({ value: value | bit, mask: mask | bit })),
    ];
  };
  return cubes(0n, bits);
}

function highest(bits: bigint): bigint {
  return 1n << BigInt(bits.toString(2).length - 1);
}

/** A range of addresses as the prefix that it is, undefined if it is none. */
export function prefixText({ lo, hi }: Interval, six: boolean): string | undefined {
  const base = six ? V6_BASE : 0n;
  const [prefix, ...more] = prefixesOf([{ lo: base + lo, hi: base + hi }]);
  return more.length > 0 ? undefined : `${addressText(six, lo)}/${prefix!.length}`;
}

/** Interface names: one of `any` (all names if there are none), but none of `except`. A `*` ends a prefix. */
export interface Names {
  readonly any: readonly string[];
  readonly except: readonly string[];
}

/** A set of interface names in words, undefined if it takes more than one prefix with exceptions. */
export function namesOf(set: IntervalSet): Names | undefined {
  const any = patterns(set);
  const others = patterns(subtract(NAMED, set));
  if (any && !(others && others.length < any.length)) return { any, except: [] };
  if (others) return { any: [], except: others };
  // All that begin alike, but some.
  const hull = alike(set[0]!.lo, set.at(-1)!.hi);
  const except = hull && patterns(subtract([hull], set));
  return hull && except && { any: patterns([hull])!, except };
}

function patterns(set: IntervalSet): string[] | undefined {
  const names = set.map(({ lo, hi }) => {
    const name = valueText("in", lo);
    const block = alike(lo, lo);
    if (lo === hi) return name;
    return block?.lo === lo && block.hi === hi ? `${name}*` : undefined;
  });
  return names.every((name) => name !== undefined && !name.includes("\\x"))
    ? names as string[]
    : undefined;
}

/** The smallest block of names that begin alike which has both ends; `lo` alone is its own prefix. */
function alike(lo: bigint, hi: bigint): { lo: bigint; hi: bigint } | undefined {
  for (let length = NAME_BYTES; length > 0; length--) {
    const rest = (1n << BigInt(8 * (16 - length))) - 1n;
    if ((lo >> 8n * BigInt(16 - length) & 255n) === 0n) continue;
    if ((lo & ~rest) === (hi & ~rest)) return { lo: lo & ~rest, hi: lo | rest };
  }
  return undefined;
}
