/**
 * What a packet is, to a policy: one integer a field.
 *
 * Every field is a line of integers, so that one algebra serves all:
 *
 * - An address line holds IPv4 first (0 to 2^32-1) and IPv6 behind it (2^128 plus the address).
 * - `type` and `code` hold ICMP at 0 to 255 and ICMPv6 at 256 to 511.
 * - An interface is its name, zero-padded to 16 bytes and read as a big-endian number; names with
 *   a common prefix are then neighbours, and 0 is no interface.
 * - What a packet does not have (ports of ICMP, flags of UDP) is one value past the others.
 * - `mark` is the packet mark under the bits that the policy tests.
 * - `length` is that of the IP packet, `ttl` also the hop limit; `exthdr` has a bit for each kind of
 *   IPv6 extension header that comes before the payload.
 *
 * @module
 */
import { LISTS } from "../tables/layout.ts";
import { type IntervalSet, span } from "./interval.ts";

export const FIELDS = [
  ...["hook", "family", "proto", "src", "dst", "sport", "dport", "type", "code", "flags"],
  ...["fragment", "state", "mark", "in", "out"],
  ...["length", "ttl", "dscp", "exthdr", "mac", "uid", "gid"],
] as const;
export type Field = (typeof FIELDS)[number];

/** First value of the IPv6 half of an address line. */
export const V6_BASE: bigint = 1n << 128n;
export const V4_ADDRESSES: IntervalSet = span(0n, (1n << 32n) - 1n);
export const V6_ADDRESSES: IntervalSet = span(V6_BASE, 2n * V6_BASE - 1n);

export const HOOKS = LISTS.hook.names;
export type Hook = (typeof HOOKS)[number];
export const STATES = LISTS.state.names;

export const IPV4 = 0n;
export const IPV6 = 1n;
export const PROTO = { icmp: 1n, tcp: 6n, udp: 17n, icmpv6: 58n, sctp: 132n } as const;
/** Protocols that have ports. */
export const PORT_PROTOCOLS: IntervalSet = [
  ...span(PROTO.tcp),
  ...span(PROTO.udp),
  ...span(PROTO.sctp),
];

export const NO_PORT = 65536n;
export const PORTS: IntervalSet = span(0, 65535);
export const ICMPV6_BASE = 256n;
export const NO_TYPE = 512n;
export const ICMP_TYPES: IntervalSet = span(0, 255);
export const ICMPV6_TYPES: IntervalSet = span(256, 511);
export const NO_FLAGS = 256n;
/** Bit of each TCP flag in the header's flag byte (RFC 9293, 3.1). */
export const TCP_FLAGS: Readonly<Record<string, number>> = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ece: 64,
  cwr: 128,
};
export const FRAGMENT = { whole: 0n, first: 1n, later: 2n } as const;
export const NO_INTERFACE = 0n;
/** Bit of each IPv6 extension header, under the names that nft gives them. */
export const EXTENSIONS: Readonly<Record<string, number>> = {
  hbh: 1,
  rt: 2,
  frag: 4,
  ah: 8,
  dst: 16,
};
export const NO_EXTENSIONS = 32n;
export const NO_MAC: bigint = 1n << 48n;
/** The kernel's own "no user": (uid_t)-1. */
export const NO_ID = 0xffffffffn;

const MAX: Readonly<Record<Field, bigint>> = {
  hook: BigInt(HOOKS.length - 1),
  family: 1n,
  proto: 255n,
  src: 2n * V6_BASE - 1n,
  dst: 2n * V6_BASE - 1n,
  sport: NO_PORT,
  dport: NO_PORT,
  type: NO_TYPE,
  code: NO_TYPE,
  flags: NO_FLAGS,
  fragment: 2n,
  state: BigInt(STATES.length - 1),
  mark: 0xffffffffn,
  in: (1n << 128n) - 1n,
  out: (1n << 128n) - 1n,
  length: 65535n,
  ttl: 255n,
  dscp: 63n,
  exthdr: NO_EXTENSIONS,
  mac: NO_MAC,
  uid: NO_ID,
  gid: NO_ID,
};

/** Every value a field can have. */
export const DOMAIN: Readonly<Record<Field, IntervalSet>> = Object.fromEntries(
  FIELDS.map((field) => [field, span(0n, MAX[field])]),
) as Record<Field, IntervalSet>;

/** One packet: a value for every field. */
export type Packet = Readonly<Record<Field, bigint>>;

/** Longest interface name in bytes (IFNAMSIZ less its zero). */
export const NAME_BYTES = 15;

/** The number an interface name stands as. Throws if it is over 15 bytes. */
export function interfaceNumber(name: string): bigint {
  return namesFrom(name).lo;
}

/** The numbers of all interface names that begin with `prefix`, `prefix` itself first. */
export function namesFrom(prefix: string): { lo: bigint; hi: bigint } {
  const bytes = new TextEncoder().encode(prefix);
  if (bytes.length > NAME_BYTES) throw new RangeError(`Cannot name an interface "${prefix}"`);
  let lo = 0n;
  for (const byte of bytes) lo = lo << 8n | BigInt(byte);
  const rest = BigInt(8 * (16 - bytes.length));
  return { lo: lo << rest, hi: (lo + 1n << rest) - 1n };
}
