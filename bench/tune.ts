// Which batch, queues, workers, split, copy range and coalescing suit a policy on this machine?
/**
 * `deno task tune RULES [--goal throughput|latency|cpu] [--write] [--sweep] [--seconds N]`
 *
 * Filters real traffic with the policy, through the kernel's real queue, between namespaces of its
 * own: as much as goes, and at a moderate rate with pings beside it, which a rule put in front of
 * the input chain accepts. It starts from the defaults and improves one option at a time, keeps
 * what is better, and at the end lets the best few compete in turns. Interrupted, it recommends
 * from what it has. `--sweep` measures every combination instead, to see what that would have found.
 * The report goes to bench/tune/report.html.
 *
 * @module
 */
import { check, DEFAULTS } from "../compiler/mod.ts";
import { buildLibrary, requirePackages } from "../native/build.ts";
import { Barrage } from "../test/support/barrage.ts";
import { type Host, isRoot, Network } from "../test/support/netns.ts";
import { chart, htmlTable, page, paragraph } from "./html.ts";
import { machine, summarize, table } from "./report.ts";

const HERE = new URL("tune/", import.meta.url).pathname;
const BLAST = new URL("queue/build/blast", import.meta.url).pathname;
const PORT = "9000";
const MODERATE_RATE = "20000";
const CORES = navigator.hardwareConcurrency;

/** What is tuned, and the values that are tried. */
const CHOICES = {
  batch: [16, 64, 128, 256, 512, 1024],
  queues: [...new Set([1, 2, CORES])].filter((n) => n <= CORES),
  workers: [...new Set([1, 2, CORES])].filter((n) => n <= CORES),
  split: ["packets", "rules"],
  copy: [128, 256],
  coalesce: ["auto", "off", 50, 200],
} as const;
type Name = keyof typeof CHOICES;
type Setting = { readonly [N in Name]: (typeof CHOICES)[N][number] };

/** One trial of a setting. */
interface Sample {
  /** Decided a second, of all that could be sent. */
  readonly packetsPerSecond: number;
  /** Of those that were queued, the part that was lost for want of room. */
  readonly lost: number;
  /** At the moderate rate: of the engine's process, and round trips of pings. */
  readonly cpuNsPerPacket: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

interface Trial {
  readonly setting: Setting;
  readonly samples: Sample[];
}

/** How good a sample is, for each goal; more is better. */
const GOALS: Readonly<Record<string, (s: Sample) => number>> = {
  throughput: (s) => s.packetsPerSecond,
  latency: (s) => -s.p99Us,
  cpu: (s) => -s.cpuNsPerPacket,
};

interface Request {
  readonly rules: string;
  readonly goal: string;
  readonly write: boolean;
  readonly sweep: boolean;
  readonly seconds: number;
}

async function main(args: readonly string[]): Promise<number> {
  const request = requestFrom(args);
  if (!request) {
    console.error(
      "usage: deno task tune RULES [--goal throughput|latency|cpu] [--write] [--sweep] [--seconds N]",
    );
    return 2;
  }
  if (!isRoot) {
    console.error("tune needs root: it makes network namespaces");
    return 1;
  }
  requirePackages([
    "gcc",
    "make",
    "libnetfilter-queue-dev",
    "iproute2",
    "iptables",
    "iputils-ping",
  ]);
  buildLibrary();
  await succeed("make", ["-s", "-C", new URL("queue/", import.meta.url).pathname]);

  const text = await Deno.readTextFile(request.rules);
  const probed = withProbe(text);
  if (!check(request.rules, probed).policy) {
    console.error(`${request.rules} has errors: see \`deno run -P=lint fw.ts lint\``);
    return 1;
  }
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort(new Error("interrupted")));
  }
  const trials: Trial[] = [];
  try {
    await search(probed, request, trials, interrupted.signal);
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    console.error("\ninterrupted: what follows rests on what was measured so far");
  }
  if (trials.every(({ samples }) => samples.length === 0)) return 130;
  await conclude(request, text, trials.filter(({ samples }) => samples.length > 0));
  return interrupted.signal.aborted ? 130 : 0;
}

function requestFrom(args: readonly string[]): Request | undefined {
  const value = (name: string) => args[args.indexOf(name) + 1 || args.length];
  const goal = value("--goal") ?? "throughput", seconds = Number(value("--seconds") ?? 1);
  const [rules] = args;
  if (!rules || rules.startsWith("--") || !GOALS[goal] || !(seconds > 0)) return undefined;
  return { rules, goal, seconds, write: args.includes("--write"), sweep: args.includes("--sweep") };
}

/** The policy with a rule in front that lets pings through, so that latency can be measured. */
function withProbe(text: string): string {
  return text.replace(/^chain\s+input\b[^{]*\{/m, "$& accept icmp label tuner-probe\n");
}

async function search(
  rules: string,
  { goal, sweep, seconds }: Request,
  trials: Trial[],
  signal: AbortSignal,
): Promise<void> {
  await using net = await Network.create("sender", "receiver");
  const sender = net.host("sender"), receiver = net.host("receiver");
  await sender.run(["ip", "link", "set", sender.rightLink, "gso_max_segs", "1"]);
  const planned = sweep ? product(CHOICES).length : descentLength() + FINALISTS * FINAL_ROUNDS;
  const started = performance.now();
  let done = 0;
  const measure = async (setting: Setting): Promise<Trial> => {
    signal.throwIfAborted();
    const known = trials.find((t) => same(t.setting, setting));
    const trial = known ?? { setting, samples: [] };
    if (!known) trials.push(trial);
    trial.samples.push(await sample(sender, receiver, rules, setting, seconds, signal));
    const left = (performance.now() - started) / ++done * (planned - done) / 1000;
    const { packetsPerSecond, p99Us } = trial.samples.at(-1)!;
    console.error(
      `${done} of ${planned}, about ${Math.max(0, left).toFixed(0)} s left: ${words(setting)}: ` +
        `${(packetsPerSecond / 1000).toFixed(0)} kpps, p99 ${p99Us.toFixed(0)} us`,
    );
    return trial;
  };

  if (sweep) {
    for (const setting of product(CHOICES)) await measure(setting);
    return;
  }
  let best = await measure(START);
  for (const name of Object.keys(CHOICES) as Name[]) {
    for (const value of CHOICES[name]) {
      if (value === best.setting[name]) continue;
      const other: Setting = { ...best.setting, [name]: value };
      if (other.workers === 1 && other.split !== START.split) continue; // one thread splits nothing
      if (trials.some((t) => same(t.setting, other))) continue;
      const trial = await measure(other);
      if (score(trial, goal) > score(best, goal)) best = trial;
    }
  }
  // A lucky window is no proof: the best compete again, in turns.
  const finalists = ranked(trials, goal).slice(0, FINALISTS);
  for (let round = 0; round < FINAL_ROUNDS; round++) {
    for (const { setting } of finalists) await measure(setting);
  }
}

const FINALISTS = 3, FINAL_ROUNDS = 3;
const START: Setting = {
  batch: 128,
  queues: 1,
  workers: 1,
  split: DEFAULTS.split,
  copy: 256,
  coalesce: "auto",
};

/** The start, and every other value of every option once. */
function descentLength(): number {
  return Object.values(CHOICES).reduce((sum, values) => sum + values.length - 1, 1);
}

/** Every combination. */
function product(choices: typeof CHOICES): Setting[] {
  const settings = (Object.keys(choices) as Name[]).reduce<Partial<Setting>[]>(
    (some, name) => some.flatMap((s) => choices[name].map((value) => ({ ...s, [name]: value }))),
    [{}],
  ) as Setting[];
  return settings.filter(({ workers, split }) => workers > 1 || split === START.split);
}

async function sample(
  sender: Host,
  receiver: Host,
  rules: string,
  { queues, ...rest }: Setting,
  seconds: number,
  signal: AbortSignal,
): Promise<Sample> {
  const target = queues === 1 ? "--queue-num 0" : `--queue-balance 0:${queues - 1}`;
  const queue = (match: string) => `-A INPUT ${match} -j NFQUEUE ${target}\n`;
  const traffic = queue(`-p udp --dport ${PORT}`) + queue("-p icmp --icmp-type echo-request");
  await receiver.run(["iptables-restore"], `*mangle\n${traffic}COMMIT\n`);
  const options = { queue: queues === 1 ? "0" : `0-${queues - 1}`, ...rest };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  await using barrage = await Barrage.start(receiver, rules, "--no-hooks", ...flags);

  const cpuBefore = cpuNs(barrage.process.pid);
  const paced = sender.start([BLAST, receiver.v4, PORT, MODERATE_RATE]);
  await paced.line(/ready/);
  const pings = await sender.tryRun(
    ["ping", "-n", "-i", "0.004", "-w", `${Math.ceil(seconds)}`, receiver.v4],
  );
  const sent = Number((await paced.stop("SIGTERM")).stdout.match(/(\d+)\s*$/)?.[1]);
  const cpu = cpuNs(barrage.process.pid) - cpuBefore;

  const flood = sender.start([BLAST, receiver.v4, PORT]);
  await flood.line(/ready/);
  const start = performance.now();
  await elapse(seconds * 1000, signal);
  await flood.stop("SIGTERM");
  const took = (performance.now() - start) / 1000;
  const { totals } = await barrage.stop();

  const times = [...pings.stdout.matchAll(/time=([\d.]+)/g)].map((m) => Number(m[1]) * 1000);
  if (times.length === 0) throw new Error("no ping came back: is there an input chain?");
  times.sort((a, b) => a - b);
  const at = (quantile: number) => times[Math.floor(quantile * (times.length - 1))]!;
  const { received, kernel_dropped, user_dropped } = totals as Record<string, number>;
  const lost = kernel_dropped! + user_dropped!;
  return {
    packetsPerSecond: (received! - sent) / took,
    lost: lost / (received! + lost),
    cpuNsPerPacket: cpu / sent,
    p50Us: at(0.5),
    p99Us: at(0.99),
  };
}

/** Nanoseconds on a processor, of all threads of a process. */
function cpuNs(pid: number): number {
  let sum = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    sum += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ", 1)[0]);
  }
  return sum;
}

/** The median sample's worth for a goal. */
function score({ samples }: Trial, goal: string): number {
  return summarize(samples.map(GOALS[goal]!), 3).median;
}

function ranked(trials: readonly Trial[], goal: string): Trial[] {
  // Those measured more often are known better; one window is only luck or a hint.
  const most = Math.max(...trials.map(({ samples }) => samples.length));
  const known = trials.filter(({ samples }) => samples.length === most);
  return known.toSorted((a, b) => score(b, goal) - score(a, goal));
}

/** Settings that none other beats in both throughput and latency. */
function front(trials: readonly Trial[]): Trial[] {
  return trials.filter((a) =>
    !trials.some((b) =>
      score(b, "throughput") > score(a, "throughput") && score(b, "latency") > score(a, "latency")
    )
  );
}

async function conclude(request: Request, text: string, trials: readonly Trial[]): Promise<void> {
  const [best, second] = ranked(trials, request.goal);
  const rows = [
    ["setting", "kpps", "lost %", "CPU ns/packet", "p50 us", "p99 us", "trials"],
    ...trials.map((trial) => cells(trial)),
  ];
  const onFront = front(trials).toSorted((a, b) => score(b, "throughput") - score(a, "throughput"));
  console.log(`${table(rows)}\n`);
  console.log("Nothing measured beats these in both throughput and latency:");
  for (const { setting } of onFront) console.log(`  ${words(setting)}`);
  const sure = second ? certainty(best!, second, request.goal) : "nothing to compare it with";
  console.log(`\nFor ${request.goal}: ${words(best!.setting)}\n${sure}`);

  const title = `Tuning of ${request.rules}`;
  const advice = `For ${request.goal}: ${words(best!.setting)}. ${sure}`;
  await Deno.mkdir(HERE, { recursive: true });
  const parts = [
    paragraph(machine()),
    paragraph(advice),
    scatter(trials, onFront),
    htmlTable(rows),
  ];
  await Deno.writeTextFile(`${HERE}report.html`, page(title, parts));
  console.log(`report: ${HERE}report.html`);
  if (!request.write) return;
  await Deno.writeTextFile(request.rules, withOptions(text, best!.setting));
  console.log(`written to ${request.rules}`);
}

/** How far the best is ahead of the next, against how far its own trials lie apart. */
function certainty(best: Trial, second: Trial, goal: string): string {
  const own = summarize(best.samples.map(GOALS[goal]!), 3);
  const spread = Math.abs(own.max - own.min) / Math.abs(own.median);
  const ahead = Math.abs(own.median - score(second, goal)) / Math.abs(own.median);
  const percent = (part: number) => `${(part * 100).toFixed(0)} %`;
  const verdict = best.samples.length > 1 && ahead > spread ? "a clear winner" : "about as good";
  return `${percent(ahead)} ahead of ${words(second.setting)}, with a spread of ` +
    `${percent(spread)} over ${best.samples.length} trials: ${verdict}`;
}

function cells({ setting, samples }: Trial): string[] {
  const median = (of: (s: Sample) => number, digits = 0) =>
    `${summarize(samples.map(of), digits).median}`;
  return [
    words(setting),
    median((s) => s.packetsPerSecond / 1000),
    median((s) => s.lost * 100, 1),
    median((s) => s.cpuNsPerPacket),
    median((s) => s.p50Us),
    median((s) => s.p99Us),
    `${samples.length}`,
  ];
}

function scatter(trials: readonly Trial[], onFront: readonly Trial[]): string {
  const point = (trial: Trial) => [-score(trial, "latency"), score(trial, "throughput") / 1000];
  return chart("Throughput (kpps) against p99 latency at a moderate rate (us)", {
    xAxis: { type: "value", scale: true, name: "us", nameLocation: "middle", nameGap: 22 },
    yAxis: { type: "value", scale: true, name: "kpps" },
    series: [
      { type: "scatter", name: "tried", data: trials.map(point) },
      { type: "scatter", name: "not beaten in both", data: onFront.map(point), symbolSize: 14 },
    ],
  });
}

function words({ queues, ...rest }: Setting): string {
  const options = Object.entries(rest).map(([name, value]) => `${name} ${value}`).join(", ");
  return `${queues} ${queues === 1 ? "queue" : "queues"}, ${options}`;
}

function same(a: Setting, b: Setting): boolean {
  return (Object.keys(CHOICES) as Name[]).every((name) => a[name] === b[name]);
}

/** The rule file with these options: in place of those it has, else in front of what follows `fw`. */
function withOptions(text: string, { queues, ...rest }: Setting): string {
  const first = Number(text.match(/^option\s+queue\s+(\d+)/m)?.[1] ?? 0);
  const queue = queues === 1 ? `${first}` : `${first}-${first + queues - 1}`;
  const missing: string[] = [];
  const replaced = Object.entries({ queue, ...rest }).reduce(
    (sofar, [name, value]) => {
      const there = new RegExp(`^option\\s+${name}\\s+\\S+`, "m"), line = `option ${name} ${value}`;
      if (!there.test(sofar)) missing.push(`${line}\n`);
      return sofar.replace(there, line);
    },
    text,
  );
  return replaced.replace(/^(?!fw\s|#|\s)/m, missing.join(""));
}

async function succeed(program: string, args: string[]): Promise<void> {
  const { success } = await new Deno.Command(program, { args }).spawn().status;
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
}

function elapse(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  });
}

if (import.meta.main) Deno.exit(await main(Deno.args));
