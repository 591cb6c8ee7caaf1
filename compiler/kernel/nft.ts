/**
 * Cases as expressions of nft, for a table of the family inet.
 *
 * @module
 */
import { v4Text, v6Text } from "../policy/address.ts";
import {
  DOMAIN,
  EXTENSIONS,
  FRAGMENT,
  interfaceNumber,
  NO_ID,
  NO_MAC,
  PROTO,
  STATES,
  V4_ADDRESSES,
} from "../policy/field.ts";
import { contains, type Interval, type IntervalSet, span, subtract } from "../policy/interval.ts";
import { type Policy, usesState } from "../policy/policy.ts";
import { valueText } from "../policy/text.ts";
import {
  type Case,
  casesOf,
  cubesOf,
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

/**
 * Packets that nft reads otherwise than the engine. An authentication header is the payload to it,
 * and what a later fragment of IPv6 begins with is the header of a transport, or of an extension.
 */
export const NFT_ODD: readonly string[] = [
  "meta nfproto ipv6 meta l4proto ah",
  "meta nfproto ipv6 exthdr frag exists",
];

/**
 * The packets of a rule, each text for a rule of its own: together they match exactly what `rule`
 * matches (but for NFT_ODD), and no packet matches two of them if it does not decide.
 */
export function nftMatches(
  policy: Policy,
  rule: Matchable,
  unsayable: Unsayable = "refuse",
): readonly string[] | Inexpressible {
  const cases = casesOf(unsayable === "widen" ? withoutLiterals(rule) : rule);
  if ("why" in cases) return cases;
  const matches: string[] = [];
  // Where connections are tracked, packets are put together before any rule sees them.
  const all = usesState(policy) ? cases : cases.flatMap(withoutLater);
  for (const one of all) {
    const { family, tests } = one;
    const none = family === "both" ? "" : `meta nfproto ${family}`;
    const context = { six: family === "ipv6", markBits: BigInt(policy.markBits) };
    const texts = waysOf(NFT, none, tests, context, unsayable);
    if ("why" in texts) return texts;
    matches.push(...texts);
    if (matches.length > MAX_RULES) return tooMany(NFT.name);
  }
  return matches;
}

/**
 * Says of a case that asks for a transport's header that no later fragment is meant. In IPv6, nft
 * takes what stands there in a later fragment for the header (seen with Linux 6.18).
 */
function withoutLater(one: Case): Case[] {
  const { sport, dport, type, code, flags, fragment } = one.tests;
  if (one.family === "ipv4" || fragment || !(sport || dport || type || code || flags)) return [one];
  const notLater = span(FRAGMENT.whole, FRAGMENT.first);
  const six: Case = { family: "ipv6", tests: { ...one.tests, fragment: notLater } };
  return one.family === "both" ? [{ ...one, family: "ipv4" }, six] : [six];
}

/** In the order nft is asked. */
const WORDS: readonly Words<string>[] = [
  { fields: ["in"], words: ({ in: set }) => interfaces("iifname", set!) },
  { fields: ["out"], words: ({ out: set }) => interfaces("oifname", set!) },
  {
    fields: ["state"],
    words: ({ state }) => [
      `ct state ${STATES.filter((_, i) => contains(state!, BigInt(i))).join(",")}`,
    ],
  },
  {
    fields: ["proto"],
    words: ({ proto }) => {
      const ranged = ({ lo, hi }: Interval) => `${lo}-${hi}`;
      return [compared("meta l4proto", proto!, DOMAIN.proto, protocolText, ranged)];
    },
  },
  addresses("src", "saddr"),
  addresses("dst", "daddr"),
  simple("sport", () => "th sport", span(0, 65535)),
  simple("dport", () => "th dport", span(0, 65535)),
  simple("type", (six) => six ? "icmpv6 type" : "icmp type", span(0, 255)),
  simple("code", (six) => six ? "icmpv6 code" : "icmp code", span(0, 255)),
  {
    fields: ["flags"],
    words: ({ flags }) =>
      masked(
        flags!,
        DOMAIN.flags,
        255n,
        (mask, sign, value) =>
          `tcp flags & (${flagsText(mask)}) ${sign} ${value === 0n ? "0" : flagsText(value)}`,
      ),
  },
  { fields: ["fragment"], words: ({ fragment }, { six }) => fragments(fragment!, six) },
  // Segments that are yet to be cut may be longer than a packet can say.
  {
    fields: ["length"],
    words: ({ length }) =>
      length!.map(({ lo, hi }) =>
        hi === 65535n ? `meta length >= ${lo}` : `meta length ${range(lo, hi)}`
      ),
  },
  simple("ttl", (six) => six ? "ip6 hoplimit" : "ip ttl", DOMAIN.ttl),
  simple("dscp", (six) => six ? "ip6 dscp" : "ip dscp", DOMAIN.dscp),
  { fields: ["exthdr"], words: ({ exthdr }) => extensions(exthdr!) },
  {
    fields: ["mark"],
    words: ({ mark }, { markBits }) =>
      masked(
        mark!,
        DOMAIN.mark,
        markBits,
        (mask, sign, value) =>
          mask === 0xffffffffn
            ? `meta mark ${sign} ${hex(value)}`
            : `meta mark & ${hex(mask)} ${sign} ${hex(value)}`,
      ),
  },
  { fields: ["mac"], words: hardware },
  { fields: ["uid"], words: ({ uid }) => owner("meta skuid", uid) },
  { fields: ["gid"], words: ({ gid }) => owner("meta skgid", gid) },
];

const NFT: Tool<string> = {
  name: "nft",
  words: WORDS,
  joined: (ahead, behind) => ahead === "" ? behind : `${ahead} ${behind}`,
};

/** A field that nft compares with a list of ranges. */
function simple(
  field: keyof Tests,
  name: (six: boolean) => string,
  all: IntervalSet,
): Words<string> {
  return {
    fields: [field],
    words: (tests, { six }) => [compared(name(six), tests[field]!, all, String)],
  };
}

function addresses(field: "src" | "dst", word: string): Words<string> {
  return {
    fields: [field],
    words: (tests, { six }) => {
      const all = six ? span(0n, (1n << 128n) - 1n) : V4_ADDRESSES;
      const text = six ? v6Text : v4Text;
      const name = `${six ? "ip6" : "ip"} ${word}`;
      const ranged = (range: Interval) =>
        prefixText(range, six) ?? `${text(range.lo)}-${text(range.hi)}`;
      return [compared(name, tests[field]!, all, text, ranged)];
    },
  };
}

/** One comparison, by what is left out where that is shorter. */
function compared(
  name: string,
  set: IntervalSet,
  all: IntervalSet,
  text: (value: bigint) => string,
  ranged: (interval: Interval) => string = ({ lo, hi }) => `${text(lo)}-${text(hi)}`,
): string {
  const others = subtract(all, set);
  const not = others.length > 0 && others.length < set.length ||
    (others.length === set.length && size(others) < size(set));
  const members = (not ? others : set).map((i) => i.lo === i.hi ? text(i.lo) : ranged(i));
  const list = members.length === 1 ? members[0]! : `{ ${members.join(", ")} }`;
  return `${name}${not ? " !=" : ""} ${list}`;
}

/** How many values a set has. */
function size(set: IntervalSet): bigint {
  return set.reduce((sum, { lo, hi }) => sum + hi - lo + 1n, 0n);
}

function range(lo: bigint, hi: bigint): string {
  return lo === hi ? `${lo}` : `${lo}-${hi}`;
}

function protocolText(proto: bigint): string {
  return Object.entries(PROTO).find(([, n]) => n === proto)?.[0] ?? `${proto}`;
}

function interfaces(word: string, set: IntervalSet): string[] | Inexpressible {
  const names = namesOf(set);
  if (!names) return { why: "nft cannot ask for these interfaces in one rule" };
  const { any, except } = names;
  const but = except.map((name) => `${word} != "${name}"`).join(" ");
  if (any.length === 0) return [but];
  const exact = any.filter((name) => !name.endsWith("*"));
  const texts = [
    ...(exact.length === 0
      ? []
      : exact.length === 1
      ? [`${word} "${exact[0]}"`]
      : [`${word} { ${exact.map((name) => `"${name}"`).join(", ")} }`]),
    ...any.filter((name) => name.endsWith("*")).map((name) => `${word} "${name}"`),
  ];
  return but === "" ? texts : texts.map((text) => `${text} ${but}`);
}

/** Values under masks: one negated where that will do. */
function masked(
  set: IntervalSet,
  all: IntervalSet,
  bits: bigint,
  text: (mask: bigint, sign: "==" | "!=", value: bigint) => string,
): string[] {
  const cubes = cubesOf(set, bits);
  const others = cubesOf(subtract(all, set), bits);
  if (cubes.length > 1 && others.length === 1) {
    return [text(others[0]!.mask, "!=", others[0]!.value)];
  }
  return cubes.map(({ mask, value }) => text(mask, "==", value));
}

/** nft calls the ECE flag "ecn". */
function flagsText(bits: bigint): string {
  return valueText("flags", bits).replace("ece", "ecn").replaceAll(",", " | ");
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}

/** Offset and "more fragments" stand in one word of IPv4's header, and in IPv6's fragment header. */
function fragments(set: IntervalSet, six: boolean): string[] {
  const has = (kind: keyof typeof FRAGMENT) => contains(set, FRAGMENT[kind]);
  if (!six) {
    if (has("whole") && has("first")) return ["ip frag-off & 0x1fff == 0"];
    if (has("first") && has("later")) return ["ip frag-off & 0x3fff != 0"];
    return [
      ...(has("whole") ? ["ip frag-off & 0x3fff == 0"] : []),
      ...(has("first") ? ["ip frag-off & 0x3fff == 0x2000"] : []),
      ...(has("later") ? ["ip frag-off & 0x1fff != 0"] : []),
    ];
  }
  return [
    ...(has("whole") ? ["exthdr frag missing"] : []),
    ...(has("whole") && has("first")
      ? ["frag frag-off 0"]
      : has("whole")
      ? ["frag frag-off 0 frag more-fragments 0"]
      : has("first")
      ? ["frag frag-off 0 frag more-fragments 1"]
      : []),
    ...(has("later") ? ["frag frag-off != 0"] : []),
  ];
}

function extensions(set: IntervalSet): string[] | Inexpressible {
  const names = Object.entries(EXTENSIONS);
  const cubes = cubesOf(set, 31n);
  if (cubes.some(({ mask }) => mask & BigInt(EXTENSIONS.ah!))) {
    return { why: "nft cannot ask for the authentication header" };
  }
  return cubes.map(({ mask, value }) =>
    names.filter(([, bit]) => mask & BigInt(bit))
      .map(([name, bit]) => `exthdr ${name} ${value & BigInt(bit) ? "exists" : "missing"}`)
      .join(" ")
  );
}

/** The hardware address: a packet of the loopback device has one for the engine, and none for nft. */
function hardware({ mac, in: from }: Tests): string[] | Inexpressible {
  if (contains(mac!, NO_MAC)) {
    return { why: "nft cannot ask for packets that have no hardware address" };
  }
  if (contains(mac!, 0n) && (!from || contains(from, LOOPBACK))) {
    return { why: "the kernel knows no hardware address on lo; add `in on ! lo`" };
  }
  return [compared("ether saddr", mac!, span(0n, NO_MAC - 1n), (value) => valueText("mac", value))];
}

const LOOPBACK = interfaceNumber("lo");

function owner(word: string, set: IntervalSet | undefined): string[] | Inexpressible {
  if (contains(set!, NO_ID)) return { why: "nft cannot ask for packets that no socket sends" };
  return [compared(word, set!, span(0n, NO_ID - 1n), String)];
}
