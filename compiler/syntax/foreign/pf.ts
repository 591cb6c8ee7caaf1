/**
 * Lines of pf.conf.
 *
 * @module
 */
import type { Words } from "./words.ts";

const PF_ONLY = new Set([
  ...["quick", "all", "inet", "inet6", "port", "icmp-type", "keep", "modulate", "synproxy", "no"],
]);

/** `pass in quick on eth0 proto tcp from any to any port 22 keep state` */
export function pf(words: Words): string | undefined {
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

/** `table <bad> { 10.0.0.0/8 }`, `lan = "eth0"` */
export function definition(words: Words): string | undefined {
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
