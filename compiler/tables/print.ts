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
import { LAYOUT_HASH, WAYS } from "./layout.ts";
import type { GroupKind } from "./parted.ts";
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
    const levels = addresses
      ? 1 + Math.ceil(Math.log(addresses.pieces.length) / Math.log(WAYS))
      : 0;
    return sum + levels + folds.reduce((n, fold) => n + fold.steps.length + 1, 0);
  }, 0);
  if (backEnd === "dense") {
    return front + axes.length * Math.ceil(denseWords(decide.length) / 16) + 1;
  }
  if (backEnd === "sparse") return front + 4 * axes.length + 1;
  return front + 2 + 2 * parted!.groups.length;
}

/** The bytes of what the back end reads. */
function sections({ axes, rows, parted }: Plan): (readonly [string, number])[] {
  const list: [string, number][] = [];
  for (const [i, axis] of axes.entries()) {
    const name = parted ? `combinations of axis ${i}` : `${axis.kind} rows`;
    if (axis.dense) list.push([name, axis.dense.byteLength]);
    if (axis.sparse) list.push([`${axis.kind} rows`, 16 * axis.sparse.length]);
  }
  if (rows.words.length > 0) {
    list.push(["blocks and words", 16 * rows.blocks.length + 4 * rows.words.length]);
  }
  if (!parted) return list;
  for (const { kind, entries, map } of parted.groups) {
    const bytes = "rows" in map
      ? map.rows.byteLength
      : "hashed" in map
      ? map.hashed.slots.byteLength + map.hashed.multipliers.byteLength
      : parted[`${map.side}s`].words.byteLength;
    list.push([`${GROUP[kind]} rows of ${entries} entries`, bytes]);
  }
  list.push(["lists of rules", parted.lists.byteLength]);
  if (parted.tables.length > 0) list.push(["long rows", parted.tables.byteLength]);
  return list;
}

const GROUP: Readonly<Record<GroupKind, string>> = {
  none: "wide x wide",
  source: "narrow x wide",
  destination: "wide x narrow",
  pair: "narrow x narrow",
};

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
