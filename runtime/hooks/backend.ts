import type { Command } from "./command.ts";
import type { HookPlan, PushedCount } from "./plan.ts";

/** One tool that can tell the kernel what to queue. Every promise may be rejected with HookError. */
export interface Backend {
  readonly name: "nft" | "iptables" | "iptables-legacy";

  /** What would be run for `plan` where nothing of ours is installed, each list in order. */
  commands(plan: HookPlan): {
    readonly install: readonly Command[];
    readonly detach: readonly Command[];
    readonly remove: readonly Command[];
  };

  /** Everything of ours that is in the kernel, in words; empty if nothing is. */
  find(): Promise<string[]>;

  /** The queues that what is there of ours sends packets to. */
  queues(): Promise<number[]>;

  /**
   * Puts `plan` into the kernel, in place of what is there of ours, in one transaction an address
   * family: a packet meets the old or the new. What was pushed down before stays out of use, with
   * its counters, until `sweep`. Returns the number of this installation, which is above `last`. May
   * fail half-way.
   */
  install(plan: HookPlan, last: number): Promise<number>;

  /** The process that what is installed ends with; undefined if it outlives us. */
  owner(): number | undefined;

  /** Removes all of ours that the `generation`-th installation, of `plan`, does not use. */
  sweep(plan: HookPlan, generation: number): Promise<void>;

  /**
   * What the rules that an installation pushed down have counted, by the caller's numbers. Final
   * once a later installation has taken its place, or queueing has ended.
   */
  counters(plan: HookPlan, generation: number): Promise<ReadonlyMap<number, PushedCount>>;

  /** All of ours that is in the kernel as text, but for counters: changed if it was changed. */
  shape(): Promise<string>;

  /** Ends queueing, and keeps counters and what acts on packets that are queued already. */
  detach(): Promise<void>;

  /** Removes everything of ours. */
  remove(): Promise<void>;
}
