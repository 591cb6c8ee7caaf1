/**
 * Every packet that some regions can tell apart, by brute force: the edges of all their sets, and
 * the neighbours of these, combined in every way that a real packet could have.
 *
 * Nothing here is shared with `compiler/analysis/`: what a valid packet is stands here again.
 *
 * @module
 */
import { interfaceNumber, type Packet, V6_BASE } from "../../compiler/policy/field.ts";
import type { Region } from "../../compiler/policy/region.ts";

type Name = keyof Packet;

/** What a later fragment has no value of, or one of its own. */
const TELL_LATER: readonly Name[] = ["fragment", "sport", "dport", "flags", "type", "code"];

/** Packets of one hook that together meet every cell of the regions. `fields` are those they use. */
export function everyPacket(
  hook: "input" | "forward" | "output",
  regions: readonly Region[],
  markBits = 0,
): Packet[] {
  const used = new Set(regions.flatMap((region) => Object.keys(region) as Name[]));
  let packets: Packet[] = [false, true].flatMap((six) =>
    [6, 17, 132, six ? 58 : 1, six ? 1 : 58, 47].map((proto) => base(hook, six, BigInt(proto)))
  );
  if (TELL_LATER.some((field) => used.has(field))) {
    packets = packets.flatMap((p) => [p, { ...p, fragment: 1n }, later(p)]);
  }
  for (const field of used) {
    if (["hook", "family", "fragment"].includes(field)) continue;
    const values = field === "mark" ? submasks(BigInt(markBits)) : edges(regions, field);
    packets = packets.flatMap((packet) => {
      const others = values.filter((value) => possible(packet, field, value));
      return [packet, ...others.map((value) => change(packet, field, value))];
    });
  }
  return packets;
}

function edges(regions: readonly Region[], field: Name): bigint[] {
  const found = new Set<bigint>();
  for (const region of regions) {
    for (const { lo, hi } of region[field] ?? []) {
      for (const value of [lo - 1n, lo, lo + 1n, hi - 1n, hi, hi + 1n]) found.add(value);
      // The next number is no name, but the next name is one byte longer.
      if (field === "in" || field === "out") found.add(longer(lo)).add(longer(hi));
    }
  }
  if (field === "in" || field === "out") found.add(interfaceNumber("0"));
  // Of values that are in the same sets one will do, in each family and among real names.
  const seen = new Map<string, bigint>();
  for (const value of found) {
    const sets = regions.map((r) => r[field]?.some(({ lo, hi }) => lo <= value && value <= hi));
    const v6 = value >= (field === "type" || field === "code" ? 256n : V6_BASE);
    const real = (field !== "in" && field !== "out") || isName(value);
    const there = [
      base("forward", false, 6n),
      base("forward", true, 6n),
      base("forward", false, 1n),
    ]
      .concat(base("forward", true, 58n), base("forward", false, 47n))
      .some((packet) => possible(packet, field, value));
    const key = `${there} ${v6} ${real} ${field === "proto" && value} ${sets.join()}`;
    if (!seen.has(key)) seen.set(key, value);
  }
  return [...seen.values()];
}

/** The name that the bytes up to the first zero are, with a `0` behind it. */
function longer(name: bigint): bigint {
  let at = 120n;
  while (at > 8n && (name >> at & 0xffn) !== 0n) at -= 8n;
  return (name >> at << at) | 0x30n << at;
}

/** All marks of no other bits. */
function submasks(bits: bigint): bigint[] {
  const found: bigint[] = [];
  for (let mark = bits; mark > 0n; mark = (mark - 1n) & bits) found.push(mark);
  return found;
}

function base(hook: "input" | "forward" | "output", six: boolean, proto: bigint): Packet {
  const ports = proto === 6n || proto === 17n || proto === 132n;
  const icmp = proto === (six ? 58n : 1n);
  return {
    hook: { input: 0n, forward: 1n, output: 2n }[hook],
    family: six ? 1n : 0n,
    proto,
    src: six ? 2n * V6_BASE - 9n : 4_000_000_000n,
    dst: six ? 2n * V6_BASE - 9n : 4_000_000_000n,
    sport: ports ? 50_000n : 65536n,
    dport: ports ? 50_000n : 65536n,
    type: icmp ? (six ? 506n : 250n) : 512n,
    code: icmp ? (six ? 506n : 250n) : 512n,
    flags: proto === 6n ? 0xffn : 256n,
    fragment: 0n,
    state: 4n,
    mark: 0n,
    length: 65_535n,
    ttl: 255n,
    dscp: 63n,
    exthdr: six ? 0n : 32n,
    mac: 1n << 48n,
    uid: 0xffffffffn,
    gid: 0xffffffffn,
    in: hook === "output" ? 0n : ZZ,
    out: hook === "input" ? 0n : ZZ,
  };
}

function later(packet: Packet): Packet {
  const none = { sport: 65536n, dport: 65536n, type: 512n, code: 512n, flags: 256n };
  return { ...packet, ...none, fragment: 2n };
}

/** Whether a packet like this one, but for the field, can have the value. */
function possible(packet: Packet, field: Name, value: bigint): boolean {
  const within = (lo: bigint, hi: bigint) => lo <= value && value <= hi;
  const six = packet.family === 1n;
  switch (field) {
    case "src":
    case "dst":
      return six ? within(V6_BASE, 2n * V6_BASE - 1n) : within(0n, 0xffffffffn);
    case "sport":
    case "dport":
      return packet[field] !== 65536n && within(0n, 65535n);
    case "type":
    case "code":
      return packet[field] !== 512n && (six ? within(256n, 511n) : within(0n, 255n));
    case "flags":
      return packet.flags !== 256n && within(0n, 255n);
    case "state":
      return within(0n, 4n);
    case "length":
      return within(0n, 65_535n);
    case "ttl":
      return within(0n, 255n);
    case "dscp":
      return within(0n, 63n);
    case "exthdr":
      return six ? within(0n, 31n) : value === 32n;
    case "mac":
      return packet.hook === 2n ? value === 1n << 48n : within(0n, 1n << 48n);
    case "uid":
    case "gid":
      return packet.hook === 2n ? within(0n, 0xffffffffn) : value === 0xffffffffn;
    case "mark":
      return true;
    case "in":
    case "out":
      return packet[field] !== 0n && isName(value);
    case "proto":
      return packet.fragment === 2n || ![1n, 6n, 17n, 58n, 132n].includes(packet.proto)
        ? within(0n, 255n) && (packet.fragment === 2n || ![1n, 6n, 17n, 58n, 132n].includes(value))
        : false;
    default:
      return false;
  }
}

function change(packet: Packet, field: Name, value: bigint): Packet {
  return { ...packet, [field]: value };
}

const ZZ = interfaceNumber("zz");
const names = new Map<bigint, boolean>();

function isName(value: bigint): boolean {
  const known = names.get(value) ?? looksLikeName(value);
  names.set(value, known);
  return known;
}

function looksLikeName(value: bigint): boolean {
  const bytes = Array.from({ length: 16 }, (_, i) => Number(value >> BigInt(120 - 8 * i) & 255n));
  const end = bytes.indexOf(0);
  return end > 0 && bytes.slice(end).every((byte) => byte === 0) &&
    bytes.slice(0, end).every((byte) => byte > 32 && byte < 127);
}
