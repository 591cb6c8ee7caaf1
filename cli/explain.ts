import {
  explain as explained,
  type Explanation,
  firstPacket,
  type Moment,
  readPacket,
  type Rule,
  verdictText,
} from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { compileFile } from "./policy.ts";
import { summarizeCapture } from "./replay.ts";
import { UsageError } from "./report.ts";

/** Shows the rules that a packet passes, what each asks otherwise, and which decides. */
export async function explain(args: Arguments): Promise<number> {
  const text = args.operands[1];
  if (args.options.pcap !== undefined) {
    if (text !== undefined) throw new UsageError("give a packet or --pcap, not both", "explain");
    return await summarizeCapture(args);
  }
  if (text === undefined) throw new UsageError("PACKET is missing", "explain");
  const packet = readPacket(text);
  // The answer is held against the rules for this packet: nothing else of the tables matters.
  const compiled = await compileFile({ ...args, options: { ...args.options, "no-verify": true } });
  if (!compiled) return 1;
  const { policy, image } = compiled;
  const told = explained(policy, image, packet, firstPacket(policy, packet, now()));
  console.log(args.options.json ? json(told) : lines(told).join("\n"));
  return 0;
}

function now(): Moment {
  const date = new Date();
  return {
    minute: 60 * date.getHours() + date.getMinutes(),
    weekday: date.getDay(),
    day: 10_000 * date.getFullYear() + 100 * (date.getMonth() + 1) + date.getDate(),
  };
}

function json({ rule, walk, mark }: Explanation): string {
  return JSON.stringify({
    verdict: rule && verdictText(rule),
    rule: rule?.name,
    log: logged(walk).map(({ name }) => name),
    mark,
    walk: walk.map(({ rule, matches, fails }) => ({
      rule: rule.name,
      verdict: verdictText(rule),
      matches,
      ...(fails && { fails: fails.what, value: fails.value }),
    })),
  });
}

function lines({ rule, walk, mark }: Explanation): string[] {
  const hex = (bits: number) => `0x${bits.toString(16)}`;
  const effects = [
    ...(mark ? [`marked ${hex(mark.value)}/${hex(mark.clear)}`] : []),
    ...logged(walk).map(({ name, log }) =>
      `logged by \`${name}\`${log!.prefix ? ` as ${JSON.stringify(log!.prefix)}` : ""}`
    ),
  ];
  const decided = rule ? `${verdictText(rule)} by \`${rule.name}\`` : "no chain: not filtered";
  return [
    ...walk.map(({ rule, fails, matches }) =>
      `  ${rule.name}: ${matches ? "matches" : `no${fails ? `, ${fails.text}` : ""}`}`
    ),
    [decided, ...effects].join(", "),
  ];
}

/** The rules that match and log. */
function logged(walk: Explanation["walk"]): Rule[] {
  return walk.filter(({ rule, matches }) => matches && rule.log).map(({ rule }) => rule);
}
