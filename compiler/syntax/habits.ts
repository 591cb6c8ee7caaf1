/**
 * Slips and habits inside a line that is ours otherwise: `dport 22:80`, `from not $lan`, `in eth0`.
 *
 * Each is a way to put such a line right. What comes of it is offered only if it is a sentence of
 * the language, which the caller tells; where nothing can be offered, it is said what is wrong.
 *
 * @module
 */
import type { Span } from "../source.ts";
import { CLAUSES } from "./habits/clauses.ts";
import { DEFINITIONS } from "./habits/definitions.ts";
import { FIELDS, type Habit } from "./habits/habit.ts";
import { VALUES } from "./habits/values.ts";

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
  const bare = line.replace(/"[^"]*"/g, (string) => `"${"·".repeat(string.length - 2)}"`)
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
  const write = text.trim().replace(/\s+/g, " ").replace(/"·*"/g, () => strings[quoted++] ?? '""');
  if (first && isSound(write)) return { ...first, write };
  for (const [sign, message] of CERTAIN) {
    const found = sign.exec(bare);
    if (found) return { message, span: placeOf(found) };
  }
  return undefined;
}

/** The text without the habit, and its first place in the text given; undefined if it has none. */
function apply({ sign, write }: Habit, text: string): { text: string; span: Span } | undefined {
  let mended = "", end = 0;
  let span: Span | undefined;
  for (const found of text.matchAll(sign)) {
    const instead = write(found.map((group) => group ?? ""));
    if (instead === undefined || instead === found[0]) continue; // it is right already
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

/** In the order that they are put right in. */
const HABITS = [...DEFINITIONS, ...VALUES, ...CLAUSES];

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
    /(?<=\b(?:from|to)\s+(?:!\s*)?(?:\{[^{}]*)?)(?<![\w.:-])\d+(?:\.\d+){1,2}(?![\w.:\/])/,
    "an IPv4 address has four numbers",
  ],
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
