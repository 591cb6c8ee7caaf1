/**
 * Random rule sets of iptables and nft, over the values of the random packets: chains with jumps,
 * gotos and returns, several base chains for a hook.
 *
 * @module
 */
import type { Random } from "./policy.ts";

/** Questions that go together, of IPv4 (4), IPv6 (6) or both (0). */
type Question = readonly [family: 0 | 4 | 6, text: string];

const NFT_ADDRESSES: readonly Question[] = [
  [4, "ip saddr 10.0.0.0/31"],
  [4, "ip saddr != 10.0.0.2"],
  [4, "ip daddr { 10.0.0.1, 10.0.0.3 }"],
  [4, "ip saddr @hosts"],
  [4, "ip saddr != @hosts"],
  [4, "ip ttl < 64"],
  [4, "ip dscp { ef, af11 }"],
  [4, "ip protocol { tcp, 47 }"],
  [6, "ip6 saddr fd00::2-fd00::3"],
  [6, "ip6 daddr != { fd00::1, fd00::2 }"],
  [6, "ip6 hoplimit >= 64"],
  [6, "ip6 nexthdr udp"],
  [6, "ip6 nexthdr != { tcp, udp }"],
  [6, "exthdr dst exists"],
];
const NFT_TRANSPORT: readonly Question[] = [
  [0, "tcp dport 1-3"],
  [0, "tcp dport @ports"],
  [0, "udp sport != 2"],
  [0, "sctp dport { 1, 4 }"],
  [0, "meta l4proto { tcp, udp } th dport 80"],
  [0, "meta l4proto != udp"],
  [0, "tcp flags & (syn | ack) == syn"],
  [0, "tcp flags & (fin | syn) != syn"],
  [0, "tcp flags fin,rst"],
  [4, "ip saddr . tcp dport @pairs"],
  [4, "icmp type echo-request"],
  [6, "icmpv6 type != nd-neighbor-solicit"],
  [6, "icmpv6 type . icmpv6 code { echo-request . no-route, packet-too-big . 0-3 }"],
];
const NFT_REST: readonly Question[] = [
  [0, 'iifname "eth0"'],
  [0, 'iifname != "eth*"'],
  [0, "ct state new,invalid"],
  [0, "ct state { established, new }"],
  [0, "meta mark & 0x3 == 0x2"],
  [0, "meta mark & 0x4 != 0x4"],
  [0, "meta length > 40"],
  [0, "meta protocol { ip, ip6 }"],
  [0, "ether saddr 02:00:00:00:00:01"],
];
const NFT_MAPS: readonly Question[] = [
  [0, "tcp dport vmap { 1 : accept, 2 : drop, 3-4 : jump JUMP }"],
  [0, "ct state vmap { new : jump JUMP, invalid : drop }"],
  [0, 'iifname . meta l4proto vmap { "eth0" . tcp : accept, "wan0" . udp : goto JUMP }'],
  [0, "tcp dport vmap @ways"],
  [4, "ip saddr . tcp dport vmap { 10.0.0.2 . 1 : accept, 10.0.0.3 . 80 : drop }"],
];

/** A rule set of three tables, to be read by `nft -f`. */
export function randomNft(random: Random): string {
  // Sets of one name have other members in each.
  const tables = [
    ["inet", "a", -5, "10.0.0.2/31, 192.168.0.1", "1-2, 80", "10.0.0.2 . 1, 10.0.0.3 . 2-4"],
    ["inet", "b", 0, "10.0.0.1", "3", "10.0.0.1 . 80"],
    ["ip", "c", 5, "10.0.0.0/31", "2-4", "10.0.0.0 . 1-3, 10.0.0.1 . 4"],
  ] as const;
  return tables.flatMap(([family, name, priority, hosts, ports, pairs]) => {
    const four = family === "ip";
    // A chain leads only to those after it.
    const below = ["one", "two", "three"];
    const body = (chain: string) => {
      const targets = below.slice(below.indexOf(chain) + 1);
      return Array.from({ length: 1 + random.below(5) }, () => nftRule(random, four, targets));
    };
    const base = (hook: string) => [
      `chain ${hook} {`,
      `type filter hook ${hook} priority ${priority}; policy ${
        random.pick(["accept", "accept", "drop"])
      };`,
      ...body(hook),
      "}",
    ];
    return [
      `table ${family} ${name} {`,
      `set hosts { type ipv4_addr; flags interval; elements = { ${hosts} } }`,
      `set ports { type inet_service; flags interval; elements = { ${ports} } }`,
      "set pairs {",
      `type ipv4_addr . inet_service; flags interval; elements = { ${pairs} }`,
      "}",
      "map ways { type inet_service : verdict; flags interval",
      `elements = { ${ports.split(", ")[0]} : accept, 5 : drop }`,
      "}",
      ...below.toReversed().flatMap((chain) => [`chain ${chain} {`, ...body(chain), "}"]),
      ...base("input"),
      ...base("forward"),
      "}",
    ];
  }).join("\n") + "\n";
}

function nftRule(random: Random, four: boolean, targets: readonly string[]): string {
  const family = four ? 4 : random.pick([0, 4, 6] as const);
  const some = (list: readonly Question[], oneIn: number) => {
    const fit = list.filter(([of]) => of === 0 || of === family);
    return fit.length > 0 && random.chance(oneIn) ? [random.pick(fit)[1]] : [];
  };
  const asked = [...some(NFT_ADDRESSES, 2), ...some(NFT_REST, 2)];
  if (targets.length > 0 && random.chance(5)) {
    const map = some(NFT_MAPS, 1)[0]!.replace("JUMP", random.pick(targets));
    return [...asked.filter((text) => !/protocol|nexthdr/.test(text)), map].join(" ");
  }
  const plain = asked.some((text) => /protocol|nexthdr/.test(text));
  const verdicts = ["accept", "accept", "drop", "drop", "return", "reject", "counter"];
  const jumps = targets.flatMap((chain) => [`jump ${chain}`, `jump ${chain}`, `goto ${chain}`]);
  const verdict = random.pick([...verdicts, ...jumps]);
  return [...asked, ...(plain ? [] : some(NFT_TRANSPORT, 2)), verdict].join(" ");
}

const IPT_ADDRESSES: readonly Question[] = [
  [4, "-s 10.0.0.0/31"],
  [4, "! -s 10.0.0.2/32"],
  [4, "-m iprange ! --dst-range 10.0.0.1-10.0.0.2"],
  [4, "-m ttl --ttl-lt 64"],
  [6, "-s fd00::2/127"],
  [6, "! -d fd00::1/128"],
  [6, "-m hl --hl-gt 1"],
];
const IPT_TRANSPORT: readonly Question[] = [
  [0, "-p tcp -m tcp --dport 1:3"],
  [0, "-p tcp -m multiport ! --dports 1,80"],
  [0, "-p udp -m multiport --ports 1,80"],
  [0, "-p udp -m udp ! --sport 2"],
  [0, "-p sctp -m multiport --dports 1,3:4"],
  [0, "-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN"],
  [0, "-p tcp -m tcp --tcp-flags SYN,ACK SYN"],
  [0, "! -p udp"],
  [0, "-p 47"],
  [4, "-p icmp -m icmp --icmp-type 8"],
  [4, "-p icmp -m icmp --icmp-type any"],
  [6, "-p ipv6-icmp -m icmp6 ! --icmpv6-type 135"],
];
const IPT_REST: readonly Question[] = [
  [0, "-i eth0"],
  [0, "! -i eth+"],
  [0, "-m conntrack --ctstate NEW,INVALID"],
  [0, "-m state ! --state NEW"],
  [0, "-m mark --mark 0x2/0x3"],
  [0, "-m mark ! --mark 0x4/0x4"],
  [0, "-m length ! --length 0:40"],
  [0, "-m dscp --dscp 0x2e"],
  [0, "-m mac ! --mac-source 02:00:00:00:00:01"],
];

/** A table `filter` for iptables-restore and for ip6tables-restore. */
export function randomIptables(random: Random): string {
  const below = ["one", "two", "three"];
  const chains = ["INPUT", "FORWARD", ...below];
  const rules = chains.flatMap((chain) => {
    const targets = below.slice(below.indexOf(chain) + 1);
    return Array.from({ length: 2 + random.below(6) }, () => {
      const family = random.pick([0, 4, 6] as const);
      const some = (list: readonly Question[]) => {
        const fit = list.filter(([of]) => of === 0 || of === family);
        return fit.length > 0 && random.chance(2) ? [random.pick(fit)[1]] : [];
      };
      // Shared chains ask for what packets of input have not.
      const out = chain !== "INPUT" && random.chance(6)
        ? [random.pick(["-o wan0", "! -o eth0"])]
        : [];
      const asked = [...some(IPT_ADDRESSES), ...out, ...some(IPT_TRANSPORT), ...some(IPT_REST)];
      const jumps = targets.flatMap((t) => [`-j ${t}`, `-j ${t}`, `-g ${t}`]);
      const verdicts = [
        "-j ACCEPT",
        "-j ACCEPT",
        "-j DROP",
        "-j DROP",
        "-j RETURN",
        "-j REJECT",
        "",
      ];
      const flag = family === 0 ? "" : `-${family} `;
      const verdict = random.pick([...verdicts, ...jumps]);
      return `${flag}-A ${chain} ${[...asked, verdict].join(" ")}`.trimEnd();
    });
  });
  const policy = () => random.pick(["ACCEPT", "DROP"]);
  return [
    "*filter",
    `:INPUT ${policy()} [0:0]`,
    `:FORWARD ${policy()} [0:0]`,
    ...below.map((chain) => `:${chain} - [0:0]`),
    ...rules,
    "COMMIT",
    "",
  ].join("\n");
}
