/**
 * What a run has done, by rule, for a person or a program.
 *
 * @module
 */
import type { Policy } from "../compiler/mod.ts";
import type { Stats } from "../runtime/mod.ts";

interface Counter {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** The summary as a table, or as one JSON object: `{rules: [...], totals: {...}}`. */
export function summary(
  policy: Policy,
  counters: readonly Counter[],
  stats: Stats,
  format: "text" | "json",
): string {
  const rules = rowsOf(policy, counters);
  if (format === "json") {
    const totals = Object.fromEntries(Object.entries(stats).map(([k, v]) => [k, Number(v)]));
    return JSON.stringify({ rules, totals });
  }
  const rows = [
    ["packets", "bytes", "verdict", "rule"],
    ...rules.map((r) => [String(r.packets), String(r.bytes), r.verdict, r.rule]),
  ];
  const width = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  const table = rows.map(([packets, bytes, verdict, rule]) =>
    `${packets!.padStart(width[0]!)}  ${bytes!.padStart(width[1]!)}  ` +
    `${verdict!.padEnd(width[2]!)}  ${rule}`
  );
  return [...table, "", totals(stats)].join("\n");
}

/** A row a rule; a rule of a subroutine has one a hook, however many jumps lead to it. */
function rowsOf(policy: Policy, counters: readonly Counter[]) {
  const rows = new Map<string, {
    readonly rule: string;
    readonly chain: string;
    readonly verdict: string;
    packets: number;
    bytes: number;
  }>();
  for (const [i, { name, hook, verdict }] of policy.rules.entries()) {
    const key = `${hook} ${name}`;
    const row = rows.get(key) ?? {
      rule: name,
      chain: hook,
      verdict: verdict.name === "next" ? "match" : verdict.name,
      packets: 0,
      bytes: 0,
    };
    row.packets += Number(counters[i]!.packets);
    row.bytes += Number(counters[i]!.bytes);
    rows.set(key, row);
  }
  return [...rows.values()];
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
