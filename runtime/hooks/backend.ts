import type { Command } from "./command.ts";
import type { HookPlan } from "./plan.ts";

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

  /** Puts `plan` into the kernel, in place of what is there of ours. May fail half-way. */
  install(plan: HookPlan): Promise<void>;

  /** Ends queueing, and keeps what acts on packets that are queued already. */
  detach(): Promise<void>;

  /** Removes everything of ours. */
  remove(): Promise<void>;
}
