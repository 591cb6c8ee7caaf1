/**
 * Runs steps of the hook installer inside a namespace, as the firewall itself would:
 *
 *     deno run -A test/support/hooks.ts BACKEND PLAN STEP...
 *
 * BACKEND is a name, or `probe` to choose one; PLAN is JSON. Each STEP is install, detach, remove,
 * or leftovers. It prints one line of JSON, a `HooksReport`. Ending after `install` is a crash.
 *
 * @module
 */
import { type Backend, HookError, type HookPlan, installHooks } from "../../runtime/hooks/mod.ts";
import { type InstalledHooks, probeBackend, removeLeftovers } from "../../runtime/hooks/mod.ts";
import { iptables } from "../../runtime/hooks/iptables.ts";
import { nft } from "../../runtime/hooks/nft.ts";
import type { Host } from "./netns.ts";

export interface HooksReport {
  readonly backend?: Backend["name"];
  /** What `leftovers` removed. */
  readonly removed?: readonly string[];
  /** Message of the HookError that ended the run. */
  readonly error?: string;
}

export type Step = "install" | "detach" | "remove" | "leftovers";

/** Runs steps in a namespace. `path` goes in front of PATH: a place for tools that fail. */
export async function hooks(
  host: Host,
  backend: Backend["name"] | "probe",
  plan: HookPlan,
  steps: readonly Step[],
  path = "",
): Promise<HooksReport> {
  const run = [Deno.execPath(), "run", "-A", new URL(import.meta.url).pathname];
  const env = ["env", `PATH=${path}${path && ":"}${Deno.env.get("PATH")}`];
  return JSON.parse(await host.run([...env, ...run, backend, JSON.stringify(plan), ...steps]));
}

async function main(name: string, plan: HookPlan, steps: readonly string[]): Promise<HooksReport> {
  try {
    const backend = name === "probe"
      ? await probeBackend()
      : name === "nft"
      ? nft
      : iptables(name === "iptables" ? "iptables" : "iptables-legacy");
    let installed: InstalledHooks = backend;
    let removed: string[] = [];
    for (const step of steps) {
      if (step === "install") installed = await installHooks(plan, backend);
      else if (step === "detach") await installed.detach();
      else if (step === "remove") await installed.remove();
      else removed = await removeLeftovers();
    }
    return { backend: backend.name, removed };
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    return { error: error.message };
  }
}

if (import.meta.main) {
  const [backend = "", plan = "", ...steps] = Deno.args;
  console.log(JSON.stringify(await main(backend, JSON.parse(plan), steps)));
}
