/**
 * What nft can compare packets by, and the values that it compares with, in the words of the
 * language.
 *
 * @module
 */
import { TCP_FLAGS } from "../policy/field.ts";
import { DSCP, ICMP_CODE, ICMP_TYPE, PROTOCOL, type ValueType } from "../policy/value.ts";
import type { Condition } from "./ruleset.ts";
import { wordsOf } from "./nft_words.ts";
import { interfaceText, Never, protocolWord, Unsaid } from "./words.ts";

/** What JSON.parse gives. The shape of each object is that of libnftables-json(5). */
// deno-lint-ignore no-explicit-any
export type Json = any;

export type Way = readonly Condition[];

/** A field that packets are asked for, in the words of the language. */
export interface Key {
  readonly clause: string;
  /** What else the question asks for. */
  readonly also: Way;
  readonly max: number;
  readonly asks?: Condition["asks"];
  readonly value?: (value: string | number) => string;
  readonly mask?: number;
  /** What names its values have. */
  readonly type?: ValueType;
}

export const V4: Condition = { text: "ipv4", family: "ipv4" };
export const V6: Condition = { text: "ipv6", family: "ipv6" };
export const word = (text: string): Condition => ({ text });

const protocol = (value: string | number) => protocolWord(`${value}`);

const PORT = { max: 65535 };

/** Keys by `protocol.field`, `meta.key` and so on. */
const KEYS: Readonly<Record<string, Key>> = {
  "ip.saddr": { clause: "from", also: [V4], max: 0 },
  "ip.daddr": { clause: "to", also: [V4], max: 0 },
  "ip6.saddr": { clause: "from", also: [V6], max: 0 },
  "ip6.daddr": { clause: "to", also: [V6], max: 0 },
  "ip.protocol": { clause: "proto", also: [V4], max: 255, value: protocol, type: PROTOCOL },
  // The first header's own field: another value if an extension header follows.
  "ip6.nexthdr": {
    clause: "proto",
    also: [V6, word("exthdr ! any")],
    max: 255,
    value: protocol,
    type: PROTOCOL,
  },
  "ip.ttl": { clause: "ttl", also: [V4], max: 255 },
  "ip6.hoplimit": { clause: "ttl", also: [V6], max: 255 },
  "ip.dscp": { clause: "dscp", also: [V4], max: 63, type: DSCP },
  "ip6.dscp": { clause: "dscp", also: [V6], max: 63, type: DSCP },
  "ip.length": { clause: "length", also: [V4], max: 65535 },
  "th.sport": { clause: "sport", also: [], ...PORT },
  "th.dport": { clause: "dport", also: [], ...PORT },
  ...Object.fromEntries(
    ["tcp", "udp", "sctp"].flatMap((proto) =>
      ["sport", "dport"].map((port): [string, Key] => [
        `${proto}.${port}`,
        { clause: port, also: [word(proto)], ...PORT },
      ])
    ),
  ),
  "icmp.type": { clause: "type", also: [word("icmp")], max: 255, type: ICMP_TYPE },
  // nft names the codes of one type, and prints those names for any.
  "icmp.code": {
    clause: "code",
    also: [word("icmp")],
    max: 255,
    value: (code) => numberText(code, ICMP_CODE, false),
  },
  "icmpv6.type": { clause: "type", also: [word("icmpv6")], max: 255, type: ICMP_TYPE },
  "icmpv6.code": {
    clause: "code",
    also: [word("icmpv6")],
    max: 255,
    value: (code) => numberText(code, ICMP_CODE, true),
  },
  "ether.saddr": { clause: "mac", also: [], max: 0, asks: "mac" },
  "meta.l4proto": { clause: "proto", also: [], max: 255, value: protocol, type: PROTOCOL },
  "meta.iifname": { clause: "in on", also: [], max: 0, asks: "in", value: linkText },
  "meta.oifname": { clause: "out on", also: [], max: 0, asks: "out", value: linkText },
  "meta.iif": { clause: "in on", also: [], max: 0, asks: "in", value: linkText },
  "meta.oif": { clause: "out on", also: [], max: 0, asks: "out", value: linkText },
  "meta.length": { clause: "length", also: [], max: 65535 },
  "meta.skuid": { clause: "uid", also: [], max: 4294967294, asks: "user" },
  "meta.skgid": { clause: "gid", also: [], max: 4294967294, asks: "user" },
  "meta.mark": { clause: "mark", also: [], max: 4294967295 },
  "ct.state": { clause: "state", also: [], max: 0 },
};

export function keyOf(left: Json): Key {
  const [[kind = "", body] = []] = Object.entries(left) as [string, Json][];
  const name = kind === "payload" ? `${body.protocol}.${body.field}` : `${kind}.${body?.key}`;
  if (Object.hasOwn(KEYS, name) && body?.dir === undefined) return KEYS[name]!;
  throw new Unsaid(`\`${wordsOf(left)}\` cannot be asked for`);
}

export function plainElement(element: Json): Json {
  return element?.elem?.val ?? element;
}

export function valueText(value: Json, key: Key): string {
  const { value: text = String } = key;
  if (value?.prefix) return `${value.prefix.addr}/${value.prefix.len}`;
  if (value?.range) {
    return value.range.map((end: Json) => endText(end, key)).join("-");
  }
  if (typeof value === "object") throw new Unsaid(`it compares with ${JSON.stringify(value)}`);
  if (value === "*") throw new Unsaid("what no other element matches cannot be said");
  return text(value);
}

/** The end of a range: a number, for a name and a number make no range in the language. */
function endText(end: Json, { type, also, value: text = String }: Key): string {
  const six = also.some(({ text }) => text === "icmpv6");
  return type ? numberText(text(end), type, six) : text(end);
}

/** The number that a name has, as text. @param six the one that it has in ICMPv6 */
function numberText(name: string | number, type: ValueType, six: boolean): string {
  if (/^\d+$/.test(`${name}`)) return `${name}`;
  const { set } = type.read({ kind: "name", text: `${name}`, span: { start: 0, end: 0 } });
  const number = six ? set.at(-1) : set[0];
  if (!number) throw new Unsaid(`there is no number for ${name}`);
  return `${number.lo % 256n}`;
}

const FLAGS: Readonly<Record<string, number>> = { ...TCP_FLAGS, ecn: TCP_FLAGS.ece! };

function flagBits(flags: Json): number {
  return [flags].flat().reduce((bits: number, flag: Json) => {
    const bit = typeof flag === "number" ? flag : FLAGS[flag];
    if (bit === undefined) throw new Unsaid(`it compares flags with ${JSON.stringify(flags)}`);
    return bits | bit;
  }, 0);
}

/** Flags clauses, of which no packet meets two. */
export function flagWays(op: string, masked: Json, right: Json): string[] {
  if (right?.set) {
    return right.set.flatMap((value: Json) => flagWays(op, masked, plainElement(value)));
  }
  const value = flagBits(right?.["|"] ?? right);
  const mask = masked === undefined ? 255 : flagBits(masked?.["|"] ?? masked);
  switch (op) {
    case "==":
      if (value & ~mask) throw new Never();
      return [flagsText(value, mask)];
    case "!":
      return [flagsText(0, value)];
    case "in":
      return differing(0, value);
    case "!=":
      return differing(value, mask);
    default:
      throw new Unsaid(`it compares flags by \`${op}\``);
  }
}

/** The flags that are not `value` under the mask: one way for each that is the first to differ. */
function differing(value: number, mask: number): string[] {
  const bits = Object.values(TCP_FLAGS).filter((bit) => mask & bit);
  return bits.map((bit, i) => {
    const before = bits.slice(0, i).reduce((sum, b) => sum | b, 0);
    return flagsText((value & before) | (~value & bit), before | bit);
  });
}

function flagsText(value: number, mask: number): string {
  const names = (bits: number) =>
    Object.keys(TCP_FLAGS).filter((name) => bits & TCP_FLAGS[name]!).join(",") || "none";
  return `flags ${names(value)}/${mask === 255 ? "all" : names(mask)}`;
}

/** An interface by its name; one that is gone is printed as a number, which no name is. */
function linkText(value: string | number): string {
  return typeof value === "number" ? `${value}` : interfaceText(value);
}
