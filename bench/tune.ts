// Which batch, coalescing, workers, split, queues and copy range suit a policy on this machine?
/**
 * `deno task tune RULES [--goal throughput|latency|cpu] [--pcap FILE] [--write] [--sweep]
 * [--only OPTIONS] [--seconds N]`
 *
 * Filters real traffic with the policy through the kernel's real queue, between namespaces of its
 * own, as much as goes and at moderate rates; or, with `--pcap`, decides the packets of a capture
 * over and over, without a queue and without root. It turns one option at a time and lets the best
 * compete in turns. Interrupted, it recommends from what it has. `--write` puts the setting of a
 * search that came to its end into the rule file. `--only batch,copy` leaves the other options as
 * they are in it. `--sweep` also tries every combination, to see what that would have found, and in
 * how much more time. The report goes to bench/tune/build/report.html.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { check, compile } from "../compiler/mod.ts";
import { readFrom } from "../cli/read.ts";
import { buildLibrary, requirePackages } from "../native/build.ts";
import { isRoot } from "../test/support/netns.ts";
import { aheadOfOthers, succeed } from "./process.ts";
import { CAPTURE_OPTIONS, CAPTURE_RATES, Recording } from "./tune/capture.ts";
import { conclude, type Rivalry, say } from "./tune/report.ts";
import {
  advise,
  type Goal,
  GOALS,
  score,
  search,
  searchLength,
  sweep,
  SWEEP_FINAL_TRIALS,
  type Trial,
} from "./tune/search.ts";
import {
  CHOICES,
  type Choices,
  optionsOf,
  product,
  same,
  type Setting,
  withOptions,
  words,
} from "./tune/setting.ts";
import { RATES, Traffic } from "./tune/traffic.ts";

const USAGE =
  "usage: deno task tune RULES [--goal throughput|latency|cpu] [--pcap FILE] [--write] " +
  "[--sweep] [--only OPTIONS] [--seconds N]";

interface Request {
  readonly rules: string;
  readonly goal: Goal;
  readonly pcap: string | undefined;
  readonly write: boolean;
  readonly sweep: boolean;
  readonly choices: Choices;
  /** A rate. */
  readonly seconds: number;
}

/** Where settings are tried. */
interface Place extends AsyncDisposable {
  measure(setting: Setting, signal: AbortSignal): Promise<Trial["samples"][number]>;
}

async function main(args: string[]): Promise<number> {
  const request = requestFrom(args);
  if (!request) {
    console.error(USAGE);
    return 2;
  }
  if (!request.pcap && !isRoot) {
    console.error("tune needs root to make network namespaces; --pcap FILE does without");
    return 1;
  }
  const text = await Deno.readTextFile(request.rules);
  const { policy } = check(request.rules, text, {}, readFrom);
  if (!policy) {
    console.error(`${request.rules} has errors: see \`deno run -P=lint fw.ts lint\``);
    return 1;
  }
  buildLibrary();
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort(new Error("interrupted"));
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, interrupt);

  const trials: Trial[] = [];
  let rivalry: Rivalry | undefined;
  try {
    await using place = await placeFor(request, text);
    using _ahead = aheadOfOthers();
    rivalry = await tryAll(request, place, trials, interrupted.signal);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
  }
  const known = trials.filter(({ samples }) => samples.length > 0);
  if (interrupted.signal.aborted) {
    const rest = known.length > 0 ? "what follows rests on what was measured so far" : "too soon";
    console.error(`\ninterrupted: ${rest}${request.write ? "; nothing is written" : ""}`);
  }
  if (known.length === 0) return 130;
  const advice = advise(known, request.goal, words);
  await conclude(request, known, advice, rivalry);
  if (request.write && !interrupted.signal.aborted) {
    const options = optionsOf(advice.best, policy.options.queue.first);
    await Deno.writeTextFile(request.rules, withOptions(request.rules, text, options));
    console.log(`written to ${request.rules}`);
  }
  return interrupted.signal.aborted ? 130 : 0;
}

function requestFrom(args: string[]): Request | undefined {
  const options = {
    goal: { type: "string", default: "throughput" },
    pcap: { type: "string" },
    only: { type: "string" },
    seconds: { type: "string", default: "0.6" },
    write: { type: "boolean", default: false },
    sweep: { type: "boolean", default: false },
  } as const;
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    const [rules, ...more] = positionals, seconds = Number(values.seconds);
    const goal = GOALS.find((name) => name === values.goal);
    if (!rules || more.length > 0 || !goal || !(seconds > 0)) return undefined;
    const { pcap, write, sweep } = values;
    const there = pcap === undefined ? Object.keys(CHOICES) : CAPTURE_OPTIONS;
    const only = values.only?.split(",") ?? there;
    const wrong = only.find((name) => !there.includes(name));
    if (wrong !== undefined) throw new TypeError(`--only takes ${there.join(", ")}, not ${wrong}`);
    const choices = Object.fromEntries(
      Object.entries(CHOICES).filter(([name]) => only.includes(name)),
    );
    return { rules, goal, seconds, pcap, write, sweep, choices };
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    console.error(error.message);
    return undefined;
  }
}

async function placeFor({ rules, pcap, seconds }: Request, text: string): Promise<Place> {
  const policy = check(rules, text, {}, readFrom).policy!;
  if (pcap !== undefined) {
    const image = compile(policy);
    if (!(image instanceof Uint8Array)) throw new Error(image.message);
    const recording = new Recording(image, policy, await Deno.readFile(pcap), seconds);
    return {
      measure: (setting, signal) => recording.measure(setting, signal),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }
  const libraries = ["gcc", "make", "libnetfilter-queue-dev"] as const;
  requirePackages([...libraries, "iproute2", "iptables", "iputils-ping"]);
  await succeed("make", ["-s", "-C", new URL("queue/", import.meta.url).pathname]);
  return await Traffic.create(rules, text, policy, seconds);
}

/** Searches, and if asked sweeps; into `trials` goes what was measured for the recommendation. */
async function tryAll(
  { goal, pcap, seconds, choices, sweep: sweeping }: Request,
  place: Place,
  trials: Trial[],
  signal: AbortSignal,
): Promise<Rivalry | undefined> {
  const rates = (pcap === undefined ? RATES : CAPTURE_RATES).length + 1;
  const started = performance.now();
  const measurer = (into: Trial[], planned: number) => {
    const began = performance.now();
    let done = 0;
    return async (setting: Setting): Promise<Trial> => {
      signal.throwIfAborted();
      const known = into.find((t) => same(t.setting, setting));
      const trial = known ?? { setting, samples: [] };
      if (!known) into.push(trial);
      trial.samples.push(await place.measure(setting, signal));
      const left = (performance.now() - began) / ++done * Math.max(0, planned - done) / 1000;
      say(done, planned, left, setting, trial.samples.at(-1)!);
      return trial;
    };
  };
  const planned = searchLength(choices);
  console.error(
    `up to ${planned} trials of ${rates} rates, ${seconds} s each; Ctrl-C recommends from what ` +
      "was measured till then",
  );
  await search(measurer(trials, planned), choices, goal);
  if (!sweeping) return undefined;

  const searched = performance.now();
  const recommended = advise(trials, goal, words).best;
  const settings = product(choices);
  let swept = 0;
  const all: Trial[] = [];
  const measure = measurer(all, settings.length + SWEEP_FINAL_TRIALS);
  const finals = await sweep(
    async (setting) => {
      const trial = await measure(setting);
      if (all.length === settings.length && swept === 0) swept = performance.now();
      return trial;
    },
    settings,
    recommended,
    goal,
  );
  const [own, ...others] = finals;
  const best = others.toSorted((a, b) => score(b, goal) - score(a, goal))[0]!;
  return { own: own!, best, searchMs: searched - started, sweepMs: swept - searched };
}

if (import.meta.main) Deno.exit(await main(Deno.args));
