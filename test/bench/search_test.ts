/** The tuner's search, on a machine that is made up: what a setting is worth is a formula. */
import { assert, assertEquals } from "@std/assert";
import {
  advise,
  front,
  type Goal,
  GOALS,
  score,
  search,
  searchLength,
  type Trial,
} from "../../bench/tune/search.ts";
import {
  CHOICES,
  type Choices,
  product,
  same,
  type Setting,
  START,
  words,
} from "../../bench/tune/setting.ts";

/** A machine on which batches of 512 are quickest, short sleeps cost latency, and long ones save. */
function figures({ batch, coalesce, copy = START.copy! }: Setting) {
  const away = Math.abs(Math.log2(Number(batch ?? START.batch) / 512));
  const sleep = coalesce === "off" ? 0 : Number(coalesce) || 10;
  const paced = { rate: 20_000, lost: 0, packetsPerSecond: 20_000 };
  return [
    { ...paced, cpuNsPerPacket: 15_000 - 20 * sleep, p50Us: 20 + sleep, p99Us: 100 + sleep },
    {
      ...{ rate: undefined, lost: 0, cpuNsPerPacket: 1000, p50Us: 1, p99Us: 1 },
      packetsPerSecond: (400_000 - 10_000 * away) / Number(copy),
    },
  ];
}

async function searched(choices: Choices, goal: Goal): Promise<Trial[]> {
  const trials: Trial[] = [];
  await search(
    (setting) => {
      let trial = trials.find((t) => same(t.setting, setting));
      if (!trial) trials.push(trial = { setting, samples: [] });
      trial.samples.push(figures(setting));
      return Promise.resolve(trial);
    },
    choices,
    goal,
  );
  return trials;
}

for (const goal of GOALS) {
  Deno.test(`a search for ${goal} finds what every combination has to offer, and sooner`, async () => {
    const trials = await searched(CHOICES, goal);
    const { best } = advise(trials, goal, words);
    const worths = product(CHOICES).map((s) => score({ setting: s, samples: [figures(s)] }, goal));
    assertEquals(score({ setting: best, samples: [figures(best)] }, goal), Math.max(...worths));
    const measured = trials.reduce((sum, { samples }) => sum + samples.length, 0);
    assert(measured <= searchLength(CHOICES) && searchLength(CHOICES) * 8 < worths.length);
  });
}

Deno.test("of the options that are asked for every value is tried, whichever they are", async () => {
  for (const names of [["copy"], ["workers", "copy"], ["split"], ["batch", "split", "queue"]]) {
    const choices = Object.fromEntries(names.map((name) => [name, CHOICES[name]!]));
    const trials = await searched(choices, "throughput");
    for (const [name, values] of Object.entries(choices)) {
      assertEquals(new Set(trials.map(({ setting }) => setting[name])), new Set(values), name);
    }
  }
});

Deno.test("the front holds what nothing beats in both throughput and latency", async () => {
  const trials = await searched(CHOICES, "throughput");
  const best = front(trials);
  for (const { setting } of trials) {
    const [own] = [figures(setting)];
    const beaten = trials.some(({ setting: other }) => {
      const [paced, all] = figures(other);
      return all!.packetsPerSecond > own[1]!.packetsPerSecond && paced!.p99Us < own[0]!.p99Us;
    });
    assertEquals(best.some((t) => same(t.setting, setting)), !beaten, words(setting));
  }
});
