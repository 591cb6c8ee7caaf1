/**
 * What a run has done, by rule, for a person or a program.
 *
 * @module
 */
import type { Stats } from "../runtime/mod.ts";
import type { RuleCount, Running } from "./running.ts";

/** The summary as a table, or as one JSON object: `{rules: [...], totals: {...}}`. */
export function summary(running: Running): string {
  const rules = running.rules();
  const stats = running.stats();
  if (running.policy.options.report === "json") {
    const totals = Object.fromEntries(Object.entries(stats).map(([k, v]) => [k, Number(v)]));
    return JSON.stringify({ rules, totals });
  }
  return [table(rules), "", totals(stats)].join("\n");
}

function table(rules: readonly RuleCount[]): string {
  const rows = [
    ["packets", "bytes", "verdict", "rule"],
    ...rules.map((r) => [String(r.packets), String(r.bytes), r.verdict, r.rule]),
  ];
  const width = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map(([packets, bytes, verdict, rule]) =>
    `${packets!.padStart(width[0]!)}  ${bytes!.padStart(width[1]!)}  ` +
    `${verdict!.padEnd(width[2]!)}  ${rule}`
  ).join("\n");
}

function totals(stats: Stats): string {
  const malformed = Object.entries(stats).filter(([name, n]) => name.startsWith("bad_") && n > 0n);
  const bad = malformed.map(([name, n]) => `${n} ${name.slice(4).replace("_", " ")}`).join(", ");
  return [
    `${stats.received} packets: ${stats.accepted} accepted, ${stats.dropped} dropped, ` +
    `${stats.rejected} rejected`,
    ...(bad ? [`malformed: ${bad}`] : []),
    ...(stats.kernel_dropped + stats.user_dropped > 0n
      ? [
        `lost before they got here: ${stats.kernel_dropped} queue full, ${stats.user_dropped} socket full`,
      ]
      : []),
  ].join("\n");
}
