/**
 * Habits in how clauses are put together.
 *
 * @module
 */
import { serviceClauses } from "../foreign/words.ts";
import { KEYWORDS } from "../token.ts";
import {
  BETWEEN,
  FIELDS,
  type Habit,
  PROTOCOL,
  RARE_PROTOCOL,
  sign,
  STATE,
  V4,
  VALUE,
  VERDICT,
} from "./habit.ts";

/** A field as it is said again before a further value. */
const FIELD = `(?:(?:in\\s+|out\\s+)?(?:${FIELDS}))`;

export const CLAUSES: readonly Habit[] = [
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
    says: "a protocol without a word of its own is said by `proto`",
    sign: sign`(?<=^\s*${VERDICT}\s+(?:ipv[46]\s+)?)(?=${RARE_PROTOCOL}(?![\w.-]))`,
    write: () => "proto ",
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
    sign: sign`(?<=\b(?:${FIELDS})\s+(?:!\s*)?)${VALUE}(?:${BETWEEN}(?:${FIELD}\s+)?${VALUE})+`,
    write: ([match]) =>
      `{ ${
        match!.split(new RegExp(BETWEEN)).map((member) =>
          member.replace(new RegExp(`^${FIELD}\\s+`), "")
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
