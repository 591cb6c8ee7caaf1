/**
 * The ways to refuse a packet, in the words of the kernel's tools.
 *
 * @module
 */
import type { RejectKind } from "../policy/policy.ts";

/** A way to refuse that the kernel can carry out. */
export interface Refusal {
  readonly kind: Exclude<RejectKind, "auto">;
  /** What follows `reject with` of nft, and `--reject-with` of iptables and ip6tables. */
  readonly words: Readonly<Record<"nft" | "ipv4" | "ipv6", string>>;
}

const WORDS: Readonly<Record<Refusal["kind"], Refusal["words"]>> = {
  tcp_reset: { nft: "tcp reset", ipv4: "tcp-reset", ipv6: "tcp-reset" },
  icmp_port: {
    nft: "icmpx type port-unreachable",
    ipv4: "icmp-port-unreachable",
    ipv6: "icmp6-port-unreachable",
  },
  icmp_host: {
    nft: "icmpx type host-unreachable",
    ipv4: "icmp-host-unreachable",
    ipv6: "icmp6-addr-unreachable",
  },
  icmp_net: {
    nft: "icmpx type no-route",
    ipv4: "icmp-net-unreachable",
    ipv6: "icmp6-no-route",
  },
  icmp_admin: {
    nft: "icmpx type admin-prohibited",
    ipv4: "icmp-admin-prohibited",
    ipv6: "icmp6-adm-prohibited",
  },
};

export function refusal(kind: Refusal["kind"]): Refusal {
  return { kind, words: WORDS[kind] };
}
