import { formatted } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { show } from "./policy.ts";
import { readText, writeFile } from "./report.ts";

/**
 * Writes rule files in their canonical form; standard input goes to standard output. With
 * `--check`, only says which would change. 1 if one would, or has a syntax error.
 */
export async function fmt({ operands, options }: Arguments): Promise<number> {
  let failed = false;
  for (const path of operands) {
    const text = await readText(path);
    const result = formatted(path, text);
    if (result.text === undefined) {
      failed = true;
      for (const d of result.diagnostics) {
        console.error(`${show(d, result.sources, Deno.stderr)}\n`);
      }
    } else if (options.check) {
      if (result.text === text) continue;
      failed = true;
      console.log(`${path}: not formatted`);
    } else if (path === "-") {
      await Deno.stdout.write(new TextEncoder().encode(result.text));
    } else if (result.text !== text) {
      await writeFile(path, new TextEncoder().encode(result.text));
    }
  }
  return failed ? 1 : 0;
}
