// Is Barrage, after hours of mixed traffic, reloads, set changes and log, as it was after minutes?
/**
 * A router in a namespace filters datagrams, pings, conversations over TCP and packets that cannot
 * be read, of both families, at a modest rate. Every few seconds a hangup puts the other of two
 * policies in force, members of run-time sets come and go, somebody watches and asks for metrics, and
 * once a minute the log is rotated. Samples say how much memory, how many descriptors and threads
 * there are. At the end what was sent is compared with what was counted, and with what came out: the
 * kernel's own counters, before and behind Barrage, are the witness.
 *
 * Options: --minutes N (120), --pace PACKETS a second (3000), --every SECONDS between reloads (3).
 * Ends with an error if anything was lost or has grown.
 *
 * @module
 */
import { requirePackages } from "../native/build.ts";
import { Barrage } from "../test/support/barrage.ts";
import { type Host, isRoot, Network } from "../test/support/netns.ts";
import { serve } from "../test/support/traffic.ts";
import type { Options } from "./main.ts";
import { cpuNs, elapse, succeed } from "./process.ts";
import { machine, table } from "./report.ts";
import { accounts, type Check, flat, logs, same, type Sample, talks } from "./soak/account.ts";
import { METRICS_PORT, mixture, policyOf, PORTS, sourceOf, TCP_PORT } from "./soak/mixture.ts";
import type { Talked } from "./soak/talk.ts";

const MIX = new URL("queue/build/mix", import.meta.url).pathname;
const TALK = new URL("soak/talk.ts", import.meta.url).pathname;
const SAMPLE_MS = 10_000, ROTATE_MS = 60_000, SETTLE_MS = 1000;

/** Runs for as long as is asked, and prints samples, checks and a verdict. Throws if one fails. */
export async function bench(options: Options, signal: AbortSignal): Promise<void> {
  if (!isRoot) throw new Error("this bench needs root: it makes network namespaces");
  requirePackages(["gcc", "make", "libnetfilter-queue-dev", "libmnl-dev", "iproute2", "nftables"]);
  await succeed("make", ["-s", "-C", new URL("queue/", import.meta.url).pathname]);
  const number = (name: string, otherwise: number) => Number(options[name] ?? otherwise);
  const minutes = number("minutes", 120);
  const folder = await Deno.makeTempDir();
  try {
    const { samples, checks } = await soak(folder, {
      minutes,
      pace: number("pace", 3000),
      everyMs: 1000 * number("every", 3),
      signal,
    });
    checks.push(...flat(samples));
    const failed = checks.filter(({ holds }) => !holds);
    console.log(JSON.stringify({ bench: "soak", machine: machine(), minutes, checks }));
    console.log(table([
      ["what", "wanted", "found", ""],
      ...checks.map(({ what, wanted, found, holds }) => [what, wanted, found, holds ? "ok" : "NO"]),
    ]));
    if (failed.length > 0) throw new Error(`${failed.length} of ${checks.length} do not hold`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

interface Plan {
  readonly minutes: number;
  readonly pace: number;
  readonly everyMs: number;
  readonly signal: AbortSignal;
}

async function soak(
  folder: string,
  { minutes, pace, everyMs, signal }: Plan,
): Promise<{ samples: Sample[]; checks: Check[] }> {
  await using net = await Network.create("client", "router", "server");
  const [client, router, server] = [net.host("client"), net.host("router"), net.host("server")];
  await router.run(["sysctl", "-qw", "net.netfilter.nf_conntrack_checksum=0"]);
  await serve(server, TCP_PORT);
  await server.run(["nft", "-f", "-"], ARRIVED);
  await router.run(["nft", "-f", "-"], WITNESS);
  const log = `${folder}/log.jsonl`;
  const policy = (turn: number) => policyOf(turn, log, router.v4);
  await using barrage = await Barrage.start(router, policy(0));
  const { pid } = await barrage.ask("stats");
  const watch = watchProcess(Number(pid));

  const packets = mixture();
  await Deno.writeTextFile(
    `${folder}/packets`,
    packets.map(({ bytes }) => bytes.toHex()).join("\n"),
  );
  const mac =
    JSON.parse(await router.run(["ip", "-j", "link", "show", router.leftLink]))[0].address;
  const mix = client.start([MIX, client.rightLink, mac, `${folder}/packets`, `${pace}`]);
  const metrics = `http://${router.v4}:${METRICS_PORT}/metrics`;
  const talk = client.start(
    [...[Deno.execPath(), "run", "-A", TALK, `${TCP_PORT}`, metrics], server.v4, server.v6],
  );

  const samples: Sample[] = [];
  const rotation = new Rotation(log);
  const started = performance.now(), end = started + minutes * 60_000;
  let reloads = 0, sampled = started, rotated = started, changes = 0;
  for (let next = started + everyMs; performance.now() < end; next += everyMs) {
    await changeSets(barrage, reloads);
    changes++;
    if (performance.now() - rotated >= ROTATE_MS) {
      rotated = performance.now();
      await rotation.begin();
    }
    await Deno.writeTextFile(`${barrage.rules}.new`, policy(++reloads));
    await Deno.rename(`${barrage.rules}.new`, barrage.rules);
    barrage.process.signal("SIGHUP");
    await reloaded(barrage, reloads, signal);
    await rotation.finish();
    for await (const _ of barrage.follow("watch")) break;
    if (performance.now() - sampled >= SAMPLE_MS) {
      sampled = performance.now();
      const sample = await watch.sample((sampled - started) / 60_000, barrage, rotation);
      samples.push(sample);
      console.log(JSON.stringify({ bench: "soak", ...sample }));
    }
    await elapse(Math.max(0, Math.min(next, end) - performance.now()), signal);
  }

  const talked: Talked = JSON.parse((await talk.stop()).stdout);
  const sent = sums(packets.map(({ kind }) => kind), linesOf((await mix.stop()).stdout));
  await elapse(SETTLE_MS, signal);
  const summary = await barrage.stop();
  await rotation.begin();
  await rotation.finish();
  const checks = [
    ...accounts(
      summary,
      sent,
      await counters(router, "witness"),
      await counters(server, "arrived"),
    ),
    ...talks(summary, talked),
    ...logs(summary, rotation.lines),
    same("sets were changed", changes, reloads),
  ];
  return { samples, checks };
}

/** Counters of what comes to the hook and what goes on from it, ahead of Barrage's and behind. */
const WITNESS = `table inet witness {
  chain before { type filter hook forward priority -160; counter comment "before"; }
  chain after { type filter hook forward priority 300; counter comment "after"; }
}
`;

/** Counters of the datagrams that arrive, which go no further: nobody listens. */
const ARRIVED = `table inet arrived {
  chain in {
    type filter hook prerouting priority 0;
${
  Object.entries(PORTS).map(([name, port]) => `udp dport ${port} counter drop comment "${name}"`)
    .join("\n")
}
    icmp type echo-request counter comment "ping"
    icmpv6 type echo-request counter comment "ping"
  }
}
`;

/** Packets by the comment of the rule that counted them. */
async function counters(host: Host, name: string): Promise<Map<string, number>> {
  const { nftables } = JSON.parse(await host.run(["nft", "-j", "list", "table", "inet", name]));
  const rules = nftables.flatMap(({ rule }: { rule?: unknown }) => rule ?? []);
  const counted = rules.map((
    { expr, comment }: { expr: { counter?: { packets: number } }[]; comment: string },
  ) => [comment, expr.find(({ counter }) => counter)!.counter!.packets] as const);
  return sums(counted.map(([name]: [string]) => name), counted.map(([, n]: [string, number]) => n));
}

function sums<Name extends string>(
  names: readonly Name[],
  numbers: readonly number[],
): Map<Name, number> {
  const found = new Map<Name, number>();
  names.forEach((name, i) => found.set(name, (found.get(name) ?? 0) + numbers[i]!));
  return found;
}

function linesOf(text: string): number[] {
  return text.split("\n").filter((line) => /^\d+$/.test(line)).map(Number);
}

/** Some come for a moment, one of the senders comes and goes. */
async function changeSets(barrage: Barrage, turn: number): Promise<void> {
  const change = (change: string, set: string, address: string, stay?: string) =>
    barrage.ask("set", { change, set, address, ...(stay && { for: stay }) });
  for (const six of [false, true]) {
    await change("add", "known", sourceOf(six, turn % 16), "5s");
    await change(
      "add",
      "known",
      six ? `2001:db8::${turn.toString(16).slice(-4)}` : `192.0.2.${turn % 256}`,
    );
    const sender = sourceOf(six, 7);
    await change(turn % 2 === 0 ? "add" : "del", "blocked", sender);
  }
}

/** Resolves when that many reloads were made. Throws if it takes too long. */
async function reloaded(barrage: Barrage, reloads: number, signal: AbortSignal): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (Number((await barrage.ask("stats")).reloads) >= reloads) return;
    await elapse(10, signal);
  }
  throw new Error(`reload ${reloads} was not made`);
}

/** The log, a new file of which is begun by moving it away and reloading. */
class Rotation {
  /** Lines by rule, of all files that are complete. */
  readonly lines: Map<string, number> = new Map();
  files = 0;
  #moved: string | undefined;

  constructor(readonly path: string) {}

  /** Moves the file away; it is complete when Barrage has opened another, or has ended. */
  async begin(): Promise<void> {
    this.#moved = `${this.path}.old`;
    await Deno.rename(this.path, this.#moved);
  }

  async finish(): Promise<void> {
    if (!this.#moved) return;
    for (const text of (await Deno.readTextFile(this.#moved)).split("\n")) {
      if (text === "") continue;
      const line = JSON.parse(text);
      this.lines.set(line.rule, (this.lines.get(line.rule) ?? 0) + 1);
    }
    await Deno.remove(this.#moved);
    this.#moved = undefined;
    this.files++;
  }
}

function watchProcess(pid: number) {
  const status = (pid: number | string, field: string) =>
    Number(
      new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(
        Deno.readTextFileSync(`/proc/${pid}/status`),
      )![1],
    );
  const children = Deno.readTextFileSync(`/proc/${pid}/task/${pid}/children`).trim().split(" ");
  const guard = children.find((child) =>
    Deno.readTextFileSync(`/proc/${child}/comm`).startsWith("barrage-guard")
  )!;
  let then = performance.now(), used = cpuNs(pid);
  return {
    async sample(minutes: number, barrage: Barrage, { lines }: Rotation): Promise<Sample> {
      const { totals, queues, reloads } = await barrage.ask("stats") as {
        totals: Record<string, number>;
        queues: { waiting: number }[];
        reloads: number;
      };
      const [now, cpu] = [performance.now(), cpuNs(pid)];
      const share = (cpu - used) / 1e6 / (now - then);
      [then, used] = [now, cpu];
      return {
        minutes: Number(minutes.toFixed(2)),
        rssKb: status(pid, "VmRSS"),
        descriptors: [...Deno.readDirSync(`/proc/${pid}/fd`)].length,
        threads: status(pid, "Threads"),
        guardKb: status(guard, "RssAnon"),
        cpu: Number(share.toFixed(3)),
        received: totals.received!,
        waiting: queues.reduce((sum, { waiting }) => sum + waiting, 0),
        kernelDropped: totals.kernelDropped!,
        userDropped: totals.userDropped!,
        reloads,
        logLines: [...lines.values()].reduce((sum, n) => sum + n, 0),
      };
    },
  };
}
