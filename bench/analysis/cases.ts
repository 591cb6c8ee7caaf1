/**
 * What `bench analysis` measures: each case asks one question, and must stay under a limit.
 *
 * @module
 */
import { check, checkRelations, compile, diff, type Policy } from "../../compiler/mod.ts";
import { Space } from "../../compiler/analysis/space.ts";
import { uncovered } from "../../compiler/analysis/uncovered.ts";
import { span } from "../../compiler/policy/interval.ts";
import type { Region } from "../../compiler/policy/region.ts";
import { Random } from "../../test/support/policy.ts";
import { type Kind, manyFields, rareFields, ruleFile } from "../rules.ts";

export interface Case {
  readonly name: string;
  /** What it must stay under, in milliseconds. */
  readonly limit: number;
  /** Makes what is asked about; what comes back asks, and says what was found. */
  readonly prepare: () => () => string;
}

/** Milliseconds that each size of rule files is allowed. */
const LINT: Readonly<Record<number, number>> = { 1000: 150, 10_000: 1500, 50_000: 20_000 };
const COMPILE: Readonly<Record<number, number>> = { 10_000: 2000, 100_000: 30_000 };

/** The cases of so many rules, and those that are always the same size. */
export function casesOf(sizes: readonly number[], seed: number): Case[] {
  return [
    ...sizes.flatMap((size) =>
      (["acl", "fw", "ipc"] as const).flatMap((kind) =>
        ([4, 6] as const).map((family): Case => ({
          name: `relations of ${size} rules, ${kind} ipv${family}`,
          limit: LINT[size] ?? Infinity,
          prepare: () => relations(ruleFile(kind, size, family, seed)),
        }))
      )
    ),
    ...sizes.filter((size) => size <= 10_000).flatMap((size): Case[] => [
      {
        name: `lint of ${size} rules, cold`,
        limit: Infinity,
        prepare: () => cold(["lint"], ruleFile("acl", size, 4, seed)),
      },
      {
        name: `compile of ${size} rules`,
        limit: Infinity,
        prepare: () => compiled(ruleFile("acl", size, 4, seed), false),
      },
      {
        name: `compile of ${size} rules, with its proof`,
        limit: COMPILE[size] ?? Infinity,
        prepare: () => compiled(ruleFile("acl", size, 4, seed), true),
      },
    ]),
    ...[10_000, 50_000].flatMap((size) =>
      [16, 60_000].map((values): Case => ({
        name: `compile of ${size} rules with a rare field of ${values} values each, with its proof`,
        limit: COMPILE[100_000]!,
        prepare: () => compiled(rareFields(size, values, seed), true),
      }))
    ),
    ...[1000, 2000, 10_000].map((size): Case => ({
      name: `relations of ${size} rules over 14 fields and literals`,
      limit: Infinity,
      prepare: () => relations(manyFields(size, seed)),
    })),
    {
      name: "relations of 600 adversarial rules over 14 fields",
      limit: 60_000,
      prepare: () => relations(manyFields(600, seed, true)),
    },
    { name: "lint of 20 lines, cold", limit: Infinity, prepare: () => cold(["lint"], small(seed)) },
    {
      name: "explain of 10000 rules, cold",
      limit: 1000,
      prepare: () => cold(["explain"], ruleFile("acl", 10_000, 4, seed), PACKET),
    },
    { name: "diff of 10000 rules, ten changed", limit: 2000, prepare: () => tenChanged(seed) },
    { name: "3000 random boxes", limit: 1000, prepare: () => randomBoxes(seed) },
    { name: "100 × 100 grid", limit: 500, prepare: () => grid(seed, false) },
    { name: "100 × 100 grid, one cell missing", limit: 500, prepare: () => grid(seed, true) },
  ];
}

function relations(text: string): () => string {
  const policy = policyOf(text);
  return () => {
    const found = checkRelations(policy);
    const open = found.filter(({ code }) => code === "FW199").length;
    return `${found.length} findings${open > 0 ? `, ${open} of them FW199` : ""}`;
  };
}

function compiled(text: string, verified: boolean): () => string {
  const policy = policyOf(text);
  return () => `${(compile(policy, { verified }) as Uint8Array).length} bytes`;
}

function small(seed: number): string {
  return ruleFile("acl", 18, 4, seed);
}

const PACKET = "forward in eth0 out eth1 tcp 10.1.2.3:40000 > 10.3.2.1:443 flags syn";

function policyOf(text: string): Policy {
  const { policy } = check("bench.fw", text);
  if (!policy) throw new Error("the generator made a file with errors");
  return policy;
}

function tenChanged(seed: number): () => string {
  const kind: Kind = "acl";
  const text = ruleFile(kind, 10_000, 4, seed);
  const lines = text.split("\n");
  const random = new Random(seed);
  for (let n = 0; n < 10; n++) {
    const at = 1 + random.below(10_000);
    const line = lines[at]!;
    lines[at] = line.includes("accept")
      ? line.replace("accept", "drop")
      : line.replace("drop", "accept");
  }
  const before = policyOf(text), after = policyOf(lines.join("\n"));
  return () => `${diff(before, after).length} rows`;
}

/** A process of its own, from its start to its end: a command about a file of this text. */
function cold(command: readonly string[], text: string, ...more: readonly string[]): () => string {
  const file = Deno.makeTempFileSync({ suffix: ".fw" });
  Deno.writeTextFileSync(file, text);
  globalThis.addEventListener("unload", () => Deno.removeSync(file));
  const entry = new URL("../../fw.ts", import.meta.url).pathname;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-read", entry, ...command, file, ...more],
  });
  return () => {
    const { code, stdout, stderr } = process.outputSync();
    if (code > 1) throw new Error(new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!.trim();
  };
}

/** Boxes of five fields, each a third of it wide, and whether they cover one another. */
function randomBoxes(seed: number): () => string {
  const random = new Random(seed);
  const part = (size: number) => {
    const from = random.below(size);
    return span(from, Math.min(size - 1, from + Math.floor(size / 3) + random.below(size)));
  };
  const regions: Region[] = Array.from({ length: 3000 }, () => ({
    src: part(0xffffffff),
    dst: part(0xffffffff),
    sport: part(65536),
    dport: part(65536),
    flags: part(256),
  }));
  const space = new Space([...regions, TCP], 0);
  const boxes = regions.flatMap((region, i) => space.boxes({ ...TCP, ...region }, i));
  return () => {
    const dead = boxes.filter((box, i) => uncovered(box, boxes.slice(0, i)).kind === "covered");
    return `${dead.length} covered`;
  };
}

const TCP: Region = { hook: span(0), family: span(0), proto: span(6) };

function grid(seed: number, hole: boolean): () => string {
  const random = new Random(seed);
  const cells: Region[] = Array.from({ length: 10_000 }, (_, i) => ({
    sport: span(10 * (i % 100), 10 * (i % 100) + 9),
    dport: span(10 * Math.floor(i / 100), 10 * Math.floor(i / 100) + 9),
  }));
  for (let i = cells.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [cells[i], cells[j]] = [cells[j]!, cells[i]!];
  }
  const whole = { ...TCP, sport: span(0, 999), dport: span(0, 999) };
  const space = new Space([whole, ...cells], 0);
  const [box] = space.boxes(whole);
  const cover = cells.flatMap((cell) => space.boxes({ ...TCP, ...cell }));
  if (hole) cover.pop();
  return () => uncovered(box!, cover).kind;
}
