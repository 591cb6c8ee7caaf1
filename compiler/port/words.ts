/**
 * What the readers of both foreign forms share.
 *
 * @module
 */

import { KEYWORDS } from "../syntax/token.ts";

/** A rule cannot be said in the language; the message says why. */
export class Unsaid extends Error {
  override name = "Unsaid";
  /** @param harmless no packet gets another verdict for it */
  constructor(message: string, readonly harmless = false) {
    super(message);
  }
}

/** No packet can match a rule. */
export class Never extends Error {
  override name = "Never";
}

/** Why a rule matches more that asks something behind its limit. */
export const UNEQUAL_LIMIT = "its limit counts packets that the rest of the rule does not match";

/** Ways to reject, under the names that iptables, ip6tables and nft give them. */
export const REJECTS: Readonly<Record<string, string>> = {
  "icmp-port-unreachable": "icmp-port",
  "icmp6-port-unreachable": "icmp-port",
  "port-unreach": "icmp-port",
  "port-unreachable": "icmp-port",
  "icmp-host-unreachable": "icmp-host",
  "icmp6-addr-unreachable": "icmp-host",
  "addr-unreach": "icmp-host",
  "addr-unreachable": "icmp-host",
  "host-unreachable": "icmp-host",
  "icmp-net-unreachable": "icmp-net",
  "icmp6-no-route": "icmp-net",
  "no-route": "icmp-net",
  "net-unreachable": "icmp-net",
  "icmp-admin-prohibited": "icmp-admin",
  "icmp6-adm-prohibited": "icmp-admin",
  "adm-prohibited": "icmp-admin",
  "admin-prohibited": "icmp-admin",
  "tcp-reset": "tcp-reset",
};

/** Protocols by the names that /etc/protocols has, which iptables and nft print. */
const PROTOCOLS: Readonly<Record<string, number>> = {
  ...{
    ip: 0,
    hopopt: 0,
    icmp: 1,
    igmp: 2,
    ggp: 3,
    ipencap: 4,
    ipip: 4,
    ipv4: 4,
    st: 5,
    egp: 8,
    igp: 9,
  },
  ...{ pup: 12, hmp: 20, "xns-idp": 22, rdp: 27, "iso-tp4": 29, dccp: 33, xtp: 36, ddp: 37 },
  ...{ "idpr-cmtp": 38, ipv6: 41, "ipv6-route": 43, "ipv6-frag": 44, idrp: 45, rsvp: 46 },
  ...{
    gre: 47,
    esp: 50,
    ah: 51,
    skip: 57,
    "ipv6-icmp": 58,
    icmpv6: 58,
    icmp6: 58,
    "ipv6-nonxt": 59,
  },
  ...{ "ipv6-opts": 60, rspf: 73, vmtp: 81, eigrp: 88, ospf: 89, "ax.25": 93, etherip: 97 },
  ...{
    encap: 98,
    pim: 103,
    ipcomp: 108,
    vrrp: 112,
    l2tp: 115,
    isis: 124,
    fc: 133,
    "mobility-header": 135,
  },
  ...{ mh: 135, udplite: 136, "mpls-in-ip": 137, manet: 138, hip: 139, shim6: 140, wesp: 141 },
  ...{ rohc: 142, ethernet: 143, mptcp: 262 },
};

/**
 * A protocol as the language says it: `tcp`, `icmpv6` or a number. Throws Unsaid on a name that no
 * protocol has.
 */
export function protocolWord(name: string): string {
  const lower = name.toLowerCase();
  if (/^(tcp|udp|sctp)$/.test(lower)) return lower;
  const number = Object.hasOwn(PROTOCOLS, lower) ? PROTOCOLS[lower]! : Number(lower);
  if (!Number.isInteger(number)) throw new Unsaid(`there is no number for the protocol ${name}`);
  return { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp" }[number] ?? `${number}`;
}

/** A name as the language takes it: in quotes only where it must be. */
export function nameText(name: string): string {
  const plain = /^[A-Za-z_]\w*([-.]\w+)*$/.test(name) && !KEYWORDS.some((word) => word === name);
  return plain ? name : JSON.stringify(name);
}

/** The same of an interface; `*` at its end stands for any ending. */
export function interfaceText(name: string): string {
  const stem = name.replace(/\*$/, "");
  return nameText(stem) === stem ? name : JSON.stringify(name);
}

/** The number that a text is, in hexadecimal digits. */
export function hex(text: string): string {
  return `0x${Number(text).toString(16)}`;
}

/** `a-b`, or the one value. */
export function rangeText(lo: number, hi: number): string {
  return lo === hi ? `${lo}` : `${lo}-${hi}`;
}
