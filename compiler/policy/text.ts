/**
 * Values of fields as a person writes them.
 *
 * @module
 */
import { v4Text, v6Text } from "./address.ts";
import {
  type Field,
  FRAGMENT,
  HOOKS,
  ICMPV6_BASE,
  IPV4,
  NO_FLAGS,
  NO_INTERFACE,
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
      return value === NO_FLAGS ? "none" : flagsText(Number(value));
    case "fragment":
      return Object.entries(FRAGMENT).find(([, n]) => n === value)![0];
    case "mark":
      return `0x${value.toString(16)}`;
    case "in":
    case "out":
      return value === NO_INTERFACE ? "none" : interfaceText(value);
  }
}

/** The flags set in a TCP header's flag byte, "0" if there are none. */
function flagsText(byte: number): string {
  return Object.keys(TCP_FLAGS).filter((flag) => byte & TCP_FLAGS[flag]!).join(",") || "0";
}

/** An interface name; bytes that no name has are shown as `\xNN`. */
function interfaceText(value: bigint): string {
  const bytes = Array.from({ length: 16 }, (_, i) => Number(value >> BigInt(120 - 8 * i) & 255n));
  const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
  return bytes.slice(0, end).map((byte) =>
    byte > 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`
  ).join("");
}
