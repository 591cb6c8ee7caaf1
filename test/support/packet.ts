/**
 * Packets as bytes: what a policy calls a packet, as it would be on the wire.
 *
 * @module
 */
import {
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

/** The IP packet of a policy's packet. Checksums are zero: no part of a filter reads them. */
export function packetBytes(packet: Packet): Uint8Array<ArrayBuffer> {
  const payload = transport(packet);
  return packet.family === IPV4 ? ipv4(packet, payload) : ipv6(packet, payload);
}

function ipv4(packet: Packet, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(20 + payload.length));
  view.setUint8(0, 0x45);
  view.setUint16(2, view.byteLength);
  const later = packet.fragment === FRAGMENT.later ? 185 : 0;
  const more = packet.fragment === FRAGMENT.first ? 0x2000 : 0;
  view.setUint16(6, later | more);
  view.setUint8(8, 64);
  view.setUint8(9, Number(packet.proto));
  view.setUint32(12, Number(packet.src));
  view.setUint32(16, Number(packet.dst));
  return append(view, 20, payload);
}

function ipv6(packet: Packet, payload: Uint8Array): Uint8Array<ArrayBuffer> {
  const fragmented = packet.fragment !== FRAGMENT.whole;
  const header = fragmented ? 48 : 40;
  const view = new DataView(new ArrayBuffer(header + payload.length));
  view.setUint8(0, 0x60);
  view.setUint16(4, view.byteLength - 40);
  view.setUint8(6, fragmented ? 44 : Number(packet.proto));
  view.setUint8(7, 64);
  setAddress(view, 8, packet.src - V6_BASE);
  setAddress(view, 24, packet.dst - V6_BASE);
  if (fragmented) {
    view.setUint8(40, Number(packet.proto));
    view.setUint16(42, packet.fragment === FRAGMENT.later ? 185 << 3 : 1);
  }
  return append(view, header, payload);
}

function transport(packet: Packet): Uint8Array {
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
