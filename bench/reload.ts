// What does a reload cost the packets that pass meanwhile, and does each still get one verdict?
/**
 * Packets go through a router in a namespace between two others. First the longest gap between two
 * verdicts is measured, in turns without and with a reload of a large policy under a steady load. Then
 * a policy is reloaded over and over under as much traffic as goes, and what the engine decided is
 * compared with what the kernel queued and with what the receiver got.
 *
 * Options: --rules N of the reloaded policy (10000), --load N rules of the second part's (1000), --rounds N (7), --pace PACKETS a second (50000),
 * --packets N of the second part (2000000; 0 leaves it out), --every MS between its reloads (100).
 *
 * @module
 */
import { type Host, isRoot, Network } from "../test/support/netns.ts";
import { Barrage } from "../test/support/barrage.ts";
import { requirePackages } from "../native/build.ts";
import type { Options } from "./main.ts";
import { aheadOfOthers, elapse, succeed } from "./process.ts";
import { policyOf, PORTS } from "./queue/policy.ts";
import { machine, summarize } from "./report.ts";

const NAMES = ["sender", "router", "receiver"] as const;
const BUILD = new URL("queue/build/", import.meta.url).pathname;

/** Measures, and prints a line of JSON for each of the two questions. */
export async function bench(options: Options, signal: AbortSignal): Promise<void> {
  if (!isRoot) throw new Error("this bench needs root: it makes network namespaces");
  requirePackages(["gcc", "make", "libnetfilter-queue-dev", "libmnl-dev", "iproute2", "iptables"]);
  await succeed("make", ["-s", "-C", new URL("queue/", import.meta.url).pathname]);
  const number = (name: string, otherwise: number) => Number(options[name] ?? otherwise);
  const rounds = number("rounds", 7);
  if (rounds > 0) {
    await gaps(number("rules", 10_000), rounds, number("pace", 50_000), signal);
  }
  const packets = number("packets", 2_000_000);
  if (packets > 0) {
    await verdicts(packets, number("load", 1000), number("every", 100), signal);
  }
}

/** The longest gap between verdicts in some time, without and with a reload in it. */
async function gaps(rules: number, rounds: number, pace: number, signal: AbortSignal) {
  using _ahead = aheadOfOthers();
  await using net = await Network.create(...NAMES);
  const [sender, router, receiver] = NAMES.map((name) => net.host(name));
  await using barrage = await Barrage.start(router!, policyOf("forward", rules, false).barrage);
  const port = PORTS[0]!;
  await using watcher = new Watcher(receiver!.namespace, port);
  await watcher.ready;
  const blast = sender!.start([`${BUILD}blast`, receiver!.v4, String(port), String(pace)]);
  const without: number[] = [], withReload: number[] = [], took: number[] = [];
  await elapse(1000, signal);
  for (let round = 0; round < rounds; round++) {
    const started = performance.now();
    await watcher.next();
    await barrage.ask("reload");
    withReload.push((await watcher.next()).longestNs);
    took.push(performance.now() - started);
    await elapse(took.at(-1)!, signal);
    without.push((await watcher.next()).longestNs);
  }
  await blast.stop();
  const ratios = without.map((gap, i) => withReload[i]! / gap);
  const ms = (samples: number[]) => summarize(samples.map((ns) => ns / 1e6), 3);
  console.log(JSON.stringify({
    bench: "reload",
    question: "longest gap between verdicts",
    machine: machine(),
    rules,
    pace,
    rounds,
    reloadMs: summarize(took),
    withoutMs: ms(without),
    withMs: ms(withReload),
    ratio: summarize(ratios, 2),
  }));
  await barrage.stop();
}

/** The receiver's end, which knows when packets came. */
class Watcher implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly ready: Promise<unknown>;

  constructor(namespace: string, port: number) {
    this.#child = new Deno.Command("ip", {
      args: ["netns", "exec", namespace, `${BUILD}gaps`, String(port)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = linesOf(this.#child.stdout);
    this.ready = this.#lines.next();
  }

  /** What came since it was asked last. */
  async next(): Promise<{ packets: number; longestNs: number }> {
    const writer = this.#child.stdin.getWriter();
    await writer.write(new TextEncoder().encode("\n"));
    writer.releaseLock();
    const [packets, longestNs] = (await this.#lines.next()).value.split(" ").map(Number);
    return { packets: packets!, longestNs: longestNs! };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close();
    await this.#child.status;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let text = "";
  for await (const more of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (text + more).split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

/** Whether each packet gets one verdict while policies come and go. */
async function verdicts(packets: number, load: number, everyMs: number, signal: AbortSignal) {
  await using net = await Network.create(...NAMES);
  const [sender, router, receiver] = NAMES.map((name) => net.host(name));
  await using barrage = await Barrage.start(router!, policyOf("forward", load, false).barrage);
  await router!.run(["iptables", "-t", "mangle", "-A", "POSTROUTING", "!", "-p", "2"]);
  const blast = sender!.start([`${BUILD}blast`, receiver!.v4, PORTS.join(",")]);
  const started = performance.now();
  let reloads = 0;
  for (let next = started; await queued(router!.namespace) < packets; next += everyMs) {
    await barrage.ask("reload");
    reloads++;
    await elapse(Math.max(0, next + everyMs - performance.now()), signal);
  }
  const seconds = (performance.now() - started) / 1000;
  await blast.stop();
  const { totals, rules } = await barrage.stop();
  const left = await leaving(router!);
  const sum = totals.accepted! + totals.dropped! + totals.rejected!;
  const byRule = rules.reduce((sum, rule) => sum + rule.packets, 0);
  console.log(JSON.stringify({
    bench: "reload",
    question: "verdicts missing or given twice",
    machine: machine(),
    rules: load,
    packets: totals.received,
    reloads,
    everyMs: Math.round(seconds * 1000 / reloads),
    kpps: Math.round(totals.received! / seconds / 1000),
    missing: totals.kernel_queued! - totals.received!,
    undecided: totals.received! - sum,
    uncounted: totals.received! - byRule,
    refusedByKernel: totals.verdict_errors,
    acceptedButNotSent: totals.accepted! - left,
    lostInQueue: totals.kernel_dropped,
    lostAtSocket: totals.user_dropped,
    overruns: totals.overruns,
  }));
}

/** Packets that the namespace's queue has been given: its id_sequence. */
async function queued(namespace: string): Promise<number> {
  const row = await output(namespace, "/proc/net/netfilter/nfnetlink_queue");
  return Number(row.trim().split(/\s+/)[7]);
}

/** Packets that went on through a namespace: those whose verdict let them. */
async function leaving(host: Host): Promise<number> {
  const rules = await host.run(["iptables", "-t", "mangle", "-nvxL", "POSTROUTING"]);
  return Number(/^ *(\d+) /m.exec(rules.split("\n").slice(2).join("\n"))![1]);
}

async function output(namespace: string, file: string): Promise<string> {
  const args = ["netns", "exec", namespace, "cat", file];
  const { stdout } = await new Deno.Command("ip", { args }).output();
  return new TextDecoder().decode(stdout);
}
