/**
 * What a literal means where it stands: `22` is a port behind `dport` and a protocol behind
 * `proto`. Each type reads one value, and knows what `any` and `!` are relative to.
 *
 * @module
 */
import { type Code, suggestion } from "../diagnostic.ts";
import type { Value } from "../syntax/ast.ts";
import { SERVICES } from "../syntax/foreign/words.ts";
import { failed, type Problem, type Reading, readV4, readV6 } from "./address.ts";
import {
  EXTENSIONS,
  ICMP_TYPES,
  ICMPV6_BASE,
  ICMPV6_TYPES,
  NAME_BYTES,
  namesFrom,
  NO_EXTENSIONS,
  NO_ID,
  NO_MAC,
  PORTS,
  V4_ADDRESSES,
  V6_ADDRESSES,
} from "./field.ts";
import { intersect, type IntervalSet, setOf, span, union } from "./interval.ts";

export interface ValueType {
  /** With its article, as in "expected a port". */
  readonly name: string;
  readonly any: IntervalSet;
  readonly read: (value: Value) => Reading;
  /** What `! set` is the rest of. */
  readonly domainOf: (set: IntervalSet) => IntervalSet;
  /** Whether `a-b` is a range of two values of this type. */
  readonly ranges: boolean;
}

/** What a literal is, by its looks alone. */
const LOOKS: Readonly<Record<Value["kind"], string>> = {
  ipv4: "an address",
  ipv6: "an address",
  mac: "a MAC address",
  number: "a number",
  string: "a string",
  name: "a name",
  glob: "an interface pattern",
  const: "a constant",
  set: "a set",
  any: "`any`",
  self: "`self`",
  duration: "a duration",
};

const EVERY_ADDRESS = union(V4_ADDRESSES, V6_ADDRESSES);

/** An address, a prefix, or an end of a range of addresses. */
export const ADDRESS: ValueType = {
  name: "an address",
  any: EVERY_ADDRESS,
  read: (value) =>
    value.kind === "ipv4"
      ? readV4(value.text)
      : value.kind === "ipv6"
      ? readV6(value.text)
      : mismatch("an address", value),
  // `! 10.0.0.0/8` names IPv4 and so says nothing of IPv6.
  domainOf: (set) => halvesOf(set, V4_ADDRESSES, V6_ADDRESSES),
  ranges: true,
};

/** Service names are left to numbers: /etc/services differs between hosts. */
export const PORT: ValueType = numeric(
  "a port",
  PORTS,
  "FW214",
  {},
  (n) =>
    n === 0n
      ? { code: "FW215", message: "port 0 is reserved: no service can listen on it" }
      : undefined,
  (name) => Object.hasOwn(SERVICES, name) ? `${SERVICES[name]}` : undefined,
);

/** IANA protocol numbers that firewalls name. */
export const PROTOCOL: ValueType = numeric("a protocol", span(0, 255), "FW214", {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
});

/** IANA ICMP and ICMPv6 types under the names that nft gives them. */
export const ICMP_TYPE: ValueType = icmp("an ICMP type", {
  "echo-reply": 0,
  "destination-unreachable": 3,
  "source-quench": 4,
  redirect: 5,
  "echo-request": 8,
  "router-advertisement": 9,
  "router-solicitation": 10,
  "time-exceeded": 11,
  "parameter-problem": 12,
  "timestamp-request": 13,
  "timestamp-reply": 14,
  "info-request": 15,
  "info-reply": 16,
  "address-mask-request": 17,
  "address-mask-reply": 18,
}, {
  "destination-unreachable": 1,
  "packet-too-big": 2,
  "time-exceeded": 3,
  "parameter-problem": 4,
  "echo-request": 128,
  "echo-reply": 129,
  "mld-listener-query": 130,
  "mld-listener-report": 131,
  "mld-listener-done": 132,
  "nd-router-solicit": 133,
  "nd-router-advert": 134,
  "nd-neighbor-solicit": 135,
  "nd-neighbor-advert": 136,
  "nd-redirect": 137,
  "router-renumbering": 138,
  "ind-neighbor-solicit": 141,
  "ind-neighbor-advert": 142,
  "mld2-listener-report": 143,
});

/** IANA codes of destination-unreachable, under the names that nft gives them. */
export const ICMP_CODE: ValueType = icmp("an ICMP code", {
  "net-unreachable": 0,
  "host-unreachable": 1,
  "prot-unreachable": 2,
  "port-unreachable": 3,
  "frag-needed": 4,
  "net-prohibited": 9,
  "host-prohibited": 10,
  "admin-prohibited": 13,
}, {
  "no-route": 0,
  "admin-prohibited": 1,
  "addr-unreachable": 3,
  "port-unreachable": 4,
  "policy-fail": 5,
  "reject-route": 6,
});

/** An interface name, quoted or not, or a prefix of names with `*` at its end. */
export const INTERFACE: ValueType = {
  name: "an interface",
  any: span(1n, (1n << 128n) - 1n),
  read: (value) => {
    if (value.kind !== "name" && value.kind !== "string" && value.kind !== "glob") {
      return mismatch("an interface", value);
    }
    const glob = value.text.endsWith("*");
    const name = glob ? value.text.slice(0, -1) : value.text;
    const length = new TextEncoder().encode(name).length;
    if (name === "" || length > NAME_BYTES || /[\s/*]/.test(name)) {
      return failed({
        code: "FW216",
        message: `\`${value.text}\` cannot be the name of an interface`,
        note: `the kernel allows 1 to ${NAME_BYTES} bytes, without spaces and slashes`,
      });
    }
    const { lo, hi } = namesFrom(name);
    return { set: [{ lo, hi: glob ? hi : lo }] };
  },
  domainOf: () => INTERFACE.any,
  ranges: false,
};

/** A packet mark, before its mask. */
export const MARK: ValueType = numeric("a mark", span(0, 0xffffffff), "FW214");

/** Bytes of an IP packet, header included. */
export const LENGTH: ValueType = numeric("a length", span(0, 65535), "FW214");

/** The time to live of IPv4, the hop limit of IPv6. */
export const TTL: ValueType = numeric("a time to live", span(0, 255), "FW214");

/** IANA code points of differentiated services (RFC 2474, 2597, 3246, 5865, 8622). */
export const DSCP: ValueType = numeric("a DSCP", span(0, 63), "FW214", {
  ...{ be: 0, le: 1, va: 44, ef: 46 },
  ...{ cs0: 0, cs1: 8, cs2: 16, cs3: 24, cs4: 32, cs5: 40, cs6: 48, cs7: 56 },
  ...{ af11: 10, af12: 12, af13: 14, af21: 18, af22: 20, af23: 22 },
  ...{ af31: 26, af32: 28, af33: 30, af41: 34, af42: 36, af43: 38 },
});

/** User names are left to numbers: /etc/passwd differs between hosts. */
export const USER: ValueType = numeric("a user number", span(0n, NO_ID - 1n), "FW214");
export const GROUP: ValueType = numeric("a group number", span(0n, NO_ID - 1n), "FW214");

/** An IPv6 extension header: the packets that have it, whichever others they have. */
export const EXTENSION: ValueType = {
  name: "an extension header",
  any: span(1n, NO_EXTENSIONS - 1n),
  domainOf: () => span(0n, NO_EXTENSIONS - 1n),
  ranges: false,
  read: (value) => {
    if (value.kind !== "name") return mismatch("an extension header", value);
    const bit = Object.hasOwn(EXTENSIONS, value.text) ? EXTENSIONS[value.text]! : 0;
    if (bit === 0) {
      return failed({
        code: "FW218",
        message: `\`${value.text}\` is not the name of an extension header`,
        ...suggestion(value.text, Object.keys(EXTENSIONS)),
        note: `the names are ${Object.keys(EXTENSIONS).join(", ")}`,
      });
    }
    const having = Array.from({ length: Number(NO_EXTENSIONS) }, (_, bits) => bits)
      .filter((bits) => bits & bit);
    return { set: setOf(having.flatMap((bits) => span(bits))) };
  },
};

/** The source hardware address of an Ethernet frame. */
export const MAC: ValueType = {
  name: "a MAC address",
  any: span(0n, NO_MAC - 1n),
  domainOf: () => span(0n, NO_MAC - 1n),
  ranges: true,
  read: (value) =>
    value.kind === "mac"
      ? { set: span(BigInt(`0x${value.text.replaceAll(":", "")}`)) }
      : mismatch("a MAC address", value),
};

function mismatch(expected: string, value: Value, instead?: string): Reading {
  return failed({
    code: "FW207",
    message: `expected ${expected}, found ${LOOKS[value.kind]}`,
    ...(instead !== undefined
      ? { help: `write \`${instead}\``, instead }
      : value.kind === "name" && NAMELESS[expected] !== undefined && { help: NAMELESS[expected] }),
  });
}

/** What to write where people put a name that means nothing to the kernel. */
const NAMELESS: Readonly<Record<string, string>> = {
  "an address": "names are not looked up: write addresses, `$constant` or `@set`",
  "a port": "write its number",
  "a user number": "write its number, which `id -u NAME` prints",
  "a group number": "write its number, which `getent group NAME` prints",
};

/** What others call a value of ours. */
const ALIASES: Readonly<Record<string, string>> = {
  ...{ icmp6: "icmpv6", "ipv6-icmp": "icmpv6", "icmp-v6": "icmpv6", "udp-lite": "udplite" },
  ...{ ipencap: "ipip", "4in4": "ipip" },
  ...{ ping: "echo-request", pong: "echo-reply", unreachable: "destination-unreachable" },
  ...{ "ttl-exceeded": "time-exceeded", toobig: "packet-too-big" },
  ...{ "neighbor-solicitation": "nd-neighbor-solicit", neighbrsol: "nd-neighbor-solicit" },
  ...{ "neighbour-solicitation": "nd-neighbor-solicit", neighbradv: "nd-neighbor-advert" },
  ...{ "neighbor-advertisement": "nd-neighbor-advert", routersol: "nd-router-solicit" },
  ...{ "neighbour-advertisement": "nd-neighbor-advert", routeradv: "nd-router-advert" },
  "fragmentation-needed": "frag-needed",
};

/** A name that no value of the type has. */
function unnamed(name: string, value: Value, names: readonly string[]): Reading {
  const alias = Object.hasOwn(ALIASES, value.text) ? ALIASES[value.text]! : "";
  if (names.includes(alias)) {
    return failed({
      code: "FW218",
      message: `\`${value.text}\` is called \`${alias}\` here`,
      help: `write \`${alias}\``,
      instead: alias,
    });
  }
  const alike = names.filter((known) => known.startsWith(value.text.slice(0, 3)));
  const suggested = suggestion(value.text, names);
  return failed({
    code: "FW218",
    message: `\`${value.text}\` is not the name of ${name}`,
    ...suggested,
    ...(suggested.label
      ? {}
      : alike.length > 0
      ? { help: `write ${[...new Set(alike)].join(" or ")}` }
      : { note: `the names are ${[...new Set(names)].join(", ")}; a number will do as well` }),
  });
}

/** The parts of a domain that a set has values in. */
function halvesOf(set: IntervalSet, ...halves: readonly IntervalSet[]): IntervalSet {
  return halves.filter((half) => intersect(set, half).length > 0).flat();
}

function numeric(
  name: string,
  any: IntervalSet,
  outOfRange: Code,
  names: Readonly<Record<string, number>> = {},
  oddity: (n: bigint) => Problem | undefined = () => undefined,
  instead: (text: string) => string | undefined = () => undefined,
): ValueType {
  return {
    name,
    any,
    domainOf: () => any,
    ranges: true,
    read: (value) => {
      if (value.kind === "name" && Object.hasOwn(names, value.text)) {
        return { set: span(names[value.text]!) };
      }
      if (value.kind === "name" && Object.keys(names).length > 0) {
        return unnamed(name, value, Object.keys(names));
      }
      if (value.kind !== "number") return mismatch(name, value, instead(value.text));
      const n = BigInt(value.text);
      const top = any.at(-1)!.hi;
      if (n > top) {
        return failed({ code: outOfRange, message: `${name} is at most ${top}, found ${n}` });
      }
      const problem = oddity(n);
      return { set: span(n), ...(problem && { problem }) };
    },
  };
}

/** A number stands for both protocols; the rule's protocol or family settles which. */
function icmp(
  name: string,
  v4: Readonly<Record<string, number>>,
  v6: Readonly<Record<string, number>>,
): ValueType {
  return {
    name,
    any: union(ICMP_TYPES, ICMPV6_TYPES),
    domainOf: (set) => halvesOf(set, ICMP_TYPES, ICMPV6_TYPES),
    ranges: true,
    read: (value) => {
      if (value.kind !== "number" && value.kind !== "name") return mismatch(name, value);
      const of = (names: Readonly<Record<string, number>>) =>
        value.kind === "number"
          ? Number(value.text)
          : Object.hasOwn(names, value.text)
          ? names[value.text]
          : undefined;
      const [a, b] = [of(v4), of(v6)];
      if ((a ?? b ?? 0) > 255) {
        return failed({ code: "FW214", message: `${name} is at most 255, found ${value.text}` });
      }
      const set = [
        ...(a === undefined ? [] : span(a)),
        ...(b === undefined ? [] : span(ICMPV6_BASE + BigInt(b))),
      ];
      if (set.length > 0) return { set };
      return unnamed(name, value, [...Object.keys(v4), ...Object.keys(v6)]);
    },
  };
}
