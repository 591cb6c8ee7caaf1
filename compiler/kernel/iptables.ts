/**
 * Cases as arguments of iptables and ip6tables.
 *
 * @module
 */
import { addressText } from "../policy/address.ts";
import {
  DOMAIN,
  FRAGMENT,
  interfaceNumber,
  NO_ID,
  NO_MAC,
  PROTO,
  STATES,
  TCP_FLAGS,
} from "../policy/field.ts";
import { contains, type Interval, type IntervalSet, span, subtract } from "../policy/interval.ts";
import type { Policy } from "../policy/policy.ts";
import { valueText } from "../policy/text.ts";
import {
  casesOf,
  type Context,
  type Cube,
  cubesOf,
  type Family,
  type Inexpressible,
  type Matchable,
  MAX_RULES,
  namesOf,
  prefixText,
  type Tests,
  type Tool,
  tooMany,
  type Unsayable,
  waysOf,
  withoutLiterals,
  type Words,
} from "./cases.ts";

/** Ports that one `multiport` holds, a range counting as two. */
const MULTIPORT = 15;

/**
 * Packets that the kernel reads otherwise than the engine: iptables by way of nftables takes an
 * authentication header for the payload, and neither variant knows the protocol of a later
 * fragment that begins with an extension header.
 */
export const IPTABLES_ODD: Readonly<Record<Family, readonly string[]>> = {
  ipv4: [],
  ipv6: [
    "-m ipv6header --soft --header auth",
    "-m ipv6header --soft --header frag",
  ],
};

/** Some matches of one rule of iptables, and those of the packets among them that are not meant. */
export interface Ways {
  readonly text: string;
  /** Matches, of which a packet that is meant has none: what one rule cannot negate. */
  readonly except: readonly string[];
}

/**
 * The packets of a rule in one family, each text the matches for a rule of its own: together they
 * match exactly what `rule` matches (but for IPTABLES_ODD), and no packet matches two of them if it
 * does not decide. None if no packet of the family matches.
 */
export function iptablesMatches(
  policy: Policy,
  rule: Matchable,
  family: Family,
): readonly string[] | Inexpressible {
  const ways = iptablesWays(policy, rule, family);
  if ("why" in ways) return ways;
  const excepting = ways.find(({ except }) => except.length > 0);
  if (!excepting) return ways.map(({ text }) => text);
  const option = excepting.except[0]!.split(" ")[0];
  return { why: `iptables takes one \`! ${option}\` a rule, and this rule leaves out more` };
}

/** As iptablesMatches, for a caller who can write a chain that the excepted packets return from. */
export function iptablesWays(
  policy: Policy,
  rule: Matchable,
  family: Family,
  unsayable: Unsayable = "refuse",
): readonly Ways[] | Inexpressible {
  const cases = casesOf(unsayable === "widen" ? withoutLiterals(rule) : rule);
  if ("why" in cases) return cases;
  const context = { six: family === "ipv6", markBits: BigInt(policy.markBits) };
  const matches: Ways[] = [];
  for (const one of cases) {
    if (one.family !== "both" && one.family !== family) continue;
    const ways = waysOf(IPTABLES, "", one.tests, context, unsayable);
    if ("why" in ways) return ways;
    matches.push(...ways.map(plain));
    if (matches.length > MAX_RULES) return tooMany(IPTABLES.name);
  }
  return matches;
}

const WORDS: readonly Words<string | Ways>[] = [
  { fields: ["src"], words: ({ src }, { six }) => addresses("s", src!, six) },
  { fields: ["dst"], words: ({ dst }, { six }) => addresses("d", dst!, six) },
  { fields: ["in"], words: ({ in: set }) => interfaces("-i", set!) },
  { fields: ["out"], words: ({ out: set }) => interfaces("-o", set!) },
  { fields: ["fragment"], words: ({ fragment }, { six }) => fragments(fragment!, six) },
  { fields: ["proto"], words: protocols },
  {
    fields: ["state"],
    words: ({ state }) => {
      const names = STATES.filter((_, i) => contains(state!, BigInt(i)));
      return [`-m conntrack --ctstate ${names.join(",").toUpperCase()}`];
    },
  },
  {
    fields: ["mark"],
    words: ({ mark }, { markBits }) => {
      const text = ({ mask, value }: Cube, not: string) =>
        `-m mark ${not}--mark ${hex(value)}${mask === 0xffffffffn ? "" : `/${hex(mask)}`}`;
      const of = (set: IntervalSet) => cubesOf(set, markBits);
      return either(of(mark!), of(subtract(DOMAIN.mark, mark!)), text);
    },
  },
  {
    fields: ["length"],
    words: ({ length }) =>
      either(
        length!,
        subtract(DOMAIN.length, length!),
        ({ lo, hi }, not) => `-m length ${not}--length ${lo === hi ? lo : `${lo}:${hi}`}`,
      ),
  },
  { fields: ["ttl"], words: ({ ttl }, { six }) => timeToLive(ttl!, six) },
  {
    fields: ["dscp"],
    words: ({ dscp }) => {
      const text = (value: bigint, not: string) => `-m dscp ${not}--dscp ${hex(value)}`;
      return either(valuesOf(dscp!), valuesOf(subtract(DOMAIN.dscp, dscp!)), text);
    },
  },
  {
    fields: ["exthdr"],
    words: () => ({ why: "iptables cannot ask for single extension headers" }),
  },
  { fields: ["mac"], words: hardware },
  { fields: ["uid"], words: ({ uid }) => owner("uid", uid!) },
  { fields: ["gid"], words: ({ gid }) => owner("gid", gid!) },
];

const IPTABLES: Tool<string | Ways> = {
  name: "iptables",
  words: WORDS,
  joined(ahead, behind) {
    const [one, other] = [plain(ahead), plain(behind)];
    return {
      text: `${one.text} ${other.text}`.trim(),
      except: [...one.except, ...other.except],
    };
  },
};

function plain(way: string | Ways): Ways {
  return typeof way === "string" ? { text: way, except: [] } : way;
}

/** One of the alternatives, or none of the others, whichever takes fewer rules. */
function either<T>(
  set: readonly T[],
  others: readonly T[],
  text: (one: T, not: "" | "! ") => string,
): string[] {
  if (others.length > 0 && set.length > 1 && others.length <= 2 * set.length) {
    return [others.map((one) => text(one, "! ")).join(" ")];
  }
  return set.map((one) => text(one, ""));
}

/** The values of a set, one by one. */
function valuesOf(set: IntervalSet): bigint[] {
  return set.flatMap(({ lo, hi }) =>
    Array.from({ length: Number(hi - lo) + 1 }, (_, i) => lo + BigInt(i))
  );
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

function addresses(side: "s" | "d", set: IntervalSet, six: boolean): string[] {
  const all = span(0n, (1n << (six ? 128n : 32n)) - 1n);
  const others = subtract(all, set);
  const option = side === "s" ? "--src-range" : "--dst-range";
  const end = (address: bigint) => addressText(six, address);
  const text = (range: Interval, not: string) => {
    const prefix = prefixText(range, six);
    if (prefix) return `${not}-${side} ${prefix}`;
    return `-m iprange ${not}${option} ${end(range.lo)}-${end(range.hi)}`;
  };
  if (others.length >= set.length && set.length > 0) return set.map((range) => text(range, ""));
  // `-s` can be said once only, a range as often as one likes.
  return [
    others.map((range, i) =>
      i === 0 ? text(range, "! ") : `-m iprange ! ${option} ${end(range.lo)}-${end(range.hi)}`
    ).join(" "),
  ];
}

function interfaces(option: "-i" | "-o", set: IntervalSet): (string | Ways)[] | Inexpressible {
  const names = namesOf(set);
  const all = [...names?.any ?? [], ...names?.except ?? []];
  if (!names || all.some((name) => name.endsWith("+"))) {
    return { why: "iptables cannot ask for these interfaces in one rule" };
  }
  const text = (name: string) => `${option} ${name.replace(/\*$/, "+")}`;
  const any = names.any.map(text), except = names.except.map(text);
  if (except.length === 0) return any;
  if (any.length === 0 && except.length === 1) return [`! ${except[0]}`];
  return (any.length > 0 ? any : [""]).map((text) => ({ text, except }));
}

function fragments(set: IntervalSet, six: boolean): string[] | Inexpressible {
  const has = (kind: keyof typeof FRAGMENT) => contains(set, FRAGMENT[kind]);
  if (!six && has("whole") === has("first")) return [has("later") ? "-f" : "! -f"];
  return {
    why: six
      ? "ip6tables cannot tell fragments from whole packets"
      : "iptables cannot tell a first fragment from a whole packet",
  };
}

/** Numbers that are no protocol in IPv6, but the next extension header. */
const HEADERS = [0n, 43n, 44n, 51n, 60n];

/** The protocol, and what its header has. */
function protocols(tests: Tests, { six }: Context): (string | Ways)[] | Inexpressible {
  const proto = tests.proto!;
  const others = valuesOf(subtract(DOMAIN.proto, proto));
  if (others.length === 1) return [`! -p ${protocolText(others[0]!)}`];
  const texts: string[] = [];
  if (others.length < 240) {
    if (others.includes(0n)) return { why: "protocol 0 stands for every protocol in iptables" };
    // IPv6 has no packets of those.
    const real = others.filter((number) => !six || !HEADERS.includes(number));
    return [{ text: "", except: real.map((number) => `-p ${protocolText(number)}`) }];
  }
  for (const number of valuesOf(proto)) {
    if (six && HEADERS.includes(number)) {
      return { why: `${number} is no protocol in IPv6, but an extension header` };
    }
    if (number === 0n) return { why: "protocol 0 stands for every protocol in iptables" };
    const name = protocolText(number);
    const ways = header(tests, number, six);
    if ("why" in ways) return ways;
    texts.push(...ways.map((way) => `-p ${name}${way === "" ? "" : ` ${way}`}`));
  }
  return texts;
}

function protocolText(number: bigint): string {
  return Object.entries(PROTO).find(([, n]) => n === number)?.[0] ?? `${number}`;
}

function header(tests: Tests, proto: bigint, six: boolean): string[] | Inexpressible {
  const single = proto !== PROTO.sctp;
  let texts = [""];
  for (const [field, option] of [["sport", "sport"], ["dport", "dport"]] as const) {
    const set = tests[field];
    if (!set) continue;
    const ways = ports(option, set, single ? protocolText(proto) : undefined);
    texts = texts.flatMap((text) => ways.map((way) => `${text} ${way}`.trim()));
  }
  const more = [
    ...(tests.flags ? [tcpFlags(tests.flags)] : []),
    ...(tests.type || tests.code ? [icmp(tests, six)] : []),
  ];
  for (const ways of more) {
    if ("why" in ways) return ways;
    texts = texts.flatMap((text) => ways.map((way) => `${text} ${way}`.trim()));
  }
  return texts;
}

/** `match` has an option of its own for one range of ports. */
function ports(
  option: "sport" | "dport",
  set: IntervalSet,
  match: string | undefined,
): string[] {
  const others = subtract(span(0, 65535), set);
  const not = others.length < set.length;
  const shown = not ? others : set;
  const text = ({ lo, hi }: Interval) => lo === hi ? `${lo}` : `${lo}:${hi}`;
  const sign = not ? "! " : "";
  if (shown.length === 1 && match) return [`-m ${match} ${sign}--${option} ${text(shown[0]!)}`];
  const lists: Interval[][] = [[]];
  let room = MULTIPORT;
  for (const range of shown) {
    const need = range.lo === range.hi ? 1 : 2;
    if (need > room) {
      lists.push([]);
      room = MULTIPORT;
    }
    room -= need;
    lists.at(-1)!.push(range);
  }
  const words = lists.map((list) => `-m multiport ${sign}--${option}s ${list.map(text).join(",")}`);
  return not ? [words.join(" ")] : words;
}

/** iptables has no names for the flags ECE and CWR. */
function tcpFlags(set: IntervalSet): string[] | Inexpressible {
  const known = Object.entries(TCP_FLAGS).filter(([name]) => name !== "ece" && name !== "cwr");
  const named = known.reduce((bits, [, bit]) => bits | bit, 0);
  const cubes = cubesOf(set, 255n);
  const others = cubesOf(subtract(DOMAIN.flags, set), 255n);
  if ([...cubes, ...others].some(({ mask }) => mask & ~BigInt(named))) {
    return { why: "iptables cannot ask for the TCP flags ECE and CWR" };
  }
  const text = (bits: bigint) =>
    known.filter(([, bit]) => bits & BigInt(bit)).map(([name]) => name.toUpperCase()).join(",") ||
    "NONE";
  return either(
    cubes,
    others,
    ({ mask, value }, not) => `-m tcp ${not}--tcp-flags ${text(mask)} ${text(value)}`,
  );
}

function icmp({ type, code }: Tests, six: boolean): string[] | Inexpressible {
  if (!type) return { why: "iptables asks for an ICMP code only together with the type" };
  const [match, option] = six ? ["icmp6", "--icmpv6-type"] : ["icmp", "--icmp-type"];
  const text = (value: string, not: string) => `-m ${match} ${not}${option} ${value}`;
  const others = valuesOf(subtract(span(0, 255), type));
  const types = valuesOf(type);
  const any = "type 255 stands for every ICMP type in iptables";
  if (!code && others.length <= types.length) {
    if (!six && others.includes(255n)) return { why: any };
    return [others.map((value) => text(`${value}`, "! ")).join(" ")];
  }
  if (!six && types.includes(255n)) return { why: any };
  const codes = code && valuesOf(code);
  return types.flatMap((type) =>
    codes ? codes.map((code) => text(`${type}/${code}`, "")) : [text(`${type}`, "")]
  );
}

function timeToLive(set: IntervalSet, six: boolean): string[] {
  const [match, word] = six ? ["hl", "hl"] : ["ttl", "ttl"];
  const part = (sign: string, value: bigint) => `-m ${match} --${word}-${sign} ${value}`;
  const others = subtract(DOMAIN.ttl, set);
  const points = others.every(({ lo, hi }) => lo === hi);
  if (points && others.length < set.length) {
    return [others.map(({ lo }) => `-m ${match} ! --${word}-eq ${lo}`).join(" ")];
  }
  return set.map(({ lo, hi }) =>
    lo === hi
      ? part("eq", lo)
      : [...(lo > 0n ? [part("gt", lo - 1n)] : []), ...(hi < 255n ? [part("lt", hi + 1n)] : [])]
        .join(" ")
  );
}

/** The hardware address: a packet of the loopback device has one for the engine, and none here. */
function hardware({ mac, in: from }: Tests): string[] | Inexpressible {
  const others = subtract(span(0n, NO_MAC - 1n), mac!);
  if (contains(mac!, NO_MAC)) {
    return { why: "iptables cannot ask for packets that have no hardware address" };
  }
  if (contains(mac!, 0n) && (!from || contains(from, LOOPBACK))) {
    return { why: "the kernel knows no hardware address on lo; add `in on ! lo`" };
  }
  const few = (set: IntervalSet) => set.every(({ lo, hi }) => hi - lo < 16n);
  if (!few(mac!) && !few(others)) {
    return { why: "iptables cannot ask for ranges of hardware addresses" };
  }
  const text = (value: bigint, not: string) =>
    `-m mac ${not}--mac-source ${valueText("mac", value)}`;
  return few(mac!)
    ? valuesOf(mac!).map((value) => text(value, ""))
    : [valuesOf(others).map((value) => text(value, "! ")).join(" ")];
}

const LOOPBACK = interfaceNumber("lo");

/** Negated, iptables matches what no socket sends. */
function owner(which: "uid" | "gid", set: IntervalSet): string[] {
  const text = ({ lo, hi }: Interval, not: string) =>
    `-m owner ${not}--${which}-owner ${lo === hi ? lo : `${lo}-${hi}`}`;
  if (!contains(set, NO_ID)) return set.map((range) => text(range, ""));
  return [subtract(DOMAIN[which], set).map((range) => text(range, "! ")).join(" ")];
}
