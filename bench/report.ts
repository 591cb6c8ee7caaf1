/**
 * What every bench says in the same way: where it ran, and how samples are summed up.
 *
 * @module
 */

export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The geometric mean of numbers above 0; NaN if there are none. */
export function geometricMean(numbers: readonly number[]): number {
  return Math.exp(numbers.reduce((sum, n) => sum + Math.log(n), 0) / numbers.length);
}

/** Sums up samples, at least one; `digits` behind the point. */
export function summarize(samples: readonly number[], digits = 0): Summary {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
  const round = (value: number) => Number(value.toFixed(digits));
  return { median: round(median), min: round(sorted[0]!), max: round(sorted.at(-1)!) };
}

/** The processor, its cores and the kernel, in one line. */
export function machine(): string {
  const model = Deno.readTextFileSync("/proc/cpuinfo").match(/^model name\s*: (.+)$/m)?.[1];
  const cores = navigator.hardwareConcurrency;
  return `${model ?? Deno.build.arch}, ${cores} cores, Linux ${Deno.osRelease()}`;
}

/** Rows as text, the first the heading; all columns but the first are numbers. */
export function table(rows: readonly (readonly string[])[]): string {
  const width = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, i) => i === 0 ? cell.padEnd(width[i]!) : cell.padStart(width[i]!)).join("  ")
  ).join("\n");
}
