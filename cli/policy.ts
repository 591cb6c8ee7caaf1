/**
 * From a rule file named on the command line to a sound policy, or to what is wrong with it.
 *
 * @module
 */
import {
  check,
  type Checked,
  compile,
  type Diagnostic,
  type Memory,
  type Options,
  type Policy,
  type Read,
  readOption,
  type Sources,
} from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { CONTROL_SOCKET, METRICS, POLICY_OPTIONS } from "./options.ts";
import { render } from "./render.ts";
import { readFrom } from "./read.ts";
import { readText, UsageError } from "./report.ts";

/** A rule file that compiles, and its table image. */
export interface Compiled {
  readonly policy: Policy;
  readonly image: Uint8Array<ArrayBuffer>;
}

/**
 * Reads, checks and compiles the rule file; what was found goes to standard error. Undefined if
 * there is an error among it. Throws UsageError if the file cannot be read.
 */
export async function compileFile(args: Arguments): Promise<Compiled | undefined> {
  const checked = await checkFile(args);
  const { policy, image, found } = compiled(args, checked);
  for (const diagnostic of found) {
    console.error(`${show(diagnostic, checked.sources, Deno.stderr)}\n`);
  }
  return policy && image && { policy, image };
}

/** What was found in a file, and its policy and image if there is no error among it. */
export function compiled(
  { options }: Arguments,
  { diagnostics, policy }: Checked,
  memory?: Memory,
): Partial<Compiled> & { readonly found: readonly Diagnostic[] } {
  const image = policy && compile(policy, { verified: !options["no-verify"], memory });
  if (!policy || !image) return { found: diagnostics };
  return image instanceof Uint8Array
    ? { policy, image, found: diagnostics }
    : { found: [...diagnostics, image] };
}

/**
 * Reads and checks a rule file, the first operand unless another is named. `more` is read as if it
 * stood at the file's end; `held` wins over all other options. Throws UsageError if the file cannot be read.
 */
export async function checkFile(
  args: Arguments,
  path = args.operands[0]!,
  more = "",
  held: Partial<Options> = {},
  read: Read = readFrom,
): Promise<Checked> {
  return check(path, await readText(path) + more, { ...overrides(args), ...held }, read);
}

/** The sound policy of a rule file. Prints what is wrong with it, and then is undefined. */
export async function readPolicy(
  args: Arguments,
  path = args.operands[0]!,
  more = "",
): Promise<Policy | undefined> {
  const { sources, diagnostics, policy } = await checkFile(args, path, more);
  for (const diagnostic of diagnostics) {
    console.error(`${show(diagnostic, sources, Deno.stderr)}\n`);
  }
  return policy;
}

/** A diagnostic as text, in colour if the stream is a terminal and NO_COLOR is not set. */
export function show(
  diagnostic: Diagnostic,
  sources: Sources,
  stream: { isTerminal(): boolean },
): string {
  if (!stream.isTerminal()) return render(diagnostic, sources, false);
  // Of a terminal that does not tell, 0.
  const { columns } = Deno.consoleSize();
  return render(diagnostic, sources, !Deno.noColor, columns || undefined);
}

/** The options that the command line gives. Throws UsageError on a value that one cannot have. */
function overrides({ options }: Arguments): Partial<Options> {
  let override: Partial<Options> = {};
  for (const { name } of [...POLICY_OPTIONS, CONTROL_SOCKET, METRICS]) {
    const text = options[name];
    if (typeof text !== "string") continue;
    const read = readOption(name, text);
    if ("takes" in read) throw new UsageError(`--${name} takes ${read.takes}, found "${text}"`);
    override = { ...override, ...read };
  }
  if (options["no-hooks"]) override = { ...override, hooks: false };
  if (options["dry-run"]) override = { ...override, "dry-run": true };
  if (options.json) override = { ...override, report: "json" };
  return override;
}
