/**
 * What a run has done, by rule, for a person or a program.
 *
 * @module
 */
import { figures, inFront, type Snapshot } from "./observe/snapshot.ts";
import type { RuleCount, Running } from "./running.ts";

/**
 * The summary as a table, or as one JSON object: `{rules: [...], totals: {...}}`. Rules count what
 * the kernel took care of in front of the queue, too; totals are those of the queue, and `pushed_*`.
 */
export function summary(running: Running): string {
  const rules = running.rules();
  const stats = running.stats();
  const counted = figures(stats, rules);
  if (running.policy.options.report === "json") {
    const totals = Object.fromEntries(Object.entries(stats).map(([k, v]) => [k, Number(v)]));
    const pushed = Object.entries(inFront(counted.chains))
      .map(([verdict, n]) => [`pushed_${verdict}`, n]);
    const { enforcing } = running;
    return JSON.stringify({
      enforcing,
      rules,
      totals: { ...totals, ...Object.fromEntries(pushed) },
    });
  }
  const text = summaryText({ rules, ...counted });
  return running.enforcing ? text : `${text}\n${DRY_RUN}`;
}

const DRY_RUN = "dry run: every packet was accepted; the verdicts are those it would have got";

/** Rules and totals as a table, for a person. */
export function summaryText(
  counted: Pick<Snapshot, "rules" | "chains" | "totals" | "malformed">,
): string {
  return [table(counted.rules), "", ...totalLines(counted)].join("\n");
}

function inFrontLine(chains: Snapshot["chains"]): string[] {
  const { accepted, dropped, rejected } = inFront(chains);
  const all = accepted + dropped + rejected;
  if (all === 0) return [];
  return [
    `${all} more in the kernel, in front of the queue: ${accepted} accepted, ${dropped} dropped, ` +
    `${rejected} rejected`,
  ];
}

function table(rules: readonly RuleCount[]): string {
  const columns: [string, "start" | "end", (rule: RuleCount) => string | number][] = [
    ["packets", "start", ({ packets }) => packets],
    ["in kernel", "start", ({ pushed }) => pushed],
    ["bytes", "start", ({ bytes }) => bytes],
    ["verdict", "end", ({ verdict }) => verdict],
    ["rule", "end", ({ rule }) => rule],
  ];
  if (rules.every(({ pushed }) => pushed === 0)) columns.splice(1, 1);
  const padded = columns.map(([head, side, valueOf]) => {
    const cells = [head, ...rules.map((rule) => String(valueOf(rule)))];
    const width = Math.max(...cells.map(({ length }) => length));
    return cells.map((cell) => side === "start" ? cell.padStart(width) : cell.padEnd(width));
  });
  return padded[0]!.map((_, row) => padded.map((column) => column[row]).join("  ").trimEnd())
    .join("\n");
}

/** What became of all packets, in lines. */
export function totalLines(
  { chains, totals, malformed }: Pick<Snapshot, "chains" | "totals" | "malformed">,
): string[] {
  const bad = Object.entries(malformed).filter(([, n]) => n > 0)
    .map(([reason, n]) => `${n} ${reason.replace("_", " ")}`).join(", ");
  const { received, accepted, dropped, rejected, kernelDropped, userDropped, logsLost } = totals;
  return [
    `${received} packets: ${accepted} accepted, ${dropped} dropped, ${rejected} rejected`,
    ...(bad ? [`malformed: ${bad}`] : []),
    ...(kernelDropped + userDropped > 0
      ? [
        `lost before they got here: ${kernelDropped} queue full, ${userDropped} socket full`,
      ]
      : []),
    ...inFrontLine(chains),
    ...(logsLost > 0 ? [`lost of the log: ${logsLost} line${logsLost === 1 ? "" : "s"}`] : []),
  ];
}
