/**
 * How a running service fares, asked over its control socket: `status` in words, `stats` in full.
 *
 * @module
 */
import { DEFAULTS } from "../compiler/mod.ts";
import { askControl } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import type { Snapshot } from "./observe/snapshot.ts";
import { summaryText, totalLines } from "./summary.ts";

/** Says in a few lines how the service fares; the exit code is 1 if it does not. */
export async function status(args: Arguments): Promise<number> {
  const snapshot = await ask(args);
  console.log(statusText(snapshot));
  return snapshot.health.ok ? 0 : 1;
}

/** Prints what every rule has done up to now. */
export async function stats(args: Arguments): Promise<number> {
  const snapshot = await ask(args);
  console.log(args.options.json ? JSON.stringify(snapshot) : summaryText(snapshot));
  return 0;
}

/** A service that has not answered by then fares badly. */
const PATIENCE_MS = 5000;

async function ask({ options }: Arguments): Promise<Snapshot> {
  const path = String(options.control ?? DEFAULTS.control);
  // It is what `stats` answers, see handlers() in run.ts.
  return await askControl(path, { action: "stats" }, {
    patienceMs: PATIENCE_MS,
  }) as unknown as Snapshot;
}

export function statusText(snapshot: Snapshot): string {
  const { version, pid, file, upMs, backend, enforcing, reloads, trial } = snapshot;
  const { health, queues } = snapshot;
  const plural = reloads === 1 ? "" : "s";
  return [
    `barrage ${version}, pid ${pid}: ${enforcing ? "enforcing" : "dry run of"} ${file}`,
    `up ${duration(upMs)}, ${reloads} reload${plural}, ` +
    (backend ? `hooks by ${backend}` : "no hooks installed"),
    ...(trial ? [trialLine(trial)] : []),
    ...totalLines(snapshot),
    ...queues.map(({ number, waiting }) => `queue ${number}: ${waiting} waiting`),
    health.ok ? "healthy" : `not healthy: ${health.faults.join("; ")}`,
  ].join("\n");
}

function trialLine({ before, leftMs }: NonNullable<Snapshot["trial"]>): string {
  return `on trial: in ${duration(leftMs)} ${before} comes back, unless you \`confirm\``;
}

/** A time as people say it, in its two largest units. */
export function duration(ms: number): string {
  const units = [[86_400, "d"], [3600, "h"], [60, "min"], [1, "s"]] as const;
  let left = Math.max(0, Math.floor(ms / 1000));
  const parts = units.flatMap(([seconds, unit]) => {
    const n = Math.floor(left / seconds);
    left -= n * seconds;
    return n > 0 ? [`${n} ${unit}`] : [];
  });
  return parts.slice(0, 2).join(" ") || "0 s";
}
