/**
 * Habits in how a value is said, and that it is not another.
 *
 * @module
 */
import { prefixLength } from "../foreign/words.ts";
import { after, FIELDS, type Habit, PROTOCOL, sign, V4, VALUE } from "./habit.ts";

/** What a field's values end at. */
const LARGEST: Readonly<Record<string, number>> = {
  ...{ sport: 65535, dport: 65535, length: 65535, ttl: 255, dscp: 63, type: 255, code: 255 },
};

export const VALUES: readonly Habit[] = [
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
    says: "an alias is an address of its interface, which `to` asks for",
    sign: sign`${after("on")}([A-Za-z][\w.-]*):\w+(?![\w:])`,
    write: ([, name]) => name,
  },
  {
    says: "a number is written out",
    sign: /(?<=\b(?:size|length|batch|burst)\s+)(\d+)[kK]\b(?:-(\d+)[kK]\b)?/g,
    write: ([, lo, hi]) => `${lo}000${hi ? `-${hi}000` : ""}`,
  },
];
