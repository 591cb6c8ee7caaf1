// What does it cost to have a batch evaluated by several threads, and which way is the best?
/**
 * Every way to fork and join that was tried or asked about evaluates the same batches of packets
 * against the same linear rules: see bench/sync/. In each cell of the matrix (workers, batch, split,
 * pipelined or not, rules) the contestants take turns, so that a noisy neighbour meets all of them,
 * and each is compared with inline in its own cell. A cell with more running threads than cores is
 * marked with *. Measurements go to bench/sync/build/measurements.jsonl, a report to report.html
 * beside it.
 *
 * Options: --quick for a part of the matrix, or --rules, --workers and --batch with lists as in 24,1000
 * for another; --rounds N turns, --slice MS a turn, --idle MS to look at what rests, --realtime to
 * run before everything else on the machine (chrt, as root), as though there were no neighbours:
 * without the oversubscribed cells, in which threads that spin would then wait for each other.
 * Interrupted, it reports what was measured till then.
 *
 * @module
 */
import type { Options } from "./main.ts";
import { succeed } from "./process.ts";
import { conclude, type Findings, type Measurement } from "./sync/report.ts";

const HERE = new URL("sync/", import.meta.url).pathname;
const BUILD = `${HERE}build/`;

interface Matrix {
  readonly rules: readonly number[];
  readonly splits: readonly ("packets" | "rules")[];
  readonly batches: readonly number[];
  readonly workers: readonly number[];
  readonly pipelined: readonly boolean[];
}

const FULL: Matrix = {
  rules: [24, 1000, 10_000],
  splits: ["packets", "rules"],
  batches: [1, 8, 64, 256, 1024],
  workers: [1, 2, 3, 4],
  pipelined: [false, true],
};
const QUICK: Matrix = {
  rules: [24, 1000],
  splits: ["packets", "rules"],
  batches: [1, 64, 1024],
  workers: [1, 2, 3],
  pipelined: [false],
};

/** One run of measure.cpp, and about how long it takes. */
interface Step {
  readonly program: readonly string[];
  readonly into: unknown[];
  readonly expectedMs: number;
}

export async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const findings: Findings = { choices: [], gains: [], idle: [], trips: [], measured: [] };
  const idleMs = options.idle ?? "2000";
  const steps = stepsOf(options, idleMs, findings);
  await succeed("make", ["--silent", "-C", HERE]);
  const all = await measureAll(steps, signal);
  await conclude(findings, idleMs, BUILD);
  if (!all) throw new DOMException("it was interrupted", "AbortError");
}

/** What is to be measured, in order, and where to put it. */
function stepsOf(options: Options, idleMs: string, into: Findings): Step[] {
  const quick = options.quick !== undefined;
  const realtime = options.realtime !== undefined;
  const matrix = narrowed(quick ? QUICK : FULL, options);
  const cores = navigator.hardwareConcurrency;
  const rounds = options.rounds ?? (quick ? "2" : "3"),
    slice = options.slice ?? (quick ? "4" : "10");
  const pairs = quick ? "15" : "51";
  const measure = `${BUILD}measure`;
  const ahead = realtime ? ["chrt", "-f", "10", measure] : [measure];
  const fits = (threads: number) => !realtime || threads <= cores;

  const gain = (program: readonly string[], workNs: number, workers: number): Step => ({
    program: [...program, "gain", `${workNs}`, `${workers}`, pairs],
    into: into.gains,
    expectedMs: Number(pairs) * 30,
  });
  const cell = (into: Measurement[], slice: string, cell: readonly string[]): Step => ({
    program: [...ahead, ...cell, rounds, slice],
    into,
    expectedMs: Number(rounds) * roundMs(cell, Number(slice)),
  });
  return [
    { program: [...ahead, "choice"], into: into.choices, expectedMs: 500 },
    gain(ahead, 32_000, 2),
    gain(ahead, 128_000, 2),
    gain(ahead, 32_000, 4),
    gain(["taskset", "-c", "0", ...ahead], 32_000, 2),
    {
      program: [measure, "idle", "2", idleMs],
      into: into.idle,
      expectedMs: CONTESTANTS * (Number(idleMs) + 25),
    },
    ...matrix.workers.filter(fits).map((workers) =>
      cell(into.trips, "20", ["24", "nothing", "1", `${workers}`, "0"])
    ),
    ...cellsOf(matrix).filter(([, , , workers, pipelined]) =>
      fits(Number(workers) + Number(pipelined))
    ).map((one) => cell(into.measured, slice, one)),
  ];
}

const CONTESTANTS = 18;

/** A slice for everybody and a quarter to warm up; three batches each, and threads, take their time. */
function roundMs([rules, , batch]: readonly string[], slice: number): number {
  const batchMs = Number(rules) * Number(batch) * 0.6e-6, threadsMs = Number(batch) * 0.05;
  return CONTESTANTS * Math.max(1.25 * slice, 6 * batchMs) + 6 * threadsMs;
}

/** Returns when all is done, or false when it was interrupted: with what there is by then. */
async function measureAll(steps: readonly Step[], signal: AbortSignal): Promise<boolean> {
  const expected = (some: readonly Step[]) => some.reduce((sum, s) => sum + s.expectedMs, 0);
  const start = performance.now();
  for (const [i, { program, into }] of steps.entries()) {
    const done = expected(steps.slice(0, i)), left = expected(steps.slice(i));
    const pace = i > 0 ? (performance.now() - start) / done : 1;
    progress(`${i} of ${steps.length} done, about ${(left * pace / 1000).toFixed(0)} s left`);
    const [name, ...args] = program;
    const { code, signal: by, stdout } = await new Deno.Command(name!, {
      args,
      signal,
      stderr: "inherit",
    }).output();
    // Ctrl-C reaches the program as it does us, and may do so sooner.
    if (signal.aborted || by === "SIGINT") {
      progress("");
      console.error(`interrupted: ${i} of ${steps.length} were measured`);
      return false;
    }
    if (code !== 0) throw new Error(`${program.join(" ")} ended with ${code}`);
    into.push(...parse(new TextDecoder().decode(stdout)));
  }
  progress("");
  return true;
}

/** The matrix with what the user has asked for in place of some of it. */
function narrowed(matrix: Matrix, options: Options): Matrix {
  const list = (name: string, all: readonly number[]) =>
    options[name]?.split(",").map((text) => {
      const value = Number(text);
      if (!(value > 0)) throw new TypeError(`--${name} ${options[name]}: numbers are wanted`);
      return value;
    }) ?? all;
  return {
    ...matrix,
    rules: list("rules", matrix.rules),
    workers: list("workers", matrix.workers),
    batches: list("batch", matrix.batches),
  };
}

function cellsOf({ rules, splits, batches, workers, pipelined }: Matrix): string[][] {
  return rules.flatMap((r) =>
    splits.flatMap((s) =>
      batches.flatMap((b) =>
        workers.flatMap((w) => pipelined.map((p) => [`${r}`, s, `${b}`, `${w}`, p ? "1" : "0"]))
      )
    )
  );
}

function parse(lines: string): unknown[] {
  return lines.split("\n").filter(Boolean).map((line) => JSON.parse(line));
}

/** One line that is written over; on a terminal only. */
function progress(text: string): void {
  if (Deno.stderr.isTerminal()) Deno.stderr.writeSync(new TextEncoder().encode(`\r\x1b[K${text}`));
}
