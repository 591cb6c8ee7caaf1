/**
 * Lines of iptables, and of what iptables-save prints.
 *
 * @module
 */
import { commaList, type Words } from "./words.ts";

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

/** `-A INPUT -p tcp -m state --state NEW --dport 22 -j ACCEPT` */
export function iptables(words: Words): string | undefined {
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
export function iptablesChain(words: Words): string | undefined {
  const name = /-N ([\w-]+)$/.exec(words.text)?.[1];
  words.all();
  return name && `chain ${name} { … }`;
}

/** `-P INPUT DROP`, `:INPUT DROP [0:0]` */
export function iptablesPolicy(words: Words): string | undefined {
  const [, chain = "", target = ""] = /(?:-P |:)(\w+) (\w+)/.exec(words.text) ?? [];
  words.all();
  const hook = HOOK[chain];
  return hook && TARGETS[target] && `chain ${hook} default ${TARGETS[target]} {`;
}
