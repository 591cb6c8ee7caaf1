import type { Policy } from "../compiler/mod.ts";
import {
  type Answer,
  COALESCE_AUTO,
  ControlError,
  gather,
  type Handler,
  HookError,
  serveControl,
  type ServiceConfig,
  startService,
  ungather,
} from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { candidate } from "./candidate.ts";
import { acceptChanges, type Changes } from "./changes.ts";
import { collectGarbage } from "./garbage.ts";
import { type RunLog, startLog } from "./log.ts";
import { manage } from "./managed.ts";
import { observe, type Observer } from "./observe/observer.ts";
import { hookPlan } from "./plan.ts";
import type { Places } from "./read.ts";
import { outliveErrors } from "./report.ts";
import { Running } from "./running.ts";
import { sessionHere } from "./session.ts";
import { setHandler } from "./set.ts";
import { summary } from "./summary.ts";
import { watchFiles } from "./watch.ts";

/** Packets that the kernel may hold for us; more than this only costs latency and cache. */
const DEPTH = 2048;

/** What ends a run in order. */
const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** Filters packets until interrupted, then prints what each rule did. */
export async function run(args: Arguments): Promise<number> {
  const begun = await begin(args);
  if (!begun) return 1;
  using _errors = outliveErrors();
  using interruption = begun.interruption;
  const { running, places } = begun;
  await using _ = running.engine;
  collectGarbage();
  await filter(args, running, places, interruption.promise);
  await running.refresh();
  console.log(summary(running));
  return 0;
}

/** A policy in force, where it was read from, and what will end it. */
interface Begun {
  readonly running: Running;
  readonly places: Places;
  readonly interruption: Interruption;
}

/**
 * Puts the policy in force; undefined if it may not be, which is said. On its own, so that nobody holds
 * the policy, which may be large, but who is told when another takes its place.
 */
async function begin(args: Arguments): Promise<Begun | undefined> {
  const wanted = { session: sessionHere(), force: args.options.force === true };
  const first = await candidate(args, args.operands[0]!, wanted, Deno.stderr);
  if ("refused" in first) {
    console.error(`${first.refused}\nbarrage: not started`);
    return undefined;
  }
  for (const text of first.said) console.error(`${text}\n`);
  const { file, places, policy, image } = first;
  // Listened for before anything is installed: there is no moment in which it would be left.
  const interruption = listen();
  try {
    const service = await startService(serviceConfig(policy, image));
    return { running: new Running(file, policy, service), places, interruption };
  } catch (error) {
    interruption[Symbol.dispose]();
    throw error;
  }
}

/** Resolves at the first signal to end; disposed, nobody listens any more. */
interface Interruption extends Disposable {
  readonly promise: Promise<void>;
}

function listen(): Interruption {
  const { promise, resolve } = Promise.withResolvers<void>();
  const interrupt = () => resolve();
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupt);
  return {
    promise,
    [Symbol.dispose]: () => {
      for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupt);
    },
  };
}

/** All that goes on in a run, until it is interrupted or a queue fails. */
async function filter(
  args: Arguments,
  running: Running,
  places: Places,
  interrupted: Promise<void>,
): Promise<void> {
  const { service, engine } = running;
  const { control, metrics, gro } = running.policy.options;
  // What is begun last ends first.
  await using parts = new AsyncDisposableStack();
  let log: RunLog | undefined;
  parts.defer(() => log?.stop());
  parts.defer(() => service.stop());
  const observer = observe(running);
  parts.defer(() => observer.stop());
  const managed = manage(observer, () => inForce(running));
  parts.defer(() => managed.stop());
  const { heard } = observer;
  const lost = (lines: number) => void (running.unwritten += lines);
  const logged = () => startLog(running.policy, engine, { heard, lost, alarm });
  log = logged();
  const changes = acceptChanges(args, running, places, (past) => {
    log?.stop(past);
    log = logged();
    managed.changed();
    return log.faults;
  });
  parts.defer(() => changes.stop());
  const reload = () => void managed.reload(changes.reload);
  Deno.addSignalListener("SIGHUP", reload);
  parts.defer(() => Deno.removeSignalListener("SIGHUP", reload));
  const gathering = gro ? await gather(alarm) : await leftGathering();
  parts.defer(() => gathering?.stop());
  if (args.options.watch) {
    const watched = watchFiles(changes.places, changes.reload);
    parts.defer(() => watched.stop());
  }
  const served = await startMetrics(metrics, observer);
  parts.defer(() => served?.stop());
  const asked = await startControl(control, handlers(running, observer, changes));
  parts.defer(() => asked?.stop());
  console.error(banner(running.policy, service.backend));
  managed.ready();
  try {
    await Promise.race([interrupted, service.ended]);
  } catch (error) {
    const open = running.policy.options["fail-error"] === "open";
    console.error(
      open
        ? "barrage: the engine has failed: packets pass unfiltered (fail-error open)"
        : "barrage: the engine has failed: what would be queued is dropped until the next start, " +
          "or `down` (fail-error closed)",
    );
    await service.fail();
    throw error;
  }
}

/** What a service manager shows of a run. */
function inForce({ file, enforcing, reloads }: Running): string {
  const plural = reloads === 1 ? "" : "s";
  return `${enforcing ? "enforcing" : "dry run of"} ${file}, ${reloads} reload${plural}`;
}

/** What can be asked of a run over its control socket. */
function handlers(
  running: Running,
  observer: Observer,
  changes: Changes,
): Readonly<Record<string, Handler>> {
  return {
    set: setHandler(running),
    ...changes.handlers,
    stats: async () => ({ ...await observer.snapshot() }),
    watch: ({ interval }) => news(observer, Math.max(100, Number(interval) || 1000)),
  };
}

async function* news(observer: Observer, intervalMs: number): AsyncGenerator<Answer> {
  for await (const news of observer.follow(intervalMs)) yield { ...news };
}

function alarm(text: string): void {
  console.error(`barrage: ${text}`);
}

/** A run without GRO has it off where a killed one had turned it on. */
async function leftGathering(): Promise<undefined> {
  try {
    for (const name of await ungather()) {
      alarm(`GRO of ${name} is off again, as before the last run`);
    }
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    alarm(error.message);
  }
}

/** A run whose metrics cannot be served filters all the same. */
async function startMetrics(
  address: string,
  observer: Observer,
): Promise<{ stop(): Promise<void> } | undefined> {
  if (address === "off") return undefined;
  const { serve, ServeError } = await import("./observe/serve.ts");
  try {
    const server = serve(address, observer);
    console.error(`barrage: metrics and a live page at ${server.url}`);
    return server;
  } catch (error) {
    if (!(error instanceof ServeError)) throw error;
    console.error(`barrage: ${error.message}; it runs without`);
    return undefined;
  }
}

/** A run that cannot be asked filters all the same: its rules matter more. */
async function startControl(
  path: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<{ stop(): void } | undefined> {
  if (path === "off") return undefined;
  try {
    return await serveControl(path, handlers);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    console.error(`barrage: ${error.message}; it runs without`);
    return undefined;
  }
}

/** The command line that ends queueing from a process of its own. */
function endingQueueing(): string[] {
  const self = Deno.build.standalone ? [] : [
    "run",
    "--quiet",
    "--allow-read",
    "--allow-run",
    new URL("../fw.ts", import.meta.url).pathname,
  ];
  return [Deno.execPath(), ...self, "down", "--queueing"];
}

function serviceConfig(policy: Policy, image: Uint8Array<ArrayBuffer>): ServiceConfig {
  const { options } = policy;
  return {
    image,
    queues: options.queue,
    sharing: options,
    binding: {
      batch: options.batch,
      copy: options.copy,
      depth: DEPTH,
      coalesce: options.coalesce === "auto" ? COALESCE_AUTO : options.coalesce,
      failOpen: options["fail-overflow"] === "open",
    },
    hooks: options.hooks ? hookPlan(policy) : undefined,
    failure: {
      error: options["fail-error"],
      hang: options["fail-hang"] === "open" ? endingQueueing() : [],
      lost: options["hooks-lost"],
    },
    alarm,
  };
}

function banner({ hooks, options }: Policy, backend: string | undefined): string {
  const { first, last } = options.queue;
  const queues = first === last ? `queue ${first}` : `queues ${first}-${last}`;
  const how = backend ? `hooks by ${backend}` : "no hooks installed";
  const fails = ["listener", "overflow", "error", "hang"] as const;
  const fail = fails.map((what) => `${what} ${options[`fail-${what}`]}`).join(", ");
  const dry = options["dry-run"] ? "dry run, every packet is accepted; " : "";
  return `barrage: filtering ${hooks.join(", ")} on ${queues}; ${dry}${how}; fails ${fail}; ` +
    "interrupt to stop";
}
