/**
 * Clauses about rates, clocks and logs.
 *
 * @module
 */
import { type Report, suggestion } from "../diagnostic.ts";
import type * as Ast from "../syntax/ast.ts";
import type { Limit, Log, PrefixLengths, Time, Until } from "./policy.ts";

const SECOND_NS = 1_000_000_000n;
const UNITS: Readonly<Record<string, bigint>> = {
  second: SECOND_NS,
  minute: 60n * SECOND_NS,
  hour: 3600n * SECOND_NS,
  day: 86400n * SECOND_NS,
};
/** What others call them. */
const SHORT_UNITS: Readonly<Record<string, string>> = {
  ...{ s: "second", sec: "second", m: "minute", min: "minute", h: "hour", d: "day" },
};
const DURATIONS: Readonly<Record<string, bigint>> = {
  ms: SECOND_NS / 1000n,
  s: SECOND_NS,
  m: 60n * SECOND_NS,
  h: 3600n * SECOND_NS,
  d: 86400n * SECOND_NS,
};
const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const WHOLE_DAYS = [
  ...["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"],
];
const KEYS = ["source", "dest", "sport", "dport"];
/** What others call them. */
const FOREIGN_KEYS: Readonly<Record<string, string>> = {
  ...{ src: "source", saddr: "source", from: "source", srcip: "source" },
  ...{ dst: "dest", daddr: "dest", to: "dest", destination: "dest", dstip: "dest" },
};

/** Packets at once where a limit does not say: what nft and iptables take. */
const DEFAULT_BURST = 5;
const MAX_RATE = 1_000_000_000;
const MAX_BURST = 1_000_000;
/** A century: sums with the time of day stay within 64 bits. */
const MAX_DURATION_NS = 36_500n * DURATIONS.d!;
const WHOLE: PrefixLengths = { v4: 32, v6: 128 };
/** The network that one customer gets: a host may change its address within. */
const V6_NETWORK = 64;

/** Nanoseconds of a text like "10m", or undefined if it is none. */
export function durationNs(text: string): bigint | undefined {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  return amount && unit ? BigInt(amount) * DURATIONS[unit]! : undefined;
}

/** Nanoseconds of a duration in a rule file; 0 if it is out of range (and was reported). */
export function readDuration({ text, span }: Ast.Word, report: Report): bigint {
  const ns = durationNs(text) ?? 0n;
  if (ns > 0n && ns <= MAX_DURATION_NS) return ns;
  report({ code: "FW214", message: `a duration is 1ms to 36500d, found ${text}`, span });
  return 0n;
}

/** The literal of a `limit`, to be true while within it; undefined if it is wrong (and reported). */
export function readLimit(clause: Ast.LimitClause, report: Report): Limit | undefined {
  const unitNs = Object.hasOwn(UNITS, clause.unit.text) ? UNITS[clause.unit.text] : undefined;
  if (!unitNs) {
    report({
      code: "FW218",
      message: `\`${clause.unit.text}\` is not a unit of a rate`,
      span: clause.unit.span,
      ...suggestion(SHORT_UNITS[clause.unit.text] ?? clause.unit.text, Object.keys(UNITS)),
      note: `the units are ${Object.keys(UNITS).join(", ")}`,
    });
    return undefined;
  }
  const amount = within(clause.amount, "a rate", MAX_RATE, report);
  const burst = clause.burst ? within(clause.burst, "a burst", MAX_BURST, report) : DEFAULT_BURST;
  if (amount === undefined || burst === undefined) return undefined;
  const intervalNs = unitNs / BigInt(amount);
  const keys = { source: undefined, destination: undefined, sport: false, dport: false };
  let limit: Limit = { kind: "limit", intervalNs, burst, ...keys };
  for (const { key, length } of clause.per) {
    const lengths = length ? prefixLengths(length, report) : WHOLE;
    if (!lengths) return undefined;
    if (key.text === "source") limit = { ...limit, source: lengths };
    else if (key.text === "dest") limit = { ...limit, destination: lengths };
    else if (!length && key.text === "sport") limit = { ...limit, sport: true };
    else if (!length && key.text === "dport") limit = { ...limit, dport: true };
    else {
      report({
        code: "FW218",
        message: KEYS.includes(key.text)
          ? `a bucket per \`${key.text}\` takes no length`
          : `there is no bucket per \`${key.text}\``,
        span: (KEYS.includes(key.text) ? length! : key).span,
        ...(KEYS.includes(key.text) ? {} : suggestion(FOREIGN_KEYS[key.text] ?? key.text, KEYS)),
        note: `the keys are ${KEYS.join(", ")}`,
      });
      return undefined;
    }
  }
  return limit;
}

/** Up to 32 it is IPv4's, and IPv6 counts by network; above, it is IPv6's. */
function prefixLengths(length: Ast.Word, report: Report): PrefixLengths | undefined {
  const bits = Number(length.text);
  if (bits <= 32) return { v4: bits, v6: V6_NETWORK };
  if (bits <= 128) return { v4: 32, v6: bits };
  const message = `a prefix length is at most 128, found ${length.text}`;
  report({ code: "FW211", message, span: length.span });
  return undefined;
}

function within(
  { text, span }: Ast.Word,
  what: string,
  most: number,
  report: Report,
): number | undefined {
  const value = Number(text);
  if (value >= 1 && value <= most) return value;
  report({ code: "FW214", message: `${what} is 1 to ${most}, found ${text}`, span });
  return undefined;
}

/** The literal of a `time`, to be true in its hours; undefined if it is wrong (and was reported). */
export function readTime(clause: Ast.TimeClause, report: Report): Time | undefined {
  const [from, to] = [minuteOf(clause.from, report), minuteOf(clause.to, report)];
  const days = clause.days.length === 0
    ? DAYS.map((_, i) => i)
    : clause.days.map((day) => dayOf(day, report));
  if (from === undefined || to === undefined || !days.every((day) => day !== undefined)) {
    return undefined;
  }
  if (from === to || from === 1440) {
    report({
      code: "FW213",
      message: "this span of hours is empty",
      span: clause.span,
      help: "write 00:00-24:00 for the whole day",
    });
    return undefined;
  }
  return { kind: "time", from, to, days: [...new Set(days)].toSorted() };
}

function minuteOf({ text, span }: Ast.Word, report: Report): number | undefined {
  const [hours, minutes] = text.split(":").map(Number) as [number, number];
  const minute = 60 * hours + minutes;
  if (minutes < 60 && minute <= 1440) return minute;
  report({ code: "FW214", message: `\`${text}\` is no time of the day`, span });
  return undefined;
}

function dayOf({ text, span }: Ast.Word, report: Report): number | undefined {
  const name = text.toLowerCase();
  const [first, last] = name.split("-").map((end) => DAYS.indexOf(end.slice(0, 3)));
  if (first !== undefined && first >= 0 && last !== undefined && last >= 0) {
    const length = (last - first + 7) % 7 + 1;
    const days = Array.from({ length }, (_, i) => DAYS[(first + i) % 7]);
    report({
      code: "FW218",
      message: `\`${text}\` is a range, and days are a list`,
      span,
      help: `write \`${days.join(", ")}\``,
    });
    return undefined;
  }
  const day = Math.max(DAYS.indexOf(name), WHOLE_DAYS.indexOf(name));
  if (day >= 0) return day;
  report({
    code: "FW218",
    message: `\`${text}\` is not a day of the week`,
    span,
    ...suggestion(text, DAYS),
    note: `the days are ${DAYS.join(", ")}`,
  });
  return undefined;
}

/** The literal of an `until`, to be true to the end of the day; undefined if there is no such day. */
export function readUntil(clause: Ast.UntilClause, report: Report): Until | undefined {
  const { text, span } = clause.day;
  const [year, month, day] = text.split("-").map(Number) as [number, number, number];
  const date = new Date(Date.UTC(year, month - 1, day));
  if (date.getUTCMonth() === month - 1 && date.getUTCDate() === day) {
    return { kind: "until", day: 10000 * year + 100 * month + day };
  }
  report({ code: "FW214", message: `there is no day ${text}`, span });
  return undefined;
}

/** What a `log` asks for. */
export function readLog({ prefix, every, pcap }: Ast.LogClause, report: Report): Log {
  const everyNs = every ? readDuration(every, report) : 0n;
  return { prefix: prefix?.text ?? "", everyNs, pcap };
}
