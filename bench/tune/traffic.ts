/**
 * A setting on real traffic: the firewall as its user starts it, on the kernel's real queue, between
 * namespaces of our own. Datagrams to eight ports come as fast as they go, and at moderate rates,
 * with pings beside them that tell what the queue costs in time.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { check, type Policy } from "../../compiler/mod.ts";
import { readFrom } from "../../cli/read.ts";
import { fw } from "../../test/support/barrage.ts";
import { type Background, type Host, Network } from "../../test/support/netns.ts";
import { cpuNs, elapse } from "../process.ts";
import type { Figures, Sample } from "./search.ts";
import { optionsOf, type Setting, withOptions } from "./setting.ts";

const BUILD = new URL("../queue/build/", import.meta.url).pathname;
const PORTS = [22, 53, 80, 123, 443, 8080, 9000, 33000];
/** Packets a second, besides all that go. */
export const RATES = [5_000, 20_000, 50_000];
/** What a run proves of the policy first needs no proof for each setting. */
const QUICKLY = ["--no-hooks", "--no-test", "--no-verify", "--force"];
const WARM_UP_MS = 100;
const PING_INTERVAL_S = "0.002";

/** Namespaces in which one policy is tried. `await using` takes them away. */
export class Traffic implements AsyncDisposable {
  private constructor(
    readonly net: Network,
    readonly sender: Host,
    readonly filter: Host,
    readonly target: Host,
    readonly rules: string,
    readonly folder: string,
    /** As many as the policy asks for, where that is not tuned. */
    readonly queues: number,
    readonly seconds: number,
  ) {}

  /** `seconds` a rate. Throws if the policy has no chain that traffic can go through. */
  static async create(
    path: string,
    text: string,
    policy: Policy,
    seconds: number,
  ): Promise<Traffic> {
    const hook = (["input", "forward"] as const).find((hook) => policy.hooks.includes(hook));
    if (!hook) throw new Error(`${path} has neither an input nor a forward chain`);
    const names = hook === "input" ? ["sender", "filter"] : ["sender", "filter", "target"];
    const net = await Network.create(...names);
    const [sender, filter, target = filter] = names.map((name) => net.host(name));
    // Beside the rule file, so that what it takes in by a relative path is found.
    const rules = join(dirname(path), `.tune-${crypto.randomUUID()}.fw`);
    const folder = await Deno.makeTempDir();
    const { first, last } = policy.options.queue, queues = last - first + 1;
    const traffic = new Traffic(net, sender!, filter!, target!, rules, folder, queues, seconds);
    try {
      const probed = withOptions(path, withProbe(path, text, hook), {
        control: `"${folder}/control.sock"`,
        log: '"/dev/null"',
      });
      await Deno.writeTextFile(rules, probed);
      // No segmentation left to the device: large messages are cut before they leave.
      await sender!.run(["ip", "link", "set", sender!.rightLink, "gso_max_segs", "1"]);
      const sink = target!.start([`${BUILD}sink`, ...PORTS.map(String)]);
      await sink.line(/ready/);
      return traffic;
    } catch (error) {
      await traffic[Symbol.asyncDispose]();
      throw error;
    }
  }

  async measure(setting: Setting, signal: AbortSignal): Promise<Sample> {
    const { sender, filter, target } = this;
    const { queue: to } = optionsOf({ queue: this.queues, ...setting }, 0);
    const flag = to!.includes("-") ? "--queue-balance" : "--queue-num";
    const chain = target === filter ? "INPUT" : "FORWARD";
    const queue = (match: string) =>
      `-A ${chain} ${match} -j NFQUEUE ${flag} ${to!.replace("-", ":")}\n`;
    const queued = queue("-p udp") + queue("-p icmp --icmp-type echo-request");
    await filter.run(["iptables-restore"], `*mangle\n${queued}COMMIT\n`);
    const flags = Object.entries({ ...optionsOf(setting, 0), queue: to! })
      .flatMap(([name, value]) => [`--${name}`, value]);
    const engine = filter.start(fw(this.rules, "--json", ...QUICKLY, ...flags));
    try {
      await engine.line(/^barrage: filtering/);
      const sample: Figures[] = [];
      for (const rate of [...RATES, undefined]) {
        sample.push(await this.#offer(sender, engine, rate, signal));
      }
      return sample;
    } finally {
      await engine.stop("SIGINT");
    }
  }

  async #offer(
    sender: Host,
    engine: Background,
    rate: number | undefined,
    signal: AbortSignal,
  ): Promise<Figures> {
    const { v4 } = this.target;
    const blast = sender.start([`${BUILD}blast`, v4, PORTS.join(), ...rate ? [`${rate}`] : []]);
    await blast.line(/ready/);
    await elapse(WARM_UP_MS, signal);
    const before = figures(engine.pid);
    const pings = sender.start(["ping", "-n", "-i", PING_INTERVAL_S, "-w", "1000", v4]);
    await elapse(this.seconds * 1000, signal);
    const after = figures(engine.pid);
    const [{ stdout }] = await Promise.all([pings.stop("SIGINT"), blast.stop("SIGTERM")]);

    const times = [...stdout.matchAll(/time=([\d.]+)/g)].map((m) => Number(m[1]) * 1000)
      .sort((a, b) => a - b);
    // Where the queue is full all the time, no ping may come back at all.
    const at = (quantile: number) => times[Math.floor(quantile * (times.length - 1))] ?? Infinity;
    const packets = after.taken - before.taken, lost = after.lost - before.lost;
    return {
      rate,
      packetsPerSecond: packets / (after.at - before.at) * 1000,
      lost: lost / (packets + lost),
      cpuNsPerPacket: (after.cpuNs - before.cpuNs) / packets,
      p50Us: at(0.5),
      p99Us: at(0.99),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.net[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
    await Deno.remove(this.rules).catch(() => {}); // it may not be written yet
  }
}

/** The policy with a rule in front of a chain that lets pings through, to tell the latency by. */
function withProbe(path: string, text: string, hook: string): string {
  const { written } = check(path, text, {}, readFrom);
  const chain = written.items.find((item) => item.kind === "chain" && item.name.text === hook);
  if (chain?.kind !== "chain") {
    throw new Error(`tune the file that holds the chain: ${path} only includes its ${hook} chain`);
  }
  const at = text.indexOf("{", chain.span.end) + 1;
  return `${text.slice(0, at)} accept icmp label tuner-probe\n${text.slice(at)}`;
}

/** What the process has used and its queues have taken so far. */
function figures(pid: number) {
  const lines = Deno.readTextFileSync(`/proc/${pid}/net/netfilter/nfnetlink_queue`).trim();
  let taken = 0, lost = 0;
  for (const line of lines.split("\n")) {
    const [, , waiting = 0, , , full = 0, unread = 0, id = 0] = line.trim().split(/\s+/).map(
      Number,
    );
    taken += id - waiting - unread;
    lost += full + unread;
  }
  return { at: performance.now(), cpuNs: cpuNs(pid), taken, lost };
}
