/**
 * The account at the end of a soak: each packet, line and connection once, and no more held than
 * before.
 *
 * @module
 */
import type { Summary } from "../../test/support/barrage.ts";
import { summarize } from "../report.ts";
import { LABELS } from "./mixture.ts";
import type { Talked } from "./talk.ts";

/** What memory may grow by, over all that follows the first fifth: a noise, and no leak. */
const GROWTH = 0.03;
/** Kilobytes that the guard may come to write to for the first time, as when it first says something. */
const FIRST_WRITTEN = 64;
/** Descriptors of connections that come and go: somebody who watches, somebody who asks for metrics. */
const PASSING = 2;

/** How much of the machine Barrage holds, and what it has done, at one moment. */
export interface Sample {
  readonly minutes: number;
  readonly rssKb: number;
  readonly descriptors: number;
  readonly threads: number;
  /** What the guard has written to: code that it comes to for the first time is no growth. */
  readonly guardKb: number;
  /** Share of one core since the last sample. */
  readonly cpu: number;
  readonly received: number;
  readonly waiting: number;
  readonly kernelDropped: number;
  readonly userDropped: number;
  readonly reloads: number;
  readonly logLines: number;
}

/** One thing that must be so. */
export interface Check {
  readonly what: string;
  readonly wanted: string;
  readonly found: string;
  readonly holds: boolean;
}

/** That two numbers are the same. */
export function same(what: string, found: number, wanted: number): Check {
  return { what, wanted: `${wanted}`, found: `${found}`, holds: found === wanted };
}

/** Whether each packet was counted once, and came out if it was let. */
export function accounts(
  { rules, totals }: Summary,
  sent: ReadonlyMap<string, number>,
  witness: ReadonlyMap<string, number>,
  arrived: ReadonlyMap<string, number>,
): Check[] {
  const forward = rules.filter(({ chain, verdict }) => chain === "forward" && verdict !== "match");
  const packetsOf = (rows: Summary["rules"]) => rows.reduce((sum, { packets }) => sum + packets, 0);
  const labelled = (labels: readonly string[]) =>
    packetsOf(forward.filter(({ rule }) => labels.includes(rule)));
  const malformed = Object.entries(totals).filter(([name]) => name.startsWith("bad_"))
    .reduce((sum, [, n]) => sum + n, 0);
  const inFront = totals.pushed_accepted! + totals.pushed_dropped! + totals.pushed_rejected!;
  return [
    ...Object.entries(LABELS).flatMap(([name, { all, pass }]) => [
      same(`${name}: counted as sent`, labelled(all), sent.get(name)!),
      same(`${name}: arrived as accepted`, arrived.get(name)!, labelled(pass)),
    ]),
    same("ping: arrived as sent", arrived.get("ping")!, sent.get("ping")!),
    same("malformed: counted as sent", malformed, sent.get("malformed")!),
    same("forward: counted as came", packetsOf(forward) + malformed, witness.get("before")!),
    same(
      "forward: went on as accepted",
      witness.get("after")!,
      packetsOf(forward.filter(({ verdict }) => verdict === "accept")),
    ),
    same(
      "all: one verdict each",
      totals.accepted! + totals.dropped! + totals.rejected!,
      totals.received!,
    ),
    same("all: received as queued", totals.received!, totals.kernel_queued!),
    same(
      "all: rules as verdicts, and in front",
      packetsOf(rules.filter(({ verdict }) => verdict !== "match")) + malformed,
      totals.received! + inFront,
    ),
    ...["kernel_dropped", "user_dropped", "overruns", "verdict_errors", "kernel_waiting"]
      .map((name) => same(name, totals[name]!, 0)),
    {
      what: "in front of the queue",
      wanted: "some",
      found: `${inFront}`,
      holds: inFront > 0 && totals.received! > 0,
    },
  ];
}

/** Whether each conversation was whole, and counted once. */
export function talks(
  { rules }: Summary,
  { opened, complete, reopened, scraped, error }: Talked,
): Check[] {
  const connections = rules.find(({ rule }) => rule === "tcp")!.packets;
  return [
    same("TCP: conversations complete", complete, opened),
    {
      what: "TCP: connections counted",
      wanted: `${opened}, and up to ${reopened} again`,
      found: `${connections}`,
      holds: opened <= connections && connections <= opened + reopened,
    },
    {
      what: "metrics were asked for",
      wanted: "every time",
      found: error ?? `${scraped}`,
      holds: error === undefined && scraped > 0,
    },
  ];
}

/** Whether each line that was written is there; `lines` by rule. */
export function logs({ rules, totals }: Summary, lines: ReadonlyMap<string, number>): Check[] {
  const seen = rules.find(({ rule }) => rule === "seen")!.packets;
  return [
    same("log: a line each", (lines.get("seen") ?? 0) + totals.logs_lost!, seen),
    same("log: no line lost", totals.logs_lost!, 0),
    {
      what: "log: every 500 ms",
      wanted: "some",
      found: `${lines.get("sampled") ?? 0}`,
      holds: (lines.get("sampled") ?? 0) > 0,
    },
  ];
}

/**
 * Whether the last third of the samples is as the first third after the first fifth, by the median:
 * memory rises until it is collected, and a thread that has just ended is there in one sample and
 * not in the next.
 */
export function flat(samples: readonly Sample[]): Check[] {
  const warm = samples.slice(Math.floor(samples.length / 5));
  const third = Math.ceil(warm.length / 3);
  const [early, late] = [warm.slice(0, third), warm.slice(-third)];
  const usual = (part: readonly Sample[], name: keyof Sample) =>
    summarize(part.map((sample) => sample[name])).median;
  const most = Math.max(...warm.map(({ rssKb }) => rssKb));
  const perHour = slope(warm.map(({ minutes, rssKb }) => [minutes / 60, rssKb / 1024]));
  const mb = (kilobytes: number) => (kilobytes / 1024).toFixed(1);
  const grows = (what: string, name: keyof Sample, allowed = 0): Check => {
    const most = usual(early, name) + allowed, found = usual(late, name);
    return { what, wanted: `at most ${most}`, found: `${found}`, holds: found <= most };
  };
  return [
    {
      what: "memory, MB",
      wanted: `${mb(usual(early, "rssKb"))} + ${GROWTH * 100} %`,
      found: `${mb(usual(late, "rssKb"))} (most ${mb(most)}, ${perHour.toFixed(2)} an hour)`,
      holds: usual(late, "rssKb") <= usual(early, "rssKb") * (1 + GROWTH),
    },
    grows("memory of the guard, KB", "guardKb", FIRST_WRITTEN),
    grows("descriptors", "descriptors", PASSING),
    grows("threads", "threads"),
  ];
}

/** Of the line that fits best. */
function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0) / numbers.length;
  const [x, y] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];
  const over = mean(points.map(([a, b]) => (a - x) * (b - y)));
  return over / mean(points.map(([a]) => (a - x) ** 2));
}
