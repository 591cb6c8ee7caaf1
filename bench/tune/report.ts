/**
 * What the tuner says: while it works, at the end, and in its report.
 *
 * @module
 */
import { chart, htmlTable, page, paragraph } from "../html.ts";
import { machine, summarize, table } from "../report.ts";
import {
  type Advice,
  type Figures,
  front,
  type Goal,
  ranked,
  type Sample,
  score,
  type Trial,
  worth,
} from "./search.ts";
import { type Setting, START, words } from "./setting.ts";

const BUILD = new URL("build/", import.meta.url).pathname;

/** The recommended setting beside the best that every combination has to offer. */
export interface Rivalry {
  readonly own: Trial;
  readonly best: Trial;
  readonly searchMs: number;
  readonly sweepMs: number;
}

/** A line for one trial, on stderr. */
export function say(
  done: number,
  planned: number,
  left: number,
  setting: Setting,
  sample: Sample,
): void {
  const { packetsPerSecond } = sample.at(-1)!;
  const p99 = Math.max(...sample.slice(0, -1).map((f) => f.p99Us));
  console.error(
    `${done} of ${planned}, about ${left.toFixed(0)} s left: ${words(setting)}: ` +
      `${(packetsPerSecond / 1000).toFixed(0)} kpps, p99 up to ${p99.toFixed(0)} us`,
  );
}

/** Prints what was found, and writes the report. */
export async function conclude(
  { rules, goal }: { readonly rules: string; readonly goal: Goal },
  trials: readonly Trial[],
  { best, sure }: Advice,
  rivalry: Rivalry | undefined,
): Promise<void> {
  const rows = rowsOf(trials);
  const onFront = front(trials);
  const advice = `For ${goal}: ${words(best)}`;
  const against = rivalry ? versus(rivalry, goal) : "";
  console.log(`${table(rows)}\n`);
  console.log("Nothing measured beats these in both throughput and latency:");
  for (const { setting } of onFront) console.log(`  ${words(setting)}`);
  console.log(`\n${advice}\n${sure}${against && `\n${against}`}`);

  await Deno.mkdir(BUILD, { recursive: true });
  const html = page(`Tuning of ${rules}`, [
    ...[machine(), `${advice}. ${sure}`, against].filter(Boolean).map(paragraph),
    scatter(trials, onFront),
    byRate("p99 of a ping by offered rate, us", ranked(trials, goal), (f) => f.p99Us),
    byRate("CPU ns a packet by offered rate", ranked(trials, goal), (f) => f.cpuNsPerPacket),
    htmlTable(rows),
  ]);
  await Deno.writeTextFile(`${BUILD}report.html`, html);
  console.log(`report: ${BUILD}report.html`);
}

/** How the recommendation compares, from the rounds in which both were measured in turns. */
function versus({ own, best, searchMs, sweepMs }: Rivalry, goal: Goal): string {
  const paired = own.samples.map((s, i) => worth(s, goal) / worth(best.samples[i]!, goal));
  const { median, min, max } = summarize(paired, 2);
  return `Of every combination, ${words(best.setting)} is best: the recommended setting reaches ` +
    `${median} of it (${min} to ${max} in ${paired.length} turns), found in ` +
    `${(searchMs / 1000).toFixed(0)} s, ${(100 * searchMs / sweepMs).toFixed(1)} % of the ` +
    `${(sweepMs / 1000).toFixed(0)} s of the sweep.`;
}

function rowsOf(trials: readonly Trial[]): string[][] {
  const median = (samples: readonly Sample[], of: (s: Sample) => number, digits = 0) =>
    `${summarize(samples.map(of), digits).median}`;
  const paced = trials[0]!.samples[0]!.slice(0, -1);
  const rate = ({ rate }: Figures) => `${rate! / 1000} kpps`;
  return [
    [
      "setting",
      "kpps",
      "lost %",
      "CPU ns/packet",
      ...paced.flatMap((f) => [`${rate(f)}: CPU`, "p50 us", "p99 us"]),
      "trials",
    ],
    ...trials.map(({ setting, samples }) => [
      words(setting),
      median(samples, (s) => s.at(-1)!.packetsPerSecond / 1000),
      median(samples, (s) => s.at(-1)!.lost * 100, 1),
      median(samples, (s) => s.at(-1)!.cpuNsPerPacket),
      ...paced.flatMap((_, i) => [
        median(samples, (s) => s[i]!.cpuNsPerPacket),
        median(samples, (s) => s[i]!.p50Us, 1),
        median(samples, (s) => s[i]!.p99Us, 1),
      ]),
      `${samples.length}`,
    ]),
  ];
}

function scatter(trials: readonly Trial[], onFront: readonly Trial[]): string {
  const point = (trial: Trial) => [
    finite(Number((1 / score(trial, "latency")).toFixed(1))),
    Math.round(score(trial, "throughput") / 1000),
  ];
  return chart("Throughput (kpps) against p99 latency at moderate rates (us)", {
    xAxis: { type: "value", scale: true, name: "us", nameLocation: "middle", nameGap: 22 },
    yAxis: { type: "value", scale: true },
    series: [
      { type: "scatter", name: "tried", data: trials.map(point) },
      { type: "line", name: "not beaten in both", data: onFront.map(point), symbolSize: 12 },
    ],
  });
}

/** The settings that were measured most, rate by rate. */
function byRate(title: string, trials: readonly Trial[], of: (f: Figures) => number): string {
  const rates = trials[0]!.samples[0]!.map(({ rate }) => rate ? `${rate / 1000} kpps` : "all");
  return chart(title, {
    grid: { left: 8, right: 24, top: 40 + 22 * trials.length, bottom: 24, containLabel: true },
    legend: { orient: "vertical", left: 0, top: 0, textStyle: { fontSize: 12 } },
    xAxis: { type: "category", data: rates, axisLabel: { interval: 0 } },
    yAxis: { type: "log" },
    series: trials.map(({ setting, samples }) => ({
      type: "line",
      name: brief(setting, trials[0]!.setting),
      data: rates.map((_, i) => finite(summarize(samples.map((s) => of(s[i]!)), 1).median)),
    })),
  });
}

/** A chart leaves out what was not measured. */
function finite(value: number): number | "-" {
  return Number.isFinite(value) ? value : "-";
}

/** What tells a setting from the best or from the defaults, whichever is shorter. */
function brief(setting: Setting, best: Setting): string {
  const from = (other: Setting) =>
    Object.entries(setting).filter(([name, value]) => other[name] !== value);
  const [base, own] = from(best).length <= from(START).length
    ? ["recommended", from(best)]
    : ["defaults", from(START)];
  return own.length > 0 ? `${base}, but ${words(Object.fromEntries(own))}` : base;
}
