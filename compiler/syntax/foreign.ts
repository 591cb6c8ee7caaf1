/**
 * Lines of other firewalls, told apart and put into our words.
 *
 * The readers are in `foreign/`, a firewall a file. Only a line that is no rule of ours is asked
 * about, so a word may well mean something here too.
 *
 * @module
 */
import { cisco } from "./foreign/cisco.ts";
import { firewallCmd, richRule } from "./foreign/firewalld.ts";
import { iptables, iptablesChain, iptablesPolicy } from "./foreign/iptables.ts";
import { elements, nft, nftHook, nftSet } from "./foreign/nft.ts";
import { definition, pf } from "./foreign/pf.ts";
import { suricata } from "./foreign/suricata.ts";
import { ufw } from "./foreign/ufw.ts";
import { type Reader, type Translation, Words } from "./foreign/words.ts";

export type { Translation } from "./foreign/words.ts";

/** What a line of another firewall is here, or undefined if it is of none that we know. */
export function translate(line: string): Translation | undefined {
  const text = line.replace(/#.*$/, "").trimEnd();
  for (const [of, sign, read] of DIALECTS) {
    if (!sign.test(text)) continue;
    const words = new Words(text);
    const write = read(words);
    if (write !== undefined && words.done) {
      return { of, write, words: words.foreign, ...(words.why && { why: words.why }) };
    }
  }
  const sure = SURE.find(([, sign]) => sign.test(text));
  return sure && { of: sure[0], words: [], why: sure[2] };
}

/** Lines that are of nobody else, though we have no words for all that they say, and what helps. */
const SURE: readonly (readonly [of: string, sign: RegExp, help: string])[] = [
  [
    "iptables",
    /^\s*(sudo )?(ip6?tables\s+-|-[ADIN] [\w-]+ )/,
    "the command `import iptables-save` puts whole rule sets into this language",
  ],
  ["Suricata", /^\s*(alert|pass|drop|reject)\s.*(->|<>).*\(/, "a rule here sees headers only"],
  ["Cisco", /^\s*(ip\s+)?access-list\s/, "write it with clauses of this language"],
  ["ufw", /^\s*ufw\s/, "write it with clauses of this language"],
  ["firewalld", /^\s*(sudo\s+)?firewall-cmd\s/, "write it with clauses of this language"],
  [
    "pf",
    /^\s*(pass|block|anchor|antispoof|rdr|nat|scrub)\b/,
    "write it with clauses of this language",
  ],
  [
    "nft",
    /\b(ip6? [sd]addr|[io]ifname|ct (state|mark|status)|meta \w+|vmap|ether [sd]addr)\b|^\s*(nft )?add |\btcp flags (&|[!=]=)/,
    "the command `import nft-json` puts what `nft -j list ruleset` prints into this language",
  ],
];

/** A word that other firewalls have, where the whole line is not understood. */
export function foreignWord(word: string): Pick<Translation, "of" | "write"> | undefined {
  const found = Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
  return found && { of: found[0], write: found[1] };
}

/** An empty `write` says: leave it out. */
const WORDS: Readonly<Record<string, readonly [of: string, write: string]>> = {
  pass: ["pf", "accept"],
  block: ["pf", "drop"],
  quick: ["pf", ""],
  port: ["pf", "dport"],
  inet: ["pf", "ipv4"],
  inet6: ["pf", "ipv6"],
  keep: ["pf", "accept state established, related"],
  permit: ["Cisco", "accept"],
  allow: ["ufw", "accept"],
  deny: ["ufw", "drop"],
  policy: ["nft", "default"],
  saddr: ["nft", "from"],
  daddr: ["nft", "to"],
  iifname: ["nft", "in on"],
  oifname: ["nft", "out on"],
  iif: ["nft", "in on"],
  oif: ["nft", "out on"],
  ct: ["nft", "state"],
  ip: ["nft", "ipv4"],
  ip6: ["nft", "ipv6"],
  meta: ["nft", "proto, mark, in on or out on"],
  counter: ["nft", ""],
  goto: ["nft", "jump"],
  level: ["nft", ""],
  prefix: ["nft", ""],
  all: ["pf", ""],
  and: ["tcpdump", ""],
  rule: ["nft", "accept, drop or reject"],
  eq: ["Cisco", "dport"],
  source: ["firewalld", "from"],
  destination: ["firewalld", "to"],
  alert: ["Suricata", "match log"],
  src: ["tcpdump", "from"],
  dst: ["tcpdump", "to"],
  host: ["tcpdump", "from or to"],
  ACCEPT: ["iptables", "accept"],
  DROP: ["iptables", "drop"],
  REJECT: ["iptables", "reject"],
  LOG: ["iptables", "match log"],
  RETURN: ["iptables", "return"],
};

/** A line that has no counterpart. */
function left(why: string): Reader {
  return (words) => {
    words.all();
    words.why = why;
    return "";
  };
}

/** Each with what gives it away; the first that reads the whole line has it. */
const DIALECTS: readonly (readonly [of: string, sign: RegExp, read: Reader])[] = [
  ["nft", /^\s*elements\s*=\s*\{.*\}/, elements],
  ["iptables", /^\s*(sudo )?(ip6?tables\s+)?(-P \w|:[A-Z])/, iptablesPolicy],
  [
    "iptables",
    /\s-j (MASQUERADE|SNAT|DNAT|REDIRECT)\b/,
    left("address translation stays in nftables"),
  ],
  ["iptables", /^\s*(sudo )?(ip6?tables\s+)?-N /, iptablesChain],
  ["iptables", /^\s*(sudo )?(ip6?tables\b|-[AI] )/, iptables],
  ["iptables", /^\s*(accept|drop|reject|match)\b.*\s--?[a-z]/, iptables],
  ["iptables", /^\s*(\*(filter|nat|mangle|raw)|COMMIT)$/, left("a file holds its chains directly")],
  [
    "Cisco",
    /^\s*(\d+\s+)?(access-list\s+\S+\s+(extended\s+|standard\s+)?)?(permit|deny)\s+((ip|ipv6|tcp|udp|icmp|esp|gre|ahp|any|host)\b|\d+\.)/,
    cisco,
  ],
  [
    "Cisco",
    /^\s*(ip(v6)?\s+)?access-(list|group)\b(?!.*\b(permit|deny)\b)/,
    left("a file holds its chains directly"),
  ],
  ["ufw", /^\s*(ufw|allow|deny|limit)\b/, ufw],
  [
    "ufw",
    /^\s*ufw\s+(enable|disable|reload|reset|logging)\b/,
    left("the command `run` puts a file in force"),
  ],
  ["firewalld", /^\s*rule\s+[a-z]+/, richRule],
  ["firewalld", /^\s*(sudo\s+)?firewall-cmd\b/, firewallCmd],
  ["Suricata", /^\s*(alert|pass|drop|reject)\s.*(->|<>)/, suricata],
  ["pf", /^\s*(pass|block)\b/, pf],
  ["pf", /^\s*table\s*</, definition],
  ["pf", /^\s*set skip on \S+$/, (words) => {
    const name = words.text.trim().split(/\s+/).at(-1);
    words.all();
    return `accept in on ${name}`;
  }],
  [
    "pf",
    /^\s*(scrub|antispoof|set (block-policy|optimization|limit|loginterface|state-policy))\b/,
    left("it has no counterpart here"),
  ],
  ["pf", /^\s*match\b.*\bscrub\b/, left("it has no counterpart here")],
  ["pf", /^\s*(nat|rdr|binat|match)\b.*->/, left("address translation stays in nftables")],
  ["pf", /^\s*(?!(define|set|option)\b)[A-Za-z_]\w*\s*=\s*\S/, definition],
  ["nft", /^\s*table\s+(inet|ip6?|arp|bridge|netdev)\b/, left("a file holds its chains directly")],
  ["nft", /^\s*(nft\s+)?flush\b/, left("a rule file replaces the one before")],
  [
    "nft",
    /^\s*(type [a-z0-9_]+(\s*\.\s*[a-z0-9_]+)*|flags (interval|timeout|dynamic)[^"]*)(;.*)?$/,
    left("a set is `set NAME : addr = { … }`"),
  ],
  [
    "nft",
    /^\s*(add|update|delete) @/,
    left("a rule changes no set; the command `set add` does, while Barrage runs"),
  ],
  ["nft", /^\s*set [\w-]+ \{$/, nftSet],
  ["nft", /^\s*type filter hook\b/, nftHook],
  ["nft", /\b(masquerade|[sd]nat)\b/, left("address translation stays in nftables")],
  [
    "nft",
    /\b([sd]addr|[io]ifname|[io]if|ct|meta|counter|comment|goto|(accept|drop|return|reject);?$)/,
    nft,
  ],
  ["nft", /^\s*(nft\s+)?(add|insert)\s+rule\b/, nft],
];
