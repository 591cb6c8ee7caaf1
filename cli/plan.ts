/**
 * What a policy asks of the kernel.
 *
 * @module
 */
import { type Policy, pushDown, refusal, rejectsOf, usesState } from "../compiler/mod.ts";
import type { HookPlan } from "../runtime/mod.ts";

/** What the kernel has to do for a policy. */
export function hookPlan(policy: Policy): HookPlan {
  const { options } = policy;
  const dry = options["dry-run"];
  const rejects = [...rejectsOf(policy)].flatMap((kind) =>
    kind === "auto" ? ["tcp_reset" as const, "icmp_port" as const] : [kind]
  );
  return {
    hooks: policy.hooks,
    queues: options.queue,
    byCore: options.spread === "cores",
    bypass: options["fail-listener"] === "open",
    state: usesState(policy),
    // What nobody refuses or drops needs no rules that do.
    rejects: dry ? [] : [...new Set(rejects)].map(refusal),
    pushed: dry ? [] : pushDown(policy).flatMap(({ kernel }) => kernel),
    markMask: options["mark-mask"],
  };
}
