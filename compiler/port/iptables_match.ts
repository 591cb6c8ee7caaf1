/**
 * What the matches of a rule of iptables ask for, in the words of the language.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import { limitText } from "./iptables_limit.ts";
import { type Condition, type Fidelity, type Judgement, worse } from "./ruleset.ts";
import {
  hex,
  interfaceText,
  Never,
  protocolWord,
  rangeText,
  UNEQUAL_LIMIT,
  Unsaid,
} from "./words.ts";

/** Matches that ask for nothing but by the options that are known here. */
const MATCHES: readonly string[] = [
  ...["tcp", "udp", "sctp", "icmp", "icmp6", "icmpv6", "multiport", "conntrack", "state"],
  ...["comment", "limit", "hashlimit", "mark", "mac", "owner", "iprange", "set", "length"],
  ...["ttl", "hl", "dscp", "addrtype", "nfacct"],
];

/** Matches that take a token of a limit. */
const LIMITS: readonly string[] = ["limit", "hashlimit"];
const LIMIT_OPTION =
  /^--(hash)?limit(-upto|-above|-burst|-mode|-srcmask|-dstmask|-name|-htable-\w+)?$/;

/** Names that iptables gives to ICMP types and codes. */
const ICMP_NAMES: Readonly<Record<string, string>> = {
  ...{
    "echo-reply": "0",
    pong: "0",
    "destination-unreachable": "3",
    "echo-request": "8",
    ping: "8",
  },
  ...{ "network-unreachable": "3/0", "host-unreachable": "3/1", "protocol-unreachable": "3/2" },
  ...{ "port-unreachable": "3/3", "fragmentation-needed": "3/4", "source-quench": "4" },
  ...{ redirect: "5", "router-advertisement": "9", "router-solicitation": "10" },
  ...{ "time-exceeded": "11", "ttl-exceeded": "11", "parameter-problem": "12" },
  ...{ "timestamp-request": "13", "timestamp-reply": "14" },
  ...{ "address-mask-request": "17", "address-mask-reply": "18" },
};
const ICMPV6_NAMES: Readonly<Record<string, string>> = {
  ...{ "destination-unreachable": "1", "no-route": "1/0", "port-unreachable": "1/4" },
  ...{ "packet-too-big": "2", "time-exceeded": "3", "ttl-exceeded": "3", "parameter-problem": "4" },
  ...{ "echo-request": "128", ping: "128", "echo-reply": "129", pong: "129" },
  ...{ "router-solicitation": "133", "router-advertisement": "134" },
  ...{ "neighbour-solicitation": "135", "neighbor-solicitation": "135" },
  ...{ "neighbour-advertisement": "136", "neighbor-advertisement": "136", redirect: "137" },
};

/** The matches of one rule, option by option. */
export class IptablesMatch {
  /** Lists of conditions: packets of any of them match. */
  ways: Condition[][] = [[]];
  /** What is said only nearly, the first of it. */
  inexact: Judgement | undefined;
  readonly comments: string[] = [];
  #protocol: string | undefined;
  #match: string | undefined;
  #limit: Record<string, string> = {};
  #fragment: "yes" | "no" | undefined;

  constructor(private readonly family: Family, private readonly sets: Map<string, string>) {}

  /** What `-m NAME` begins. */
  begin(name: string): void {
    this.#match = name;
    if (!MATCHES.includes(name)) {
      throw new Unsaid(`there is no clause for what \`-m ${name}\` asks`);
    }
    const limited = Object.keys(this.#limit).length > 0;
    if (LIMITS.includes(name)) {
      if (limited) throw new Unsaid("a rule has one limit in the language");
      this.#limit["limit-burst"] = "5";
      if (name === "limit") this.#limit["limit"] = "3/hour";
    } else if (limited && name !== "comment") {
      this.approximate("matches more", UNEQUAL_LIMIT);
    }
  }

  /** What several options ask for together, once all of them are known. */
  end(): void {
    this.#addFragment();
    const limit = limitText(this.#limit, this.family);
    if (limit) this.#add(limit);
  }

  #add(text: string, more: Omit<Condition, "text"> = {}) {
    this.#any([[{ text, ...more }]]);
  }

  /** Packets of any of the lists. */
  #any(lists: readonly (readonly Condition[])[]) {
    this.ways = this.ways.flatMap((way) => lists.map((list) => [...way, ...list]));
  }

  /** Takes note that the rule is said only nearly. */
  approximate(fidelity: Fidelity, why: string): void {
    this.inexact = worse(this.inexact, { fidelity, why });
  }

  /** Takes in one option and its values. `negated`: a \`!\` stands before it. */
  option(option: string, negated: boolean, take: () => string): void {
    this.#option(option, negated, take);
  }

  #option(option: string, negated: boolean, take: () => string) {
    const not = negated ? "! " : "";
    const family = { family: this.family };
    switch (option) {
      case "-s":
      case "--source":
      case "--src":
        return this.#address("from", not, take());
      case "-d":
      case "--destination":
      case "--dst":
        return this.#address("to", not, take());
      case "-i":
      case "--in-interface":
        return this.#interface("in", negated, take());
      case "-o":
      case "--out-interface":
        return this.#interface("out", negated, take());
      case "-p":
      case "--protocol":
        return this.#proto(negated, take());
      case "-f":
      case "--fragment":
        this.#fragment = negated ? "no" : "yes";
        return;
      case "-c":
      case "--set-counters":
        take();
        return take();
      case "--comment":
        return this.comments.push(take());
      case "--sport":
      case "--sports":
      case "--source-port":
      case "--source-ports":
        return this.#ports(["sport"], not, take());
      case "--dport":
      case "--dports":
      case "--destination-port":
      case "--destination-ports":
        return this.#ports(["dport"], not, take());
      case "--ports":
        return this.#eitherPort(negated, take());
      case "--tcp-flags":
        return this.#flags(negated, take(), take());
      case "--syn":
        return this.#flags(negated, "FIN,SYN,RST,ACK", "SYN");
      case "--icmp-type":
      case "--icmpv6-type":
        return this.#icmp(negated, take());
      case "--state":
      case "--ctstate": {
        const names = take().toLowerCase().split(",");
        const known = ["new", "established", "related", "invalid", "untracked"];
        const odd = names.find((name) => !known.includes(name));
        if (odd) throw new Unsaid(`the state ${odd.toUpperCase()} is none of the language's`);
        return this.#add(`state ${not}${names.join(", ")}`);
      }
      case "--mark":
        if (this.#match === "connmark") break;
        return this.#mark(not, take());
      case "--length":
        return this.#add(
          `length ${not}${take().replace(/:$/, ":65535").replace(/^:/, "0:").replace(":", "-")}`,
        );
      case "--ttl-eq":
      case "--ttl":
      case "--hl-eq":
        return this.#add(`ttl ${not}${take()}`);
      case "--ttl-lt":
      case "--hl-lt":
        return this.#range("ttl", 0, Number(take()) - 1);
      case "--ttl-gt":
      case "--hl-gt":
        return this.#range("ttl", Number(take()) + 1, 255);
      case "--dscp":
        return this.#add(`dscp ${not}${Number(take())}`);
      case "--dscp-class":
        return this.#add(`dscp ${not}${take().toLowerCase()}`);
      case "--mac-source":
        return this.#add(`mac ${not}${take().toLowerCase()}`, { asks: "mac" });
      case "--src-range":
        return this.#add(`from ${not}${take()}`, family);
      case "--dst-range":
        return this.#add(`to ${not}${take()}`, family);
      case "--uid-owner":
      case "--gid-owner":
        return this.#owner(option === "--uid-owner" ? "uid" : "gid", negated, take());
      case "--src-type":
      case "--dst-type":
        return this.#addressType(option === "--src-type" ? "from" : "to", negated, take());
      case "--match-set":
        return this.#set(negated, take(), take());
      case "--soft":
        break;
      case "--nfacct-name": // it only counts
        return take();
      default:
        if (LIMIT_OPTION.test(option) && LIMITS.includes(this.#match ?? "") && !negated) {
          this.#limit[option.slice(2).replace("hashlimit", "limit")] = take();
          return;
        }
    }
    const match = this.#match ? `\`-m ${this.#match}\`` : "it";
    throw new Unsaid(`${match} asks by \`${option}\`, for which there is no clause`);
  }

  #address(side: "from" | "to", not: string, text: string) {
    const list = text.split(",");
    if (list.some((address) => /^(0\.0\.0\.0|::)\/0$/.test(address))) {
      if (not) throw new Never();
      return;
    }
    const addresses = list.map((address) =>
      address.replace(address.includes(":") ? /\/128$/ : /\/32$/, "").replace(
        /\/([0-9]+\.[0-9.]+)$/,
        (_, mask) => `/${maskLength(mask)}`,
      )
    );
    if (addresses.some((address) => !/^[0-9a-fA-F.:]+(\/\d+)?$/.test(address))) {
      throw new Unsaid(`\`${text}\` is not an address that a prefix can say`);
    }
    this.#add(`${side} ${not}${listOf(addresses)}`, { family: this.family });
  }

  #interface(side: "in" | "out", negated: boolean, name: string) {
    if (name === "+") {
      if (negated) throw new Never();
      return;
    }
    const text = interfaceText(name.replace(/\+$/, "*"));
    this.#add(`${side} on ${negated ? "! " : ""}${text}`, { asks: side, negated });
  }

  #proto(negated: boolean, name: string) {
    const text = name.toLowerCase();
    if (text === "all" || text === "0") return;
    const proto = protocolWord(text);
    // Each family has its own ICMP; the other's is only a number.
    const own = this.family === "ipv4" ? "icmp" : "icmpv6";
    if (negated) return this.#add(`proto ! ${proto}`);
    const word = [own, "tcp", "udp", "sctp"].includes(proto) ? proto : `proto ${proto}`;
    this.#protocol = word;
    this.#add(word, word === own ? { family: this.family } : {});
  }

  #ports(fields: readonly string[], not: string, text: string) {
    const ports = portList(text);
    if (this.#protocol === "proto 136" || this.#protocol === "proto 33") {
      throw new Unsaid("there are no ports for this protocol in the language");
    }
    this.#any(fields.map((field) => [{ text: `${field} ${not}${ports}` }]));
  }

  /** Either port: the second way is for packets that the first has not. */
  #eitherPort(negated: boolean, text: string) {
    const ports = portList(text);
    if (negated) return this.#add(`sport ! ${ports} dport ! ${ports}`);
    this.#any([
      [{ text: `sport ${ports}` }],
      [{ text: `sport ! ${ports} dport ${ports}` }],
    ]);
  }

  #flags(negated: boolean, mask: string, wanted: string) {
    const names = (text: string) =>
      text === "ALL"
        ? ["fin", "syn", "rst", "psh", "ack", "urg"]
        : text === "NONE"
        ? []
        : text.toLowerCase().split(",");
    const [tested, set] = [names(mask), names(wanted)];
    if (set.some((flag) => !tested.includes(flag))) {
      if (negated) return;
      throw new Never();
    }
    const text = (tested: readonly string[], set: readonly string[]) =>
      `flags ${set.join(",") || "none"}/${tested.join(",") || "none"}`;
    if (!negated) return this.#add(text(tested, set));
    // One way for each flag that is the first to differ.
    this.#any(tested.map((flag, i) => {
      const before = tested.slice(0, i).filter((name) => set.includes(name));
      const here = set.includes(flag) ? [] : [flag];
      return [{ text: text(tested.slice(0, i + 1), [...before, ...here]) }];
    }));
  }

  #icmp(negated: boolean, name: string) {
    const six = this.family === "ipv6";
    const names = six ? ICMPV6_NAMES : ICMP_NAMES;
    const text = Object.hasOwn(names, name) ? names[name]! : name;
    if (!six && (text === "any" || text === "255")) {
      if (negated) throw new Never();
      return this.#add("type any");
    }
    const [, type, code] = /^(\d+)(?:\/(\d+))?$/.exec(text) ?? [];
    if (type === undefined) throw new Unsaid(`there is no number for the ICMP type ${name}`);
    if (code === undefined) return this.#add(`type ${negated ? "! " : ""}${type}`);
    if (!negated) return this.#add(`type ${type} code ${code}`);
    this.#any([[{ text: `type ! ${type}` }], [{ text: `type ${type} code ! ${code}` }]]);
  }

  #mark(not: string, text: string) {
    const [value = "", mask] = text.split("/");
    const bits = mask === undefined || Number(mask) === 0xffffffff ? "" : `/${hex(mask)}`;
    if (Number(mask) === 0) {
      if ((Number(value) === 0) === (not !== "")) throw new Never();
      return;
    }
    this.#add(`mark ${not}${hex(value)}${bits}`);
  }

  #range(field: string, lo: number, hi: number) {
    if (lo > hi) throw new Never();
    this.#add(`${field} ${rangeText(lo, hi)}`);
  }

  #owner(field: "uid" | "gid", negated: boolean, text: string) {
    if (!/^\d+(-\d+)?$/.test(text)) throw new Unsaid("users have no names in the language");
    if (negated) this.approximate("matches fewer", "packets that no socket sends have no user");
    this.#add(`${field} ${negated ? "! " : ""}${text}`, { asks: "user" });
  }

  #addressType(side: "from" | "to", negated: boolean, text: string) {
    const not = negated ? "! " : "";
    const { family } = this;
    switch (text) {
      case "MULTICAST":
        return this.#add(`${side} ${not}${family === "ipv4" ? "224.0.0.0/4" : "ff00::/8"}`, {
          family,
        });
      case "LOCAL":
        if (family === "ipv6") {
          this.approximate(
            negated ? "matches more" : "matches fewer",
            "anycast addresses are not looked for",
          );
        }
        return this.#add(`${side} ${not}{ self, ${family === "ipv4" ? "127.0.0.0/8" : "::1"} }`, {
          family,
        });
      case "BROADCAST":
        this.approximate(
          negated ? "matches more" : "matches fewer",
          "only 255.255.255.255 is known, not the broadcast address of each network",
        );
        return this.#add(`${side} ${not}255.255.255.255`, { family });
      default:
        throw new Unsaid(`addresses of the type ${text} cannot be asked for`);
    }
  }

  /** The members of a set are not in the file: it is declared, to be filled when the service runs. */
  #set(negated: boolean, name: string, sides: string) {
    const side = { src: "from", dst: "to" }[sides];
    if (!side) throw new Unsaid(`a set of ${sides} holds more than addresses`);
    const known = name.replace(/[^\w-]/g, "-").replace(/^(?=\d)/, "s-");
    this.sets.set(known, `set ${known} : addr size 65536 = { }`);
    this.approximate(
      negated ? "matches more" : "matches fewer",
      `the members of the set are not in the file; put them into @${known}`,
    );
    this.#add(`${side} ${negated ? "! " : ""}@${known}`, {});
  }

  /** Whether it is a later fragment. Those have no header of the transport, and all else has. */
  #addFragment() {
    const protocol = this.#protocol ?? "";
    if (!this.#fragment) return;
    if (this.#fragment === "no" && ["tcp", "udp", "sctp"].includes(protocol)) {
      return this.#add("sport any");
    }
    if (this.#fragment === "no" && protocol === "icmp") return this.#add("type any");
    this.approximate(
      this.#fragment === "no" ? "matches fewer" : "matches more",
      "the language does not tell first fragments from later ones",
    );
    this.#add(this.#fragment === "no" ? "! fragment" : "fragment");
  }
}

function listOf(members: readonly string[]): string {
  return members.length === 1 ? members[0]! : `{ ${members.join(", ")} }`;
}

function portList(text: string): string {
  return listOf(
    text.split(",").map((port) => {
      const [lo, hi] = port.split(":");
      return hi === undefined ? lo! : `${lo || 0}-${hi || 65535}`;
    }),
  );
}

/** The length of a dotted mask; -1 if its bits have a gap, which no prefix says. */
function maskLength(mask: string): number {
  const bits = mask.split(".").map((octet) => Number(octet).toString(2).padStart(8, "0")).join("");
  return /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : -1;
}
