/**
 * The policy that all contestants have in force, in the words of each: rules that the traffic of
 * the bench passes without a match, and at their end those that it meets.
 *
 * @module
 */
import { Random } from "../../test/support/policy.ts";

/** Where datagrams go, and all but the last of these are accepted: mixed verdicts. */
export const PORTS: readonly number[] = Array.from({ length: 8 }, (_, i) => 9000 + i);
export const DROPPED_PORT = 9007;
/** Accepted, for iperf3 and for connections that come and go. */
export const TCP_PORT = 5201, CONNECT_PORT = 5202;

export type Hook = "input" | "forward";

interface Rule {
  readonly verdict: "accept" | "drop";
  readonly proto: "tcp" | "udp" | "icmp";
  readonly from?: string;
  readonly to?: string;
  readonly dport?: number;
}

/** One policy of `size` rules, the same for the same size; with `state`, established comes first. */
export class Policy {
  readonly #rules: readonly Rule[];

  constructor(readonly hook: Hook, readonly size: number, readonly state: boolean = false) {
    const random = new Random(size);
    const byte = () => random.below(256);
    const others = Array.from({ length: size - TAIL.length - (state ? 1 : 0) }, (): Rule => ({
      verdict: random.chance(4) ? "drop" : "accept",
      proto: random.pick(["tcp", "tcp", "udp"]),
      // Not the networks of the bench, so that every packet goes on to the end.
      ...random.chance(3) ? {} : { from: `172.${16 + random.below(16)}.${byte()}.0/24` },
      to: `198.${18 + random.below(2)}.${byte()}.${byte()}/32`,
      dport: 1 + random.below(65535),
    }));
    this.#rules = [...others, ...TAIL];
  }

  /** As a rule file. */
  barrage(): string {
    const rules = this.#rules.map(({ verdict, proto, from, to, dport }) =>
      `  ${verdict} ${proto}${from ? ` from ${from}` : ""}${to ? ` to ${to}` : ""}` +
      `${dport ? ` dport ${dport}` : ""}`
    );
    const first = this.state ? ["  accept state established,related"] : [];
    return `chain ${this.hook} default drop {\n${[...first, ...rules].join("\n")}\n}\n`;
  }

  /** As a script of `nft -f`. */
  nft(): string {
    const rules = this.#rules.map(({ verdict, proto, from, to, dport }) =>
      `${from ? `ip saddr ${from} ` : ""}${to ? `ip daddr ${to} ` : ""}` +
      `${dport ? `${proto} dport ${dport}` : `meta l4proto ${proto}`} ${verdict}`
    );
    const first = this.state ? ["ct state established,related accept"] : [];
    const head = `type filter hook ${this.hook} priority 0; policy drop;`;
    return `table ip bench { chain filter { ${head}\n${[...first, ...rules].join("\n")}\n}\n}\n`;
  }

  /** As input of `iptables-restore`. */
  iptables(): string {
    const chain = this.hook.toUpperCase();
    const rules = this.#rules.map(({ verdict, proto, from, to, dport }) =>
      `-A ${chain}${from ? ` -s ${from}` : ""}${to ? ` -d ${to}` : ""} -p ${proto}` +
      `${dport ? ` --dport ${dport}` : ""} -j ${verdict.toUpperCase()}`
    );
    const first = this.state
      ? [`-A ${chain} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`]
      : [];
    return `*filter\n:${chain} DROP\n${[...first, ...rules].join("\n")}\nCOMMIT\n`;
  }
}

const TAIL: readonly Rule[] = [
  { verdict: "accept", proto: "icmp" },
  { verdict: "accept", proto: "tcp", dport: TCP_PORT },
  { verdict: "accept", proto: "tcp", dport: CONNECT_PORT },
  ...PORTS.map((dport): Rule => ({
    verdict: dport === DROPPED_PORT ? "drop" : "accept",
    proto: "udp",
    dport,
  })),
];
