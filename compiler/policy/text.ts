/**
 * Values of fields as a person writes them.
 *
 * @module
 */
import { v4Text, v6Text } from "./address.ts";
import {
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
