import {
  type Code,
  CODES,
  explainCode as textOfCode,
  fixed,
  lint as examine,
  type Severity,
  severityOf,
} from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { type Finding, type Format, FORMATS, github, json, sarif, short } from "./formats.ts";
import { show } from "./policy.ts";
import { sessionHere } from "./session.ts";
import { readFrom } from "./read.ts";
import { tally } from "./render.ts";
import { readText, UsageError, writeFile } from "./report.ts";
import { VERSION } from "./program.ts";

const SEVERITIES = ["error", "warning", "info"] as const;
/** Work that takes longer than this is announced. */
const PATIENCE_MS = 300;
/** Rounds of fixes, each of which may show what else there is to mend. */
const ROUNDS = 8;

/** Says what is wrong with rule files; 1 if any of it is at or above `--fail-on`. */
export async function lint(args: Arguments): Promise<number> {
  const { options, operands } = args;
  if (options.explain !== undefined) return explainCode(String(options.explain).toUpperCase());
  if (operands.length === 0) throw new UsageError("RULES is missing", "lint");
  const format = formatOf(options.format);
  const failOn = oneOf("fail-on", options["fail-on"] ?? "error", SEVERITIES);
  const maxWarnings = options["max-warnings"] === undefined
    ? Infinity
    : count("max-warnings", String(options["max-warnings"]));
  const findings: Finding[] = [];
  const tell = progressLine();
  for (const [i, path] of operands.entries()) {
    const which = operands.length > 1 ? `${path} (${i + 1} of ${operands.length})` : path;
    const wanted = {
      today: today(),
      session: sessionHere(),
      correlated: options.all === true,
      read: readFrom,
      progress: (part: number) => tell(`${which}: ${Math.floor(100 * part)} %`),
    };
    tell(which);
    let checked = examine(path, await readText(path), wanted);
    // What one fix uncovers, the next round mends: behind an error little is looked at.
    for (let round = 0; options.fix && path !== "-" && round < ROUNDS; round++) {
      const mended = fixed(checked.sources, checked.diagnostics);
      if (mended.length === 0) break;
      for (const { name, text } of mended) await writeFile(name, new TextEncoder().encode(text));
      checked = examine(path, await readText(path), wanted);
    }
    const { sources, diagnostics } = checked;
    findings.push(...diagnostics.map((diagnostic) => ({ diagnostic, sources })));
  }
  tell("");
  print(format, findings, operands);
  const severities = findings.map(({ diagnostic }) => severityOf(diagnostic));
  const failing = SEVERITIES.slice(0, SEVERITIES.indexOf(failOn) + 1) as readonly Severity[];
  const warnings = severities.filter((severity) => severity === "warning").length;
  return severities.some((s) => failing.includes(s)) || warnings > maxWarnings ? 1 : 0;
}

/** The day here, as in 2026-12-31. */
function today(): string {
  const now = new Date();
  const part = (n: number) => String(n).padStart(2, "0");
  return `${now.getFullYear()}-${part(now.getMonth() + 1)}-${part(now.getDate())}`;
}

/** Says how far the work is, if it takes long and a person looks on: a line that goes at "". */
function progressLine(): (text: string) => void {
  if (!Deno.stderr.isTerminal()) return () => {};
  let next = performance.now() + PATIENCE_MS;
  let shown = false;
  const put = (text: string) =>
    Deno.stderr.writeSync(new TextEncoder().encode(`\r${text.slice(0, 79)}\x1b[K`));
  return (text) => {
    if (text === "" && shown) put("");
    if (text === "" || performance.now() < next) return;
    put(`lint: ${text}`);
    shown = true;
    next = performance.now() + PATIENCE_MS;
  };
}

function print(format: Format, findings: readonly Finding[], files: readonly string[]): void {
  switch (format) {
    case "pretty": {
      for (const { diagnostic, sources } of findings) {
        console.log(`${show(diagnostic, sources, Deno.stdout)}\n`);
      }
      const what = files.length === 1 ? files[0] : `${files.length} files`;
      return console.log(`${what}: ${tally(findings.map(({ diagnostic }) => diagnostic))}`);
    }
    case "short":
      return findings.forEach((finding) => console.log(short(finding)));
    case "github":
      return findings.forEach((finding) => console.log(github(finding)));
    case "json":
      return console.log(json(findings));
    case "sarif":
      return console.log(sarif(findings, VERSION));
  }
}

function explainCode(code: string): number {
  if (!Object.hasOwn(CODES, code)) {
    throw new UsageError(`there is no code "${code}"; a code is as FW001`, "lint");
  }
  console.log(textOfCode(code as Code));
  return 0;
}

/** `github` in a workflow of GitHub's if nothing else is asked for. */
function formatOf(option: string | boolean | undefined): Format {
  if (option !== undefined) return oneOf("format", option, FORMATS);
  const environment = Deno.permissions.querySync({ name: "env", variable: "GITHUB_ACTIONS" });
  const inWorkflow = environment.state === "granted" && Deno.env.get("GITHUB_ACTIONS") === "true";
  return inWorkflow ? "github" : "pretty";
}

function oneOf<W extends string>(name: string, text: string | boolean, words: readonly W[]): W {
  const word = words.find((w) => w === text);
  if (word === undefined) {
    throw new UsageError(`--${name} takes ${words.join(", ")}, found "${text}"`, "lint");
  }
  return word;
}

function count(name: string, text: string): number {
  if (!/^\d+$/.test(text)) {
    throw new UsageError(`--${name} takes a number, found "${text}"`, "lint");
  }
  return Number(text);
}
