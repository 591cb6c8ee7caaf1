import {
  diff as differences,
  type Difference,
  Incomparable,
  OutOfBudget,
  packetText,
  percent,
  type Policy,
  regionText,
  type Rule,
  verdictText,
} from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { readPolicy } from "./policy.ts";
import { UsageError } from "./report.ts";

const FORMATS: Readonly<Record<string, (rows: readonly Difference[], file: string) => string>> = {
  pretty: (rows) => rows.map(pretty).join("\n\n"),
  json: (rows) => JSON.stringify(rows.map(plain)),
  md: (rows) =>
    ["| packets | share | before | after | example |", "|---|---|---|---|---|", ...rows.map(row)]
      .join("\n"),
  github: (rows, file) =>
    rows.map((d) =>
      `::warning file=${file},title=verdict changes::${pretty(d).replaceAll("\n", "%0A")}`
    )
      .join("\n"),
};

/** Shows the packets that two rule files decide differently; 1 if there are any. */
export async function diff(args: Arguments): Promise<number> {
  const format = FORMATS[String(args.options.format ?? "pretty")];
  if (!format) {
    throw new UsageError(`--format takes ${Object.keys(FORMATS).join(", ")}`, "diff");
  }
  const rows = await compare(args);
  if (!rows) return 2;
  if (rows.length > 0 || args.options.format === "json") {
    console.log(format(rows, args.operands[1]!));
  }
  return rows.length > 0 ? 1 : 0;
}

/** Says whether two rule files decide every packet alike; 1 and an example if not. */
export async function equiv(args: Arguments): Promise<number> {
  const rows = await compare(args);
  if (!rows) return 2;
  console.log(rows.length === 0 ? "equivalent" : `different, for example\n${pretty(rows[0]!)}`);
  return rows.length > 0 ? 1 : 0;
}

/** Undefined if a file is no sound policy. */
async function compare(args: Arguments): Promise<Difference[] | undefined> {
  const before = await readPolicy(args, args.operands[0]);
  const after = await readPolicy(args, args.operands[1]);
  const effects = args.options.effects === true;
  return before && after && differences(before, after, { effects });
}

/** The packets that two policies decide differently, as text for a person. */
export function differenceText(before: Policy, after: Policy): string {
  try {
    return differences(before, after).map(pretty).join("\n\n") || "every packet is decided alike";
  } catch (error) {
    if (!(error instanceof Incomparable || error instanceof OutOfBudget)) throw error;
    return `what changes cannot be shown: ${error.message}`;
  }
}

function pretty(d: Difference): string {
  const [before, after] = sides(d);
  return [
    `${regionText(d.region)}${d.share === undefined ? "" : ` (${percent(d.share)})`}`,
    `  - ${before}`,
    `  + ${after}`,
    `  = ${packetText(d.packet)}`,
  ].join("\n");
}

function row(d: Difference): string {
  const [before, after] = sides(d);
  const share = d.share === undefined ? "" : percent(d.share);
  return `| ${regionText(d.region)} | ${share} | ${before} | ${after} | \`${
    packetText(d.packet)
  }\` |`;
}

function plain(d: Difference) {
  const side = (rule: Rule | undefined) => rule && { verdict: verdictText(rule), rule: rule.name };
  return {
    region: regionText(d.region),
    share: d.share,
    before: side(d.before),
    after: side(d.after),
    ...(d.effect && {
      effect: { what: d.effect.text, side: d.effect.side, rule: d.effect.by.name },
    }),
    packet: packetText(d.packet),
  };
}

/** What becomes of the packets, before and after. */
function sides({ before, after, effect }: Difference): [string, string] {
  const by = (rule: Rule | undefined, side: "before" | "after") => {
    const decided = rule ? `${verdictText(rule)} by ${rule.name}` : "not filtered";
    if (!effect) return decided;
    const [what] = effect.text.split(" ");
    return effect.side === side
      ? `${decided}, ${effect.text} by ${effect.by.name}`
      : `${decided}, not ${what} so`;
  };
  return [by(before, "before"), by(after, "after")];
}
