/**
 * Decision tables as text, for a person.
 *
 * @module
 */
import type { Field } from "../policy/field.ts";
import type { Policy } from "../policy/policy.ts";
import { printRules } from "../policy/print.ts";
import { valueText } from "../policy/text.ts";
import type { Piece } from "./classes.ts";
import { LAYOUT_HASH } from "./layout.ts";
import { type Axis, type Plan, plan } from "./plan.ts";
import { denseWords } from "./rows.ts";

/** Lines of one table before the rest is only counted. */
const MOST_LINES = 40;

/** What the tables of a policy hold: rules, the back end and its cost, then each axis. */
export function printTables(policy: Policy, imageSize: number): string {
  const tables = plan(policy);
  const { axes, decide, effect } = tables;
  const lines = [
    `image: ${imageSize} bytes, layout ${LAYOUT_HASH.toString(16)}`,
    `rules: ${policy.rules.length}; regions: ${decide.length} decide, ${effect.length} count or depend`,
    `back end: ${tables.backEnd}, about ${loads(tables)} loads a packet`,
    ...sections(tables).map(([name, bytes]) => `  ${name}: ${bytes} bytes`),
    ...printRules(policy),
  ];
  for (const axis of axes) lines.push("", ...printAxis(axis));
  return lines.join("\n") + "\n";
}

/**
 * Cache lines that a packet touches, as far as the shape of the tables tells: a tree's levels, a
 * table a step, and what the back end reads.
 */
function loads({ axes, backEnd, parted, decide }: Plan): number {
  const front = axes.reduce((sum, { addresses, folds }) => {
    const levels = addresses ? 1 + Math.ceil(Math.log(addresses.pieces.length) / Math.log(16)) : 0;
    return sum + levels + folds.reduce((n, fold) => n + fold.steps.length + 1, 0);
  }, 0);
  if (backEnd === "dense") {
    return front + axes.length * Math.ceil(denseWords(decide.length) / 16) + 1;
  }
  if (backEnd === "sparse") return front + 4 * axes.length + 1;
  const groups = [
    parted!.wide && 2,
    parted!.source && 3,
    parted!.destination && 3,
    parted!.pair && 4,
  ];
  return front + 2 + groups.reduce<number>((sum, n) => sum + (n ?? 0), 0);
}

/** The bytes of what the back end reads. */
function sections({ axes, rows, parted, decide }: Plan): (readonly [string, number])[] {
  const list: [string, number][] = [];
  for (const axis of axes) {
    if (axis.dense) list.push([`${axis.kind} rows`, axis.dense.byteLength]);
    if (axis.sparse) list.push([`${axis.kind} rows`, 16 * axis.sparse.length]);
  }
  if (rows.words.length > 0) {
    list.push(["blocks and words", 16 * rows.blocks.length + 4 * rows.words.length]);
  }
  if (!parted) return list;
  const rule = decide.at(-1)! < 0xffff ? 2 : 4;
  const { wide, source, destination, pair } = parted;
  if (wide) list.push(["wide x wide", 2 * wide.cross.length + rule * wide.rules.length]);
  for (const [name, side] of [["narrow x wide", source], ["wide x narrow", destination]] as const) {
    if (side) list.push([name, 2 * side.cross.length + tableBytes(side.table, rule)]);
  }
  if (pair) {
    const buckets = 64 * pair.buckets.row.length / pair.buckets.ways;
    list.push(["narrow x narrow", buckets + tableBytes(pair.table, rule)]);
  }
  return list;
}

type Table = NonNullable<NonNullable<Plan["parted"]>["source"]>["table"];

function tableBytes({ list, patterns, longest }: Table, rule: number): number {
  return rule * list.length + (longest < 256 ? 1 : 2) * patterns.length;
}

function printAxis(axis: Axis): string[] {
  const lines = [`axis ${axis.kind}: ${axis.classes} classes`];
  for (const fold of axis.folds) {
    for (const { field, classes } of fold.steps) {
      lines.push(`  step ${field}: ${classes.count} classes`);
      lines.push(...cut(printPieces(field, classes.pieces)));
    }
    lines.push(`  product of ${fold.product.length} entries: ${fold.classes} classes`);
  }
  const field = axis.kind === "source" ? "src" : "dst";
  if (axis.addresses) lines.push(...cut(printPieces(field, axis.addresses.pieces)));
  return lines;
}

function printPieces(field: Field, pieces: readonly Piece[]): string[] {
  return pieces.map(({ start, cls }) => `    from ${valueText(field, start)}: class ${cls}`);
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= MOST_LINES) return [...lines];
  return [...lines.slice(0, MOST_LINES), `    … ${lines.length - MOST_LINES} more`];
}
