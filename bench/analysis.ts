// How long do exact answers about a rule file take, by its size, kind and family?
import { type Case, casesOf } from "./analysis/cases.ts";
import type { Measured } from "./analysis/one.ts";
import type { Options } from "./main.ts";
import { aheadOfOthers } from "./process.ts";
import { machine, summarize, table } from "./report.ts";

/** Longer than any case should take, whatever happens. */
const LIMIT_MS = 120_000;

/**
 * `--only TEXT` of a case's name, `--sizes 1000,10000,50000` rules, `--rounds 5`, `--seed 1`. Each
 * case has a process of its own, and its time on stderr as soon as it ends: `cold` is the first time
 * it is asked there, which is what a command pays, and `warm` the median of the times behind it.
 */
export async function bench(options: Options, signal: AbortSignal): Promise<void> {
  const { only = "", sizes = "1000,10000,50000", seed = "1", rounds = "5" } = options;
  const cases = casesOf(sizes.split(",").map(Number), Number(seed))
    .filter(({ name }) => name.includes(only));
  if (cases.length === 0) throw new TypeError(`no case is called "${only}"`);
  using _ahead = aheadOfOthers();
  const rows = [["case", "cold ms", "warm ms", "min", "max", "limit", "", "found"]];
  const about = { machine: machine(), seed: Number(seed), rounds: Number(rounds) };
  const colds = new Map<string, number>();
  for (const [i, { name, limit }] of cases.entries()) {
    console.error(`${i + 1}/${cases.length} ${name} …`);
    const measured = await inProcess(name, [sizes, seed, rounds], signal);
    signal.throwIfAborted();
    if (!measured) {
      console.log(JSON.stringify({ case: name, limit, stopped: LIMIT_MS, ...about }));
      rows.push([name, `> ${LIMIT_MS}`, "", "", "", text(limit), "missed", ""]);
      continue;
    }
    const { cold, warm, found } = measured;
    const { median, min, max } = summarize(warm.length > 0 ? warm : [cold]);
    colds.set(name, cold);
    console.error(`    ${cold.toFixed(0)} ms, then ${median} ms: ${found}`);
    console.log(JSON.stringify({ case: name, cold, median, min, max, limit, found, ...about }));
    const verdict = limit === Infinity ? "" : cold < limit ? "met" : "missed";
    rows.push([
      ...[name, cold.toFixed(0), `${median}`, `${min}`, `${max}`],
      ...[text(limit), verdict, found],
    ]);
  }
  console.log(`\n${table(rows)}`);
  const families = ratios(cases, colds);
  if (families.length > 1) console.log(`\n${table(families)}`);
}

function text(limit: number): string {
  return limit === Infinity ? "" : `${limit}`;
}

/** Runs one case; undefined if it had to be stopped. */
async function inProcess(
  name: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<Measured | undefined> {
  const late = AbortSignal.timeout(LIMIT_MS);
  const one = new URL("./analysis/one.ts", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "-A", one, name, ...args],
    signal: AbortSignal.any([signal, late]),
  }).output();
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  if (signal.aborted || late.aborted) return undefined;
  throw new Error(`${name}: ${new TextDecoder().decode(stderr)}`);
}

/** How much more a file costs in IPv6 than the same in IPv4. */
function ratios(cases: readonly Case[], colds: ReadonlyMap<string, number>): string[][] {
  const rows = cases.flatMap(({ name }) => {
    const [six, four] = [colds.get(name), colds.get(name.replace("ipv6", "ipv4"))];
    if (!name.endsWith("ipv6") || !six || !four) return [];
    const ratio = six / four;
    return [[name.slice(0, -5), ratio.toFixed(2), "1.5", ratio < 1.5 ? "met" : "missed"]];
  });
  return [["IPv6 to IPv4, cold", "ratio", "limit", ""], ...rows];
}
