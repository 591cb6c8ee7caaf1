/**
 * What goes through the router of the soak: packets of several classes, each with a port of its own,
 * and two policies that take turns over them.
 *
 * @module
 */
import {
  FRAGMENT,
  ICMPV6_BASE,
  interfaceNumber,
  IPV4,
  IPV6,
  NO_EXTENSIONS,
  NO_FLAGS,
  NO_ID,
  NO_MAC,
  NO_PORT,
  NO_TYPE,
  type Packet,
  PROTO,
  V6_BASE,
} from "../../compiler/policy/field.ts";
import { leastLength, packetBytes, withChecksums } from "../../test/support/packet.ts";

/** The classes by what becomes of them; their datagrams go to port 9001 and on, in this order. */
export const CLASSES = [
  "front",
  "limited",
  "sets",
  "logged",
  "sampled",
  "swing",
  "refused",
  "stray",
] as const;
export type Class = (typeof CLASSES)[number] | "ping" | "malformed";

export const PORTS = Object.fromEntries(CLASSES.map((name, i) => [name, 9001 + i])) as Readonly<
  Record<(typeof CLASSES)[number], number>
>;
export const TCP_PORT = 5300, METRICS_PORT = 9477;

/** Sources of datagrams: hosts that are not there, but for the first, which asks and is refused. */
const SOURCES = 16;

/** Source `i` of a family; the client itself is the first. */
export function sourceOf(six: boolean, i: number): string {
  const host = i === 0 ? 1 : 9 + i;
  return six ? `fd00:0::${host.toString(16)}` : `10.0.0.${host}`;
}

/** Packets that are sent in turn, each with its class. */
export function mixture(): { readonly kind: Class; readonly bytes: Uint8Array }[] {
  const found: { kind: Class; bytes: Uint8Array }[] = [];
  for (let i = 0; i < SOURCES; i++) {
    for (const family of [IPV4, IPV6]) {
      for (const kind of CLASSES) {
        // Who is refused is told so, and must be there to hear it.
        const from = kind === "refused" ? 0 : i;
        found.push({ kind, bytes: datagram(family, from, PORTS[kind], 64 + 37 * i) });
      }
      if (i % 4 === 0) found.push({ kind: "ping", bytes: echoRequest(family) });
    }
    if (i % 4 === 0) { for (const bytes of malformed()) found.push({ kind: "malformed", bytes }); }
  }
  return found;
}

function base(family: bigint, source: number): Omit<Packet, "length"> {
  const six = family === IPV6;
  const host = BigInt(source === 0 ? 1 : 9 + source);
  return {
    hook: 1n,
    family,
    proto: PROTO.udp,
    src: six ? V6_BASE + (0xfd00n << 112n) + host : 0x0a000000n + host,
    dst: six ? V6_BASE + (0xfd00n << 112n) + (1n << 96n) + 2n : 0x0a000102n,
    sport: 40000n + host,
    dport: NO_PORT,
    type: NO_TYPE,
    code: NO_TYPE,
    flags: NO_FLAGS,
    fragment: FRAGMENT.whole,
    state: 0n,
    mark: 0n,
    ttl: 64n,
    dscp: 0n,
    exthdr: six ? 0n : NO_EXTENSIONS,
    mac: NO_MAC,
    uid: NO_ID,
    gid: NO_ID,
    in: interfaceNumber("to-client"),
    out: interfaceNumber("to-server"),
  };
}

function datagram(family: bigint, source: number, port: number, payload: number): Uint8Array {
  return whole({ ...base(family, source), dport: BigInt(port) }, payload);
}

function echoRequest(family: bigint): Uint8Array {
  const type = family === IPV6 ? ICMPV6_BASE + 128n : 8n;
  const code = family === IPV6 ? ICMPV6_BASE : 0n;
  const proto = family === IPV6 ? PROTO.icmpv6 : PROTO.icmp;
  return whole({ ...base(family, 0), proto, type, code, sport: NO_PORT }, 56);
}

function whole(packet: Omit<Packet, "length">, payload: number): Uint8Array {
  const full = { ...packet, length: leastLength(packet) + BigInt(payload) };
  const bytes = packetBytes(full);
  if (packet.proto === PROTO.udp) {
    const at = packet.family === IPV6 ? 40 : 20;
    new DataView(bytes.buffer).setUint16(at + 4, bytes.length - at);
  }
  return withChecksums(full, bytes);
}

/** Packets that the kernel forwards and that cannot be read: headers that end too soon or lie. */
function malformed(): Uint8Array[] {
  const tcp = (family: bigint) => ({
    ...base(family, 1),
    proto: PROTO.tcp,
    dport: BigInt(TCP_PORT),
    flags: 2n,
  });
  return [IPV4, IPV6].flatMap((family) => {
    const at = family === IPV6 ? 40 : 20;
    const cut = (packet: Omit<Packet, "length">, length: number) => {
      const bytes = whole(packet, 0).slice(0, at + length);
      const view = new DataView(bytes.buffer);
      if (family === IPV6) view.setUint16(4, length);
      else {
        view.setUint16(2, bytes.length);
        view.setUint16(10, 0);
        return withChecksums({ ...packet, proto: 0n, type: NO_TYPE, length: 0n }, bytes);
      }
      return bytes;
    };
    const short = whole(tcp(family), 0);
    short[at + 12] = 0x20; // says that its header has eight bytes
    return [cut(tcp(family), 4), cut({ ...base(family, 1), dport: 9001n }, 4), short];
  });
}

/** Which rules, by label, share the packets of a class, and which of them let them pass. */
export const LABELS: Readonly<
  Record<(typeof CLASSES)[number], { all: readonly string[]; pass: readonly string[] }>
> = {
  front: { all: ["front"], pass: [] },
  limited: { all: ["within", "over"], pass: ["within"] },
  sets: { all: ["blocked", "known", "unknown"], pass: ["known"] },
  logged: { all: ["plain"], pass: ["plain"] },
  sampled: { all: ["through"], pass: ["through"] },
  swing: {
    all: ["swing-accept", "swing-drop", "(earlier accept rules)", "(earlier drop rules)"],
    pass: ["swing-accept", "(earlier accept rules)"],
  },
  refused: { all: ["refused"], pass: [] },
  stray: { all: ["stray"], pass: [] },
};

/** One of the two policies. They differ in what the kernel can do in front of the queue, and in a verdict. */
export function policyOf(turn: number, log: string, router: string): string {
  const odd = turn % 2 === 1;
  return `option log "${log}"
option push-down 64
option metrics ${router}:${METRICS_PORT}
set known : addr timeout 20s size 4096 = { 192.0.2.66 }
set blocked : addr timeout 10m size 256 = { ${sourceOf(false, 3)}, ${sourceOf(true, 5)} }

chain input default accept {}

chain forward default drop {
  accept state established label flow
  ${odd ? "accept icmp type echo-request label ping" : ""}
  drop udp dport ${PORTS.front} label front
  accept udp dport ${PORTS.limited} limit 5/second burst 5 per source label within
  drop udp dport ${PORTS.limited} label over
  drop from @blocked udp dport ${PORTS.sets} label blocked
  accept from @known udp dport ${PORTS.sets} label known
  drop udp dport ${PORTS.sets} label unknown
  match from { ${sourceOf(false, 1)}, ${
    sourceOf(true, 1)
  } } udp dport ${PORTS.logged} log label seen
  accept udp dport ${PORTS.logged} label plain
  match udp dport ${PORTS.sampled} log "sampled" every 500ms label sampled
  accept udp dport ${PORTS.sampled} label through
  ${odd ? "accept" : "drop"} udp dport ${PORTS.swing} label swing-${odd ? "accept" : "drop"}
  reject udp dport ${PORTS.refused} label refused
  drop udp dport ${PORTS.stray} label stray
  accept tcp dport ${TCP_PORT} label tcp
  ${odd ? "" : "accept icmp type echo-request label ping"}
  accept icmpv6 type echo-request label ping6
}
`;
}
