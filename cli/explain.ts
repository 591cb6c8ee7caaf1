import { explain as explained, fieldWord, readPacket, verdictText } from "../compiler/mod.ts";
import type { Arguments } from "./commands.ts";
import { compileFile } from "./policy.ts";

/** Shows the rules that a packet passes, what each asks otherwise, and which decides. */
export async function explain(args: Arguments): Promise<number> {
  const packet = readPacket(args.operands[1]!);
  const compiled = await compileFile(args);
  if (!compiled) return 1;
  const { rule, walk } = explained(compiled.policy, compiled.image, packet);
  if (args.options.json) {
    console.log(JSON.stringify({
      verdict: rule && verdictText(rule),
      rule: rule?.name,
      walk: walk.map(({ rule, matches, fails }) => ({
        rule: rule.name,
        verdict: verdictText(rule),
        matches,
        ...(fails && { fails: fails.field, value: fails.value }),
      })),
    }));
    return 0;
  }
  for (const { rule, fails } of walk) {
    console.log(
      `  ${rule.name}: ${fails ? `no, ${fieldWord(fails.field)} is ${fails.value}` : "matches"}`,
    );
  }
  console.log(rule ? `${verdictText(rule)} by \`${rule.name}\`` : "no chain: not filtered");
  return 0;
}
