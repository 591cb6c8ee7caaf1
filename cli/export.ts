import { type Exported, exportIptables, exportNft, type Policy } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { readPolicy } from "./policy.ts";
import { UsageError, writeFile } from "./report.ts";

const TOOLS: Readonly<Record<string, (policy: Policy) => Exported>> = {
  nft: (policy) => exportNft(policy),
  iptables: exportIptables,
};

/**
 * Writes a policy as rules for the kernel alone. 1 if it has a rule that the tool cannot express,
 * unless `--allow-loss`; nothing is written then.
 */
export async function exportRules(args: Arguments): Promise<number> {
  const [tool = "", path] = args.operands;
  const write = Object.hasOwn(TOOLS, tool) ? TOOLS[tool] : undefined;
  if (!write) throw new UsageError(`"${tool}" is not nft or iptables`, "export");
  const policy = await readPolicy(args, path);
  if (!policy) return 1;
  const { text, losses } = write(policy);
  const allowed = args.options["allow-loss"] === true;
  for (const { rule, why, of } of losses) {
    const instead = of === "effect"
      ? "without it, the verdicts are the same"
      : rule.verdict.name === "accept"
      ? "left out: it accepts less"
      : "written without what cannot be said: it denies more";
    const severity = of === "verdict" && !allowed ? "error" : "warning";
    console.error(
      `${severity}: \`${rule.name}\`: ${why}${severity === "error" ? "" : `; ${instead}`}`,
    );
  }
  if (!allowed && losses.some(({ of }) => of === "verdict")) {
    console.error(`nothing was written; --allow-loss leaves such rules out on the safe side`);
    return 1;
  }
  const { output } = args.options;
  if (typeof output === "string") await writeFile(output, new TextEncoder().encode(text));
  else await Deno.stdout.write(new TextEncoder().encode(text));
  return 0;
}
