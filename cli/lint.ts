import type { Arguments } from "./commands.ts";
import { severityOf } from "../compiler/mod.ts";
import { checkFile, show } from "./policy.ts";
import { tally } from "./render.ts";

/** Prints what is wrong with a rule file; 1 if any of it is an error. */
export async function lint(args: Arguments): Promise<number> {
  const { sources, diagnostics } = await checkFile(args);
  for (const diagnostic of diagnostics) console.log(`${show(diagnostic, sources, Deno.stdout)}\n`);
  console.log(`${args.operands[0]}: ${tally(diagnostics)}`);
  return diagnostics.some((diagnostic) => severityOf(diagnostic) === "error") ? 1 : 0;
}
