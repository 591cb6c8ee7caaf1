/**
 * The policy that all contestants have in force, in the words of each: rules that the traffic of
 * the bench passes without a match, and at their end those that it meets.
 *
 * @module
 */
import { check, exportIptables, exportNft } from "../../compiler/mod.ts";
import { Random } from "../../test/support/policy.ts";

/** Where datagrams go, and all but the last of these are accepted: mixed verdicts. */
export const PORTS: readonly number[] = Array.from({ length: 8 }, (_, i) => 9000 + i);
export const DROPPED_PORT = 9007;
/** Accepted, for iperf3 and for connections that come and go. */
export const TCP_PORT = 5201, CONNECT_PORT = 5202;

export type Hook = "input" | "forward";

/** One policy, in each contestant's words. */
export interface BenchPolicy {
  readonly hook: Hook;
  /** As a rule file. */
  readonly barrage: string;
  /** As a script of `nft -f`: the table `inet barrage-export`. */
  readonly nft: string;
  /** As input of `iptables-restore`. */
  readonly iptables: string;
}

/** The policy of `size` rules, always the same; with `state`, established connections come first. */
export function policyOf(hook: Hook, size: number, state: boolean): BenchPolicy {
  const first = state ? ["accept state established,related"] : [];
  const last = [
    "accept icmp",
    `accept tcp dport ${TCP_PORT}`,
    `accept tcp dport ${CONNECT_PORT}`,
    ...PORTS.map((port) => `${port === DROPPED_PORT ? "drop" : "accept"} udp dport ${port}`),
  ];
  const random = new Random(size);
  const others = Array.from({ length: size - first.length - last.length }, () => passed(random));
  const rules = [...first, ...others, ...last].map((rule) => `  ${rule}\n`).join("");
  const barrage = `chain ${hook} default drop {\n${rules}}\n`;
  const { policy, diagnostics } = check("bench.fw", barrage);
  if (!policy) throw new Error(diagnostics[0]!.message);
  return { hook, barrage, nft: exportNft(policy).text, iptables: exportIptables(policy).text };
}

/** A rule that no packet of the bench meets: it is about other networks. */
function passed(random: Random): string {
  const byte = () => random.below(256);
  const verdict = random.chance(4) ? "drop" : "accept", proto = random.pick(["tcp", "tcp", "udp"]);
  const from = random.chance(3) ? "" : ` from 172.${16 + random.below(16)}.${byte()}.0/24`;
  const to = `198.${18 + random.below(2)}.${byte()}.${byte()}/32`;
  return `${verdict} ${proto}${from} to ${to} dport ${1 + random.below(65535)}`;
}
