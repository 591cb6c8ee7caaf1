/**
 * Values of fields as a person writes them.
 *
 * @module
 */
import { addressText, prefixesOf, v4Text, v6Text } from "./address.ts";
import {
  DOMAIN,
  EXTENSIONS,
  type Field,
  FIELDS,
  FRAGMENT,
  HOOKS,
  ICMPV6_BASE,
  IPV4,
  NO_EXTENSIONS,
  NO_FLAGS,
  NO_ID,
  NO_INTERFACE,
  NO_MAC,
  NO_PORT,
  NO_TYPE,
  PROTO,
  STATES,
  TCP_FLAGS,
  V6_BASE,
} from "./field.ts";
import { type IntervalSet, span, subtract } from "./interval.ts";
import type { Region } from "./region.ts";

/** One value of a field. */
export function valueText(field: Field, value: bigint): string {
  switch (field) {
    case "hook":
      return HOOKS[Number(value)]!;
    case "state":
      return STATES[Number(value)]!;
    case "family":
      return value === IPV4 ? "ipv4" : "ipv6";
    case "proto":
      return Object.entries(PROTO).find(([, n]) => n === value)?.[0] ?? `${value}`;
    case "src":
    case "dst":
      return value < V6_BASE ? v4Text(value) : v6Text(value - V6_BASE);
    case "sport":
    case "dport":
      return value === NO_PORT ? "none" : `${value}`;
    case "type":
    case "code":
      if (value === NO_TYPE) return "none";
      return value < ICMPV6_BASE ? `${value}` : `v6:${value - ICMPV6_BASE}`;
    case "flags":
      return value === NO_FLAGS ? "none" : bitsText(TCP_FLAGS, Number(value));
    case "exthdr":
      return value === NO_EXTENSIONS ? "none" : bitsText(EXTENSIONS, Number(value));
    case "fragment":
      return Object.entries(FRAGMENT).find(([, n]) => n === value)![0];
    case "mark":
      return `0x${value.toString(16)}`;
    case "in":
    case "out":
      return value === NO_INTERFACE ? "none" : interfaceText(value);
    case "mac":
      return value === NO_MAC ? "none" : macText(value);
    case "uid":
    case "gid":
      return value === NO_ID ? "none" : `${value}`;
    case "length":
    case "ttl":
    case "dscp":
      return `${value}`;
  }
}

/** The names of the bits that are set, "0" if there are none. */
function bitsText(names: Readonly<Record<string, number>>, bits: number): string {
  return Object.keys(names).filter((name) => bits & names[name]!).join(",") || "0";
}

/** Six bytes in hexadecimal, as in "02:00:00:00:00:01". */
function macText(bits: bigint): string {
  return bits.toString(16).padStart(12, "0").replace(/..(?=.)/g, "$&:");
}

/** An interface name; bytes that no name has are shown as `\xNN`. */
function interfaceText(value: bigint): string {
  const bytes = Array.from({ length: 16 }, (_, i) => Number(value >> BigInt(120 - 8 * i) & 255n));
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return bytes.slice(0, end).map((byte) =>
    byte > 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`
  ).join("");
}

/** Words of the language for the fields that have another name. */
const WORDS: Readonly<Partial<Record<Field, string>>> = {
  src: "from",
  dst: "to",
  in: "in on",
  out: "out on",
};

/** What the language calls a field. */
export function fieldWord(field: Field): string {
  return WORDS[field] ?? field;
}

/** A region as clauses of the language, "any" if it asks nothing; at most so many values a list. */
export function regionText(region: Region, most = 4): string {
  const fields = FIELDS.filter((field) => region[field]);
  const clauses = fields.map((field) => {
    const text = setText(field, region[field]!, most);
    const bare = BARE.includes(field) || (field === "proto" && text in PROTO);
    return bare ? text : `${fieldWord(field)} ${text}`;
  });
  return clauses.join(" ") || "any";
}

/** Their values are clauses by themselves, as the names of protocols are. */
const BARE: readonly Field[] = ["hook", "family"];

/** The values of a field, by those it leaves out where that is shorter. */
function setText(field: Field, set: IntervalSet, most: number): string {
  const none = NONE[field];
  const named = none === undefined ? DOMAIN[field] : subtract(DOMAIN[field], span(none));
  const rest = subtract(named, set);
  const negated = rest.length < set.length && subtract(set, named).length === 0;
  if (negated && rest.length === 0) return "any";
  const values = valuesText(field, negated ? rest : set);
  const list = values.slice(0, most);
  if (values.length > most) list.push(`… ${values.length - most} more`);
  // States stand in a row; what else is a list has braces.
  const text = list.length === 1 || field === "state" ? list.join(", ") : `{ ${list.join(", ")} }`;
  return negated ? `! ${text}` : text;
}

/** What stands for "there is none" in the fields that not every packet has. */
const NONE: Readonly<Partial<Record<Field, bigint>>> = {
  sport: NO_PORT,
  dport: NO_PORT,
  type: NO_TYPE,
  code: NO_TYPE,
  in: NO_INTERFACE,
  out: NO_INTERFACE,
  mac: NO_MAC,
  uid: NO_ID,
  gid: NO_ID,
};

function valuesText(field: Field, set: IntervalSet): string[] {
  const none = NONE[field];
  const some = none === undefined ? set : subtract(set, span(none));
  const texts = someText(field, some);
  return subtract(set, some).length > 0 ? [...texts, "none"] : texts;
}

/** The same of values that a packet has. */
function someText(field: Field, set: IntervalSet): string[] {
  if (field === "src" || field === "dst") {
    return prefixesOf(set).map(({ six, bits, length }) =>
      addressText(six, bits) + (length === (six ? 128 : 32) ? "" : `/${length}`)
    );
  }
  return set.flatMap(({ lo, hi }) => {
    if (field === "state") return STATES.slice(Number(lo), Number(hi) + 1);
    if (lo === hi) return valueText(field, lo);
    // The names that begin alike are an interval.
    if (field === "in" || field === "out") return `${valueText(field, lo)}*`;
    return `${valueText(field, lo)}-${valueText(field, hi)}`;
  });
}
