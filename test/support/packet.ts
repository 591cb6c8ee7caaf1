/**
 * Packets as bytes: what a policy calls a packet, as it would be on the wire.
 *
 * @module
 */
import {
  EXTENSIONS,
  FRAGMENT,
  ICMPV6_BASE,
  IPV4,
  NO_FLAGS,
  NO_PORT,
  NO_TYPE,
  type Packet,
  PROTO,
  V6_BASE,
} from "../../compiler/policy/field.ts";

/**
 * The IP packet of a policy's packet, padded to its length. Checksums are zero: no part of a filter
 * reads them.
 */
export function packetBytes(packet: Packet): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Number(packet.length));
  bytes.set(headers(packet));
  const view = new DataView(bytes.buffer);
  if (packet.family === IPV4) view.setUint16(2, bytes.length);
  else view.setUint16(4, bytes.length - 40);
  return bytes;
}

/** The same bytes with the checksums that a kernel looks at: those of IPv4, TCP, UDP and ICMP. */
export function withChecksums(packet: Packet, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes);
  const view = new DataView(result.buffer);
  const four = packet.family === IPV4;
  if (four) view.setUint16(10, checksum(result.subarray(0, 20)));
  const place = { [`${PROTO.tcp}`]: 16, [`${PROTO.udp}`]: 6 }[`${packet.proto}`] ??
    (packet.type === NO_TYPE ? undefined : 2);
  const payload = result.subarray(four ? 20 : 40 + 8 * chainOf(packet).length);
  if (place === undefined || payload.length < place + 2) return result;
  const pseudo = new Uint8Array(40);
  if (packet.type === NO_TYPE || !four) {
    pseudo.set(four ? result.subarray(12, 20) : result.subarray(8, 40));
  }
  const extra = packet.type === NO_TYPE || !four ? Number(packet.proto) + payload.length : 0;
  const sum = checksum(pseudo, payload, extra);
  view.setUint16(payload.byteOffset + place, sum || 0xffff);
  return result;
}

/** RFC 1071, over some bytes and a number. */
function checksum(head: Uint8Array, tail = new Uint8Array(), extra = 0): number {
  let sum = extra;
  for (const bytes of [head, tail]) {
    bytes.forEach((byte, i) => sum += i % 2 === 0 ? byte << 8 : byte);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** The fewest bytes that a packet takes: its `length` must be no less. */
export function leastLength(packet: Omit<Packet, "length">): bigint {
  return BigInt(headers(packet).length);
}

function headers(packet: Omit<Packet, "length">): Uint8Array<ArrayBuffer> {
  const payload = transport(packet);
  return packet.family === IPV4 ? ipv4(packet, payload) : ipv6(packet, payload);
}

function ipv4(packet: Omit<Packet, "length">, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(20 + payload.length));
  view.setUint8(0, 0x45);
  view.setUint8(1, Number(packet.dscp) << 2);
  const later = packet.fragment === FRAGMENT.later ? 185 : 0;
  const more = packet.fragment === FRAGMENT.first ? 0x2000 : 0;
  view.setUint16(6, later | more);
  view.setUint8(8, Number(packet.ttl));
  view.setUint8(9, Number(packet.proto));
  view.setUint32(12, Number(packet.src));
  view.setUint32(16, Number(packet.dst));
  return append(view, 20, payload);
}

/** Protocol numbers of extension headers in the order of RFC 8200, 4.1, with their bits. */
const EXTENSION_HEADERS = [[0, "hbh"], [43, "rt"], [44, "frag"], [51, "ah"], [60, "dst"]] as const;

/** Protocol numbers of a packet's extension headers; none if it is of IPv4. */
function chainOf({ family, exthdr }: Omit<Packet, "length">): number[] {
  if (family === IPV4) return [];
  return EXTENSION_HEADERS.filter(([, name]) => Number(exthdr) & EXTENSIONS[name]!)
    .map(([number]) => number);
}

function ipv6(
  packet: Omit<Packet, "length">,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const chain = chainOf(packet);
  const next = [...chain, Number(packet.proto)];
  const header = 40 + 8 * chain.length;
  const view = new DataView(new ArrayBuffer(header + payload.length));
  view.setUint16(0, 0x6000 | Number(packet.dscp) << 6);
  view.setUint8(6, next[0]!);
  view.setUint8(7, Number(packet.ttl));
  setAddress(view, 8, packet.src - V6_BASE);
  setAddress(view, 24, packet.dst - V6_BASE);
  for (const [i, number] of chain.entries()) {
    view.setUint8(40 + 8 * i, next[i + 1]!);
    if (number !== 44) continue;
    const later = packet.fragment === FRAGMENT.later ? 185 << 3 : 0;
    const more = packet.fragment === FRAGMENT.first ? 1 : 0;
    view.setUint16(42 + 8 * i, later | more);
  }
  return append(view, header, payload);
}

function transport(packet: Omit<Packet, "length">): Uint8Array {
  const size = packet.fragment === FRAGMENT.later
    ? 8
    : { [`${PROTO.tcp}`]: 20, [`${PROTO.sctp}`]: 12 }[`${packet.proto}`] ?? 8;
  const view = new DataView(new ArrayBuffer(size));
  if (packet.sport !== NO_PORT) {
    view.setUint16(0, Number(packet.sport));
    view.setUint16(2, Number(packet.dport));
  }
  if (packet.flags !== NO_FLAGS) {
    view.setUint8(12, 0x50);
    view.setUint8(13, Number(packet.flags));
  }
  if (packet.proto === PROTO.udp && packet.sport !== NO_PORT) view.setUint16(4, size);
  if (packet.type !== NO_TYPE) {
    view.setUint8(0, Number(packet.type % ICMPV6_BASE));
    view.setUint8(1, Number(packet.code % ICMPV6_BASE));
  }
  return new Uint8Array(view.buffer);
}

function setAddress(view: DataView, at: number, address: bigint): void {
  view.setBigUint64(at, address >> 64n);
  view.setBigUint64(at + 8, address & 0xffffffffffffffffn);
}

function append(
  view: DataView<ArrayBuffer>,
  at: number,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(view.buffer);
  bytes.set(payload, at);
  return bytes;
}
