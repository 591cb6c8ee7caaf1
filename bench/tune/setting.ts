/**
 * What the tuner turns: options with the values that are tried, and how a setting gets into a rule
 * file.
 *
 * @module
 */
import { check, DEFAULTS, formatted } from "../../compiler/mod.ts";
import { readFrom } from "../../cli/read.ts";

/** A value for each option that is tuned, by the option's name. `queue` counts queues. */
export type Setting = Readonly<Record<string, number | string>>;

/** The values that are tried, by option. */
export type Choices = Readonly<Record<string, readonly (number | string)[]>>;

const CORES = navigator.hardwareConcurrency;
const THREADS = [...new Set([1, 2, CORES])].filter((n) => n <= CORES);

/** All that there is to turn, in the order it is tried: what matters most comes first. */
export const CHOICES: Choices = {
  batch: [16, 64, 128, 256, 512, 1024],
  coalesce: ["auto", "off", 50, 200],
  workers: THREADS,
  split: ["packets", "rules"],
  queue: THREADS,
  copy: [128, 256],
};

/** What a policy without options gets; one thread, as `auto` comes to for nearly all. */
export const START: Setting = {
  batch: DEFAULTS.batch,
  coalesce: DEFAULTS.coalesce,
  workers: 1,
  split: DEFAULTS.split,
  queue: 1,
  copy: DEFAULTS.copy,
};

/** Whether it differs from every other setting in what it does: one thread splits nothing. */
export function isDistinct({ workers, split }: Setting): boolean {
  return workers !== 1 || split === undefined || split === START.split;
}

/** Every combination. */
export function product(choices: Choices): Setting[] {
  return Object.entries(choices).reduce<Setting[]>(
    (some, [name, values]) => some.flatMap((s) => values.map((value) => ({ ...s, [name]: value }))),
    [{}],
  ).filter(isDistinct);
}

export function same(a: Setting, b: Setting): boolean {
  return Object.keys(a).every((name) => a[name] === b[name]);
}

export function words(setting: Setting): string {
  return Object.entries(setting).map(([name, value]) =>
    name === "queue" ? `${value} ${value === 1 ? "queue" : "queues"}` : `${name} ${value}`
  ).join(", ");
}

/** The setting as a rule file's options, its queues counted from `first`. */
export function optionsOf({ queue, ...rest }: Setting, first: number): Record<string, string> {
  const last = first + Number(queue ?? 1) - 1;
  const options = queue === undefined
    ? rest
    : { queue: first === last ? `${first}` : `${first}-${last}`, ...rest };
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, `${value}`]));
}

/**
 * The text with these options: in place of those that it has, else behind its last option, else at
 * its head. In the formatter's form.
 */
export function withOptions(
  name: string,
  text: string,
  options: Readonly<Record<string, string>>,
): string {
  const { written } = check(name, text, {}, readFrom);
  const there = written.items.filter((item) => item.kind === "option" && !item.setting);
  const edits = Object.entries(options).map(([option, value]) => {
    const old = there.find((item) => item.kind === "option" && item.name.text === option);
    return { line: `option ${option} ${value}`, span: old?.span };
  });
  const last = there.at(-1)?.span.end ?? written.version?.span.end;
  const head = last === undefined ? 0 : (text + "\n").indexOf("\n", last);
  const missing = edits.filter(({ span }) => !span).map(({ line }) => line).join("\n");
  const insertion = head === 0
    ? `${missing}\n\n`
    : there.length > 0
    ? `\n${missing}`
    : `\n\n${missing}`;
  const all = [
    ...edits.flatMap(({ line, span }) => span ? [{ ...span, put: line }] : []),
    ...missing ? [{ start: head, end: head, put: insertion }] : [],
  ].toSorted((a, b) => b.start - a.start || b.end - a.end);
  const result = all.reduce(
    (sofar, { start, end, put }) => sofar.slice(0, start) + put + sofar.slice(end),
    text,
  );
  return formatted(name, result).text ?? result;
}
