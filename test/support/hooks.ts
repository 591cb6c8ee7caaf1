/**
 * Runs steps of the hook installer inside a namespace, as the firewall itself would:
 *
 *     deno run -A test/support/hooks.ts BACKEND PLAN STEP...
 *
 * BACKEND is a name, or `probe` to choose one; PLAN is JSON. Each STEP is install, detach, remove,
 * leftovers, counters, loopback (three pings of each family), or a plan as JSON to take the first
 * one's place. It prints one line of JSON,
 * a `HooksReport`. Ending after `install` is a crash.
 *
 * @module
 */
import { type Backend, HookError, type HookPlan, installHooks } from "../../runtime/hooks/mod.ts";
import {
  backendNamed,
  type InstalledHooks,
  probeBackend,
  removeLeftovers,
} from "../../runtime/hooks/mod.ts";
import type { Host } from "./netns.ts";

export interface HooksReport {
  readonly backend?: Backend["name"];
  /** What `leftovers` removed. */
  readonly removed?: readonly string[];
  /** Packets and bytes by number, of each step that counted. */
  readonly counted?: readonly Readonly<Record<string, readonly [number, number]>>[];
  /** Message of the HookError that ended the run. */
  readonly error?: string;
}

export type Step =
  | "install"
  | "detach"
  | "remove"
  | "leftovers"
  | "counters"
  | "loopback"
  | HookPlan;

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
  const words = steps.map((step) => typeof step === "string" ? step : JSON.stringify(step));
  return JSON.parse(await host.run([...env, ...run, backend, JSON.stringify(plan), ...words]));
}

async function main(name: string, plan: HookPlan, steps: readonly string[]): Promise<HooksReport> {
  try {
    const backend = name === "probe" ? await probeBackend() : backendNamed(name)!;
    let installed: InstalledHooks | undefined;
    let removed: string[] = [];
    const counted: Required<HooksReport>["counted"][number][] = [];
    for (const step of steps) {
      if (step === "install") installed = await installHooks(plan, backend);
      else if (step === "detach") await (installed ?? backend).detach();
      else if (step === "remove") await (installed ?? backend).remove();
      else if (step === "leftovers") removed = await removeLeftovers();
      else if (step === "loopback") await loopback();
      else {
        const counters = step === "counters"
          ? await (installed?.counters() ?? backend.counters(plan, 1))
          : await installed!.replace(JSON.parse(step));
        counted.push(Object.fromEntries(
          [...counters].map(([n, { packets, bytes }]) => [n, [Number(packets), Number(bytes)]]),
        ));
      }
    }
    return { backend: backend.name, removed, counted };
  } catch (error) {
    if (!(error instanceof HookError)) throw error;
    return { error: error.message };
  }
}

async function loopback() {
  for (const address of ["127.0.0.1", "::1"]) {
    const args = ["-q", "-c", "3", "-i", "0.01", "-W", "1", address];
    const { success } = await new Deno.Command("ping", { args }).output();
    if (!success) throw new Error(`${address} does not answer`);
  }
}

if (import.meta.main) {
  const [backend = "", plan = "", ...steps] = Deno.args;
  console.log(JSON.stringify(await main(backend, JSON.parse(plan), steps)));
  Deno.exit(); // with what it has begun left as it is
}
