import { commandText, probeBackend } from "../runtime/mod.ts";
import type { Arguments } from "./commands.ts";
import { compileFile } from "./policy.ts";
import { hookPlan } from "./run.ts";

/** Prints the commands that `run` would give to the kernel's tools. Changes nothing. */
export async function hooks(args: Arguments): Promise<number> {
  const compiled = await compileFile(args);
  if (!compiled) return 1;
  const backend = await probeBackend();
  const { install, detach, remove } = backend.commands(hookPlan(compiled.policy));
  const stages = [["to start", install], ["to stop queueing", detach], ["to end", remove]] as const;
  for (const [stage, commands] of stages) {
    console.log(`# ${stage}`);
    for (const command of commands) console.log(commandText(command).trimEnd());
  }
  return 0;
}
