/**
 * The words of a line in another firewall's language, read one by one.
 *
 * @module
 */
import type { Span } from "../../source.ts";

export interface Translation {
  /** Whose language it is. */
  readonly of: string;
  /** What to write instead; empty if the line has no counterpart, absent if we do not know. */
  readonly write?: string;
  /** The words that are foreign, as offsets in the line. */
  readonly words: readonly Span[];
  readonly why?: string;
}

/** Reads a line; what to write instead, or undefined if it was not understood. */
export type Reader = (words: Words) => string | undefined;

/** Ports that other firewalls let one call by name. */
export const SERVICES: Readonly<Record<string, number>> = {
  ...{ ftp: 21, ssh: 22, telnet: 23, smtp: 25, domain: 53, dns: 53, bootps: 67, bootpc: 68 },
  ...{ tftp: 69, http: 80, www: 80, pop3: 110, ntp: 123, imap: 143, snmp: 161, ldap: 389 },
  ...{ https: 443, submission: 587, imaps: 993, pop3s: 995, mysql: 3306, rdp: 3389 },
};
/** What of them is not over TCP. */
const OVER_UDP = new Set(["domain", "dns", "bootps", "bootpc", "tftp", "ntp", "snmp"]);
const PROTOCOLS: Readonly<Record<string, string>> = {
  icmp6: "icmpv6",
  "ipv6-icmp": "icmpv6",
  all: "",
};
const WORD =
  /"[^"]*"|\{[^}]*\}|\[[^\]]*\]|<[\w-]+>|[!=<>]=|[^\s"{}[\];,]+(?:,\s*[^\s"{}[\];,]+)*|[{};]/g;

/** A cursor over the words of a line. */
export class Words {
  readonly text: string;
  /** Words that are not ours, ascending. */
  readonly foreign: Span[] = [];
  why = "";
  readonly #words: readonly { text: string; span: Span }[];
  #at = 0;

  constructor(text: string) {
    this.text = text;
    this.#words = [...text.matchAll(WORD)].filter(([word]) => word !== ";").map((found) => ({
      text: found[0],
      span: { start: found.index, end: found.index + found[0].length },
    }));
  }

  get done(): boolean {
    return this.#at >= this.#words.length;
  }

  /** The next word without taking it; "" at the end. */
  peek(): string {
    return this.#words[this.#at]?.text ?? "";
  }

  /** Takes the next word; "" at the end. */
  next(): string {
    return this.#words[this.#at++]?.text ?? "";
  }

  /** Takes the next word, which is none of ours. */
  foreignly(): string {
    const word = this.next();
    this.markLast();
    return word;
  }

  /** Takes the next word if it looks like that. */
  skip(pattern: RegExp): boolean {
    const found = pattern.test(this.peek());
    if (found) this.#at++;
    return found;
  }

  /** The same of a word that is none of ours. */
  skipForeign(pattern: RegExp): boolean {
    const found = this.skip(pattern);
    if (found) this.markLast();
    return found;
  }

  /** Takes all that is left if the next word begins so. */
  skipRest(pattern: RegExp): void {
    if (pattern.test(this.peek())) this.#at = this.#words.length;
  }

  /** Each word does what the table says; false at one that it does not have. */
  each(table: Readonly<Record<string, () => unknown>>, foreign: ReadonlySet<string>): boolean {
    while (!this.done) {
      const word = this.next();
      if (!Object.hasOwn(table, word)) return false;
      if (foreign.has(word)) this.markLast();
      table[word]!();
    }
    return true;
  }

  /** The word taken last is none of ours. */
  markLast(): void {
    this.#mark(this.#at - 1);
  }

  /** The first word that reads so is none of ours. */
  markWord(word: string): void {
    this.#mark(this.#words.findIndex(({ text }) => text === word));
  }

  /** The whole line is foreign. */
  all(): void {
    this.#at = this.#words.length;
    const text = this.text.trimEnd();
    this.foreign.splice(0, this.foreign.length, {
      start: text.length - text.trimStart().length,
      end: text.length,
    });
  }

  #mark(at: number): void {
    const span = this.#words[at]?.span;
    if (!span || this.foreign.some(({ start }) => start === span.start)) return;
    this.foreign.push(span);
    this.foreign.sort((a, b) => a.start - b.start);
  }

  /** `from 10.0.0.0/8`; "" for any address. */
  address(end: "from" | "to"): string {
    const [not, word] = this.#negated();
    if (word === "any" || word === "0.0.0.0/0" || word === "::/0") return "";
    const table = /^<([\w-]+)>$/.exec(word)?.[1];
    return `${end} ${not}${table ? `@${table}` : this.asList(word)}`;
  }

  /** `dport 22`; "" for any port. */
  ports(end: "sport" | "dport"): string {
    const [not, word] = this.#negated();
    if (word === "any") return "";
    const port = (text: string) => {
      const known = Object.hasOwn(SERVICES, text) ? `${SERVICES[text]}` : text;
      return known.replace(/^(\d+):(\d+)$/, "$1-$2").replace(/^(\d+):$/, "$1-65535")
        .replace(/^:(\d+)$/, "0-$1");
    };
    if (word === ">" || word === ">=") {
      return `${end} ${Number(this.next()) + (word === ">" ? 1 : 0)}-65535`;
    }
    if (word === "<" || word === "<=") {
      return `${end} 0-${Number(this.next()) - (word === "<" ? 1 : 0)}`;
    }
    const members = membersOf(word).map(port);
    return `${end} ${not}${members.length > 1 ? `{ ${members.join(", ")} }` : members[0] ?? ""}`;
  }

  /** `tcp`, or `proto { tcp, udp }`; "" for any protocol. */
  protocol(): string {
    const [not, word] = this.#negated();
    const members = membersOf(word).map((name) => PROTOCOLS[name] ?? name);
    if (members.length > 1) return `proto ${not}{ ${members.join(", ")} }`;
    const keyword = ["tcp", "udp", "icmp", "icmpv6", "sctp", ""].includes(members[0] ?? "");
    return keyword && not === "" ? members[0] ?? "" : `proto ${not}${members[0]}`;
  }

  /** An interface or a list of them, as we write it. */
  interface(): string {
    const [not, word] = this.#negated();
    return not + this.asList(word.replaceAll('"', "").replace(/\+$/, "*"));
  }

  /** The next word or list, as we write it. */
  list(): string {
    const [not, word] = this.#negated();
    return not + this.asList(word);
  }

  /** Members with commas between, in braces if there are several. */
  asList(text: string): string {
    const members = membersOf(text);
    return members.length > 1 || text.startsWith("{") ? `{ ${members.join(", ")} }` : text;
  }

  #negated(): [not: string, word: string] {
    if (this.skip(/^(!=|!)$/)) return ["! ", this.next()];
    if (this.skip(/^(==|=)$/)) return ["", this.next()];
    const word = this.next();
    return word.startsWith("!") ? ["! ", word.slice(1)] : ["", word];
  }
}

/** `new, established`, from any kind of list. */
export function commaList(text: string): string {
  return membersOf(text).join(", ");
}

function membersOf(text: string): string[] {
  return text.replace(/^[{[]|[}\]]$/g, "").split(/[\s,]+/).filter((member) => member !== "")
    .map(wholePrefix);
}

/** `10/8` as `10.0.0.0/8`. */
function wholePrefix(text: string): string {
  const [, octets, length] = /^(\d+(?:\.\d+){0,2})(\/\d+)$/.exec(text) ?? [];
  if (!octets) return text;
  return `${octets}${".0".repeat(4 - octets.split(".").length)}${length}`;
}

/** `tcp dport 22` for `ssh`, over the protocol given or the usual one; undefined if unknown. */
export function serviceClauses(name: string, protocol = ""): string | undefined {
  if (!Object.hasOwn(SERVICES, name)) return undefined;
  return `${protocol || (OVER_UDP.has(name) ? "udp" : "tcp")} dport ${SERVICES[name]}`;
}

/** The prefix length of a netmask, or of the wildcard that is its opposite. */
export function prefixLength(mask: string): number | undefined {
  const bits = mask.split(".").map((octet) => Number(octet).toString(2).padStart(8, "0")).join("");
  const length = bits.search(bits.startsWith("1") ? /0|$/ : /1|$/);
  const plain = new RegExp(bits.startsWith("1") ? "^1*0*$" : "^0*1*$");
  return bits.length === 32 && plain.test(bits) && mask !== "0.0.0.0" ? length : undefined;
}
