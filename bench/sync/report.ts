/**
 * What `bench sync` says of its measurements: tables, and a page with charts.
 *
 * @module
 */
import { chart, details, htmlTable, page, paragraph } from "../html.ts";
import { machine, summarize, table } from "../report.ts";

/** One contestant in one cell, as measure.cpp prints it; times are ns. */
export interface Measurement {
  readonly contestant: string;
  readonly rules: number;
  readonly split: "packets" | "rules" | "nothing";
  readonly batch: number;
  readonly workers: number;
  readonly pipelined: boolean;
  readonly oversubscribed: boolean;
  readonly nsPerPacket: number;
  readonly cpuNsPerPacket: number;
  /** Of a batch, from its dispatch to its merged result: the median turn's. */
  readonly meanNs: number;
  readonly p10Ns: number;
  readonly p50Ns: number;
  readonly p99Ns: number;
  readonly switchesPerBatch: number;
}

interface Idle {
  readonly contestant: string;
  readonly workers: number;
  readonly idleCores: number;
  readonly wakesPerSecond: number;
}

/** What the pool adds to an empty job that it leaves to the caller. */
interface Choice {
  readonly chunks: number;
  readonly addedNs: number;
  readonly least: number;
  readonly most: number;
}

/** The pool against inline, in turns, on batches of so much work: medians and spread of pairs. */
interface Gain {
  readonly workNs: number;
  readonly batch: number;
  readonly workers: number;
  readonly cores: number;
  readonly pairs: number;
  readonly gain: number;
  readonly p10: number;
  readonly p90: number;
}

/** All that was measured. */
export interface Findings {
  readonly choices: Choice[];
  readonly gains: Gain[];
  readonly idle: Idle[];
  readonly trips: Measurement[];
  readonly measured: Measurement[];
}

/** Prints what was found, and writes it into a folder with the report; all of it may be missing. */
export async function conclude(
  { choices, gains, idle, trips, measured }: Findings,
  idleMs: string,
  folder: string,
): Promise<void> {
  const lines = [...choices, ...gains, ...idle, ...trips, ...measured];
  if (lines.length === 0) return;
  const sections = [
    ...poolSections(choices, gains, measured),
    ...report(idle, idleMs, trips, measured, gains),
  ].filter(({ rows }) => rows.length > 1 && !rows.flat().includes("NaN"));
  for (const { title, rows } of sections) console.log(`${title}\n${table(rows)}\n`);
  const json = lines.map((line) => JSON.stringify(line) + "\n").join("");
  await Deno.writeTextFile(`${folder}measurements.jsonl`, json);
  await Deno.writeTextFile(`${folder}report.html`, html(sections, trips, measured));
  console.log(`machine: ${machine()}\nreport: ${folder}report.html`);
}

interface Section {
  readonly title: string;
  readonly rows: readonly (readonly string[])[];
}

/** What the pool costs where it brings nothing, and what it brings where it can. */
function poolSections(
  choices: readonly Choice[],
  gains: readonly Gain[],
  measured: readonly Measurement[],
): Section[] {
  // The mean, as half of the packets meet a rule soon and half none: of a batch of one the median
  // lies in the gap between them.
  const against = measured.filter((m) => m.contestant === "barrage" && !m.pipelined).map((pool) => {
    const alone = inlineOf(pool, measured).meanNs;
    return { pool, alone, over: pool.meanNs / (1.1 * alone + 100) };
  }).toSorted((a, b) => b.over - a.over);
  return [{
    title: "What the pool adds to a job that it leaves to the caller, ns",
    rows: [
      ["chunks", "median", "least", "most"],
      ...choices.map((c) => [c.chunks, c.addedNs, c.least, c.most].map(String)),
    ],
  }, {
    title: "The pool against inline in turns, on batches of so much work: times faster",
    rows: [
      ["work, us", "workers", "cores", "median", "10th", "90th", "pairs"],
      ...gains.map((g) => [
        (g.workNs / 1000).toFixed(0),
        ...[g.workers, g.cores, g.gain.toFixed(2), g.p10.toFixed(2), g.p90.toFixed(2), g.pairs]
          .map(String),
      ]),
    ],
  }, {
    title:
      `The pool's worst cells of ${against.length}: the mean of a batch, of 1.1 x inline + 100 ns`,
    rows: [
      ["", "inline, ns", "barrage, ns", "of the limit"],
      ...against.slice(0, 5).map(({ pool, alone, over }) => [
        `${pool.rules} rules, ${pool.workers} workers, batch ${pool.batch}, by ${pool.split}`,
        alone.toFixed(0),
        pool.meanNs.toFixed(0),
        over.toFixed(2),
      ]),
    ],
  }];
}

function report(
  idle: readonly Idle[],
  idleMs: string,
  trips: readonly Measurement[],
  measured: readonly Measurement[],
  gains: readonly Gain[],
): Section[] {
  const workers = [...new Set(trips.map((m) => m.workers))];
  const names = [...new Set(measured.map((m) => m.contestant))];
  const sections: Section[] = [{
    title: "Empty round trip, ns (10th and 50th percentile)",
    rows: [
      ["", ...workers.map((w) => `${w} workers`)],
      ...[...new Set(trips.map((m) => m.contestant))].map((name) => [
        name,
        ...workers.map((w) => {
          const m = trips.find((t) => t.contestant === name && t.workers === w);
          return m ? `${m.p10Ns} / ${m.p50Ns}${mark(m)}` : "";
        }),
      ]),
    ],
  }, {
    title: `Idle for ${idleMs} ms after work, 2 workers`,
    rows: [
      ["", "% of a core", "wakes a second"],
      ...idle.map((i) => [
        i.contestant,
        (i.idleCores * 100).toFixed(2),
        Math.max(0, i.wakesPerSecond).toFixed(1),
      ]),
    ],
  }];
  for (const cell of groups(measured)) {
    const [one] = cell;
    const batches = [...new Set(cell.map((m) => m.batch))];
    sections.push({
      title: `${one!.rules} rules, ${one!.workers} workers, split by ${one!.split}` +
        `${one!.pipelined ? ", pipelined" : ""}: median ns a batch, and times inline`,
      rows: [
        ["", ...batches.map((b) => `batch ${b}`)],
        ...names.flatMap((name) => {
          const row = batches.map((b) => {
            const m = cell.find((c) => c.contestant === name && c.batch === b);
            return m ? `${m.p50Ns} (${ratio(m, measured).toFixed(2)})${mark(m)}` : "";
          });
          return row.some(Boolean) ? [[name, ...row]] : [];
        }),
      ],
    });
  }
  return [...sections, ...costs(measured), model(trips, gains)];
}

/** What one cell costs besides its time: the largest batch of each number of rules, two workers. */
function costs(measured: readonly Measurement[]): Section[] {
  const cells = measured.filter((m) =>
    m.workers === 2 && m.split === "packets" && !m.pipelined &&
    m.batch === Math.max(...measured.map(({ batch }) => batch))
  );
  return [...Map.groupBy(cells, (m) => m.rules)].map(([rules, cell]) => ({
    title: `${rules} rules, 2 workers, batch ${cell[0]!.batch}, split by packets: what it costs`,
    rows: [
      ["", "ns a packet", "CPU ns a packet", "p50 us a batch", "p99 us", "switches a batch"],
      ...cell.map((m) => [
        `${m.contestant}${mark(m)}`,
        m.nsPerPacket.toFixed(1),
        m.cpuNsPerPacket.toFixed(1),
        (m.p50Ns / 1000).toFixed(1),
        (m.p99Ns / 1000).toFixed(1),
        m.switchesPerBatch.toFixed(2),
      ]),
    ],
  }));
}

/** Cells that differ in the batch alone. */
function groups(measured: readonly Measurement[]): Measurement[][] {
  return [
    ...Map.groupBy(measured, (m) => `${m.rules} ${m.split} ${m.workers} ${m.pipelined}`).values(),
  ];
}

function mark(m: Measurement): string {
  return m.oversubscribed ? "*" : "";
}

/** Median time of a batch against inline's with the same rules, batch, split and workers. */
function ratio(m: Measurement, measured: readonly Measurement[]): number {
  return m.p50Ns / inlineOf(m, measured).p50Ns;
}

function inlineOf(m: Measurement, measured: readonly Measurement[]): Measurement {
  return measured.find((i) =>
    i.contestant === "inline" && !i.pipelined && i.rules === m.rules && i.split === m.split &&
    i.batch === m.batch && i.workers === m.workers
  )!;
}

const HANDOVER = "barrage, a chunk each";

/**
 * T = read + work / (W * e) + c: the constants of this machine, and what they say of others. c is
 * the median of an empty round in which each thread takes part; e follows from the gain on the
 * longest batches.
 */
function model(trips: readonly Measurement[], gains: readonly Gain[]): Section {
  const c = trips.find((t) => t.contestant === HANDOVER && t.workers === 2)?.p50Ns ?? NaN;
  const [long] = gains.filter((g) => g.cores > 1 && g.workers === 2)
    .toSorted((a, b) => b.workNs - a.workNs);
  const e = summarize(
    long
      ? [long.gain, long.p10, long.p90].map((g) => long.workNs / (2 * (long.workNs / g - c)))
      : [NaN],
    3,
  );
  const work = [4_000, 32_000, 128_000, 1_000_000];
  return {
    title: `T = read + work / (W * e) + c. Here c = ${c} ns, e = ${e.median} at 2 threads ` +
      `(${e.min} to ${e.max}). Predicted gain on the work of a batch, if e held:`,
    rows: [
      ["cores", ...work.map((w) => `${w / 1000} us`)],
      ...[2, 4, 8, 16].map((cores) => [
        `${cores}`,
        ...work.map((w) => (w / (w / (cores * e.median) + c)).toFixed(2)),
      ]),
    ],
  };
}

function html(
  sections: readonly Section[],
  trips: readonly Measurement[],
  measured: readonly Measurement[],
): string {
  const two = trips.filter((t) => t.workers === 2).toSorted((a, b) => b.p50Ns - a.p50Ns);
  const parts = [
    paragraph(machine()),
    paragraph("* marks more running threads than cores; such bars and points are pale."),
    ...two.length > 0 ? [tripChart(two)] : [],
    ...[...new Set(measured.map((m) => m.rules))].map((rules) => batchChart(rules, measured)),
  ];
  const tables = sections.flatMap(({ title, rows }) => [`<h2>${title}</h2>`, htmlTable(rows)]);
  const all = details("Every measurement", htmlTable(everything(measured)));
  const title = "Fork and join: the attempts, the alternatives and the pool";
  return page(title, [...parts, ...tables, all]);
}

/** Narrow pages have no room for what an attempt consisted of. */
function brief({ contestant }: Measurement): string {
  return contestant.replace(/: .*/, "");
}

/** Every other power of ten, so that they have room on a narrow page. */
function power(value: number): string {
  if (Math.round(Math.log10(value)) % 2 === 1) return "";
  return value < 1000 ? `${value}` : value < 1e6 ? `${value / 1e3}k` : `${value / 1e6}M`;
}

function tripChart(trips: readonly Measurement[]): string {
  return chart("Empty round trip with 2 workers, ns", {
    legend: { show: false },
    grid: { left: 8, right: 36, top: 8, bottom: 32, containLabel: true },
    xAxis: {
      type: "log",
      axisLabel: { formatter: power },
    },
    yAxis: { type: "category", data: trips.map(brief), axisLabel: { interval: 0 } },
    series: [{
      type: "bar",
      data: trips.map((t) => ({ value: t.p50Ns, itemStyle: pale(t) })),
    }],
  });
}

function everything(measured: readonly Measurement[]): string[][] {
  const head = ["", "rules", "split", "workers", "batch", "pipelined", "ns a packet"];
  const rest = ["CPU ns a packet", "p50 ns a batch", "p99", "switches a batch"];
  const rows = measured.map((m) =>
    [
      m.contestant,
      ...[m.rules, m.split, `${m.workers}${mark(m)}`, m.batch, m.pipelined ? "yes" : "no"],
      ...[m.nsPerPacket, m.cpuNsPerPacket, m.p50Ns, m.p99Ns, m.switchesPerBatch],
    ].map(String)
  );
  return [[...head, ...rest], ...rows];
}

function pale(m: Measurement): { opacity: number } {
  return { opacity: m.oversubscribed ? 0.4 : 1 };
}

const SHOWN = ["inline", "attempt 4: two conditions", "OpenMP", "std::barrier", "barrage"];

function batchChart(rules: number, measured: readonly Measurement[]): string {
  const cell = measured.filter((m) =>
    m.rules === rules && m.workers === 2 && m.split === "packets" && !m.pipelined
  );
  return chart(`${rules} rules, 2 workers, split by packets: median ns a packet by batch`, {
    xAxis: { type: "log", name: "batch", nameLocation: "middle", nameGap: 22 },
    yAxis: { type: "log" },
    series: SHOWN.map((name) => ({
      type: "line",
      name,
      data: cell.filter((m) => m.contestant === name).map((m) => ({
        value: [m.batch, m.p50Ns / m.batch],
        itemStyle: pale(m),
      })),
    })),
  });
}
