/**
 * One packet as text, as the command line takes it and messages show it:
 *
 *     input in wan0 tcp 203.0.113.9:40000 > 192.0.2.1:22 flags syn
 *
 * @module
 */
import {
  DOMAIN,
  EXTENSIONS,
  type Field,
  FRAGMENT,
  type Hook,
  HOOKS,
  ICMPV6_BASE,
  interfaceNumber,
  IPV4,
  IPV6,
  NO_EXTENSIONS,
  NO_FLAGS,
  NO_ID,
  NO_INTERFACE,
  NO_MAC,
  NO_PORT,
  NO_TYPE,
  type Packet,
  PORT_PROTOCOLS,
  PROTO,
  STATES,
  TCP_FLAGS,
  V6_BASE,
} from "./field.ts";
import { readV4, readV6 } from "./address.ts";
import { contains } from "./interval.ts";
import { valueText } from "./text.ts";
import { ICMP_CODE, ICMP_TYPE, PROTOCOL } from "./value.ts";

/** Set aside by RFC 3692: a packet of no protocol in particular. */
const EXPERIMENTAL = 253n;

/** The packet as `readPacket` reads it. */
export function packetText(packet: Packet): string {
  const text = (field: Field) => valueText(field, packet[field]);
  const end = (side: "src" | "dst", port: "sport" | "dport") => {
    const address = text(side);
    if (packet[port] === NO_PORT) return address;
    return `${address.includes(":") ? `[${address}]` : address}:${text(port)}`;
  };
  const base = packet.family === IPV4 ? 0n : ICMPV6_BASE;
  return [
    text("hook"),
    ...(packet.in === NO_INTERFACE ? [] : ["in", text("in")]),
    ...(packet.out === NO_INTERFACE ? [] : ["out", text("out")]),
    text("proto"),
    `${end("src", "sport")} > ${end("dst", "dport")}`,
    ...(packet.flags === NO_FLAGS ? [] : ["flags", flagsText(packet.flags)]),
    ...(packet.type === NO_TYPE ? [] : ["type", `${packet.type - base}/${packet.code - base}`]),
    ...(packet.state === 0n ? [] : ["state", text("state")]),
    ...(packet.mark === 0n ? [] : ["mark", text("mark")]),
    ...(packet.uid === NO_ID ? [] : ["uid", text("uid")]),
    ...(packet.gid === NO_ID ? [] : ["gid", text("gid")]),
    ...(packet.mac === NO_MAC ? [] : ["mac", text("mac")]),
    ...(packet.dscp === 0n ? [] : ["dscp", text("dscp")]),
    ...(packet.exthdr === usualHeaders(packet) ? [] : ["exthdr", extensionsText(packet.exthdr)]),
    ...(packet.length === 60n ? [] : ["length", text("length")]),
    ...(packet.ttl === 64n ? [] : ["ttl", text("ttl")]),
    ...(packet.fragment === FRAGMENT.whole ? [] : ["fragment", text("fragment")]),
  ].join(" ");
}

function extensionsText(bits: bigint): string {
  return bits === 0n ? "none" : valueText("exthdr", bits);
}

/** The extension headers of a packet that names none: that of a fragment, if it is one. */
function usualHeaders({ family, fragment }: Pick<Packet, "family" | "fragment">): bigint {
  if (family === IPV4) return NO_EXTENSIONS;
  return BigInt(fragment === FRAGMENT.whole ? 0 : EXTENSIONS.frag!);
}

function flagsText(flags: bigint): string {
  return flags === 0n ? "none" : valueText("flags", flags);
}

/**
 * Reads a packet. What is left out is what a new connection would have: state new, SYN for TCP,
 * TCP if there are ports, port 40000 from and 0 to, an echo request, mark 0, 60 bytes, TTL 64,
 * interface `wan0` in and `lan0` out. Throws
 * PacketError that says which word is wrong.
 */
export function readPacket(text: string): Packet {
  const words = text.trim().split(/\s+/);
  let at = 0;
  const take = (what: string): string => {
    const word = words[at++];
    if (word === undefined || word === "") throw new PacketError(`expected ${what} at its end`);
    return word;
  };
  const hook = take("input, forward or output");
  if (!HOOKS.includes(hook as Hook)) {
    throw new PacketError(`expected input, forward or output, found "${hook}"`);
  }
  const given: Partial<Record<"in" | "out", bigint>> = {};
  while (words[at] === "in" || words[at] === "out") {
    const side = take("in or out") as "in" | "out";
    given[side] = readInterface(take("an interface"), hook, side);
  }
  const proto = words[at + 1] === ">" ? undefined : readProtocol(take("a protocol"));
  const source = readEnd(take("a source address"));
  const arrow = take("`>`");
  if (arrow !== ">") throw new PacketError(`expected \`>\`, found "${arrow}"`);
  const target = readEnd(take("a destination address"));
  const six = source.address >= V6_BASE;
  if (six !== target.address >= V6_BASE) {
    throw new PacketError("its addresses are of different families");
  }
  const options = readOptions(words.slice(at));
  const ported = source.port !== undefined || target.port !== undefined;
  const kind = proto ?? (ported ? PROTO.tcp : EXPERIMENTAL);
  const family = six ? IPV6 : IPV4;
  const fragment = options.fragment ?? FRAGMENT.whole;
  const later = fragment === FRAGMENT.later;
  const hasPorts = contains(PORT_PROTOCOLS, kind) && !later;
  const hasType = kind === (six ? PROTO.icmpv6 : PROTO.icmp) && !later;
  const base = six ? ICMPV6_BASE : 0n;
  const refuse = (there: unknown, what: string) => {
    if (there !== undefined) throw new PacketError(`such a packet has no ${what}`);
  };
  if (!hasPorts) refuse(source.port ?? target.port, "ports");
  if (!hasType) refuse(options.type, "ICMP type");
  if (kind !== PROTO.tcp || later) refuse(options.flags, "TCP flags");
  if (!six) refuse(options.exthdr, "extension headers");
  if (hook !== "output") refuse(options.uid, "user");
  return {
    hook: BigInt(HOOKS.indexOf(hook as Hook)),
    family,
    proto: kind,
    src: source.address,
    dst: target.address,
    sport: hasPorts ? source.port ?? 40000n : NO_PORT,
    dport: hasPorts ? target.port ?? 0n : NO_PORT,
    type: hasType ? base + (options.type ?? (six ? 128n : 8n)) : NO_TYPE,
    code: hasType ? base + (options.code ?? 0n) : NO_TYPE,
    flags: kind === PROTO.tcp && !later ? options.flags ?? 2n : NO_FLAGS,
    fragment,
    state: options.state ?? 0n,
    mark: options.mark ?? 0n,
    length: options.length ?? 60n,
    ttl: options.ttl ?? 64n,
    dscp: options.dscp ?? 0n,
    exthdr: options.exthdr ?? usualHeaders({ family, fragment }),
    mac: options.mac ?? NO_MAC,
    uid: options.uid ?? NO_ID,
    gid: options.gid ?? NO_ID,
    in: hook === "output" ? NO_INTERFACE : given.in ?? interfaceNumber("wan0"),
    out: hook === "input" ? NO_INTERFACE : given.out ?? interfaceNumber("lan0"),
  };
}

/** A text that is no packet; the message says why. */
export class PacketError extends Error {
  override name = "PacketError";
}

function readInterface(name: string, hook: string, side: "in" | "out"): bigint {
  if (hook === (side === "in" ? "output" : "input")) {
    throw new PacketError(`a packet of ${hook} has no ${side}put interface`);
  }
  try {
    return interfaceNumber(name);
  } catch {
    throw new PacketError(`"${name}" cannot be the name of an interface`);
  }
}

function readProtocol(word: string): bigint {
  return readNamed(word, PROTOCOL.read, "a protocol");
}

/** `ADDRESS`, `V4:PORT` or `[V6]:PORT`. */
function readEnd(text: string): { address: bigint; port: bigint | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  const dotted = /^(\d+\.\d+\.\d+\.\d+)(?::(.*))?$/.exec(text);
  const [, address = text, port] = bracketed ?? dotted ?? [];
  const reading = dotted ? readV4(address) : address.includes(":") ? readV6(address) : undefined;
  if (!reading?.set[0] || address.includes("/")) {
    throw new PacketError(
      `"${text}" is not an address: write it as in \`input tcp 192.0.2.9:40000 > 192.0.2.1:22\``,
    );
  }
  if (port !== undefined && (!/^\d+$/.test(port) || Number(port) > 65535)) {
    throw new PacketError(`"${port}" is not a port`);
  }
  return { address: reading.set[0].lo, port: port === undefined ? undefined : BigInt(port) };
}

/** What a packet may say of itself behind its addresses. */
type Options = Partial<
  Record<
    Exclude<Field, "hook" | "family" | "proto" | "src" | "dst" | "sport" | "dport" | "in" | "out">,
    bigint
  >
>;

const WORDS: readonly string[] = [
  ...["flags", "state", "type", "mark", "uid", "gid", "length", "ttl", "dscp", "exthdr", "mac"],
  "fragment",
];

function readOptions(words: readonly string[]): Options {
  const options: Options = {};
  for (let at = 0; at < words.length;) {
    const word = words[at++]!;
    if (word === "fragment") {
      const which = Object.entries(FRAGMENT).find(([name]) => name === words[at]);
      options.fragment = which?.[1] ?? FRAGMENT.later;
      if (which) at++;
      continue;
    }
    if (!WORDS.includes(word)) {
      throw new PacketError(`"${word}" is nothing that a packet has: ${WORDS.join(", ")}`);
    }
    const value = words[at++];
    if (value === undefined) throw new PacketError(`nothing follows "${word}"`);
    switch (word) {
      case "flags":
        options.flags = bitsOf(TCP_FLAGS, value, "a TCP flag");
        break;
      case "state": {
        const state = STATES.findIndex((name) => name === value);
        if (state < 0) throw new PacketError(`"${value}" is not a state (${STATES.join(", ")})`);
        options.state = BigInt(state);
        break;
      }
      case "type": {
        const [type, code] = value.split("/");
        options.type = readNamed(type!, ICMP_TYPE.read, "an ICMP type") % ICMPV6_BASE;
        if (code !== undefined) {
          options.code = readNamed(code, ICMP_CODE.read, "an ICMP code") % ICMPV6_BASE;
        }
        break;
      }
      case "mark":
      case "uid":
      case "gid":
      case "dscp":
      case "length":
      case "ttl":
        if (!/^(\d+|0[xX][0-9A-Fa-f]+)$/.test(value) || !contains(DOMAIN[word], BigInt(value))) {
          throw new PacketError(`"${value}" is not a ${word}`);
        }
        options[word] = BigInt(value);
        break;
      case "exthdr":
        options.exthdr = bitsOf(EXTENSIONS, value, "an extension header");
        break;
      case "mac":
        if (!/^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/.test(value)) {
          throw new PacketError(`"${value}" is not a MAC address`);
        }
        options.mac = BigInt(`0x${value.replaceAll(":", "")}`);
        break;
    }
  }
  return options;
}

/** The bits of some names; none of them for "none". */
function bitsOf(names: Readonly<Record<string, number>>, text: string, what: string): bigint {
  if (text === "none") return 0n;
  return BigInt(
    text.split(",").reduce((bits, name) => {
      if (!Object.hasOwn(names, name)) throw new PacketError(`"${name}" is not ${what}`);
      return bits | names[name]!;
    }, 0),
  );
}

function readNamed(word: string, read: typeof PROTOCOL.read, what: string): bigint {
  const kind = /^\d+$/.test(word) ? "number" : "name";
  const { set } = read({ kind, text: word, span: { start: 0, end: 0 } });
  if (set.length === 0) throw new PacketError(`"${word}" is not ${what}`);
  return set[0]!.lo;
}
