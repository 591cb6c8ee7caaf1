/**
 * Slips and habits inside a line that is ours otherwise: `dport 22:80`, `from not $lan`, `in eth0`.
 *
 * Each is a way to put such a line right. What comes of it is offered only if it is a sentence of
 * the language, which the caller tells; where nothing can be offered, it is said what is wrong.
 *
 * @module
 */
import type { Span } from "../source.ts";
import { KEYWORDS } from "./token.ts";
import { prefixLength, serviceClauses } from "./foreign/words.ts";

/** What is wrong with a line, and what it should be. */
export interface Mended {
  readonly message: string;
  /** Where, as offsets in the line. */
  readonly span: Span;
  /** What to write instead; absent if we cannot know. */
  readonly write?: string;
}

/** The line put right, if habits that we know are all that is wrong with it. */
export function mend(line: string, isSound: (line: string) => boolean): Mended | undefined {
  // What stands in quotes is left alone.
  const strings = line.match(/"[^"]*"/g) ?? [];
  const bare = line.replace(/"[^"]*"/g, (string) => `"${"\x01".repeat(string.length - 2)}"`)
    .replace(/#.*$/, "");
  let first: Mended | undefined;
  let text = bare;
  for (const habit of HABITS) {
    const mended = apply(habit, text);
    if (!mended) continue;
    first ??= { message: habit.says, span: mended.span };
    text = mended.text;
  }
  let quoted = 0;
  const write = text.trim().replace(/\s+/g, " ").replace(/"\x01*"/g, () => strings[quoted++]!);
  if (first && isSound(write)) return { ...first, write };
  for (const [sign, message] of CERTAIN) {
    const found = sign.exec(bare);
    if (found) return { message, span: placeOf(found) };
  }
  return undefined;
}

interface Habit {
  readonly says: string;
  readonly sign: RegExp;
  /** What stands instead of the match, told its groups; undefined if it is no habit after all. */
  readonly write: (groups: readonly string[]) => string | undefined;
}

/** The text without the habit, and its first place in the text given; undefined if it has none. */
function apply({ sign, write }: Habit, text: string): { text: string; span: Span } | undefined {
  let mended = "", end = 0;
  let span: Span | undefined;
  for (const found of text.matchAll(sign)) {
    const instead = write(found.map((group) => group ?? ""));
    if (instead === undefined) continue;
    mended += text.slice(end, found.index) + instead;
    end = found.index + found[0].length;
    span ??= placeOf(found);
  }
  return span && { text: mended + text.slice(end), span };
}

/** Where a match stands, without the spaces around it; an empty one is before a word. */
function placeOf({ 0: text, index, input }: RegExpExecArray): Span {
  const marked = text.trim() || (/^[\w.@$-]+/.exec(input.slice(index))?.[0] ?? "");
  const start = index + text.length - text.trimStart().length;
  return { start, end: start + marked.length };
}

/** An expression for all its places; spaces are left out. */
function sign(parts: TemplateStringsArray, ...values: string[]): RegExp {
  return new RegExp(String.raw(parts, ...values), "g");
}

/** Behind the word, a negation and an open list, perhaps. */
function after(words: string): string {
  return String.raw`(?<=\b(?:${words})\s+(?:!\s*)?(?:\{[^{}]*)?)`;
}

const FIELDS = "from|to|sport|dport|type|code|exthdr|on|proto|mark|length|ttl|dscp|mac|uid|gid";
const PROTOCOL = "(?:tcp|udp|icmp|icmpv6|sctp)";
const STATE = "(?:new|established|related|invalid|untracked)";
const VERDICT = "(?:accept|drop|reject)";
const V4 = String.raw`\d+\.\d+\.\d+\.\d+`;
const VALUE = String.raw`[^\s,{}|!=<>()]+`;
const BETWEEN = String.raw`\s*(?:,|\bor\b|\|\|?)\s*`;
/** What a field's values end at. */
const LARGEST: Readonly<Record<string, number>> = {
  ...{ sport: 65535, dport: 65535, length: 65535, ttl: 255, dscp: 63, type: 255, code: 255 },
};

const HABITS: readonly Habit[] = [
  // Letters, quotes and comments.
  {
    says: "words are written in lower case",
    sign: /(?<![$@\w.-])[A-Z][A-Za-z0-9]+(?![\w.-])/g,
    write: ([word]) => lowered(word!),
  },
  {
    says: 'strings stand in `"`',
    sign: /['\u201c\u2018]([^'"\u201c\u201d\u2018\u2019]*)['\u201d\u2019]/g,
    write: ([, text]) => `"${text}"`,
  },
  {
    says: "a comment begins with `#`",
    sign: /(?<=^|\s)(?:\/\/|;|--(?=\s))(?!.*\*\/)(.*)$/g,
    write: ([, text]) => `#${text}`,
  },
  {
    says: "a comment begins with `#` and ends with its line",
    sign: /\/\*(.*?)\*\/(.*)$/g,
    write: ([, text, rest]) => `${rest} #${text!.trimEnd()}`,
  },

  // What defines.
  {
    says: "a name is defined without its sigil",
    sign: /(?<=^\s*(?:define|set)\s+)[$@](?=[A-Za-z_])/g,
    write: () => "",
  },
  {
    says: "a constant is defined by `define`",
    sign: /^\s*(?:let|const|var)\s+(?=[A-Za-z_][\w-]*\s*=)/g,
    write: () => "define ",
  },
  {
    says: "a set's type stands behind `:`",
    sign: sign`(?<=^\s*set\s+[\w-]+)\s*(?:\((\w+)\)|(addr|port|proto|iface|mac|mark|uid)\b)`,
    write: ([, inside, plain]) => ` : ${inside || plain}`,
  },
  {
    says: "`=` stands before a set's members",
    sign: /(?<=^\s*set\s+[\w-]+(?:\s*:\s*\w+)?)\s*:?\s*(?=\{)/g,
    write: () => " = ",
  },
  {
    says: "a set's members stand in braces",
    sign: /(?<=^\s*set\s+(?!mark\b)[^={]*=\s*)([^\s{][^{}#]*?)(?=\s*(?:#|$))/g,
    write: ([, members]) => `{ ${members} }`,
  },
  {
    says: "an option has no `=`",
    sign: /(?<=^\s*option\s+[\w-]+)\s*[=:]\s*/g,
    write: () => " ",
  },
  {
    says: "the name of a file stands in quotes",
    sign: /(?<=^\s*include\s+)[<]?([\w./*-]+)>?(?=\s*$)/g,
    write: ([, path]) => `"${path}"`,
  },

  // Chains, blocks and tests.
  {
    says: "a chain begins with `chain`",
    sign: /^\s*(input|forward|output)\b(?=[^{]*\{)/g,
    write: ([, name]) => `chain ${name}`,
  },
  {
    says: "the name says where a chain hooks in",
    sign: /(?<=^\s*chain\s+[\w-]+)\s*(?::|\bhook\s+\w+)(?=\s)/g,
    write: () => "",
  },
  {
    says: "rules under a condition stand in `when … { }`",
    sign: /^\s*if\s+(?=[^{]*\{)/g,
    write: () => "when ",
  },
  {
    says: "the verb of a rule stands first, and is all the condition there is",
    sign: sign`^\s*if\s+(.*?)\s*(?:\bthen\b|:)?\s*\b(${VERDICT})\s*;?\s*$`,
    write: ([, clauses, verb]) => `${verb} ${clauses}`,
  },
  {
    says: "a chain is entered by `jump`",
    sign: /^\s*(?:call|exec|goto)\s+(?=[\w-]+\s*$)/g,
    write: () => "jump ",
  },
  {
    says: "the name of a test stands in quotes",
    sign: /(?<=^\s*test\s+)([A-Za-z_][^"{}]*?)(?=\s*\{)/g,
    write: ([, name]) => `"${name}"`,
  },
  {
    says: "a test holds expectations",
    sign: /^\s*(?:assert|check|verify|ensure|require)\s+/g,
    write: () => "expect ",
  },
  {
    says: "the chain stands before the verdict",
    sign: sign`(?<=^\s*expect\s+(?:some\s+)?)(${VERDICT}|deny)\s+(\w+)`,
    write: ([, verdict, chain]) => `${chain} ${verdict}`,
  },
  {
    says: "`by` stands behind the verdict",
    sign: sign`(?<=^\s*expect\s+(?:some\s+)?\w+\s+(?:${VERDICT}|deny)\s)(.*?)\s*\bby\s+([\w-]+)`,
    write: ([, clauses, label]) => clauses ? `by ${label} ${clauses}` : undefined,
  },

  // Words of others.
  {
    says: "a clause has no dashes before it",
    sign: sign`(?<=\s)--?(?=(?:${FIELDS}|state|log|limit)\b)`,
    write: () => "",
  },
  {
    says: "a port is said by `dport` or `sport`",
    sign: sign`\b(?:(src|source|from|sport)|dst|dest|destination|to|dport)[\s-]ports?\b`,
    write: ([, source]) => source ? "sport" : "dport",
  },
  {
    says: "a port is said by `dport` or `sport`",
    sign: sign`(?<=\bfrom\s+(?:!\s*)?${VALUE}\s+)ports?\b(?!-)`,
    write: () => "sport",
  },
  {
    says: "a port is said by `dport` or `sport`",
    sign: /(?<![\w.-])(?<!:\s*)ports?(?=\s+[=!\d{@$])/g,
    write: () => "dport",
  },
  {
    says: "an address is said by `from` or `to`",
    sign:
      sign`\b(?:(src|source)|dst|dest|destination)(?:\s+(?:address|ip|host|net))?(?=\s+(?:!\s*)?(?:\d+\.|[@$\{!]|any\b|[0-9a-f]*:))`,
    write: ([, source]) => source ? "from" : "to",
  },
  {
    says: "a chain is entered by `jump` and its name",
    sign: /(?<=^\s*jump)\s+to(?=\s+[\w-]+)/g,
    write: () => "",
  },
  {
    says: "how to reject stands behind `with`",
    sign: /(?<=^\s*reject\s+)(?=(?:tcp-reset|icmp-(?:port|host|net|admin))\b)/g,
    write: () => "with ",
  },
  { says: "a log has no level", sign: /(?<=\blog\b.*)\s*\blevel\s+\w+/g, write: () => "" },
  {
    says: "a log's prefix follows it at once",
    sign: /(?<=\blog\s+)prefix\s+(?=")/g,
    write: () => "",
  },

  // Negation and comparison.
  {
    says: "negation is written `!`, before the value",
    sign: sign`(?<=\b(?:${FIELDS}|state)\s+)not\b`,
    write: () => "!",
  },
  {
    says: "negation is written `!`, before the value",
    sign: sign`(?:\bnot\b|!)\s*((?:in|out)\s+on|${FIELDS}|state)\s+(?!!)`,
    write: ([, field]) => `${field} ! `,
  },
  {
    says: "negation is written `!`, before the value",
    sign: sign`(?:\bnot\b|!)\s*(?=${PROTOCOL}\b)`,
    write: () => "proto ! ",
  },
  { says: "negation is written `!`", sign: /\bnot\b(?=\s+fragment)/g, write: () => "!" },
  { says: "negation is written `!`", sign: /\s*!=\s*/g, write: () => " ! " },
  {
    says: "a value follows its field without `=`",
    sign: sign`(?<=\b(?:${FIELDS}|state|label))\s*==?\s*`,
    write: () => " ",
  },
  {
    says: "a comparison is written as a range",
    sign: /\b(sport|dport|length|ttl|dscp|type|code)\s*([<>]=?)\s*(\d+)/g,
    write: ([, field, how, text]) => {
      const value = Number(text);
      const [lo, hi] = how!.startsWith("<")
        ? [0, how === "<" ? value - 1 : value]
        : [how === ">" ? value + 1 : value, LARGEST[field!]!];
      return hi < lo ? undefined : `${field} ${lo}-${hi}`;
    },
  },

  // Values.
  {
    says: "a range is written with `-`",
    sign: sign`${
      after("sport|dport|length|ttl|dscp|type|code|uid|gid")
    }(?<![\w:.-])(\d+)(?::|\.\.+)(\d*)(?![\w:])`,
    write: ([, lo, hi]) => `${lo}-${hi || "65535"}`,
  },
  {
    says: "several values stand in braces",
    sign: /(?<=\b[sd]port\s+(?:!\s*)?)\d+(?:-\d+)?(?:\s+\d+(?:-\d+)?(?![\w:./]))+/g,
    write: ([ports]) => `{ ${ports!.split(/\s+/).join(", ")} }`,
  },
  {
    says: "a range of ports has a beginning",
    sign: sign`${after("sport|dport")}(?<![\w:.-])[:-](\d+)(?![\w:])`,
    write: ([match, hi]) => match!.startsWith(":") ? `0-${hi}` : undefined,
  },
  {
    says: "a network is written with the length of its prefix",
    sign: sign`(?<![\w.])(${V4})(?:\s*\/\s*|\s+(?:net)?mask\s+|\s+)(${V4})(?![\w.])`,
    write: ([, address, mask]) => {
      const length = prefixLength(mask!);
      return length === undefined ? undefined : `${address}/${length}`;
    },
  },
  {
    says: "a network is written with the length of its prefix",
    sign: /(?<![\w.])(\d+(?:\.\d+){0,2})(?:\.\*)+(?![\w.])/g,
    write: ([, octets]) => {
      const known = octets!.split(".").length;
      return `${octets}${".0".repeat(4 - known)}/${8 * known}`;
    },
  },
  {
    says: "the length of a prefix follows its address at once",
    sign: sign`(?<=${V4})\s*\/\s*(?=\d)`,
    write: ([match]) => match === "/" ? undefined : "/",
  },
  {
    says: "an IPv4 address has four numbers",
    sign: sign`(?<=(?:\b(?:from|to)\s|[{,=])\s*(?:!\s*)?)(\d+(?:\.\d+){0,2})(\/\d+)`,
    write: ([, octets, length]) => octets! + ".0".repeat(4 - octets!.split(".").length) + length,
  },
  {
    says: "a port is a clause of its own",
    sign: sign`\b(from|to)\s+(${V4}|\[[0-9A-Fa-f:]+\]):(\d+)`,
    write: ([, end, address, port]) =>
      `${end} ${address!.replace(/[[\]]/g, "")} ${end === "from" ? "sport" : "dport"} ${port}`,
  },
  {
    says: "an address stands without brackets",
    sign: /\[([0-9A-Fa-f:]*::?[0-9A-Fa-f:]*)\]/g,
    write: ([, address]) => address,
  },
  {
    says: "a MAC address is written with colons",
    sign:
      /(?<![\w:.-])[0-9A-Fa-f]{2}(?:-[0-9A-Fa-f]{2}){5}(?![\w-])|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2}(?![\w.])/g,
    write: ([mac]) => mac!.replace(/[-.]/g, "").match(/../g)!.join(":"),
  },
  {
    says: "any number of letters in an interface's name is `*`",
    sign: sign`${after("on")}([A-Za-z][\w.-]*)\+(?=[\s,}]|$)`,
    write: ([, name]) => `${name}*`,
  },
  {
    says: "a number is written out",
    sign: /(?<=\b(?:size|length|batch|burst)\s+)(\d+)[kK]\b(?:-(\d+)[kK]\b)?/g,
    write: ([, lo, hi]) => `${lo}000${hi ? `-${hi}000` : ""}`,
  },

  // Clauses.
  {
    says: "an interface is said by `in on` or `out on`",
    sign: /\b(in|out)\s+(?!on\b)(?:(?:dev|interface|iface)\s+)?(?=[A-Za-z"$])/g,
    write: ([, way]) => `${way} on `,
  },
  {
    says: "an interface is said by `in on` or `out on`",
    sign: /(?<!\b(?:in|out)\s+)\b(?:on|interface|iface|dev)\s+(?=[A-Za-z"$!{])/g,
    write: () => "in on ",
  },
  {
    says: "several protocols stand in a list, after `proto`",
    sign:
      sign`(?:\bproto\s+)?(?<![\w.-])${PROTOCOL}(?:\s*(?:,|\/|\|\|?|\bor\b|\band\b)\s*${PROTOCOL}\b)+`,
    write: ([match]) =>
      `proto { ${match!.match(new RegExp(`\\b${PROTOCOL}\\b`, "g"))!.join(", ")} }`,
  },
  {
    says: "several protocols stand in a list, after `proto`",
    sign:
      sign`(?<!\bproto\s+(?:!\s*)?)\{\s*(?=(?:proto\s+)?(?:\{\s*)?${PROTOCOL}\b[^{}]*\})(?:proto\s+\{)?([^{}]*)\}(?:\s*\})?`,
    write: ([, members]) => `proto { ${members!.trim()} }`,
  },
  {
    says: "the protocol is a clause of its own, before the port",
    sign: /(?:\bdport\s+)?(?<![\w./-])(?:(\d+)\/(tcp|udp|sctp)|(tcp|udp|sctp)\/(\d+))\b/g,
    write: ([, ahead, behind, before, port]) => `${behind || before} dport ${ahead || port}`,
  },
  {
    says: "a port is said by `dport` or `sport`",
    sign: /(?<=\b(?:tcp|udp|sctp)\s+)(?:\d+(?:-\d+)?(?![\w.:/])|\{[\s\d,-]+\})/g,
    write: ([ports]) => `dport ${ports}`,
  },
  {
    says: "a state is said by `state`",
    sign: sign`(?<=^\s*${VERDICT}(?:\s+${PROTOCOL})?\s+)(?=${STATE}\b)`,
    write: () => "state ",
  },
  {
    says: "loopback is an interface, which is said by `in on`",
    sign: sign`(?<=^\s*${VERDICT}\s+)(?:lo|loopback|localhost)(?=\s*$)`,
    write: () => "in on lo",
  },
  {
    says: "a service is said by its protocol and port",
    sign: sign`(?<=^\s*${VERDICT}\s+)(?:(tcp|udp)\s+)?([a-z0-9]+)(?=\s|$)`,
    write: ([, protocol, name]) => {
      if (name === "ping") return "icmp type echo-request";
      return serviceClauses(name!, protocol);
    },
  },
  {
    says: "several values stand in braces",
    sign:
      sign`(?<=\b(?:${FIELDS})\s+(?:!\s*)?)${VALUE}(?:${BETWEEN}(?:(?:${FIELDS})\s+)?${VALUE})+`,
    write: ([match]) =>
      `{ ${
        match!.split(new RegExp(BETWEEN)).map((member) =>
          member.replace(new RegExp(`^(?:${FIELDS})\\s+`), "")
        ).join(", ")
      } }`,
  },
  {
    says: "ICMP over IPv6 is `icmpv6`",
    sign: /\b(?:ipv6-icmp|icmp-?6|icmp-v6)\b/g,
    write: () => "icmpv6",
  },
  {
    says: "the kind of ICMP is said by `type`",
    sign: /(?<=\bicmp(?:v6)?\s+)[a-z]+(?:-[a-z]+)+\b/g,
    write: ([name]) => `type ${name}`,
  },
  {
    says: "states are joined by commas",
    sign: sign`(?<=\bstate\s+(?:!\s*)?)\{([^{}]*)\}`,
    write: ([, states]) => states!.trim(),
  },
  {
    says: "states are joined by commas",
    sign:
      sign`(?<=\bstate\s+(?:!\s*)?(?:${STATE}\s*,\s*)*)${STATE}(?:(?:\s*\|\s*|\s+(?:or\s+|and\s+)?)${STATE}\b)+`,
    write: ([match]) => match!.match(new RegExp(STATE, "g"))!.join(", "),
  },
  {
    says: "flags are joined by commas",
    sign: /(?<=\bflags\s+)\{([^{}]*)\}/g,
    write: ([, flags]) => flags!.trim(),
  },
  {
    says: "flags are joined by commas",
    sign: /(?<=\bflags\s+)[a-z]+(?:\s*[&|+]\s*[a-z]+)+/g,
    write: ([flags]) => flags!.split(/\s*[&|+]\s*/).join(","),
  },
  {
    says: "TCP flags are said by `flags`",
    sign: /(?<=\btcp\s+)(?=(?:syn|ack|fin|rst|psh|urg)\b)/g,
    write: () => "flags ",
  },
  {
    says: "what has an end at both sides is said by `from` and `to`",
    sign: sign`(?<!\b(?:from|to)\s+(?:!\s*)?)(${VALUE})\s*(?:->|→|>)\s*(${VALUE})`,
    write: ([, from, to]) =>
      [from === "any" ? "" : `from ${from}`, to === "any" ? "" : `to ${to}`].join(" "),
  },
  {
    says: "an address is said by `from` or `to`",
    sign: sign`(?<=^\s*${VERDICT}(?:\s+${PROTOCOL})?\s+)(?=${V4}|@|\{\s*${V4})`,
    write: () => "from ",
  },
  {
    says: "a rule without clauses is for every packet: `any` is implied",
    sign:
      sign`(?<=^\s*(?:${VERDICT}|match)(?:\s+${PROTOCOL})?)(?:\s+(?:any|everything))+(?:\s+to\s+any)?(?=\s|$)`,
    write: () => "",
  },
  {
    says: "fields in parentheses begin with `tuple`",
    sign: /(?<!\btuple\s*)\((?=[^()]*\)\s*in\s+@)/g,
    write: () => "tuple (",
  },
  {
    says: "a set of tuples is looked in by `in`",
    sign: /(?<=\btuple\s*\([^()]*\)\s*)(?=@)/g,
    write: () => "in ",
  },
  {
    says: "clauses stand side by side, without parentheses",
    sign: /(?<!\btuple\s*)\(([^()]*)\)/g,
    write: ([, inside]) => inside!.trim(),
  },
  {
    says: "clauses are joined by standing side by side",
    sign: /\s*(?:&&?|\band\b)\s*/g,
    write: () => " ",
  },
  {
    says: "replies pass by `accept state established, related` at the top of the chain",
    sign: /\s*\b(?:keep|modulate|synproxy)\s+state\b/g,
    write: () => "",
  },
  {
    says: "a mark is put on by `set mark`",
    sign: /\b(?:mark\s+set|set-mark|mark\s*:=)\s*/g,
    write: () => "set mark ",
  },

  // Rates, times and names.
  {
    says: "a rate is said by `limit`",
    sign: /\b(?:limit\s+)?rate\s+(?=(?:over\s+)?\d)/g,
    write: () => "limit ",
  },
  {
    says: "a rate is a number of packets `/` a unit",
    sign:
      /(?<=\blimit\s+(?:over\s+)?)(\d+)(?:\s*(?:packets|pps))?\s*(?:\bper\b|\/|\ba\b)\s*(s|sec|m|min|h|d|second|minute|hour|day)s?\b/g,
    write: ([, amount, unit]) =>
      `${amount}/${["second", "minute", "hour", "day"].find((name) => name.startsWith(unit!))}`,
  },
  {
    says: "an hour is written as 08:00",
    sign:
      /(?<=\btime\s+)(\d{1,2})(?::?(\d\d))?\s*(?:-|to|until)\s*(\d{1,2})(?::?(\d\d))?(?![\w:])/g,
    write: ([, from, min, to, max]) =>
      `${from!.padStart(2, "0")}:${min || "00"}-${to!.padStart(2, "0")}:${max || "00"}`,
  },
  {
    says: "a day is written as 2030-12-31",
    sign: /(?<=\buntil\s+)(?:(\d{1,2})\.(\d{1,2})\.(\d{4})|(\d{4})[/.](\d{1,2})[/.](\d{1,2}))/g,
    write: ([, d, m, y, year, month, day]) =>
      [y || year, (m || month)!.padStart(2, "0"), (d || day)!.padStart(2, "0")].join("-"),
  },
  {
    says: "a duration is a number and its unit together, as in 10s",
    sign: /(?<=\b(?:every|timeout)\s+)(\d+)\s*([smhd])?(?:ec|in|our|ay|econd|inute)?s?\b/g,
    write: ([, amount, unit]) => `${amount}${unit || "s"}`,
  },
  {
    says: "a label of several words stands in quotes",
    sign: /(?<=\blabel\s+)([A-Za-z][\w-]*(?:\s+[A-Za-z][\w-]*)+)(?=\s*$)/g,
    write: ([, words]) =>
      words!.split(/\s+/).some((word) => KEYWORDS.some((keyword) => keyword === word))
        ? undefined
        : `"${words}"`,
  },
];

/** What is certain, though nothing can be offered. */
const CERTAIN: readonly (readonly [sign: RegExp, message: string])[] = [
  [
    /(?<=\{[^{}]*)\bnot\b/,
    "a member of a list cannot be negated; the whole list can, by `!` before it",
  ],
  [
    /(?<=\b[sd]port\s+(?:!\s*)?(?:\{[^{}]*)?)\d+[A-Za-z_]\w*/,
    "a port is a number, or the name of a constant or a set",
  ],
  [/(?<=\d\.\d+|::[\da-f]*)\/(?!\s*[\d\/])/, "the length of the prefix is missing after `/`"],
  [/(?<![\w.])\d+(?:\.\d+){4,}(?![\w.])/, "an IPv4 address has four numbers"],
  [
    /(?<=\b(?:from|to)\s+(?:!\s*)?)(?=\S*::|(?:\S*:){7})[\w:]*[g-zG-Z_][\w:]*(?:\/\d+)?/,
    "an IPv6 address is written in hexadecimal digits",
  ],
  [/(?<=\b[sd]port\s+(?:!\s*)?)\d+\.\d+(?![\d.])/, "a port is a whole number"],
  [/(?<=\blimit\s+(?:over\s+)?)\d*\.\d+/, "a rate is a whole number"],
  [
    /(?<=\blimit\s+(?:over\s+)?)\d+\s*(?:[kmg]?(?:bits?|bytes?|b))\b\S*/i,
    "a limit counts packets, not bits or bytes",
  ],
  [
    new RegExp(String.raw`(?<=\b(?:${FIELDS})\s+(?:!\s*)?)-\d+`),
    "no packet has a value below 0",
  ],
];

/** A word of ours in capitals; not one that iptables writes so, which is told as iptables'. */
function lowered(word: string): string | undefined {
  if (["ACCEPT", "DROP", "REJECT", "RETURN", "LOG"].includes(word)) return undefined;
  const low = word.toLowerCase();
  return KEYWORDS.some((keyword) => keyword === low) ? low : undefined;
}
