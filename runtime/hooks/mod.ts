/**
 * The kernel's side of the firewall: what sends packets to the queue and acts on their verdicts.
 *
 * Bind the queues first, then install. To stop: `detach()`, let the engine answer what is queued,
 * then `remove()`. Nothing here outlives its process unless it is killed; what then has no owner
 * (owner.ts) is cleaned up by `removeLeftovers()`, and by the next install.
 *
 * @module
 */
import type { Backend } from "./backend.ts";
import { HookError } from "./command.ts";
import { iptables, type Variant } from "./iptables.ts";
import { nft } from "./nft.ts";
import { FAMILIES, type HookPlan, type PushedCount } from "./plan.ts";

export type { Backend } from "./backend.ts";
export { type Command, commandText, HookError } from "./command.ts";
export type { Hook, HookPlan, PushedCount, PushedRule, RejectKind } from "./plan.ts";
export { backendNamed, probeBackend } from "./probe.ts";

/** Hooks that are in the kernel. All but `replace` may be called again, and in any order. */
export interface InstalledHooks {
  /** What the rules pushed down have counted, by the plan's numbers. Final after `detach`. */
  counters(): Promise<ReadonlyMap<number, PushedCount>>;
  /**
   * Puts another plan in its place: every packet meets one of the two, whole, and packets that are
   * queued stay so. Returns what the old plan's rules have counted in all. On failure the old one
   * stays, and HookError says why.
   */
  replace(plan: HookPlan): Promise<ReadonlyMap<number, PushedCount>>;
  /** The process that they end with; undefined if they outlive us. */
  owner(): number | undefined;
  /** Whether somebody else has changed what is in the kernel of it. */
  changed(): Promise<boolean>;
  /** Ends queueing; packets that are queued already can still be answered, and rejected. */
  detach(): Promise<void>;
  /** Removes the rest. With nft this drops what is still queued. */
  remove(): Promise<void>;
}

/**
 * Puts `plan` into the kernel, in place of whatever an earlier run has left there. On failure
 * nothing of it stays, and HookError says why.
 */
export async function installHooks(plan: HookPlan, backend: Backend): Promise<InstalledHooks> {
  let now = plan, generation: number, shape: string;
  try {
    generation = await backend.install(now, 0);
    await backend.sweep(now, generation);
    shape = await backend.shape();
  } catch (error) {
    await backend.remove().catch(() => {});
    throw error;
  }
  return {
    counters: () => backend.counters(now, generation),
    async replace(plan) {
      // What is queued now may yet be refused as the old plan says.
      const next = {
        ...plan,
        rejects: [
          ...new Map([...plan.rejects, ...now.rejects].map((way) => [way.kind, way])).values(),
        ],
        state: plan.state || now.state,
      };
      const old = { plan: now, generation };
      try {
        generation = await backend.install(next, generation);
      } catch (error) {
        generation = await backend.install(old.plan, generation);
        throw error;
      }
      now = next;
      const counted = await backend.counters(old.plan, old.generation);
      await backend.sweep(now, generation);
      shape = await backend.shape();
      return counted;
    },
    owner: () => backend.owner(),
    changed: async () => await backend.shape() !== shape,
    detach: () => backend.detach(),
    remove: () => backend.remove(),
  };
}

/**
 * Ends queueing by every tool this host has, whoever began it: packets pass unfiltered. Throws
 * HookError when none of the tools can read its rules, or it cannot be ended.
 */
export async function endQueueing(): Promise<void> {
  await forEachFound((backend) => backend.detach());
}

/**
 * Removes everything of ours from every tool this host has, and returns what it removed, in words.
 * `spare` is asked first of each queue that packets are sent to, and throws where that is to stay.
 * Throws HookError when none of the tools can read its rules, or a removal fails.
 */
export async function removeLeftovers(
  spare: (queue: number) => void = () => {},
): Promise<string[]> {
  const removed: string[] = [];
  await forEachFound(async (backend, found) => {
    (await backend.queues()).forEach(spare);
    await backend.remove();
    removed.push(...found);
  });
  return removed;
}

async function forEachFound(
  use: (backend: Backend, found: readonly string[]) => Promise<void>,
): Promise<void> {
  const failures: HookError[] = [];
  // One address family at a time: a host may have the tools of only one.
  const variants = ["iptables", "iptables-legacy"] as const satisfies readonly Variant[];
  const backends = [nft(), ...variants.flatMap((v) => FAMILIES.map((f) => iptables(v, [f])))];
  for (const backend of backends) {
    const found = await backend.find().catch((error) => {
      // Without the tool, or its part of the kernel, nothing of ours can be there.
      if (!(error instanceof HookError)) throw error;
      failures.push(error);
      return [];
    });
    if (found.length === 0) continue;
    await use(backend, found);
  }
  if (failures.length === backends.length) throw failures[0]!;
}
