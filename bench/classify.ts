/**
 * How fast is the classifier, next to linear scans and to DPDK's rte_acl on the same rules?
 *
 *   deno task bench classify [--sizes 24,1000] [--kinds acl,fw,ipc] [--families 4,6]
 *     [--traces uniform,zipf] [--batches 1,32,256] [--rounds 9] [--packets 32768] [--seed 1]
 *     [--data FOLDER] [--flows 65536] [--fields five,all] [--acl no]
 *
 * FOLDER holds ClassBench sets, `NAME.rules.gz`. One JSON line a set, trace, batch and contestant
 * goes to standard output, a table to standard error. Ratios are to the quickest of rte_acl's scalar,
 * SSE and AVX2 paths, round by round, and the median of them counts; a second one (`ratioOfAll`) is
 * to the quickest of all its paths, those for AVX-512 too. `barrage + flows` is the engine behind a
 * flow cache of so many flows. With all fields, some rules ask for others than the five as well,
 * which all packets have; only the engine is told. What IPv6 takes of IPv4's time, and all fields of
 * five's, is said at the end, by the quickest rounds, as these are not interleaved. The build in
 * TypeScript includes the verification of the tables, and is in CPU time: it does not depend on what
 * else the machine does.
 *
 * @module
 */
import { cpuUsage } from "node:process";
import { image } from "../compiler/tables/image.ts";
import { plan } from "../compiler/tables/plan.ts";
import { verify } from "../compiler/tables/verify.ts";
import { buildLibrary } from "../native/build.ts";
import type { Options } from "./main.ts";
import { geometricMean } from "./report.ts";
import {
  generate,
  type Kind,
  KINDS,
  parseClassBench,
  policyOf,
  ruleRecords,
  type RuleSet,
} from "./classify/rules.ts";

const here = import.meta.dirname!;
const native = `${here}/../native`;

interface Line {
  readonly contestant: string;
  readonly failed?: boolean;
  readonly batch: number;
  readonly ns: number;
  readonly best: number;
  readonly worst: number;
  readonly wrong: number;
  readonly bytes: number;
  /** Of the image into memory that nobody has touched, from which it is loaded. */
  readonly readMs: number;
  readonly loadMs: number;
  readonly rounds: readonly number[];
}

const OPTIONS: Readonly<Record<string, string>> = {
  sizes: "24,100,1000,10000",
  kinds: KINDS.join(),
  families: "4",
  traces: "uniform",
  batches: "256",
  rounds: "9",
  packets: "32768",
  seed: "1",
  data: "",
  flows: "65536",
  fields: "five",
  acl: "yes",
};

/** The defaults, and what the command line says otherwise. Throws on an option that is not there. */
function complete(given: Options): Record<string, string> {
  const options: Record<string, string> = { ...OPTIONS };
  for (const [name, value] of Object.entries(given)) {
    if (!(name in OPTIONS)) {
      throw new Error(`Cannot use --${name}: the options are ${Object.keys(OPTIONS).join(", ")}`);
    }
    options[name] = value ?? "";
  }
  return options;
}

function succeeds(program: string, ...args: string[]): boolean {
  return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
}

function run(program: string, ...args: string[]): string {
  const { success, stdout, stderr } = new Deno.Command(program, { args }).outputSync();
  if (success) return new TextDecoder().decode(stdout);
  throw new Error(`${program} failed: ${new TextDecoder().decode(stderr)}`);
}

/** Builds the harness; the path of the rte_acl library too, if there is DPDK to build it with. */
function buildHarness(folder: string, wantAcl: boolean): { harness: string; acl: string[] } {
  buildLibrary();
  const source = `${here}/classify`;
  const harness = `${folder}/harness`;
  const flags = ["-std=gnu11", "-O3", "-Wall", "-Wextra", "-Werror", `-I${native}`];
  const sources = ["harness", "engine", "linear"].map((name) => `${source}/${name}.c`);
  const objects = [...Deno.readDirSync(`${native}/build/lib`)]
    .filter(({ name }) => name.endsWith(".o")).map(({ name }) => `${native}/build/lib/${name}`);
  const libraries = ["-lmnl", "-lnetfilter_queue", "-lm", "-ldl", "-pthread"];
  run("cc", ...flags, "-mavx2", "-o", harness, ...sources, ...objects, ...libraries);
  if (!wantAcl) return { harness, acl: [] };
  if (!succeeds("pkg-config", "--exists", "libdpdk")) {
    console.error("rte_acl is left out: the package libdpdk-dev is not there");
    return { harness, acl: [] };
  }
  const acl = `${folder}/acl.so`;
  const dpdk = run("pkg-config", "--cflags", "libdpdk").trim().split(/\s+/);
  const link = ["-lrte_acl", "-lrte_eal"];
  run("cc", ...flags, ...dpdk, "-fPIC", "-shared", "-o", acl, `${source}/acl.c`, ...link);
  return { harness, acl: [acl] };
}

async function* ruleSets(options: Record<string, string>): AsyncGenerator<RuleSet> {
  const list = (name: string) => options[name]!.split(",").filter((item) => item !== "");
  for (const size of list("sizes").map(Number)) {
    if (!(size > 0)) throw new Error(`Cannot use --sizes ${options.sizes}: numbers of rules`);
    for (const family of list("families").map((text) => text === "6" ? 6 : 4)) {
      for (const kind of list("kinds")) {
        yield generate(kind as Kind, family, size, Number(options.seed));
      }
    }
  }
  if (!options.data) return;
  const files = [...Deno.readDirSync(options.data)].map(({ name }) => name).sort();
  for (const file of files.filter((name) => name.endsWith(".rules.gz"))) {
    const { body } = new Response((await Deno.open(`${options.data}/${file}`)).readable);
    const text = await new Response(body!.pipeThrough(new DecompressionStream("gzip"))).text();
    yield parseClassBench(file.replace(".rules.gz", ""), text);
  }
}

/** Each set, with each choice of fields. */
async function* setsWith(options: Record<string, string>): AsyncGenerator<[RuleSet, string]> {
  const choices = options.fields!.split(",");
  if (!choices.every((fields) => fields === "five" || fields === "all")) {
    throw new Error(`Cannot use --fields ${options.fields}: five, all, or both`);
  }
  for await (const set of ruleSets(options)) for (const fields of choices) yield [set, fields];
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}

/** rte_acl's paths for processors without AVX-512. */
const COMMON_PATHS = ["rte_acl scalar", "rte_acl sse", "rte_acl avx2"];

/** How many times quicker than the best of some of rte_acl's paths in the same round. */
function ratioTo(
  isPath: (contestant: string) => boolean,
  line: Line,
  lines: readonly Line[],
): number | undefined {
  const paths = lines.filter((l) => !l.failed && isPath(l.contestant) && l.batch === line.batch);
  if (paths.length === 0) return undefined;
  return median(line.rounds.map((ns, r) => Math.min(...paths.map((p) => p.rounds[r]!)) / ns));
}

/** What the engine was timed with. */
interface Own {
  readonly kind: string;
  readonly family: 4 | 6;
  readonly fields: string;
  /** How many rules, which trace and batch: these are summed up together. */
  readonly of: string;
  /** In the quickest round. */
  readonly ns: number;
  readonly ratio: number | undefined;
}

/** Of those with `change`, how many times the time each takes that it would with `from` instead. */
function timesOf(
  own: readonly Own[],
  from: Partial<Own>,
  change: Partial<Own>,
): [string, number][] {
  const keyOf = ({ kind, family, fields, of }: Own) => [kind, family, fields, of].join();
  const known = new Map(own.map((one) => [keyOf(one), one.ns]));
  return own.flatMap((one): [string, number][] => {
    const before = known.get(keyOf({ ...one, ...from }));
    const isChanged = keyOf(one) === keyOf({ ...one, ...change });
    return isChanged && before !== undefined ? [[one.of, one.ns / before]] : [];
  });
}

/** A line for each key: the ratios' mean, and the worst of them. */
function sayMeans(ratios: readonly [string, number][], what: string, worst: "lowest" | "highest") {
  for (const [key, own] of Map.groupBy(ratios, ([key]) => key)) {
    const numbers = own.map(([, ratio]) => ratio);
    const end = worst === "lowest" ? Math.min(...numbers) : Math.max(...numbers);
    console.error(
      `${key}: ${
        geometricMean(numbers).toFixed(2)
      } x ${what} (geometric mean of ${numbers.length}), ` +
        `${worst} ${end.toFixed(2)}`,
    );
  }
}

/** Measures and prints; throws once `signal` aborts. */
export async function bench(given: Options, signal: AbortSignal): Promise<void> {
  const options = complete(given);
  const folder = await Deno.makeTempDir();

  try {
    const { harness, acl } = buildHarness(folder, options.acl === "yes");
    console.error(
      "set           rules trace   batch contestant        ns/packet  (best-worst)    x rte_acl" +
        "  of all   KB     build ms  read ms  load ms",
    );
    const own: Own[] = [];
    for await (const [set, fields] of setsWith(options)) {
      signal.throwIfAborted();
      const policy = policyOf(set, Number(options.flows), fields === "all");
      const before = cpuUsage();
      const bytes = image(policy, plan(policy));
      verify(policy, bytes);
      const { user, system } = cpuUsage(before);
      const buildMs = (user + system) / 1000;
      await Deno.writeFile(`${folder}/rules`, ruleRecords(set));
      await Deno.writeFile(`${folder}/image`, bytes);
      for (const trace of options.traces!.split(",")) {
        const { rounds, packets, seed, batches } = options;
        const words = set.family === 4 ? "1" : "4";
        const output = run(
          harness,
          ...[`${folder}/rules`, `${folder}/image`, words, trace],
          ...[packets!, rounds!, seed!, batches!, ...acl],
        );
        const lines = output.trim().split("\n").map((text): Line => JSON.parse(text));
        for (const line of lines) {
          const about = { set: set.name, rules: set.rules.length, fields, trace };
          if (line.failed) {
            console.error(`${set.name}: ${line.contestant} could not take these rules`);
            continue;
          }
          const ratio = ratioTo((name) => COMMON_PATHS.includes(name), line, lines);
          const ratioOfAll = ratioTo((name) => name.startsWith("rte_acl"), line, lines);
          const isOwn = line.contestant === "barrage";
          console.log(
            JSON.stringify({ ...about, ...line, ratio, ratioOfAll, ...isOwn && { buildMs } }),
          );
          console.error(
            [
              (fields === "all" ? `${set.name} all` : set.name).padEnd(13),
              String(about.rules).padStart(5),
              trace.padEnd(7),
              String(line.batch).padStart(5),
              line.contestant.padEnd(18),
              line.ns.toFixed(1).padStart(9),
              `(${line.best.toFixed(1)}-${line.worst.toFixed(1)})`.padStart(16),
              ratio?.toFixed(2).padStart(8) ?? "",
              ratioOfAll?.toFixed(2).padStart(8) ?? "",
              (line.bytes / 1024).toFixed(0).padStart(8),
              isOwn ? buildMs.toFixed(0).padStart(9) : "".padStart(9),
              line.contestant.startsWith("barrage")
                ? line.readMs.toFixed(1).padStart(8)
                : "".padStart(8),
              line.loadMs.toFixed(1).padStart(9),
              line.wrong ? ` ${line.wrong} WRONG` : "",
            ].join(" "),
          );
          if (isOwn) {
            own.push({
              kind: set.name.replace(/ v[46]$/, ""),
              family: set.family,
              fields,
              of: `${about.rules.toString().padStart(6)} rules, ${trace}, batch ${line.batch}`,
              ns: line.best,
              ratio,
            });
          }
          if (line.wrong) Deno.exitCode = 1;
        }
      }
    }
    const toRival = own.flatMap(({ of, ratio }): [string, number][] => ratio ? [[of, ratio]] : []);
    sayMeans(toRival, "rte_acl", "lowest");
    sayMeans(timesOf(own, { family: 4 }, { family: 6 }), "IPv4's time for IPv6", "highest");
    sayMeans(
      timesOf(own, { fields: "five" }, { fields: "all" }),
      "five fields' time for all",
      "highest",
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
