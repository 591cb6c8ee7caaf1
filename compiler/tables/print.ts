/**
 * Decision tables as text, for a person.
 *
 * @module
 */
import type { Field } from "../policy/field.ts";
import type { Policy } from "../policy/policy.ts";
import { printRules } from "../policy/print.ts";
import { valueText } from "../policy/text.ts";
import { type Bits, onesOf, type Piece } from "./classes.ts";
import { LAYOUT_HASH } from "./layout.ts";
import { type Axis, type Plan, plan, rowWords } from "./plan.ts";

/** Lines of one table before the rest is only counted. */
const MOST_LINES = 40;

/** What the tables of a policy hold: rules, then each axis with its steps and rows. */
export function printTables(policy: Policy, imageSize: number): string {
  const tables = plan(policy);
  const { axes, decide, effect } = tables;
  const lines = [
    `image: ${imageSize} bytes, layout ${LAYOUT_HASH.toString(16)}`,
    `rules: ${policy.rules.length}; regions: ${decide.length} decide, ${effect.length} count or depend`,
    ...printRules(policy),
  ];
  for (const axis of axes) lines.push("", ...printAxis(tables, axis));
  return lines.join("\n") + "\n";
}

function printAxis(tables: Plan, axis: Axis): string[] {
  const bytes = axis.decideRows.byteLength + axis.effectRows.byteLength;
  const lines = [`axis ${axis.kind}: ${axis.classes} classes, rows of ${bytes} bytes`];
  for (const step of axis.steps) {
    const table = step.product ? `, product of ${step.product.length} entries` : "";
    lines.push(`  step ${step.field}: ${step.classes} classes${table}`);
    lines.push(...cut(printPieces(step.field, step.pieces)));
  }
  const field = axis.kind === "source" ? "src" : "dst";
  lines.push(...cut(printPieces(field, axis.pieces)));
  lines.push("  rules of each class");
  lines.push(...cut(Array.from({ length: axis.classes }, (_, cls) => {
    const rules = [
      ...rulesOf(axis.decideRows, tables.decide, cls),
      ...rulesOf(axis.effectRows, tables.effect, cls),
    ].toSorted((a, b) => a - b);
    return `    ${String(cls).padStart(5)}: ${runs(rules)}`;
  })));
  return lines;
}

function printPieces(field: Field, pieces: readonly Piece[]): string[] {
  return pieces.map(({ start, cls }) => `    from ${valueText(field, start)}: class ${cls}`);
}

function rulesOf(rows: Bits, numbers: readonly number[], cls: number): number[] {
  const words = rowWords(numbers.length);
  return [...onesOf(rows.subarray(cls * words, (cls + 1) * words))].map((bit) => numbers[bit]!);
}

/** `[0, 1, 2, 5]` as "0-2 5". */
function runs(numbers: readonly number[]): string {
  const parts: string[] = [];
  for (let i = 0; i < numbers.length;) {
    let j = i;
    while (numbers[j + 1] === numbers[j]! + 1) j++;
    parts.push(i === j ? `${numbers[i]}` : `${numbers[i]}-${numbers[j]}`);
    i = j + 1;
  }
  return parts.join(" ") || "none";
}

function cut(lines: readonly string[]): string[] {
  if (lines.length <= MOST_LINES) return [...lines];
  return [...lines.slice(0, MOST_LINES), `    … ${lines.length - MOST_LINES} more`];
}
