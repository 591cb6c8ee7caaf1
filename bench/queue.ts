// What do packets cost that a program answers, against others, the kernel's own firewalls and none?
/**
 * Between namespaces, the same traffic meets the same policy in every contestant's hands: Barrage,
 * an engine with Barrage's loop and no rules (the floor), the canonical loop of libnetfilter_queue
 * (both decide by a look at the port), nftables, iptables, and no firewall. In each scenario they
 * take turns, in an order that the seed gives, and what is compared was measured in the same round:
 * speed drifts on shared machines. CPU is what a contestant's own threads used, its part in
 * delivering included. Measurements go to bench/queue/build/measurements.jsonl, a report to
 * report.html beside it.
 *
 * Options: --quick, or --only SCENARIOS, --rules SIZES and --contestants NAMES with lists as in
 * input,ping and 24,1000 and canonical,barrage;
 * --rounds N, --seconds N a window, --seed N for the order, --batch N and --coalesce V of Barrage.
 *
 * @module
 */
import { DEFAULTS } from "../compiler/mod.ts";
import { isRoot, Network } from "../test/support/netns.ts";
import { Random } from "../test/support/policy.ts";
import { requirePackages } from "../native/build.ts";
import type { Options } from "./main.ts";
import { aheadOfOthers, succeed } from "./process.ts";
import { CONTESTANTS, type Manner } from "./queue/contestants.ts";
import { policyOf } from "./queue/policy.ts";
import { type Case, conclude } from "./queue/report.ts";
import {
  CONTESTANT_CORE,
  prepare,
  type Scenario,
  SCENARIOS,
  type Stage,
} from "./queue/scenarios.ts";

interface Settings {
  readonly scenarios: readonly string[];
  /** In place of each scenario's own. */
  readonly rules: readonly number[] | undefined;
  readonly contestants: readonly string[] | undefined;
  readonly rounds: number;
  readonly windowMs: number;
  readonly seed: number;
  readonly batch: string;
  readonly coalesce: string;
}

/** Measures every contestant once a round. */
export async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const settings = settingsFrom(options);
  if (!isRoot) throw new Error("this bench needs root: it makes network namespaces");
  const tools = ["iproute2", "iptables", "nftables", "iputils-ping", "iperf3", "ethtool"] as const;
  requirePackages(["gcc", "make", "libnetfilter-queue-dev", "libmnl-dev", ...tools]);
  await succeed("make", ["-s", "-C", new URL("queue/", import.meta.url).pathname]);

  await using net = await Network.create("sender", "filter", "receiver");
  const stage = await prepare(net);
  using _ahead = aheadOfOthers();
  const random = new Random(settings.seed);
  const cases: Case[] = [];
  for (const name of settings.scenarios) {
    const scenario = narrowed(SCENARIOS[name]!, settings.contestants);
    for (const rules of settings.rules ?? scenario.rules) {
      cases.push(await compete(stage, { name, scenario, rules }, settings, random, signal));
    }
  }
  await conclude(cases, settings);
}

function settingsFrom(options: Options): Settings {
  const quick = options.quick !== undefined;
  const { rounds = quick ? "3" : "7", seconds = quick ? "0.5" : "2", seed = "1" } = options;
  const { batch = `${DEFAULTS.batch}`, coalesce = DEFAULTS.coalesce } = options;
  const scenarios = options.only?.split(",") ?? Object.keys(SCENARIOS);
  const wrong = scenarios.find((name) => !SCENARIOS[name]);
  if (wrong) throw new TypeError(`--only ${wrong}: there are ${Object.keys(SCENARIOS).join(", ")}`);
  const contestants = options.contestants?.split(",");
  const nobody = contestants?.find((name) => !CONTESTANTS[name]);
  if (nobody) {
    throw new TypeError(
      `--contestants ${nobody}: there are ${Object.keys(CONTESTANTS).join(", ")}`,
    );
  }
  return {
    scenarios,
    rules: options.rules?.split(",").map(Number) ?? (quick ? [1000] : undefined),
    contestants,
    rounds: Number(rounds),
    windowMs: Number(seconds) * 1000,
    seed: Number(seed),
    batch,
    coalesce: `${coalesce}`,
  };
}

/** With those of its contestants that were asked for. */
function narrowed(scenario: Scenario, wanted: readonly string[] | undefined): Scenario {
  if (!wanted) return scenario;
  const keep = (names: readonly string[]) => names.filter((name) => wanted.includes(name));
  const { contestants, against } = scenario;
  return { ...scenario, contestants: keep(contestants), against: keep(against) };
}

async function compete(
  stage: Stage,
  at: { readonly name: string; readonly scenario: Scenario; readonly rules: number },
  { rounds, windowMs, batch, coalesce }: Settings,
  random: Random,
  signal: AbortSignal,
): Promise<Case> {
  const { scenario, rules } = at;
  const policy = policyOf(scenario.hook, rules, scenario.state);
  const pin = scenario.pinned ? ["taskset", "-c", CONTESTANT_CORE] : [];
  const manner: Manner = { prefix: pin, batch, coalesce };
  const samples = new Map(scenario.contestants.map((name) => [name, [] as (readonly number[])[]]));
  for (let round = 0; round < rounds; round++) {
    for (const name of shuffled(scenario.contestants, random)) {
      signal.throwIfAborted();
      const host = stage.net.host("filter");
      await using running = await CONTESTANTS[name]!.start(host, policy, manner);
      const { hook, measure } = scenario;
      samples.get(name)!.push(await measure(stage, hook, running.pid, windowMs, signal));
    }
  }
  console.error(`${scenario.title}, ${rules} rules: measured`);
  return { ...at, samples };
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}
