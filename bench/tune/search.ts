/**
 * How the tuner looks for the best setting: option by option, each time all values of one option in
 * turns, so that only what was measured in the same minute is compared; then the closest call is
 * decided again, and the winner defends itself against what a policy gets without options.
 *
 * @module
 */
import { geometricMean, summarize } from "../report.ts";
import { type Choices, isDistinct, same, type Setting, START } from "./setting.ts";

/** What was seen at one offered rate. */
export interface Figures {
  /** Packets offered a second; undefined for as many as go. */
  readonly rate: number | undefined;
  readonly packetsPerSecond: number;
  /** Of the packets that came to the queue, the part that found no room. */
  readonly lost: number;
  /** Of the engine's threads. */
  readonly cpuNsPerPacket: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

/** One trial at every rate; the last is saturated. */
export type Sample = readonly Figures[];

export interface Trial {
  readonly setting: Setting;
  readonly samples: Sample[];
}

export const GOALS = ["throughput", "latency", "cpu"] as const;
export type Goal = (typeof GOALS)[number];

/** How good a sample is, more is better: ratios of it are ratios of what was measured. */
export function worth(sample: Sample, goal: Goal): number {
  const paced = sample.slice(0, -1);
  const mean = (of: (f: Figures) => number) => geometricMean(paced.map(of));
  switch (goal) {
    case "throughput":
      return sample.at(-1)!.packetsPerSecond;
    case "latency":
      return 1 / mean((f) => f.p99Us);
    case "cpu":
      return 1 / mean((f) => f.cpuNsPerPacket);
  }
}

/** The median sample's. */
export function score({ samples }: Trial, goal: Goal): number {
  return summarize(samples.map((s) => worth(s, goal)), 12).median;
}

/** Measures a setting once and gives the trial that it belongs to. */
export type Measure = (setting: Setting) => Promise<Trial>;

const FINAL_ROUNDS = 3;

/** Trials that a search of these choices takes, at most. */
export function searchLength(choices: Choices): number {
  const values = Object.values(choices).reduce((sum, { length }) => sum + length, 0);
  return values + 3 * FINAL_ROUNDS;
}

export async function search(measure: Measure, choices: Choices, goal: Goal): Promise<void> {
  const start: Setting = Object.fromEntries(
    Object.keys(choices).map((name) => [name, START[name]!]),
  );
  let best = start;
  let closest = { lead: Infinity, other: {} as Setting };
  const latest = async (setting: Setting) => worth((await measure(setting)).samples.at(-1)!, goal);
  for (const [name, values] of Object.entries(choices)) {
    const group = values.map((value) => ({ ...best, [name]: value })).filter(isDistinct);
    if (group.length < 2) continue;
    const worths = [];
    for (const setting of group) worths.push({ setting, worth: await latest(setting) });
    const [first, second] = worths.toSorted((a, b) => b.worth - a.worth);
    best = first!.setting;
    const lead = first!.worth / second!.worth;
    if (lead < closest.lead) closest = { lead, other: { [name]: second!.setting[name]! } };
  }
  await compete(measure, [best, { ...best, ...closest.other }, start], FINAL_ROUNDS);
}

/** Every combination once, and then those that looked best and `rival` in turns. */
export async function sweep(
  measure: Measure,
  settings: readonly Setting[],
  rival: Setting,
  goal: Goal,
): Promise<Trial[]> {
  const trials = [];
  for (const setting of settings) {
    const { samples } = await measure(setting);
    trials.push({ setting, worth: worth(samples.at(-1)!, goal) });
  }
  // The best of so many is the luckiest, too: what it is worth shows only when it is measured anew.
  const best = trials.toSorted((a, b) => b.worth - a.worth).map(({ setting }) => setting)
    .filter((setting) => !same(setting, rival)).slice(0, SWEEP_FINALISTS);
  return await compete(measure, [rival, ...best], SWEEP_ROUNDS);
}

const SWEEP_FINALISTS = 4, SWEEP_ROUNDS = 7;
export const SWEEP_FINAL_TRIALS = (SWEEP_FINALISTS + 1) * SWEEP_ROUNDS;

/** What each was worth in the rounds of this competition alone. */
async function compete(
  measure: Measure,
  settings: readonly Setting[],
  rounds: number,
): Promise<Trial[]> {
  const distinct = settings.filter((a, i) => settings.findIndex((b) => same(a, b)) === i);
  const trials = distinct.map((setting) => ({ setting, samples: [] as Sample[] }));
  for (let round = 0; round < rounds; round++) {
    // There and back again: nobody is always the one behind a slow neighbour.
    for (const trial of round % 2 ? trials.toReversed() : trials) {
      trial.samples.push((await measure(trial.setting)).samples.at(-1)!);
    }
  }
  return trials;
}

/** Best first; those measured more often are known better, one window is only luck or a hint. */
export function ranked(trials: readonly Trial[], goal: Goal): Trial[] {
  const most = Math.max(...trials.map(({ samples }) => samples.length));
  const known = trials.filter(({ samples }) => samples.length > most / 2);
  return known.toSorted((a, b) => score(b, goal) - score(a, goal));
}

/** Settings that none other beats in both throughput and latency, the quickest first. */
export function front(trials: readonly Trial[]): Trial[] {
  return trials.filter((a) =>
    !trials.some((b) =>
      score(b, "throughput") > score(a, "throughput") && score(b, "latency") > score(a, "latency")
    )
  ).toSorted((a, b) => score(b, "throughput") - score(a, "throughput"));
}

export interface Advice {
  readonly best: Setting;
  readonly sure: string;
}

/** The best, and how far it is ahead of the next, against how far its own trials lie apart. */
export function advise(
  trials: readonly Trial[],
  goal: Goal,
  words: (s: Setting) => string,
): Advice {
  const [best, second] = ranked(trials, goal);
  if (!second) return { best: best!.setting, sure: "There is nothing to compare it with." };
  const own = summarize(best!.samples.map((s) => worth(s, goal)), 12);
  const spread = (own.max - own.min) / own.median;
  const ahead = own.median / score(second, goal) - 1;
  const percent = (part: number) => `${(part * 100).toFixed(0)} %`;
  const repeats = best!.samples.length;
  const verdict = repeats > 1 && ahead > spread ? "a clear winner" : "too close to be sure";
  return {
    best: best!.setting,
    sure:
      `${percent(ahead)} ahead of ${words(second.setting)}, while its own ${repeats} trials lie ` +
      `${percent(spread)} apart: ${verdict}.`,
  };
}
