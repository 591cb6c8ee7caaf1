/**
 * Addresses as text: IPv4 and IPv6, with or without a prefix length.
 *
 * @module
 */
import type { Code } from "../diagnostic.ts";
import { V6_BASE } from "./field.ts";
import type { Interval, IntervalSet } from "./interval.ts";

/** What is wrong with a value, or (a warning) odd about it. */
export interface Problem {
  readonly code: Code;
  readonly message: string;
  readonly label?: string;
  readonly help?: string;
  readonly note?: string;
  /** What to write instead of the value. */
  readonly instead?: string;
}

/** What a text stands for. The set is empty when it could not be read. */
export interface Reading {
  readonly set: IntervalSet;
  readonly problem?: Problem;
}

/** A reading that gave nothing. */
export function failed(problem: Problem): Reading {
  return { set: [], problem };
}

/** Four octets, perhaps with `/length`, on the address line. */
export function readV4(text: string): Reading {
  const [address = "", length] = text.split("/");
  const octets = address.split(".");
  const bad = octets.find((o) => Number(o) > 255 || (o.length > 1 && o.startsWith("0")));
  if (bad !== undefined) {
    return failed({
      code: "FW212",
      message: Number(bad) > 255
        ? `\`${bad}\` is over 255, the most an octet can be`
        : `\`${bad}\` has a leading zero, which some programs read as octal`,
    });
  }
  const bits = octets.reduce((sum, octet) => sum << 8n | BigInt(octet), 0n);
  return prefix(text, bits, length, 32, 0n);
}

/** An IPv6 address, perhaps with `/length`, on the address line. */
export function readV6(text: string): Reading {
  const [address = "", length] = text.split("/");
  const bits = v6Bits(address);
  if (bits === undefined) {
    return failed({ code: "FW212", message: `\`${address}\` is not an IPv6 address` });
  }
  const reading = prefix(text, bits, length, 128, V6_BASE);
  const mapped = bits >> 32n === 0xffffn && Number(length ?? 128) > 96; // ::ffff:0:0/96 is all of them
  if (mapped && !reading.problem) {
    return {
      set: reading.set,
      problem: {
        code: "FW217",
        message: "an IPv4-mapped IPv6 address never appears on the wire",
        help: `write ${
          address.split(":").at(-1)!.includes(".") ? address.split(":").at(-1) : "the IPv4 address"
        }`,
      },
    };
  }
  return reading;
}

/** The 128 bits of an address in any form of RFC 4291, 2.2; undefined if it is none. */
function v6Bits(address: string): bigint | undefined {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  let text = address;
  if (dotted) {
    const [a, b, c, d] = dotted.slice(1).map(Number);
    if ([a!, b!, c!, d!].some((o) => o > 255)) return undefined;
    const groups = `${((a! << 8) | b!).toString(16)}:${((c! << 8) | d!).toString(16)}`;
    text = address.slice(0, dotted.index) + groups;
  }
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half) => half === "" ? [] : half.split(":"));
  const missing = 8 - head!.length - (tail?.length ?? 0);
  if (tail ? missing < 1 : missing !== 0) return undefined;
  const groups = [...head!, ...Array(missing).fill("0"), ...(tail ?? [])];
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return undefined;
  return groups.reduce((sum, group) => sum << 16n | BigInt(`0x${group}`), 0n);
}

function prefix(
  text: string,
  bits: bigint,
  length: string | undefined,
  width: number,
  base: bigint,
): Reading {
  const size = length === undefined ? width : Number(length);
  if (size > width) {
    return failed({
      code: "FW211",
      message: `a prefix length is at most ${width} here, found ${size}`,
    });
  }
  const hostBits = (1n << BigInt(width - size)) - 1n;
  const network = bits & ~hostBits;
  const interval: Interval = { lo: base + network, hi: base + network + hostBits };
  if (bits === network) return { set: [interval] };
  const written = `${base === 0n ? v4Text(network) : v6Text(network)}/${size}`;
  return {
    set: [interval],
    problem: {
      code: "FW210",
      message: `\`${text}\` has bits behind its prefix; it means ${written}`,
      help: `write ${written}, or ${text.split("/")[0]} for the one address`,
      instead: written,
    },
  };
}

/** A prefix of addresses of one family. */
export interface Prefix {
  readonly six: boolean;
  readonly bits: bigint;
  readonly length: number;
}

/** The fewest prefixes that make up a set of addresses. */
export function prefixesOf(set: IntervalSet): Prefix[] {
  const prefixes: Prefix[] = [];
  for (const { lo, hi } of set) {
    for (let at = lo; at <= hi;) {
      const six = at >= V6_BASE;
      const bits = six ? at - V6_BASE : at;
      const width = six ? 128 : 32;
      let free = 0;
      while (
        free < width && (bits >> BigInt(free) & 1n) === 0n && at + (2n << BigInt(free)) - 1n <= hi
      ) free++;
      prefixes.push({ six, bits, length: width - free });
      at += 1n << BigInt(free);
    }
  }
  return prefixes;
}

/** An address or a prefix as text, without bits behind it; undefined if it is none. */
export function readPrefix(text: string): Prefix | undefined {
  const four = /^\d+(\.\d+){3}(\/\d+)?$/.test(text);
  if (!four && !text.includes(":")) return undefined;
  const { set, problem } = four ? readV4(text) : readV6(text);
  return problem?.code === "FW210" ? undefined : prefixesOf(set)[0];
}

/** An address as text, of IPv6 if `six`. */
export function addressText(six: boolean, bits: bigint): string {
  return six ? v6Text(bits) : v4Text(bits);
}

/** Dotted decimal. */
export function v4Text(bits: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => bits >> shift & 255n).join(".");
}

/** The form of RFC 5952: lower case, the longest run of zero groups as `::`. */
export function v6Text(bits: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => (bits >> BigInt(112 - 16 * i) & 0xffffn));
  let [start, length] = [-1, 1];
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0n) j++;
    if (j - i > length) [start, length] = [i, j - i];
  }
  const text = groups.map((group) => group.toString(16));
  if (start < 0) return text.join(":");
  return `${text.slice(0, start).join(":")}::${text.slice(start + length).join(":")}`;
}
