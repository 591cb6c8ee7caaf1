import type { Arguments } from "./commands.ts";
import { checkRelations, severityOf } from "../compiler/mod.ts";
import { checkFile, show } from "./policy.ts";
import { tally } from "./render.ts";

/** Prints what is wrong with a rule file; 1 if any of it is an error. */
export async function lint(args: Arguments): Promise<number> {
  const { sources, diagnostics: mistakes, policy } = await checkFile(args);
  const relations = policy ? checkRelations(policy, { correlated: args.options.all === true }) : [];
  const diagnostics = [...mistakes, ...relations].sort((a, b) => a.span.start - b.span.start);
  for (const diagnostic of diagnostics) console.log(`${show(diagnostic, sources, Deno.stdout)}\n`);
  console.log(`${args.operands[0]}: ${tally(diagnostics)}`);
  return diagnostics.some((diagnostic) => severityOf(diagnostic) === "error") ? 1 : 0;
}
