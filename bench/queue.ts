// How many packets a second does one core answer, against the canonical libnetfilter_queue loop?
/**
 * A generator on one core sends small UDP packets into another namespace; there each contestant in
 * turn has the other core and answers them. All contestants meet the same rule and the same single
 * packets. Counted is what was delivered behind the queue; CPU is what the contestant's own threads
 * used, its part in delivering included. Where no packets are lost, the contestant is faster than
 * the generator, and CPU a packet tells more than packets a second. The floor is the same traffic
 * with no queue.
 *
 * Options: --rounds N, --seconds N a window, --seed N for the order, --family ipv4|ipv6,
 * --pace N packets a second in place of all that go, --batch N and --coalesce V of Barrage.
 *
 * @module
 */
import { type Background, type Host, isRoot, Network } from "../test/support/netns.ts";
import { Random } from "../test/support/policy.ts";
import { requirePackages } from "../native/build.ts";
import type { Options } from "./main.ts";
import { machine, summarize, type Summary, table } from "./report.ts";

const GENERATOR_CORE = "0", CONTESTANT_CORE = "1";
const PORT = "9000";
const WARM_UP_MS = 500;
const HERE = new URL("queue/", import.meta.url).pathname;
const BUILD = `${HERE}build/`;

/** Headers and 64 bytes. Anything larger at the queue would be a packet not yet cut up. */
const PACKET_BYTES = { ipv4: 92, ipv6: 112 } as const;
type Family = keyof typeof PACKET_BYTES;

interface Contestant {
  readonly name: string;
  /** What it runs, none for the floor, and the line that says it is ready. */
  readonly argv: readonly string[];
  readonly ready: RegExp;
}

interface Settings {
  readonly rounds: number;
  readonly windowMs: number;
  readonly seed: number;
  readonly family: Family;
  /** Packets a second, undefined for all that go. */
  readonly pace: string | undefined;
  readonly batch: string;
  readonly coalesce: string;
}

interface Sample {
  readonly packetsPerSecond: number;
  /** Of the contestant; 0 for the floor. */
  readonly cpuNsPerPacket: number;
  /** Part of its core that it got. Less than all: it had to wait, for packets or for others. */
  readonly coreShare: number;
  /** Part of the packets for which the queue had no room. None: the generator is the limit. */
  readonly lostShare: number;
}

/** Measures every contestant once a round, in an order that the seed gives. */
export async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const settings = settingsFrom(options);
  if (!isRoot) throw new Error("this bench needs root: it makes network namespaces");
  requirePackages(["gcc", "make", "libnetfilter-queue-dev", "iproute2", "iptables"]);
  await build();

  await using net = await Network.create("sender", "receiver");
  const sender = net.host("sender"), receiver = net.host("receiver");
  // No segmentation left to the device: large messages are cut before they leave the sender.
  await sender.run(["ip", "link", "set", sender.rightLink, "gso_max_segs", "1"]);
  const sink = receiver.start([`${BUILD}sink`, PORT]);
  await sink.line(/ready/);

  const contestants = contestantsFor(settings);
  const samples = new Map(contestants.map(({ name }) => [name, [] as Sample[]]));
  const random = new Random(settings.seed);
  for (let round = 0; round < settings.rounds; round++) {
    for (const contestant of shuffled(contestants, random)) {
      const sample = await measure(sender, receiver, sink.pid, contestant, settings, signal);
      samples.get(contestant.name)!.push(sample);
    }
  }
  print(samples, settings);
}

function settingsFrom(options: Options): Settings {
  const { rounds = "7", seconds = "2", seed = "1", family = "ipv4", pace } = options;
  const { batch = "256", coalesce = "auto" } = options;
  if (family !== "ipv4" && family !== "ipv6") throw new TypeError(`--family ${family}: which?`);
  const [r, s, windowMs] = [Number(rounds), Number(seed), Number(seconds) * 1000];
  return { rounds: r, windowMs, seed: s, family, pace, batch, coalesce };
}

async function build() {
  const { success } = await new Deno.Command("make", { args: ["-s", "-C", HERE] }).spawn().status;
  if (!success) throw new Error("cannot build the bench's programs");
}

function contestantsFor({ batch, coalesce }: Settings): Contestant[] {
  const fw = new URL("../fw.ts", import.meta.url).pathname;
  const barrage = [
    "--queue",
    "0",
    "--batch",
    batch,
    "--coalesce",
    coalesce,
    "--no-hooks",
    "--json",
  ];
  return [
    { name: "no queue", argv: [], ready: /./ },
    { name: "canonical", argv: [`${BUILD}canonical`, "0"], ready: /ready/ },
    {
      name: "barrage",
      argv: [Deno.execPath(), "run", "-A", fw, "run", `${HERE}rules.fw`, ...barrage],
      ready: /filtering/,
    },
  ];
}

/** One contestant, from its start to its end. */
async function measure(
  sender: Host,
  receiver: Host,
  sink: number,
  { name, argv, ready }: Contestant,
  { family, windowMs, pace }: Settings,
  signal: AbortSignal,
): Promise<Sample> {
  await countPackets(receiver, family, argv.length > 0);
  const contestant = argv.length > 0
    ? receiver.start(["taskset", "-c", CONTESTANT_CORE, ...argv])
    : undefined;
  await contestant?.line(ready);
  const target = [family === "ipv4" ? receiver.v4 : receiver.v6, PORT, ...pace ? [pace] : []];
  const generator = sender.start(["taskset", "-c", GENERATOR_CORE, `${BUILD}blast`, ...target]);
  await generator.line(/ready/);

  await elapse(WARM_UP_MS, signal);
  const before = figures(sink, family, contestant);
  await elapse(windowMs, signal);
  const after = figures(sink, family, contestant);

  await generator.stop();
  await contestant?.stop(name === "canonical" ? "SIGTERM" : "SIGINT");
  const bytes = await bytesPerPacket(receiver, family);
  if (bytes !== PACKET_BYTES[family]) throw new Error(`${bytes} bytes a packet at the queue`);
  const packets = after.delivered - before.delivered;
  const elapsedMs = after.at - before.at, cpuNs = after.cpuNs - before.cpuNs;
  if (packets === 0) throw new Error(`${name} let nothing through`);
  return {
    packetsPerSecond: packets / elapsedMs * 1000,
    cpuNsPerPacket: cpuNs / packets,
    coreShare: cpuNs / elapsedMs / 1e6,
    lostShare: (after.lost - before.lost) / (after.offered - before.offered),
  };
}

const TOOL = { ipv4: "iptables", ipv6: "ip6tables" } as const;

/** Puts the one rule in place, anew: it queues, or for the floor only counts. */
async function countPackets(receiver: Host, family: Family, queue: boolean) {
  const rule = `-A INPUT -p udp -m udp --dport ${PORT}${queue ? " -j NFQUEUE --queue-num 0" : ""}`;
  await receiver.run([`${TOOL[family]}-restore`], `*mangle\n${rule}\nCOMMIT\n`);
}

/** Bytes of an average packet at the rule. */
async function bytesPerPacket(receiver: Host, family: Family): Promise<number> {
  const saved = await receiver.run([`${TOOL[family]}-save`, "-c", "-t", "mangle"]);
  const [, packets, bytes] = saved.match(/^\[(\d+):(\d+)\] -A INPUT/m)!;
  return Number(bytes) / Number(packets);
}

/** What has been counted in the receiver so far: `sink` is a process in it. */
function figures(sink: number, family: Family, contestant: Background | undefined) {
  const at = performance.now();
  const cpu = contestant ? cpuNs(contestant.pid) : 0;
  return { at, delivered: delivered(sink, family), cpuNs: cpu, ...queueFigures(sink) };
}

/** Packets that came to the queue, and those it did not take. */
function queueFigures(pid: number): { readonly offered: number; readonly lost: number } {
  const line = Deno.readTextFileSync(`/proc/${pid}/net/netfilter/nfnetlink_queue`).trim();
  const [, , , , , full = 0, unread = 0, taken = 0] = line.split(/\s+/).map(Number);
  return { offered: taken + full, lost: full + unread };
}

function delivered(pid: number, family: Family): number {
  if (family === "ipv6") {
    const snmp6 = Deno.readTextFileSync(`/proc/${pid}/net/snmp6`);
    return Number(snmp6.match(/^Ip6InDelivers\s+(\d+)$/m)![1]);
  }
  const [names, values] = Deno.readTextFileSync(`/proc/${pid}/net/snmp`).split("\n", 2)
    .map((line) => line.split(" "));
  return Number(values![names!.indexOf("InDelivers")]);
}

/** Nanoseconds on a processor, of all threads. Throws if the process has ended. */
function cpuNs(pid: number): number {
  let sum = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/task`)) {
    sum += Number(Deno.readTextFileSync(`/proc/${pid}/task/${name}/schedstat`).split(" ", 1)[0]);
  }
  return sum;
}

function elapse(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(resolve, ms);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  });
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const left = [...items];
  return items.map(() => left.splice(random.below(left.length), 1)[0]!);
}

function print(samples: ReadonlyMap<string, readonly Sample[]>, settings: Settings) {
  const { rounds, seed, family, pace, windowMs } = settings;
  const where = { machine: machine(), seed, rounds, windowMs, family, pace: pace ?? "all" };
  const canonical = samples.get("canonical")!;
  const rows = [[
    "contestant",
    "packets/s",
    "x canonical",
    "CPU ns/packet",
    "x less",
    "of core",
    "lost",
  ]];
  for (const [name, own] of samples) {
    // Speed drifts on shared machines: only what was measured in the same round is compared.
    const paired = (ratio: (own: Sample, other: Sample) => number) =>
      summarize(own.map((sample, i) => ratio(sample, canonical[i]!)), 2);
    const row = {
      packetsPerSecond: summarize(own.map((sample) => sample.packetsPerSecond)),
      timesPackets: paired((own, other) => own.packetsPerSecond / other.packetsPerSecond),
    };
    const used = {
      cpuNsPerPacket: summarize(own.map((sample) => sample.cpuNsPerPacket)),
      timesLessCpu: paired((own, other) => other.cpuNsPerPacket / own.cpuNsPerPacket),
      coreShare: summarize(own.map((sample) => sample.coreShare), 2),
      lostShare: summarize(own.map((sample) => sample.lostShare), 2),
    };
    const hasCpu = own.every((sample) => sample.cpuNsPerPacket > 0);
    const figures = hasCpu ? { ...row, ...used } : row;
    console.log(JSON.stringify({ bench: "queue", case: name, ...where, ...figures }));
    rows.push([name, ...Object.values(figures).map(text)]);
  }
  const columns = rows[0]!.length;
  console.log(`\n${table(rows.map((row) => [...row, ...Array(columns - row.length).fill("-")]))}`);
}

/** "2.40 (2.31 to 2.44)". */
function text({ median, min, max }: Summary): string {
  return `${median} (${min} to ${max})`;
}
