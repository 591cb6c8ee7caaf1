/**
 * Rule sets for the classification bench: a seeded generator of three kinds, and ClassBench files.
 *
 * @module
 */
import { NO_EXTENSIONS, NO_FLAGS, NO_ID, V6_BASE } from "../../compiler/policy/field.ts";
import { type IntervalSet, span } from "../../compiler/policy/interval.ts";
import { DEFAULTS } from "../../compiler/policy/options.ts";
import type { Policy, Rule } from "../../compiler/policy/policy.ts";
import { narrow, type Region } from "../../compiler/policy/region.ts";

/** The network bits of an address and how many they are. */
export interface Prefix {
  readonly bits: bigint;
  readonly length: number;
}

export type Range = readonly [first: number, last: number];

/** What every contestant can match on. */
export interface FiveTuple {
  readonly src: Prefix;
  readonly dst: Prefix;
  readonly sport: Range;
  readonly dport: Range;
  /** Undefined is any. */
  readonly proto: number | undefined;
}

export interface RuleSet {
  readonly name: string;
  readonly family: 4 | 6;
  /** First match wins. */
  readonly rules: readonly FiveTuple[];
}

export const KINDS = ["acl", "fw", "ipc"] as const;
export type Kind = (typeof KINDS)[number];

const ANY_PORT: Range = [0, 65535];
const HIGH_PORT: Range = [1024, 65535];
const TCP = 6, UDP = 17, ICMP = 1;

/** A small, fast, seedable generator (mulberry32, by Tommy Ettinger). */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    let t = state = (state + 0x6d2b79f5) >>> 0;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % limit;
  };
}

/**
 * A set of `size` distinct rules. `acl` is an access list: servers by host and port, clients by
 * network. `fw` is an old firewall: wide addresses, ranges on both ports. `ipc` is between the two:
 * pairs of hosts beside networks. The more specific rules come first, roughly.
 */
export function generate(kind: Kind, family: 4 | 6, size: number, seed: number): RuleSet {
  const below = generator(seed * 1000 + KINDS.indexOf(kind) * 10 + family);
  const pick = <T>(list: readonly T[]) => list[below(list.length)]!;
  const weighted = <T>(choices: readonly (readonly [number, T])[]): T => {
    let left = below(choices.reduce((sum, [weight]) => sum + weight, 0));
    return choices.find(([weight]) => (left -= weight) < 0)![1];
  };
  const addresses = addressPool(family, size, below);
  // Real lists name few services, however long they are.
  const wellKnown = [20, 22, 25, 53, 80, 110, 123, 143, 161, 443, 993, 3389];
  const others = Array.from({ length: 2 * Math.ceil(Math.cbrt(size)) }, () => 1024 + below(30000));
  const ranges = Array.from({ length: 4 + Math.ceil(Math.cbrt(size) / 2) }, (): Range => {
    const first = 1 + below(50000);
    return [first, first + 1 + below(2000)];
  });
  const one = (port: number): Range => [port, port];
  const exact = () => one(below(2) ? pick(wellKnown) : pick(others));
  const source = () => one(pick(wellKnown));
  const few = () => pick(ranges);
  const { any, net, host } = addresses;

  const make: Record<Kind, () => FiveTuple> = {
    acl: () => {
      const proto = weighted([[75, TCP], [18, UDP], [2, ICMP], [5, undefined]]);
      const ports = proto === TCP || proto === UDP;
      return {
        src: weighted([[25, any], [45, net], [30, host]])(),
        dst: weighted([[2, any], [33, net], [65, host]])(),
        sport: ANY_PORT,
        dport: ports
          ? weighted([[70, exact], [12, few], [8, () => HIGH_PORT], [10, () => ANY_PORT]])()
          : ANY_PORT,
        proto,
      };
    },
    fw: () => {
      const proto = weighted([[65, TCP], [25, UDP], [5, ICMP], [5, undefined]]);
      const ports = proto === TCP || proto === UDP;
      const [src, dst] = weighted([
        [30, [any, host]],
        [15, [any, net]],
        [20, [host, any]],
        [10, [net, any]],
        [15, [net, net]],
        [9, [host, host]],
        [1, [any, any]],
      ]);
      return {
        src: src!(),
        dst: dst!(),
        sport: ports
          ? weighted([[55, () => ANY_PORT], [25, () => HIGH_PORT], [20, source]])()
          : ANY_PORT,
        dport: ports
          ? weighted([[60, exact], [15, few], [15, () => HIGH_PORT], [10, () => ANY_PORT]])()
          : ANY_PORT,
        proto,
      };
    },
    ipc: () => {
      const proto = weighted([[50, TCP], [30, UDP], [8, ICMP], [12, undefined]]);
      const ports = proto === TCP || proto === UDP;
      const [src, dst] = weighted([
        [40, [host, host]],
        [20, [net, net]],
        [12, [host, net]],
        [12, [net, host]],
        [8, [any, host]],
        [8, [host, any]],
      ]);
      return {
        src: src!(),
        dst: dst!(),
        sport: ports
          ? weighted([[75, () => ANY_PORT], [15, source], [10, () => HIGH_PORT]])()
          : ANY_PORT,
        dport: ports
          ? weighted([[55, exact], [8, few], [12, () => HIGH_PORT], [25, () => ANY_PORT]])()
          : ANY_PORT,
        proto,
      };
    },
  };

  const seen = new Set<string>();
  const rules: { rule: FiveTuple; rank: number }[] = [];
  while (rules.length < size) {
    const rule = make[kind]();
    const key = [
      ...[rule.src.bits, rule.src.length, rule.dst.bits, rule.dst.length],
      ...[...rule.sport, ...rule.dport, rule.proto],
    ].join();
    if (seen.has(key)) continue;
    seen.add(key);
    const noise = below(family === 4 ? 16 : 64);
    rules.push({ rule, rank: rule.src.length + rule.dst.length + noise });
  }
  rules.sort((a, b) => b.rank - a.rank);
  return { name: `${kind} v${family}`, family, rules: rules.map(({ rule }) => rule) };
}

/** Networks that lie in larger ones, and hosts that lie in them, in numbers that suit the size. */
function addressPool(family: 4 | 6, size: number, below: (limit: number) => number) {
  const width = family === 4 ? 32 : 128;
  const [siteLength, netLengths] = family === 4
    ? [12, [16, 20, 22, 24, 24, 24, 26, 28, 29, 30]] as const
    : [32, [40, 44, 48, 52, 56, 60, 64, 64, 64, 80]] as const;
  const under = (parent: Prefix, length: number): Prefix => {
    let bits = parent.bits;
    for (let at = parent.length; at < length; at += 16) {
      const more = Math.min(16, length - at);
      bits |= BigInt(below(2 ** more)) << BigInt(width - at - more);
    }
    return { bits, length };
  };
  const everything = { bits: 0n, length: 0 };
  const root: Prefix = family === 4 ? everything : { bits: 1n << 125n, length: 3 };
  const list = (count: number, make: () => Prefix) => Array.from({ length: count }, make);
  const pick = (prefixes: readonly Prefix[]) => prefixes[below(prefixes.length)]!;
  const sites = list(2 + Math.ceil(Math.cbrt(size)), () => under(root, siteLength));
  const nets = list(4 + size / 3, () => {
    return under(pick(sites), netLengths[below(netLengths.length)]!);
  });
  const hosts = list(4 + size / 2, () => under(pick(nets), width));
  return { any: () => everything, net: () => pick(nets), host: () => pick(hosts) };
}

/**
 * A ClassBench set, one rule a line: `SRC/LEN DST/LEN SPORT-SPORT DPORT-DPORT PROTO/MASK ACTION`.
 * Throws on a line of another form.
 */
export function parseClassBench(name: string, text: string): RuleSet {
  const form = /^(\S+)\/(\d+) (\S+)\/(\d+) (\d+)-(\d+) (\d+)-(\d+) (\d+)\/(\d+) (?:accept|drop)$/;
  const prefix = (address: string, length: string): Prefix => ({
    bits: address.split(".").reduce((sum, octet) => sum << 8n | BigInt(octet), 0n),
    length: Number(length),
  });
  const rules = text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map(
    (line): FiveTuple => {
      const m = form.exec(line);
      if (!m) throw new Error(`Cannot read "${line}" of ${name}`);
      const [, src, srcLength, dst, dstLength, ...numbers] = m as unknown as string[];
      const [s0, s1, d0, d1, proto, mask] = numbers.map(Number) as [
        ...[number, number, number, number, number, number],
      ];
      return {
        src: prefix(src!, srcLength!),
        dst: prefix(dst!, dstLength!),
        sport: [s0, s1],
        dport: [d0, d1],
        proto: mask === 0 ? undefined : proto,
      };
    },
  );
  return { name, family: 4, rules };
}

/**
 * Fields beyond the five, each with values that are those of all packets of the bench: a rule that asks
 * for them takes the same packets as without.
 */
const MORE_FIELDS: readonly Region[] = [
  { state: span(0, 1) },
  { mark: span(0, 0xffff) },
  { in: span(0) },
  { out: span(0) },
  { length: span(0, 1500) },
  { ttl: span(0, 63) },
  { dscp: span(0, 9) },
  { flags: span(16, NO_FLAGS) },
  { fragment: span(0) },
  { exthdr: [{ lo: 0n, hi: 0n }, { lo: NO_EXTENSIONS, hi: NO_EXTENSIONS }] },
  { mac: span(0n, 0xffffn) },
  { uid: span(1000n, NO_ID) },
  { gid: span(1000n, NO_ID) },
];
/** Of so many rules one asks for a field more, each field in turn. */
const EVERY = 20;

/**
 * The same rules as a policy of one chain, whose default is the last rule, with a flow cache of so many
 * flows; `everyField` uses all fields that are static.
 */
export function policyOf({ family, rules }: RuleSet, flows = 0, everyField = false): Policy {
  const hook = span(0);
  const width = family === 4 ? 32n : 128n;
  const base = family === 4 ? 0n : V6_BASE;
  const addresses = ({ bits, length }: Prefix): IntervalSet =>
    span(base + bits, base + bits + (1n << (width - BigInt(length))) - 1n);
  const named = (name: string, region: Region, verdict: "accept" | "drop"): Rule => ({
    name,
    hook: "input",
    verdict: { name: verdict },
    regions: [region],
    span: { start: 0, end: 0 },
  });
  const isAny = ([first, last]: Range) => first === 0 && last === 65535;
  return {
    rules: [
      ...rules.map(({ src, dst, sport, dport, proto }, i) => {
        const region = {
          hook,
          ...src.length > 0 && { src: addresses(src) },
          ...dst.length > 0 && { dst: addresses(dst) },
          ...!isAny(sport) && { sport: span(...sport) },
          ...!isAny(dport) && { dport: span(...dport) },
          ...proto !== undefined && { proto: span(proto) },
        };
        // ClassBench compares ports of every protocol; what this language allows, it narrows.
        const ported = region.sport !== undefined || region.dport !== undefined;
        const ours = !ported || proto === TCP || proto === UDP;
        const every = Math.min(EVERY, Math.max(1, Math.floor(rules.length / MORE_FIELDS.length)));
        const more = everyField && i % every === 0
          ? MORE_FIELDS[i / every % MORE_FIELDS.length]
          : undefined;
        const whole = { ...ours ? narrow(region) : region, ...more };
        return named(`input:${i + 1}`, whole, i % 3 ? "accept" : "drop");
      }),
      named("input:default", { hook }, "drop"),
    ],
    hooks: ["input"],
    markBits: everyField ? 0xffffffff : 0,
    literals: [],
    sets: [],
    options: { ...DEFAULTS, "flow-cache": flows },
  };
}

/** The rules as the harness reads them: `struct rule` of contestant.h, one after another. */
export function ruleRecords({ family, rules }: RuleSet): Uint8Array<ArrayBuffer> {
  const size = 44;
  const view = new DataView(new ArrayBuffer(rules.length * size));
  const words = family === 4 ? 1 : 4;
  for (const [i, rule] of rules.entries()) {
    const at = i * size;
    for (const [side, { bits }] of [rule.src, rule.dst].entries()) {
      for (let w = 0; w < words; w++) {
        const word = bits >> BigInt(32 * (words - 1 - w)) & 0xffffffffn;
        view.setUint32(at + 16 * side + 4 * w, Number(word), true);
      }
    }
    for (const [j, port] of [...rule.sport, ...rule.dport].entries()) {
      view.setUint16(at + 32 + 2 * j, port, true);
    }
    view.setUint8(at + 40, rule.src.length);
    view.setUint8(at + 41, rule.dst.length);
    view.setUint8(at + 42, rule.proto ?? 0);
    view.setUint8(at + 43, rule.proto === undefined ? 0 : 255);
  }
  return new Uint8Array(view.buffer);
}
