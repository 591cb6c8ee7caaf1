import { type Imported, ImportError, importIptables, importNft } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { readText, UsageError, writeFile } from "./report.ts";

/** A way to read a foreign rule set, and how many files it may be in. */
const FORMATS: Readonly<
  Record<string, { most: number; read: (files: { name: string; text: string }[]) => Imported }>
> = {
  "iptables-save": { most: 2, read: importIptables },
  "nft-json": { most: 1, read: importNft },
};

/**
 * Writes a foreign rule set as a rule file, and reports on standard error how well each rule is
 * said. 1 if packets may get another verdict than they got, unless `--allow-loss`.
 */
export async function importRules({ operands, options }: Arguments): Promise<number> {
  const [name = "", ...paths] = operands;
  const format = Object.hasOwn(FORMATS, name) ? FORMATS[name] : undefined;
  if (!format) {
    throw new UsageError(`"${name}" is none of ${Object.keys(FORMATS).join(", ")}`, "import");
  }
  if (paths.length > format.most) {
    throw new UsageError(`${name} takes at most ${format.most} files`, "import");
  }
  const files = [];
  for (const path of paths) {
    files.push({ name: path === "-" ? "standard input" : path, text: await readText(path) });
  }
  let imported: Imported;
  try {
    imported = format.read(files);
  } catch (error) {
    if (error instanceof ImportError) throw new UsageError(error.message);
    throw error;
  }
  const { text } = imported;
  if (typeof options.output === "string") {
    await writeFile(options.output, new TextEncoder().encode(text));
  } else await Deno.stdout.write(new TextEncoder().encode(text));
  const { rows, outside } = imported;
  console.error(options.json ? JSON.stringify(report(imported)) : reportText(imported));
  const lost = rows.some((row) => row.lost) || outside.some((part) => part.lost);
  return lost && !options["allow-loss"] ? 1 : 0;
}

const KINDS = ["exact", "matches more", "matches fewer", "left out"] as const;

function report({ rows, outside, notes }: Imported) {
  const count = (kind: typeof KINDS[number]) => rows.filter((row) => row.fidelity === kind).length;
  return {
    summary: Object.fromEntries(KINDS.map((kind) => [kind, count(kind)])),
    lost: rows.filter(({ lost }) => lost).length + outside.filter(({ lost }) => lost).length,
    rules: rows,
    outside,
    notes,
  };
}

/** The report for people, a line a rule that is not exact. */
export function reportText(imported: Imported): string {
  const { summary, lost, rules, outside, notes } = report(imported);
  const inexact = rules.filter(({ fidelity }) => fidelity !== "exact");
  const counts = KINDS.map((kind) => `${summary[kind]} ${kind}`).join(", ");
  const places = new Map<string, number>();
  for (const { why } of outside) places.set(why, (places.get(why) ?? 0) + 1);
  return [
    ...inexact.flatMap(({ chain, source, fidelity, why }) => [
      `${fidelity}: ${chain}: ${source}`,
      `  ${why}`,
    ]),
    ...[...places].map(([why, n]) => `outside: ${n} rule${n === 1 ? "" : "s"}: ${why}`),
    ...notes.map((note) => `note: ${note}`),
    `${rules.length} rule${rules.length === 1 ? "" : "s"}: ${counts}`,
    lost === 0
      ? "every packet gets the verdict that it got"
      : `packets may get another verdict because of ${lost} of them`,
  ].join("\n");
}
