// How long do exact answers about a rule file take, by its size, kind and family?
import { check, checkRelations, compile, diff, type Policy } from "../compiler/mod.ts";
import { Space } from "../compiler/analysis/space.ts";
import { uncovered } from "../compiler/analysis/uncovered.ts";
import { span } from "../compiler/policy/interval.ts";
import type { Region } from "../compiler/policy/region.ts";
import { Random } from "../test/support/policy.ts";
import type { Options } from "./main.ts";
import { machine, summarize, table } from "./report.ts";
import { type Kind, manyFields, ruleFile } from "./rules.ts";

interface Case {
  readonly name: string;
  /** What it must stay under, in milliseconds. */
  readonly limit: number;
  readonly prepare: () => () => string;
}

/** `--sizes 1000,10000` rules, `--rounds 3`, `--seed 1`. */
export function bench(options: Options, signal: AbortSignal): Promise<void> {
  const seed = Number(options.seed ?? 1), rounds = Number(options.rounds ?? 3);
  const sizes = (options.sizes ?? "1000,10000").split(",").map(Number);
  const rows = [["case", "median ms", "min", "max", "limit", "found"]];
  for (const { name, limit, prepare } of cases(sizes, seed)) {
    const ask = prepare();
    const samples: number[] = [];
    let found = "";
    for (let round = 0; round < rounds; round++) {
      signal.throwIfAborted();
      const start = performance.now();
      found = ask();
      samples.push(performance.now() - start);
    }
    const { median, min, max } = summarize(samples);
    const about = { machine: machine(), seed, rounds };
    console.log(JSON.stringify({ case: name, median, min, max, limit, found, ...about }));
    rows.push([name, `${median}`, `${min}`, `${max}`, `${limit}`, found]);
  }
  console.log(`\n${table(rows)}`);
  return Promise.resolve();
}

function cases(sizes: readonly number[], seed: number): Case[] {
  const limits: Readonly<Record<number, number>> = { 1000: 150, 10000: 1500, 50000: 20000 };
  return [
    ...sizes.flatMap((size) =>
      (["acl", "fw", "ipc"] as const).flatMap((kind) =>
        ([4, 6] as const).map((family): Case => ({
          name: `lint ${kind} ${size} ipv${family}`,
          limit: limits[size] ?? Infinity,
          prepare: () => {
            const policy = policyOf(ruleFile(kind, size, family, seed));
            return () => `${checkRelations(policy).length} findings`;
          },
        }))
      )
    ),
    ...sizes.map((size): Case => ({
      name: `lint of ${size} rules with 14 fields and literals`,
      limit: limits[size] ?? Infinity,
      prepare: () => {
        const policy = policyOf(manyFields(size, seed));
        return () => `${checkRelations(policy).length} findings`;
      },
    })),
    {
      name: "lint of 200 wide rules over 14 fields and literals",
      limit: 200_000, // a second a rule is its budget
      prepare: () => {
        const policy = policyOf(manyFields(200, seed, true));
        return () => {
          const found = checkRelations(policy);
          const open = found.filter(({ code }) => code === "FW199").length;
          return `${found.length} findings, ${open} of them FW199`;
        };
      },
    },
    ...sizes.flatMap((size) =>
      ([true, false] as const).map((verified): Case => ({
        name: `compile acl ${size}${verified ? ", with its proof" : ""}`,
        limit: verified ? { 10_000: 2000, 100_000: 30_000 }[size] ?? Infinity : Infinity,
        prepare: () => {
          const policy = policyOf(ruleFile("acl", size, 4, seed));
          return () => `${(compile(policy, { verified }) as Uint8Array).length} bytes`;
        },
      }))
    ),
    { name: "explain of 10000 rules, cold", limit: 1000, prepare: () => explainCold(seed) },
    { name: "diff of 10000 rules, ten changed", limit: 2000, prepare: () => tenChanged(seed) },
    { name: "3000 random boxes", limit: 1000, prepare: () => randomBoxes(seed) },
    { name: "100 × 100 grid", limit: 500, prepare: () => grid(seed, false) },
    { name: "100 × 100 grid, one cell missing", limit: 500, prepare: () => grid(seed, true) },
  ];
}

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

/** A process of its own, from its start to its end. */
function explainCold(seed: number): () => string {
  const file = Deno.makeTempFileSync({ suffix: ".fw" });
  Deno.writeTextFileSync(file, ruleFile("acl", 10_000, 4, seed));
  globalThis.addEventListener("unload", () => Deno.removeSync(file));
  const entry = new URL("../fw.ts", import.meta.url).pathname;
  const packet = "forward in eth0 out eth1 tcp 10.1.2.3:40000 > 10.3.2.1:443 flags syn";
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-read", entry, "explain", file, packet],
  });
  return () => {
    const { stdout } = command.outputSync();
    return new TextDecoder().decode(stdout).trimEnd().split("\n").at(-1)!;
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
