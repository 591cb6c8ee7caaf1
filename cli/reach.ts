import { packetText, reach as reached } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { checkFile, show } from "./policy.ts";
import { UsageError } from "./report.ts";

const VERDICTS = ["accept", "drop", "reject"] as const;

/**
 * Says whether some packet of a region gets a verdict, by which rules, and shows one for each.
 * 0 if so, 1 if no packet does.
 */
export async function reach(args: Arguments): Promise<number> {
  const verdict = VERDICTS.find((name) => name === (args.options.verdict ?? "accept"));
  if (!verdict) throw new UsageError("--verdict takes accept, drop or reject", "reach");
  const [chain = "", ...clauses] = args.operands[1]!.trim().split(/\s+/);
  if (!chain) throw new UsageError('a question is as "input tcp dport 22"', "reach");
  const early = VERDICTS.find((name) => name === clauses[0]);
  if (early) {
    const question = [chain, ...clauses.slice(1)].join(" ");
    throw new UsageError(`a verdict is asked for as in: --verdict ${early} "${question}"`, "reach");
  }
  // A question is an expectation that stands on the line behind the file.
  const question = `\ntest "" { expect some ${chain} ${verdict} ${clauses.join(" ")}\n}`;
  const { sources, diagnostics, policy } = await checkFile(args, args.operands[0], question);
  for (const diagnostic of diagnostics) {
    const { source } = sources.position(diagnostic.span.start);
    const asks = source.base === 0 &&
      diagnostic.span.start >= source.text.length - question.length;
    // Nobody has written that line.
    if (asks) throw new UsageError(`"${args.operands[1]}": ${diagnostic.message}`, "reach");
    console.error(`${show(diagnostic, sources, Deno.stderr)}\n`);
  }
  const asked = policy?.expectations?.at(-1);
  if (!policy || !asked) return 2;
  const ways = reached(policy, asked.regions, verdict);
  if (args.options.format === "json") {
    const rows = ways.map(({ rule, packet }) => ({ rule: rule.name, packet: packetText(packet) }));
    console.log(JSON.stringify({ possible: ways.length > 0, verdict, rules: rows }));
  } else if (ways.length === 0) {
    console.log(`no packet of it can meet ${verdict}`);
  } else {
    for (const { rule, packet } of ways) {
      console.log(`${verdict} by \`${rule.name}\`: ${packetText(packet)}`);
    }
  }
  return ways.length > 0 ? 0 : 1;
}
