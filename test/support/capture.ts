/**
 * Captures of packets that are made, not caught.
 *
 * @module
 */
import {
  NO_EXTENSIONS,
  NO_FLAGS,
  NO_ID,
  NO_INTERFACE,
  NO_MAC,
  NO_PORT,
  NO_TYPE,
  type Packet,
  PROTO,
  TCP_FLAGS,
} from "../../compiler/policy/field.ts";
import { leastLength, packetBytes } from "./packet.ts";

/** The little that matters of an IPv4 packet; TCP has SYN set. */
export interface Sketch {
  readonly proto: "tcp" | "udp" | "icmp";
  readonly dport?: number;
  readonly type?: number;
}

/** A capture file of raw IP packets, from 198.51.100.7 to 192.0.2.1. */
export function capturePackets(sketches: readonly Sketch[]): Uint8Array<ArrayBuffer> {
  return captureOf(sketches.map((sketch) => packetBytes(packetOf(sketch))));
}

/** A capture file of raw IP packets, one a second. */
export function captureOf(packets: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return concat([rawIpHeader(), ...packets.map(rawIpRecord)]);
}

/** The bytes of all parts, one after another. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The whole packet that a sketch stands for. */
export function packetOf({ proto, dport, type }: Sketch): Packet {
  const packet = {
    hook: 0n,
    family: 0n,
    proto: PROTO[proto],
    src: 0xc6336407n,
    dst: 0xc0000201n,
    sport: dport === undefined ? NO_PORT : 40000n,
    dport: dport === undefined ? NO_PORT : BigInt(dport),
    type: type === undefined ? NO_TYPE : BigInt(type),
    code: type === undefined ? NO_TYPE : 0n,
    flags: proto === "tcp" ? BigInt(TCP_FLAGS.syn!) : NO_FLAGS,
    fragment: 0n,
    state: 0n,
    mark: 0n,
    in: NO_INTERFACE,
    out: NO_INTERFACE,
    ttl: 64n,
    dscp: 0n,
    exthdr: NO_EXTENSIONS,
    mac: NO_MAC,
    uid: NO_ID,
    gid: NO_ID,
  };
  return { ...packet, length: leastLength(packet) };
}

/** The header of a new little-endian capture of raw IP packets. */
function rawIpHeader(): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, 0xa1b2c3d4, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 0x40000, true);
  view.setUint32(20, 101, true);
  return new Uint8Array(view.buffer);
}

/** A packet as a record of such a capture. `seconds` is its time since 1970. */
function rawIpRecord(packet: Uint8Array, seconds: number): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(16 + packet.length);
  const view = new DataView(record.buffer);
  view.setUint32(0, Math.floor(seconds), true);
  view.setUint32(4, Math.floor(seconds % 1 * 1e6), true);
  view.setUint32(8, packet.length, true);
  view.setUint32(12, packet.length, true);
  record.set(packet, 16);
  return record;
}
