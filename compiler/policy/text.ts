/**
 * Values of fields as a person writes them.
 *
 * @module
 */
import { v4Text, v6Text } from "./address.ts";
import {
  DOMAIN,
  EXTENSIONS,
  type Field,
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
import { span, subtract } from "./interval.ts";
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

/** A region as clauses; a list of more than four members is cut short with `…`. */
export function regionText(region: Region): string {
  const fields = (Object.keys(region) as Field[]).filter((field) => region[field]);
  return fields.map((field) => {
    const set = region[field]!;
    const names = field === "in" || field === "out";
    // Most names but a few: the few are what says something.
    const most = names && set.at(-1)!.hi === DOMAIN[field].at(-1)!.hi;
    const shown = most ? subtract(span(NO_INTERFACE + 1n, set.at(-1)!.hi), set) : set;
    if (shown.length === 0) return `${fieldWord(field)} any`;
    const members = shown.map(({ lo, hi }) =>
      names
        ? `${valueText(field, lo)}${lo === hi ? "" : "*"}`
        : lo === hi
        ? valueText(field, lo)
        : rangeText(field, lo, hi)
    );
    const list = members.length > 4 ? [...members.slice(0, 4), "…"] : members;
    const text = `${most ? "! " : ""}${list.length === 1 ? list[0]! : `{ ${list.join(", ")} }`}`;
    return field === "hook" || field === "family" ? text : `${fieldWord(field)} ${text}`;
  }).join(" ");
}

/** `10.0.0.0/8` where a range of addresses is a network, else `a-b`. */
function rangeText(field: Field, lo: bigint, hi: bigint): string {
  const size = hi - lo + 1n;
  const network = (size & (size - 1n)) === 0n && lo % size === 0n;
  if ((field === "src" || field === "dst") && network) {
    const width = lo < V6_BASE ? 32 : 128;
    return `${valueText(field, lo)}/${width - (size.toString(2).length - 1)}`;
  }
  return `${valueText(field, lo)}-${valueText(field, hi)}`;
}
