/**
 * Lines of pf, nft, iptables, ufw and Suricata, told apart and put into our words.
 *
 * Only a line that is no rule of ours is asked about, so a word may well mean something here too.
 *
 * @module
 */
import { commaList, type Reader, type Translation, Words } from "./foreign_words.ts";

export type { Translation } from "./foreign_words.ts";

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

const HOOK: Readonly<Record<string, string>> = {
  INPUT: "input",
  FORWARD: "forward",
  OUTPUT: "output",
};
const TARGETS: Readonly<Record<string, string>> = {
  ACCEPT: "accept",
  DROP: "drop",
  REJECT: "reject",
  LOG: "match",
  RETURN: "return",
};
const RULE_VERBS = { accept: 1, drop: 1, reject: 1, match: 1 };
const REJECTS: Readonly<Record<string, string>> = {
  "tcp-reset": "tcp-reset",
  "icmp-port-unreachable": "icmp-port",
  "icmp-host-unreachable": "icmp-host",
  "icmp-net-unreachable": "icmp-net",
  "icmp-admin-prohibited": "icmp-admin",
};

const PF_ONLY = new Set([
  ...["quick", "all", "inet", "inet6", "port", "icmp-type", "keep", "modulate", "synproxy", "no"],
]);
const NFT_ONLY = new Set([
  ...["ip", "ip6", "meta", "th", "saddr", "daddr", "protocol", "nexthdr", "l4proto", "nfproto"],
  ...["iifname", "oifname", "iif", "oif", "ct", "counter", "comment", "goto"],
  ...["skuid", "skgid", "ether", "hoplimit", "level"],
]);
const UFW_ONLY = new Set(["in", "port"]);

/** `pass in quick on eth0 proto tcp from any to any port 22 keep state` */
function pf(words: Words): string | undefined {
  if (/:(network|broadcast|peer|0)\b/.test(words.text)) return undefined;
  const first = words.foreignly();
  let verb = first === "pass" ? "accept" : "drop";
  if (first === "block" && words.skip(/^(drop)$/)) verb = "drop";
  else if (first === "block" && words.skip(/^return(-rst|-icmp6?)?$/)) verb = "reject";
  const clauses: string[] = [];
  let way = "in", end: "from" | "to" = "to", log = "";
  const pfEnd = (which: "from" | "to") => {
    if (words.peek() !== "port") clauses.push(words.address(which));
  };
  const PF: Readonly<Record<string, () => unknown>> = {
    in: () => way = "in",
    out: () => way = "out",
    log: () => log = "log",
    quick: () => {
      words.why = "the first matching rule wins, so `quick` is implied";
    },
    all: () => {},
    on: () => clauses.push(`${way} on ${words.interface()}`),
    inet: () => clauses.push("ipv4"),
    inet6: () => clauses.push("ipv6"),
    proto: () => clauses.push(words.protocol()),
    from: () => pfEnd(end = "from"),
    to: () => pfEnd(end = "to"),
    port: () => clauses.push(words.ports(end === "from" ? "sport" : "dport")),
    flags: () => clauses.push(`flags ${pfFlags(words.next())}`),
    "icmp-type": () => {
      const name = words.next();
      clauses.push(`type ${ICMP_NAMES[name] ?? name}`);
    },
    keep: () => stateful(words),
    modulate: () => stateful(words),
    synproxy: () => stateful(words),
    no: () => stateful(words),
    code: () => clauses.push(`code ${words.next()}`),
    label: () => clauses.push(`label ${words.next()}`),
  };
  if (!words.each(PF, PF_ONLY)) return undefined;
  // A packet of `input` has no other direction.
  const [known, other] = way === "in" ? ["in", "out"] : ["out", "in"];
  if (!clauses.some((clause) => clause.startsWith(`${known} on`))) words.markWord(known);
  return [verb, ...clauses.filter((c) => c !== "" && !c.startsWith(`${other} on`)), log]
    .filter((part) => part !== "").join(" ");
}

/** `keep state` */
function stateful(words: Words): void {
  words.foreignly();
  words.skipRest(/^\(/);
  words.why = "replies pass by `accept state established, related` at the top of the chain";
}

const ICMP_NAMES: Readonly<Record<string, string>> = {
  echoreq: "echo-request",
  echorep: "echo-reply",
  unreach: "destination-unreachable",
  timex: "time-exceeded",
};

function pfFlags(text: string): string {
  const names: Readonly<Record<string, string>> = { S: "syn", A: "ack", F: "fin", R: "rst" };
  return text.split("/").map((half) => [...half].map((c) => names[c] ?? c).join(",")).join("/");
}

/** `ip saddr 10.0.0.0/8 tcp dport { 22, 80 } ct state new counter accept` */
function nft(words: Words): string | undefined {
  const clauses: string[] = [];
  let verb = "match", after = "";
  const NFT: Readonly<Record<string, () => unknown>> = {
    ip: () => {},
    ip6: () => {},
    meta: () => {},
    th: () => {},
    saddr: () => clauses.push(words.address("from")),
    daddr: () => clauses.push(words.address("to")),
    protocol: () => clauses.push(words.protocol()),
    nexthdr: () => clauses.push(words.protocol()),
    l4proto: () => clauses.push(words.protocol()),
    nfproto: () => clauses.push(words.next()),
    iifname: () => clauses.push(`in on ${words.interface()}`),
    oifname: () => clauses.push(`out on ${words.interface()}`),
    iif: () => clauses.push(`in on ${words.interface()}`),
    oif: () => clauses.push(`out on ${words.interface()}`),
    ct: () => {},
    state: () => clauses.push(`state ${commaList(words.next())}`),
    mark: () => clauses.push(`mark ${words.next()}`),
    skuid: () => clauses.push(`uid ${words.list()}`),
    skgid: () => clauses.push(`gid ${words.list()}`),
    ether: () => {
      if (words.skipForeign(/^saddr$/)) clauses.push(`mac ${words.list()}`);
    },
    ttl: () => clauses.push(`ttl ${words.list()}`),
    hoplimit: () => clauses.push(`ttl ${words.list()}`),
    dscp: () => clauses.push(`dscp ${words.list()}`),
    length: () => clauses.push(`length ${words.list()}`),
    level: () => words.next(),
    sport: () => clauses.push(words.ports("sport")),
    dport: () => clauses.push(words.ports("dport")),
    type: () => clauses.push(`type ${words.list()}`),
    code: () => clauses.push(`code ${words.list()}`),
    counter: () => {
      words.why = "every rule counts by itself";
    },
    log: () => after = `log${words.skipForeign(/^prefix$/) ? ` ${words.next()}` : ""}`,
    limit: () => clauses.push(nftLimit(words)),
    comment: () => clauses.push(`label ${words.next()}`),
    accept: () => verb = "accept",
    drop: () => verb = "drop",
    reject: () => verb = nftReject(words),
    return: () => verb = "return",
    jump: () => verb = `jump ${words.next()}`,
    goto: () => verb = `jump ${words.next()}`,
    ...Object.fromEntries(
      ["tcp", "udp", "sctp", "icmp", "icmpv6"].map((word) => [word, () => clauses.push(word)]),
    ),
  };
  words.skipForeign(/^nft$/);
  if (words.skipForeign(/^(add|insert)$/)) {
    for (let i = 0; i < 4; i++) words.foreignly();
  }
  if (!words.each(NFT, NFT_ONLY)) return undefined;
  if (words.foreign.length === 0) words.markWord(verb.split(" ")[0]!);
  words.why ||= "the verb stands first";
  const unique = clauses.filter((clause, i) => clauses.indexOf(clause) === i);
  return [verb, ...unique, after].filter((part) => part !== "").join(" ");
}

/** `reject with icmp type admin-prohibited` */
function nftReject(words: Words): string {
  if (!words.skip(/^with$/)) return "reject";
  if (words.skipForeign(/^tcp$/)) {
    return words.skipForeign(/^reset$/) ? "reject with tcp-reset" : "";
  }
  if (words.skipForeign(/^icmp(x|v6)?$/)) words.skipForeign(/^type$/);
  const way = /^(icmp-)?(port|host|net|admin)\b/.exec(words.next())?.[2];
  return way ? `reject with icmp-${way}` : "reject";
}

function nftLimit(words: Words): string {
  words.skipForeign(/^rate$/);
  const over = words.skip(/^over$/) ? "over " : "";
  const rate = words.next();
  const burst = words.skip(/^burst$/) ? ` burst ${words.next()}` : "";
  words.skip(/^packets$/);
  return `limit ${over}${rate}${burst}`;
}

/** `type filter hook input priority 0; policy drop;` */
function nftHook(words: Words): string | undefined {
  const { text } = words;
  const hook = /\bhook (input|forward|output)\b/.exec(text)?.[1];
  const policy = /\bpolicy (accept|drop)\b/.exec(text)?.[1] ?? "accept";
  words.all();
  words.why = "the name says where the chain hooks in, and a hook chain names its default";
  return hook && `chain ${hook} default ${policy} {`;
}

/** `-A INPUT -p tcp -m state --state NEW --dport 22 -j ACCEPT` */
function iptables(words: Words): string | undefined {
  const clauses: string[] = [];
  let verb = "match", negated = "", log = "", reason = "", mark = "";
  const hours = { from: "00:00", to: "24:00", days: "", said: false };
  const not = (text: string) => text.replace(/ (?=\S+$|\{)/, ` ${negated}`);
  const push = (text: string) => {
    clauses.push(negated ? not(text) : text);
    negated = "";
  };
  const options: Readonly<Record<string, () => unknown>> = {
    "!": () => negated = "! ",
    "-A": () => words.next(),
    "-I": () => [words.next(), words.skip(/^\d+$/)],
    "-t": () => words.next(),
    "-m": () => words.next(),
    "-s": () => push(words.address("from")),
    "-d": () => push(words.address("to")),
    "-p": () => push(words.protocol()),
    "-i": () => push(`in on ${words.interface()}`),
    "-o": () => push(`out on ${words.interface()}`),
    "-f": () => push("fragment"),
    "--sport": () => push(words.ports("sport")),
    "--dport": () => push(words.ports("dport")),
    "--state": () => push(`state ${commaList(words.next().toLowerCase())}`),
    "--icmp-type": () => push(`type ${words.next()}`),
    "--syn": () => push("flags syn/syn,ack,fin,rst"),
    "--mark": () => push(`mark ${words.next()}`),
    "--mac-source": () => push(`mac ${words.next()}`),
    "--tcp-flags": () => {
      const mask = words.next().toLowerCase();
      push(`flags ${words.next().toLowerCase()}/${mask}`);
    },
    "--uid-owner": () => push(`uid ${words.next()}`),
    "--gid-owner": () => push(`gid ${words.next()}`),
    "--length": () => push(`length ${words.next().replace(":", "-")}`),
    "--ttl-eq": () => push(`ttl ${words.next()}`),
    "--dscp": () => push(`dscp ${words.next()}`),
    "--dscp-class": () => push(`dscp ${words.next().toLowerCase()}`),
    "--src-range": () => push(`from ${words.next()}`),
    "--dst-range": () => push(`to ${words.next()}`),
    "--timestart": () => [hours.from, hours.said] = [words.next().slice(0, 5), true],
    "--timestop": () => [hours.to, hours.said] = [words.next().slice(0, 5), true],
    "--weekdays": () => [hours.days, hours.said] = [commaList(words.next().toLowerCase()), true],
    "--set-mark": () => mark = ` set mark ${words.next()}`,
    "--limit": () => push(`limit ${rate(words.next())}`),
    "--hashlimit-upto": () => push(`limit ${rate(words.next())}`),
    "--hashlimit-above": () => push(`limit over ${rate(words.next())}`),
    "--hashlimit-burst": () => push(`burst ${words.next()}`),
    "--hashlimit-mode": () => {
      const keys = words.next().split(/,\s*/).map((key) => HASHLIMIT_KEYS[key]);
      push(`per ${keys.join(",")}`);
    },
    "--hashlimit-name": () => words.next(),
    "--log-level": () => words.next(),
    "--limit-burst": () => push(`burst ${words.next()}`),
    "--comment": () => push(`label ${words.next()}`),
    "--log-prefix": () => log = ` ${words.next()}`,
    "--reject-with": () => reason = REJECTS[words.next()] ?? "",
    "--match-set": () => {
      const set = words.next();
      push(`${words.next().startsWith("src") ? "from" : "to"} @${set}`);
    },
    "-j": () => verb = TARGETS[words.peek()] ?? `jump ${words.peek()}`,
    "-g": () => verb = `jump ${words.next()}`,
  };
  const same: Readonly<Record<string, string>> = {
    "--append": "-A",
    "--source": "-s",
    "--src": "-s",
    "--destination": "-d",
    "--dst": "-d",
    "--protocol": "-p",
    "--in-interface": "-i",
    "--out-interface": "-o",
    "--jump": "-j",
    "--source-port": "--sport",
    "--sports": "--sport",
    "--destination-port": "--dport",
    "--dports": "--dport",
    "--ctstate": "--state",
    "--icmpv6-type": "--icmp-type",
    "--fragment": "-f",
    "--goto": "-g",
    "--set-xmark": "--set-mark",
    "--hashlimit": "--hashlimit-upto",
  };
  words.skipForeign(/^sudo$/);
  words.skipForeign(/^ip6?tables$/);
  if (words.peek() in RULE_VERBS) verb = words.next();
  while (!words.done) {
    const word = words.foreignly();
    const option = options[same[word] ?? word];
    if (!option) return undefined;
    option();
    if (word === "-j" || word === "--jump") words.next();
  }
  words.why = "the chain is the block that the rule stands in";
  if (hours.said) {
    clauses.push(`time ${hours.from}-${hours.to}${hours.days ? ` days ${hours.days}` : ""}`);
  }
  if (mark) return `match ${[...clauses, mark.trim()].join(" ")}`;
  return [
    verb + (reason ? ` with ${reason}` : ""),
    ...clauses,
    ...(log ? [`log${log}`] : verb === "match" ? ["log"] : []),
  ].join(" ");
}

/** `5/min` */
function rate(text: string): string {
  const [amount, unit = "second"] = text.split("/") as [string, string?];
  const whole = ["second", "minute", "hour", "day"].find((name) => name.startsWith(unit));
  return `${amount}/${whole ?? unit}`;
}

const HASHLIMIT_KEYS: Readonly<Record<string, string>> = {
  ...{ srcip: "source", dstip: "dest", srcport: "sport", dstport: "dport" },
};

/** `-N LOGDROP` */
function iptablesChain(words: Words): string | undefined {
  const name = /-N ([\w-]+)$/.exec(words.text)?.[1];
  words.all();
  return name && `chain ${name} { … }`;
}

/** `-P INPUT DROP`, `:INPUT DROP [0:0]` */
function iptablesPolicy(words: Words): string | undefined {
  const [, chain = "", target = ""] = /(?:-P |:)(\w+) (\w+)/.exec(words.text) ?? [];
  words.all();
  const hook = HOOK[chain];
  return hook && TARGETS[target] && `chain ${hook} default ${TARGETS[target]} {`;
}

/** What Suricata's protocols travel in. */
const CARRIERS: Readonly<Record<string, string>> = {
  ...{ ip: "", tcp: "tcp", udp: "udp", icmp: "icmp", dns: "udp", dhcp: "udp", ntp: "udp" },
  ...{ http: "tcp", http2: "tcp", tls: "tcp", ssh: "tcp", ftp: "tcp", smtp: "tcp", smb: "tcp" },
};

/** `alert tcp $HOME_NET any -> any 80 (msg:"x"; sid:1;)` */
function suricata(words: Words): string | undefined {
  const [, action = "", proto = "", from = "", sport = "", to = "", dport = ""] =
    /^\s*(\w+) (\w+) (\S+) (\S+) (?:->|<>) (\S+) (\S+?)\s*(?:\(|$)/.exec(words.text) ?? [];
  const message = /msg:\s*"([^"]*)"/.exec(words.text)?.[1];
  const verb = { alert: "match", pass: "accept", drop: "drop", reject: "reject" }[action];
  const carrier = Object.hasOwn(CARRIERS, proto) ? CARRIERS[proto]! : undefined;
  if (!verb || carrier === undefined || /[\[,]!/.test(words.text)) return undefined;
  words.all();
  const side = new Words(`${from} ${sport} ${to} ${dport}`);
  const clauses = [
    carrier,
    side.address("from"),
    side.ports("sport"),
    side.address("to"),
    side.ports("dport"),
    action === "alert" ? `log${message ? ` "${message}"` : ""}` : "",
  ];
  words.why = "a rule here sees headers; what is inside the payload is not matched";
  return [verb, ...clauses.filter((clause) => clause !== "")].join(" ");
}

/** `ufw allow from 10.0.0.0/8 to any port 22 proto tcp` */
function ufw(words: Words): string | undefined {
  words.foreignly();
  const verb = { allow: "accept", deny: "drop", reject: "reject", limit: "accept" }[words.peek()];
  const limited = words.foreignly() === "limit" ? "limit 6/minute per source" : "";
  const clauses: string[] = [];
  if (!["from", "to", "in", "out", "proto", ""].includes(words.peek())) {
    const [port, proto] = words.foreignly().split("/") as [string, string?];
    clauses.push(...(proto ? [proto] : []), new Words(port).ports("dport"));
  }
  const UFW: Readonly<Record<string, () => unknown>> = {
    in: () => {},
    on: () => clauses.push(`in on ${words.interface()}`),
    from: () => clauses.push(words.address("from")),
    to: () => clauses.push(words.address("to")),
    port: () => clauses.push(words.ports("dport")),
    proto: () => clauses.unshift(words.protocol()),
  };
  if (!words.each(UFW, UFW_ONLY) || !verb) return undefined;
  return [verb, ...clauses, limited].filter((part) => part !== "").join(" ");
}

/** A line that has no counterpart. */
function left(why: string): Reader {
  return (words) => {
    words.all();
    words.why = why;
    return "";
  };
}

/** `table <bad> { 10.0.0.0/8 }`, `lan = "eth0"` */
function definition(words: Words): string | undefined {
  const [, table, list] = /^\s*table\s+<([\w-]+)>[^{]*(\{.*\})?/.exec(words.text) ?? [];
  const [, macro, value = ""] = /^\s*([A-Za-z_]\w*)\s*=\s*(.+)$/.exec(words.text) ?? [];
  const file = /file\s+("[^"]*")/.exec(words.text)?.[1];
  words.all();
  if (table) {
    return file
      ? `set ${table} : addr file ${file}`
      : list
      ? `set ${table} = ${words.asList(list)}`
      : `set ${table} : addr size 65536 = {}`;
  }
  if (!macro) return undefined;
  const plain = value.replace(/^"(.*)"$/, "$1");
  const many = /[{\s]/.test(plain);
  return `define ${macro} = ${many ? words.asList(plain) : plain}`;
}

/** `elements = { 192.0.2.1, 192.0.2.2 }` */
function elements(words: Words): string {
  const list = words.text.slice(words.text.indexOf("=") + 1)
    .replace(/\s(timeout|expires) \w+/g, "").replace(/\scomment "[^"]*"/g, "");
  words.all();
  words.why = "with the set's own name";
  return `set NAME = ${words.asList(list.trim())}`;
}

/** `set bad {` */
function nftSet(words: Words): string | undefined {
  const name = /set ([\w-]+)/.exec(words.text)?.[1];
  words.all();
  words.why = "its members follow at once";
  return name && `set ${name} : addr = { … }`;
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
  ["ufw", /^\s*ufw\b/, ufw],
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
