/**
 * What contestants are put through: each scenario measures the one that is in force once.
 *
 * @module
 */
import type { Background, Host, Network } from "../../test/support/netns.ts";
import { cpuNs, elapse } from "../process.ts";
import { CONNECT_PORT, type Hook, PORTS, TCP_PORT } from "./policy.ts";

const BUILD = new URL("build/", import.meta.url).pathname;
const WARM_UP_MS = 300;
/** Where measurements need a core for the generator and one for the contestant. */
export const CONTESTANT_CORE = "1";
const GENERATOR_CORE = "0";

/** The namespaces that all scenarios share: a sender, the host that filters, one behind it. */
export interface Stage {
  readonly net: Network<"sender" | "filter" | "receiver">;
  /** The process that has the sockets where a hook's packets end: its host's view of /proc/net. */
  readonly sinks: Readonly<Record<Hook, number>>;
}

/** One figure of a scenario. */
export interface Column {
  readonly label: string;
  readonly digits: number;
  /** Whether its ratio to others means something. */
  readonly compared: boolean;
}

export interface Scenario {
  readonly title: string;
  readonly hook: Hook;
  /** Numbers of rules. */
  readonly rules: readonly number[];
  /** Names in CONTESTANTS. */
  readonly contestants: readonly string[];
  /** To whom the others are compared. */
  readonly against: readonly string[];
  /** The contestant has a core of its own. */
  readonly pinned: boolean;
  /** Whether the policy begins with what belongs to established connections. */
  readonly state: boolean;
  readonly columns: readonly Column[];
  /** A figure for each column. */
  readonly measure: (
    stage: Stage,
    hook: Hook,
    pid: number | undefined,
    windowMs: number,
    signal: AbortSignal,
  ) => Promise<readonly number[]>;
}

export async function prepare(net: Stage["net"]): Promise<Stage> {
  const sink = async (host: Host) => {
    const process = host.start([`${BUILD}sink`, ...PORTS.map(String)]);
    await process.line(/ready/);
    return process.pid;
  };
  await net.host("sender").run(["sysctl", "-qw", "net.ipv4.ip_local_port_range=10000 65000"]);
  const sinks = {
    input: await sink(net.host("filter")),
    forward: await sink(net.host("receiver")),
  };
  return { net, sinks };
}

function targetOf({ net }: Stage, hook: Hook): Host {
  return hook === "input" ? net.host("filter") : net.host("receiver");
}

const LOAD: readonly Column[] = [
  { label: "kpps", digits: 1, compared: true },
  { label: "CPU ns/packet", digits: 0, compared: true },
  { label: "queue full, %", digits: 1, compared: false },
  { label: "lost at the socket", digits: 0, compared: false },
];

/** Datagrams of all ports in turn, each by itself: as many as go, or so many a second. */
function load(rate?: number): Scenario["measure"] {
  return async (stage, hook, pid, windowMs, signal) => {
    const to = targetOf(stage, hook).v4;
    const generator = await startBlast(stage.net.host("sender"), to, { rate });
    await elapse(WARM_UP_MS, signal);
    const before = figures(stage.sinks.input, pid);
    await elapse(windowMs, signal);
    const after = figures(stage.sinks.input, pid);
    await generator.stop("SIGTERM");

    const arrived = after.arrived - before.arrived, full = after.full - before.full;
    const unread = after.unread - before.unread;
    const decided = arrived - full - unread - (after.waiting - before.waiting);
    const cpu = pid === undefined ? NaN : (after.cpuNs - before.cpuNs) / decided;
    return [decided / (after.at - before.at), cpu, full / arrived * 100, unread];
  };
}

const TRAINS: readonly Column[] = [
  { label: "kpps delivered", digits: 1, compared: true },
  { label: "CPU ns/datagram", digits: 0, compared: true },
];

/**
 * Datagrams that are one packet, eight at a time, somewhere on their way: so a packet says little, and
 * what counts are datagrams that reach the sockets.
 */
function delivery(stream: Stream): Scenario["measure"] {
  return async (stage, hook, pid, windowMs, signal) => {
    const to = targetOf(stage, hook).v4;
    const generator = await startBlast(stage.net.host("sender"), to, stream);
    const look = () => ({
      at: performance.now(),
      delivered: delivered(stage.sinks[hook]),
      cpuNs: pid === undefined ? NaN : cpuNs(pid),
    });
    await elapse(WARM_UP_MS, signal);
    const before = look();
    await elapse(windowMs, signal);
    const after = look();
    await generator.stop("SIGTERM");
    const datagrams = after.delivered - before.delivered;
    return [datagrams / (after.at - before.at), (after.cpuNs - before.cpuNs) / datagrams];
  };
}

/** Datagrams that have come to a host's sockets, where they find no room: see sink.c. */
function delivered(sink: number): number {
  const snmp = Deno.readTextFileSync(`/proc/${sink}/net/snmp`);
  const [names, values] = [...snmp.matchAll(/^Udp: (.+)$/gm)].map((m) => m[1]!.split(" "));
  return Number(values![names!.indexOf("InErrors")]);
}

interface Stream {
  /** Datagrams a second; as many as go if undefined. */
  readonly rate?: number | undefined;
  /** Whether what is sent together travels together. */
  readonly trains?: boolean;
}

/** Sends datagrams of all ports, and has begun to. */
async function startBlast(
  sender: Host,
  to: string,
  { rate, trains = false }: Stream,
): Promise<Background> {
  await segment(sender, trains);
  const pinned = ["taskset", "-c", GENERATOR_CORE];
  const where = [to, PORTS.join(), ...rate ? [`${rate}`] : []];
  const blast = sender.start([...pinned, `${BUILD}blast`, ...where]);
  await blast.line(/ready/);
  return blast;
}

/** Whether the sender's link takes large messages uncut, as it does unless told otherwise. */
async function segment(sender: Host, large: boolean): Promise<void> {
  const count = large ? "65535" : "1";
  await sender.run(["ip", "link", "set", sender.rightLink, "gso_max_segs", count]);
}

/** Packets that arrived, what became of them at the queue, and what the contestant has used. */
function figures(witness: number, pid: number | undefined) {
  const at = performance.now();
  const devices = Deno.readTextFileSync(`/proc/${witness}/net/dev`);
  const arrived = Number(devices.match(/to-sender:\s*\d+\s+(\d+)/)![1]);
  const queue = Deno.readTextFileSync(`/proc/${witness}/net/netfilter/nfnetlink_queue`).trim();
  const [, , waiting = 0, , , full = 0, unread = 0] = queue.split(/\s+/).map(Number);
  return { at, arrived, waiting, full, unread, cpuNs: pid === undefined ? 0 : cpuNs(pid) };
}

const LATENCY: readonly Column[] = [
  { label: "p50 us", digits: 1, compared: true },
  { label: "p99 us", digits: 1, compared: false },
  { label: "longest, us", digits: 0, compared: false },
];

/** Pings, beside so many datagrams a second if any. */
function ping(rate?: number): Scenario["measure"] {
  return async (stage, hook, _, windowMs, signal) => {
    const sender = stage.net.host("sender"), { v4 } = targetOf(stage, hook);
    const generator = rate ? await startBlast(sender, v4, { rate }) : undefined;
    const pings = sender.start(["taskset", "-c", GENERATOR_CORE, `${BUILD}probe`, v4]);
    await pings.line(/ready/);
    await elapse(windowMs, signal);
    const { stdout } = await pings.stop("SIGINT");
    await generator?.stop("SIGTERM");
    const times = [...stdout.matchAll(/time=([\d.]+)/g)].map((m) => Number(m[1]) * 1000)
      .sort((a, b) => a - b);
    if (times.length === 0) throw new Error("no ping came back");
    return [0.5, 0.99, 1].map((quantile) => times[Math.floor(quantile * (times.length - 1))]!);
  };
}

/** One stream of iperf3. */
const stream: Scenario["measure"] = async (stage, hook, _, windowMs) => {
  const sender = stage.net.host("sender"), target = targetOf(stage, hook);
  await segment(sender, true);
  const server = target.start([
    "iperf3",
    "-s",
    "-1",
    "-p",
    `${TCP_PORT}`,
    "--forceflush",
  ]);
  await server.line(/listening/);
  const seconds = `${Math.max(1, Math.round(windowMs / 1000))}`;
  const client = ["iperf3", "-c", target.v4, "-p", `${TCP_PORT}`, "-t", seconds, "-J"];
  const { end } = JSON.parse(await sender.run(client));
  await server.ended;
  return [end.sum_received.bits_per_second / 1e9];
};

/** Connections that are opened, 32 at a time, and reset. */
const connections: Scenario["measure"] = async (stage, hook, _, windowMs, signal) => {
  const sender = stage.net.host("sender"), target = targetOf(stage, hook);
  const server = target.start([`${BUILD}connect`, `${CONNECT_PORT}`]);
  await server.line(/ready/);
  const client = sender.start([`${BUILD}connect`, target.v4, `${CONNECT_PORT}`]);
  await client.line(/ready/);
  const start = performance.now();
  await elapse(windowMs, signal);
  const { stdout } = await client.stop("SIGTERM");
  const took = performance.now() - start;
  await server.stop("SIGTERM");
  return [Number(stdout.match(/(\d+)\s*$/)![1]) / took];
};

const ALL = ["none", "nft", "iptables", "canonical", "null", "barrage"];
const QUEUES = ["canonical", "null", "barrage"];
const COMMON = { hook: "input", rules: [1000], pinned: false, state: false } as const;
/** What travels together as it was sent. */
const IN_TRAINS = {
  ...COMMON,
  contestants: ALL,
  against: ["canonical", "null"],
  pinned: true,
  columns: TRAINS,
  measure: delivery({ trains: true }),
};
/** What the kernel may put together on its way. */
const GATHERED = {
  ...IN_TRAINS,
  contestants: ["none", "canonical", "null", "nullgro", "barrage", "barragegro"],
  against: ["canonical", "nullgro"],
  measure: delivery({ trains: false }),
};

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  input: {
    ...COMMON,
    title: "INPUT, all that can be sent, datagram by datagram",
    rules: [24, 1000, 10_000],
    contestants: ALL,
    against: ["canonical", "null"],
    pinned: true,
    columns: LOAD,
    measure: load(),
  },
  forward: {
    ...COMMON,
    title: "FORWARD, all that can be sent, datagram by datagram",
    hook: "forward",
    contestants: ALL,
    against: ["canonical", "null"],
    pinned: true,
    columns: LOAD,
    measure: load(),
  },
  trains: {
    ...IN_TRAINS,
    title: "INPUT, all that can be sent, in trains of eight datagrams",
    rules: [24, 1000],
  },
  forwardtrains: {
    ...IN_TRAINS,
    title: "FORWARD, all that can be sent, in trains of eight datagrams",
    hook: "forward",
  },
  gro: {
    ...GATHERED,
    title: "INPUT, all that can be sent, datagram by datagram, which the kernel may put together",
    rules: [24, 1000, 10_000],
  },
  forwardgro: {
    ...GATHERED,
    title: "FORWARD, all that can be sent, datagram by datagram, which the kernel may put together",
    hook: "forward",
  },
  scattered: {
    ...GATHERED,
    title: "INPUT, all that can be sent, no two datagrams of a flow one after the other",
    measure: delivery({ rate: Infinity }),
  },
  ...Object.fromEntries([10, 50, 100].map((kpps) => [`paced${kpps}`, {
    ...COMMON,
    title: `INPUT, ${kpps},000 packets a second, evenly spaced`,
    contestants: QUEUES,
    against: ["canonical", "null"],
    pinned: true,
    columns: LOAD,
    measure: load(kpps * 1000),
  }])),
  ping: {
    ...COMMON,
    title: "Ping, nothing else",
    contestants: ALL,
    against: ["canonical"],
    pinned: true,
    columns: LATENCY,
    measure: ping(),
  },
  ping50: {
    ...COMMON,
    title: "Ping, beside 50,000 packets a second",
    contestants: ALL,
    against: ["canonical"],
    pinned: true,
    columns: LATENCY,
    measure: ping(50_000),
  },
  reload: {
    ...COMMON,
    title: "Ping, beside 50,000 packets a second and reloads every 100 ms",
    rules: [10_000],
    contestants: ["barrage", "reloading"],
    against: ["barrage"],
    columns: LATENCY.map((column) => ({ ...column, compared: true })),
    measure: ping(50_000),
  },
  tcp: {
    ...COMMON,
    title: "TCP, one stream, every packet asked about",
    contestants: ["none", "nft", "iptables", "canonical", "barrage"],
    against: ["none", "canonical"],
    columns: [{ label: "Gb/s", digits: 2, compared: true }],
    measure: stream,
  },
  established: {
    ...COMMON,
    title: "TCP, one stream, the policy begins with established connections",
    contestants: ["none", "nft", "iptables", "pushed"],
    against: ["none", "nft"],
    state: true,
    columns: [{ label: "Gb/s", digits: 2, compared: true }],
    measure: stream,
  },
  connections: {
    ...COMMON,
    title: "TCP connections, 32 at a time",
    contestants: ["none", "nft", "iptables", "canonical", "barrage"],
    against: ["canonical"],
    columns: [{ label: "thousand a second", digits: 2, compared: true }],
    measure: connections,
  },
};
