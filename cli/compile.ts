import { printTables } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { compileFile } from "./policy.ts";
import { UsageError, writeFile } from "./report.ts";

/** Writes the table image, prints the tables, or both. */
export async function compile(args: Arguments): Promise<number> {
  const { output, print } = args.options;
  if (!output && !print) throw new UsageError("say what to make: -o FILE or --print", "compile");
  const compiled = await compileFile(args);
  if (!compiled) return 1;
  if (print) console.log(printTables(compiled.policy, compiled.image.length).trimEnd());
  if (typeof output === "string") await writeFile(output, compiled.image);
  return 0;
}
