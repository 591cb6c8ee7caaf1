/**
 * Hooks that are kept as they ought to be for as long as a service runs: mended where somebody else
 * has changed them, and out of the way while the engine hangs, if that is wanted.
 *
 * @module
 */
import { GuardError, startGuard } from "./guard.ts";
import { type Backend, type HookPlan, installHooks, type PushedCount } from "./hooks/mod.ts";
import { turns } from "./turns.ts";

/** What is to become of packets when something fails. */
export interface FailurePolicy {
  /** `open`: they pass unfiltered once a queue's thread has failed. */
  readonly error: "open" | "closed";
  /** What ends queueing from another process when this one hangs; none if packets are to wait. */
  readonly hang: readonly string[];
  /** What to do about hooks that somebody else has changed. */
  readonly lost: "mend" | "alarm";
}

export interface Keeper {
  /** What the rules in front of the queue have counted, by the numbers of the plan in force. */
  pushed(): Promise<ReadonlyMap<number, PushedCount>>;
  /**
   * Puts another plan in force, and then does what belongs to it, being told what the old one's
   * rules have counted. If that fails the old plan comes back. Throws HookError, or what `then` does.
   */
  replace(
    plan: HookPlan,
    then: (pushed: ReadonlyMap<number, PushedCount>) => void | Promise<void>,
  ): Promise<void>;
  /** Why packets are not filtered as they ought to be; undefined while they are. */
  fault(): string | undefined;
  /** Ends queueing, and looks after nothing any more. */
  detach(): Promise<void>;
  /** Ends the service of the queue: what is sent there is dropped. */
  close(): Promise<void>;
  /** Removes the rest. */
  remove(): Promise<void>;
}

const LOST = "somebody has changed the kernel's rules of ours";

/** How often the kernel's rules are compared with what they ought to be. */
const CHECK_MS = 2000;

/** Installs hooks, and keeps them. `alarm` is told what goes wrong. Throws HookError or GuardError. */
export async function keepHooks(
  plan: HookPlan,
  backend: Backend,
  failure: FailurePolicy,
  alarm: (text: string) => void,
): Promise<Keeper> {
  let now = plan, away = false, lost = false, done = false;
  let counted: ReadonlyMap<number, PushedCount> = new Map();
  const inTurn = turns();
  /** The same plan once more, with what its rules had counted until now. */
  const restore = async () => {
    counted = added(counted, await installed.replace(now));
    await guard?.owner(installed.owner());
    away = lost = false;
  };
  const check = () =>
    inTurn(async () => {
      if (done || away || !await installed.changed()) return void (lost = away);
      // What the guard has done meanwhile is no surprise.
      if (away || lost) return;
      lost = true;
      if (failure.lost === "alarm") return alarm(`${LOST}: a reload puts them back`);
      await restore();
      alarm("somebody had changed the kernel's rules of ours: they are as they were again");
    }).catch((error) => alarm(`cannot look after the kernel's rules: ${error.message}`));

  const guard = await startGuard({
    queues: plan.queues,
    command: failure.hang,
    hung: () => away = failure.hang.length > 0,
    back: () =>
      void inTurn(async () => {
        if (!done && away) await restore();
      }).catch((error) => alarm(`cannot queue packets again: ${error.message}`)),
    lost: () =>
      alarm("the guard was killed: until the next start, nobody notices an engine that hangs"),
  }).catch((error) => {
    // Without a guard packets wait in a queue that hangs. Who wants that can do without.
    if (!(error instanceof GuardError) || failure.hang.length > 0) throw error;
    alarm(`${error.message}; it runs without`);
    return undefined;
  });
  let installed: Awaited<ReturnType<typeof installHooks>>;
  try {
    installed = await installHooks(plan, backend);
    await guard?.owner(installed.owner());
  } catch (error) {
    await guard?.stop();
    throw error;
  }
  const timer = setInterval(check, CHECK_MS);
  const pushed = async () => added(counted, await installed.counters());
  let final: ReadonlyMap<number, PushedCount> | undefined;
  const end = (how: () => Promise<void>) =>
    inTurn(async () => {
      if (done) return;
      done = true;
      clearInterval(timer);
      await guard?.stop();
      await how();
    });

  return {
    pushed: async () => final ?? await pushed(),
    replace: (plan, then) =>
      inTurn(async () => {
        // The same rules may stay, if they are there, unless they count: by numbers of the policy that goes.
        const same = plan.pushed.length === 0 && JSON.stringify(plan) === JSON.stringify(now);
        if (same && !lost) return await then(new Map());
        const before = now;
        const old = added(counted, await installed.replace(plan));
        try {
          await then(old);
          now = plan;
          counted = new Map();
          lost = false;
        } catch (error) {
          await installed.replace(before);
          counted = old;
          throw error;
        }
      }),
    fault: () =>
      away
        ? "the engine hung, and packets pass unfiltered until it is back"
        : lost
        ? LOST
        : undefined,
    detach: () =>
      end(async () => {
        await installed.detach();
        final = await pushed();
      }),
    close: () =>
      end(async () => {
        if (now.bypass) await installed.replace({ ...now, bypass: false });
      }),
    remove: () => installed.remove(),
  };
}

function added(
  a: ReadonlyMap<number, PushedCount>,
  b: ReadonlyMap<number, PushedCount>,
): ReadonlyMap<number, PushedCount> {
  const sums = new Map(a);
  for (const [number, { packets, bytes }] of b) {
    const sum = sums.get(number) ?? { packets: 0n, bytes: 0n };
    sums.set(number, { packets: sum.packets + packets, bytes: sum.bytes + bytes });
  }
  return sums;
}
