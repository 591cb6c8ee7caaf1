import { percent, type Policy, ruleShares, verdictText } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { readPolicy } from "./policy.ts";
import { readFile, UsageError } from "./report.ts";

/** Lists the rules with the share of their chain's packets that each really decides. */
export async function rules(args: Arguments): Promise<number> {
  const policy = await readPolicy(args);
  if (!policy) return 1;
  const hits = await readHits(args.options.stats, policy);
  const rows = ruleShares(policy).map(({ rule, share, blockers }) => [
    rule.name,
    verdictText(rule),
    share === undefined ? "?" : share === 0 ? "never" : percent(share),
    ...(hits ? [String(hits.get(rule.name) ?? 0)] : []),
    blockers.length > 0 ? `behind ${blockers.map(({ name }) => name).join(", ")}` : "",
  ]);
  const widths = rows[0]?.map((_, c) => Math.max(...rows.map((row) => row[c]!.length))) ?? [];
  for (const row of rows) {
    console.log(row.map((cell, c) => cell.padEnd(widths[c]!)).join("  ").trimEnd());
  }
  return 0;
}

/** Packets by rule name, from the JSON that `run --json` prints. */
async function readHits(
  path: string | boolean | undefined,
  policy: Policy,
): Promise<ReadonlyMap<string, number> | undefined> {
  if (typeof path !== "string") return undefined;
  let found: unknown;
  try {
    found = JSON.parse(new TextDecoder().decode(await readFile(path)));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(`${path} is not JSON`);
  }
  const list = (found as { rules?: unknown } | null)?.rules;
  if (!Array.isArray(list)) throw new UsageError(`${path} is not what \`run --json\` prints`);
  const known = new Set(policy.rules.map(({ name }) => name));
  return new Map(
    list.flatMap(({ rule, packets }: { rule: string; packets: number }) =>
      known.has(rule) ? [[rule, Number(packets)]] : []
    ),
  );
}
