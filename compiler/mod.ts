/**
 * The compiler: source text to a table image. Pure; no file, clock or library is touched.
 *
 * Stages run in order, and each reports what it finds: parse, resolve, plan, image. Nothing is
 * compiled once an error was reported.
 *
 * @module
 */
import { type Diagnostic, type Report, severityOf } from "./diagnostic.ts";
import type { Options } from "./policy/options.ts";
import type { Policy } from "./policy/policy.ts";
import { resolve } from "./policy/resolve.ts";
import { Sources } from "./source.ts";
import { follow, type Read } from "./syntax/include.ts";
import { parse } from "./syntax/parse.ts";
import { image } from "./tables/image.ts";
import { plan, TooLarge } from "./tables/plan.ts";

export { CODES, type Diagnostic, type Severity, severityOf } from "./diagnostic.ts";
export { addressText, readPrefix } from "./policy/address.ts";
export { durationNs } from "./policy/dynamic.ts";
export { type Hook, HOOKS } from "./policy/field.ts";
export { DEFAULTS, OPTION_NAMES, type Options, type Queues, readOption } from "./policy/options.ts";
export { type Policy, rejectsOf, type Rule, usesState } from "./policy/policy.ts";
export { type Position, Sources, type Span } from "./source.ts";
export type { Read } from "./syntax/include.ts";
export { printTables } from "./tables/print.ts";

/** What was found, and the policy if it is sound. */
export interface Checked {
  readonly sources: Sources;
  /** In source order. */
  readonly diagnostics: readonly Diagnostic[];
  /** Undefined if a diagnostic is an error. */
  readonly policy: Policy | undefined;
}

/**
 * Parses and resolves one file. `override` holds options that win over the file's; `read` gives the
 * text of the files that it takes in. Never throws on what the user wrote.
 */
export function check(
  name: string,
  text: string,
  override: Partial<Options> = {},
  read: Read = () => "no other file can be read here",
): Checked {
  const sources = new Sources();
  const diagnostics: Diagnostic[] = [];
  const report: Report = (diagnostic) => diagnostics.push(diagnostic);
  const source = sources.add(name, text);
  const file = follow(parse(source, report), source, sources, read, report);
  const broken = diagnostics.length > 0;
  const policy = resolve(file, sources, (diagnostic) => {
    // What a broken definition would have defined is not missed a second time.
    if (!(broken && (diagnostic.code === "FW020" || diagnostic.code === "FW027"))) {
      report(diagnostic);
    }
  }, override);
  diagnostics.sort((a, b) => a.span.start - b.span.start);
  const sound = diagnostics.every((diagnostic) => severityOf(diagnostic) !== "error");
  return { sources, diagnostics, policy: sound ? policy : undefined };
}

/**
 * The table image of a sound policy; a diagnostic if its tables would be too large. Rule numbers
 * in the image are positions in `policy.rules`.
 */
export function compile(policy: Policy): Uint8Array<ArrayBuffer> | Diagnostic {
  try {
    return image(policy, plan(policy));
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return {
      code: "FW198",
      message: `this policy is too large: ${error.message}`,
      span: policy.rules.at(-1)!.span,
      help: "split it, or join rules that differ in one field only into one rule with a list",
    };
  }
}
