/**
 * Lines of nft.
 *
 * @module
 */
import { commaList, type Words } from "./words.ts";

const NFT_ONLY = new Set([
  ...["ip", "ip6", "meta", "th", "saddr", "daddr", "protocol", "nexthdr", "l4proto", "nfproto"],
  ...["iifname", "oifname", "iif", "oif", "ct", "counter", "comment", "goto"],
  ...["skuid", "skgid", "ether", "hoplimit", "level"],
]);

/** `ip saddr 10.0.0.0/8 tcp dport { 22, 80 } ct state new counter accept` */
export function nft(words: Words): string | undefined {
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
  if (verb === "match" && after === "" && !clauses.some((c) => !c.startsWith("label"))) {
    return undefined;
  }
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
export function nftHook(words: Words): string | undefined {
  const { text } = words;
  const hook = /\bhook (input|forward|output)\b/.exec(text)?.[1];
  const policy = /\bpolicy (accept|drop)\b/.exec(text)?.[1] ?? "accept";
  words.all();
  words.why = "the name says where the chain hooks in, and a hook chain names its default";
  return hook && `chain ${hook} default ${policy} {`;
}

/** `elements = { 192.0.2.1, 192.0.2.2 }` */
export function elements(words: Words): string {
  const list = words.text.slice(words.text.indexOf("=") + 1)
    .replace(/\s(timeout|expires) \w+/g, "").replace(/\scomment "[^"]*"/g, "");
  words.all();
  words.why = "with the set's own name";
  return `set NAME = ${words.asList(list.trim())}`;
}

/** `set bad {` */
export function nftSet(words: Words): string | undefined {
  const name = /set ([\w-]+)/.exec(words.text)?.[1];
  words.all();
  words.why = "its members follow at once";
  return name && `set ${name} : addr = { … }`;
}
