/**
 * The main job: a compiled policy on the kernel's queues, from the first packet to the last.
 *
 * Start: bind the queues, start their threads, then install the hooks: no packet meets a queue
 * that nobody answers. Stop: detach the hooks, answer what is queued, then remove them.
 *
 * @module
 */
import { type Backend, type HookPlan, probeBackend, type PushedCount } from "./hooks/mod.ts";
import { type FailurePolicy, keepHooks } from "./keeper.ts";
import {
  type Binding,
  type Carry,
  Engine,
  NativeError,
  type Past,
  queueOwner,
  type Sharing,
} from "./native.ts";

export interface ServiceConfig {
  readonly image: Uint8Array<ArrayBuffer>;
  /** How each queue is bound; the queue numbers are those of `hooks`. */
  readonly binding: Omit<Binding, "queue">;
  readonly queues: { readonly first: number; readonly last: number };
  readonly sharing: Sharing;
  /** What to install in the kernel; undefined to leave that to the user. */
  readonly hooks: HookPlan | undefined;
  readonly failure: FailurePolicy;
  /** Is told, in words, of what goes wrong while it runs. */
  readonly alarm: (text: string) => void;
}

/** A policy to take the place of the one in force. */
export interface Change {
  readonly image: Uint8Array<ArrayBuffer>;
  readonly carry: Carry;
  readonly hooks: HookPlan | undefined;
  /** Its tables ask for more than the hooks so far have told of packets that are queued already. */
  readonly asksMore: boolean;
}

export interface Service {
  /** "nft" or "iptables", undefined when the hooks are left to the user. */
  readonly backend: string | undefined;
  readonly engine: Engine;
  /** What the rules in front of the queue have counted, by the numbers of the plan; to the end. */
  pushed(): Promise<ReadonlyMap<number, PushedCount>>;
  /**
   * Puts another policy in force, its tables and its hooks together: each packet is decided by the
   * old or by the new, whole. `swapped` is called once the new tables decide, with what is left of
   * the old. Throws HookError or NativeError, and the old policy is then in force. One at a time.
   */
  change(
    next: Change,
    swapped: (past: Past, pushed: ReadonlyMap<number, PushedCount>) => void,
  ): Promise<void>;
  /** Why packets are not filtered as they ought to be; undefined while they are. */
  fault(): string | undefined;
  /** Rejects when a queue thread fails; resolves when all have ended. */
  readonly ended: Promise<void>;
  /** Ends after a failure: packets pass or are dropped, as the failure policy says. */
  fail(): Promise<void>;
  /** Ends in order; every packet that was queued has its verdict. Figures stay readable. */
  stop(): Promise<void>;
}

/** Something of the machine that stands in the way, and what to do about it. */
export class ServiceError extends Error {
  override name = "ServiceError";
}

/**
 * Puts a policy in force. Throws ServiceError, HookError or LibraryError, and has then undone what
 * it had done.
 */
export async function startService(config: ServiceConfig): Promise<Service> {
  const { image, binding, queues, sharing, hooks, failure, alarm } = config;
  const engine = new Engine(image);
  try {
    for (let queue = queues.first; queue <= queues.last; queue++) {
      bind(engine, { ...binding, queue });
    }
    engine.share(sharing);
    engine.start();
    const backend = hooks && await probeBackend();
    if (backend) await refuseBesideAnother(backend);
    const keeper = hooks && backend && await keepHooks(hooks, backend, failure, alarm);
    const ended = engine.ended();
    let stopping: Promise<void> | undefined;
    const end = async () => {
      try {
        await keeper?.detach();
      } finally {
        engine.stop();
        await ended.catch(() => {});
        await keeper?.remove();
      }
    };
    const fail = async () => {
      if (failure.error === "open") return await end();
      await keeper?.close();
      engine.stop();
      await ended.catch(() => {});
    };
    return {
      backend: backend?.name,
      engine,
      pushed: async () => await keeper?.pushed() ?? new Map(),
      async change({ image, carry, hooks, asksMore }, swapped) {
        const swap = async (pushed: ReadonlyMap<number, PushedCount>) => {
          if (asksMore) await answered(engine);
          using past = engine.swap(image, carry);
          swapped(past, pushed);
        };
        // Hooks first: what the new tables count on must be there. The old ones make do with it.
        if (hooks && keeper) await keeper.replace(hooks, swap);
        else await swap(new Map());
      },
      fault: () => keeper?.fault(),
      ended,
      fail: () => stopping ??= fail(),
      stop: () => stopping ??= end().then(() => ended),
    };
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw error;
  }
}

/** Resolves when what is queued now has been answered; at the latest after a second. */
async function answered(engine: Engine): Promise<void> {
  const { kernel_queued: queued } = engine.stats();
  for (let ms = 0; ms < 1000; ms++) {
    const { received, kernel_waiting: waiting } = engine.stats();
    if (received >= queued || waiting === 0n) return;
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A second run would take the first one's hooks for leftovers. Throws ServiceError. */
async function refuseBesideAnother(backend: Backend): Promise<void> {
  for (const queue of await backend.queues()) {
    const whose = answeredBy(queue);
    if (whose) throw new ServiceError(`${whose}; stop it first, or use --no-hooks`);
  }
}

/** What sends packets to a queue that somebody answers is no leftover. Throws ServiceError. */
export function refuseAnswered(queue: number): void {
  const whose = answeredBy(queue);
  if (!whose) return;
  throw new ServiceError(
    `${whose}; stop it, and it takes away what is its own (\`kill -9\` it first if it hangs). ` +
      "If that is another program, use --force",
  );
}

/** That a process other than ours answers a queue of Barrage; undefined if none does. */
function answeredBy(queue: number): string | undefined {
  const pid = queueOwner(queue);
  if (pid === 0 || pid === Deno.pid) return undefined;
  return `Barrage already filters this network namespace (queue ${queue}, pid ${pid}${
    processName(pid)
  })`;
}

function bind(engine: Engine, binding: Binding): void {
  try {
    engine.bind(binding);
  } catch (error) {
    if (!(error instanceof NativeError)) throw error;
    const what = `cannot bind queue ${binding.queue}: ${error.code}`;
    switch (error.code) {
      case "EBUSY": {
        const pid = queueOwner(binding.queue);
        const holder = pid > 0 ? ` (held by pid ${pid}${processName(pid)})` : "";
        throw new ServiceError(`${what}${holder}; stop it, or choose another with --queue N`);
      }
      case "EPERM":
        throw new ServiceError(`${what}; run as root, or with CAP_NET_ADMIN`);
      case "EPROTONOSUPPORT":
        throw new ServiceError(
          `${what}; this kernel has no NFQUEUE: it needs CONFIG_NETFILTER_NETLINK_QUEUE ` +
            "(try `modprobe nfnetlink_queue`)",
        );
      default:
        throw new ServiceError(what);
    }
  }
}

/** ", NAME" of a process, "" if that cannot be told. */
function processName(pid: number): string {
  try {
    return `, ${Deno.readTextFileSync(`/proc/${pid}/comm`).trim()}`;
  } catch {
    return "";
  }
}
