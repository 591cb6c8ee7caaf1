/**
 * `deno task bench NAME [--option VALUE]...`: answers one question by measuring.
 *
 * A bench is a file beside this one whose first line is its question. It prints one line of JSON a
 * case, then a table. It takes away what it made on any exit, also when interrupted.
 *
 * @module
 */
import { buildLibrary } from "../native/build.ts";

/** Options of the command line, by name; "" for one that stands alone. */
export type Options = Readonly<Record<string, string | undefined>>;

/** Measures and prints. When `signal` aborts it ends early: it throws, or prints what it has. */
export type Bench = (options: Options, signal: AbortSignal) => Promise<void>;

const BENCHES: Readonly<Record<string, () => Promise<{ readonly bench: Bench }>>> = {
  analysis: () => import("./analysis.ts"),
  classify: () => import("./classify.ts"),
  front: () => import("./front.ts"),
  queue: () => import("./queue.ts"),
  reload: () => import("./reload.ts"),
  soak: () => import("./soak.ts"),
  sync: () => import("./sync.ts"),
};

async function main([name, ...rest]: readonly string[]): Promise<number> {
  const load = BENCHES[name ?? ""];
  if (!load) {
    console.error("usage: deno task bench NAME [--option VALUE]...\n");
    for (const known of Object.keys(BENCHES)) console.error(`  ${known}  ${await question(known)}`);
    return name === undefined ? 0 : 2;
  }
  buildLibrary();
  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.addSignalListener(signal, () => interrupted.abort());
  }
  try {
    await (await load()).bench(optionsIn(rest), interrupted.signal);
    return interrupted.signal.aborted ? 130 : 0;
  } catch (error) {
    const isAbort = error instanceof DOMException && error.name === "AbortError";
    if (!interrupted.signal.aborted && !isAbort) throw error;
    return 130;
  }
}

/** The first line of a bench, without its comment signs. */
async function question(name: string): Promise<string> {
  const text = await Deno.readTextFile(new URL(`./${name}.ts`, import.meta.url));
  return text.split("\n", 1)[0]!.replace(/^\/\/ /, "");
}

function optionsIn(args: readonly string[]): Options {
  const options: Record<string, string> = {};
  for (let i = 0; i < args.length; i++) {
    const name = args[i]!.match(/^--([a-z]+)$/)?.[1];
    if (!name) throw new TypeError(`${args[i]}: --NAME VALUE is wanted`);
    const next = args[i + 1];
    if (next === undefined || next.startsWith("--")) options[name] = "";
    else options[name] = args[++i]!;
  }
  return options;
}

Deno.exit(await main(Deno.args));
