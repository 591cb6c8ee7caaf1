/**
 * The compiler: source text to a table image. Pure; no file, clock or library is touched.
 *
 * Stages run in order, and each reports what it finds: parse, resolve, plan, image, verify. Nothing
 * is compiled once an error was reported.
 *
 * @module
 */
import { checkRelations, type Wanted } from "./analysis/shadow.ts";
import { hygiene } from "./analysis/hygiene.ts";
import { lockout, type Session } from "./analysis/lockout.ts";
import { safety } from "./analysis/safety.ts";
import { suppress } from "./analysis/suppress.ts";
import { type Diagnostic, type Edit, type Report, severityOf } from "./diagnostic.ts";
import { notPushed } from "./kernel/front.ts";
import type { Options } from "./policy/options.ts";
import type { Policy } from "./policy/policy.ts";
import { resolve } from "./policy/resolve.ts";
import { Sources } from "./source.ts";
import type { File } from "./syntax/ast.ts";
import { format } from "./syntax/format.ts";
import { follow, type Read } from "./syntax/include.ts";
import { parse } from "./syntax/parse.ts";
import { image, type Memory } from "./tables/image.ts";
import { plan, TooLarge } from "./tables/plan.ts";
import { verify } from "./tables/verify.ts";

export { diff, type Difference, Incomparable } from "./analysis/diff.ts";
export { explain, type Explanation, type Step } from "./analysis/explain.ts";
export { firstPacket, type Moment } from "./policy/decide.ts";
export { lockout, readSession, type Session } from "./analysis/lockout.ts";
export { reach, type Reached } from "./analysis/reach.ts";
export { OutOfBudget } from "./analysis/ruleset.ts";
export { WrongTables } from "./tables/ground.ts";
export { type RuleShare, ruleShares } from "./analysis/share.ts";
export { percent, verdictText } from "./analysis/verdict.ts";
export { type Family, type Inexpressible, type Matchable, settled } from "./kernel/cases.ts";
export type { Exported, Loss } from "./port/export.ts";
export { exportIptables } from "./port/export_iptables.ts";
export { exportNft } from "./port/export_nft.ts";
export { importIptables } from "./port/import_iptables.ts";
export { importNft } from "./port/import_nft.ts";
export { ImportError } from "./port/ruleset.ts";
export type { Imported, Row } from "./port/write.ts";
export { type Front, type FrontRule, pushDown } from "./kernel/front.ts";
export { addressText, readPrefix } from "./policy/address.ts";
export { type Carry, carry } from "./policy/carry.ts";
export { durationNs } from "./policy/dynamic.ts";
export { PacketError, packetText, readPacket } from "./policy/packet.ts";
export { regionText } from "./policy/text.ts";
export { runTests, type Tested, type TestReport } from "./analysis/expect.ts";
export { checkRelations, type Wanted };
export {
  type Code,
  CODES,
  type Diagnostic,
  type Edit,
  nearest,
  type Severity,
  severityOf,
} from "./diagnostic.ts";

export { explain as explainCode } from "./explanation.ts";
export { type Hook, HOOKS } from "./policy/field.ts";
export { DEFAULTS, OPTION_NAMES, type Options, type Queues, readOption } from "./policy/options.ts";
export { refusal } from "./kernel/refuse.ts";
export { type Policy, rejectsOf, type Rule, usesState } from "./policy/policy.ts";
export { type Position, type Source, Sources, type Span } from "./source.ts";
export type { Read } from "./syntax/include.ts";
export type { Memory } from "./tables/image.ts";
export { printTables } from "./tables/print.ts";

/** What was found, and the policy if it is sound. */
export interface Checked {
  readonly sources: Sources;
  /** The tree of the file itself, and with all that it includes in place. */
  readonly written: File;
  readonly file: File;
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
  const written = parse(source, report);
  const file = follow(written, source, sources, read, report);
  const foreign = diagnostics.some((d) => d.code === "FW002");
  const policy = resolve(file, sources, (diagnostic) => {
    // What a broken sentence would have defined is not missed a second time.
    const { code, span } = diagnostic;
    if (code === "FW020" && file.lost?.includes(sources.text(span))) return;
    if ((code === "FW025" && foreign) || (code === "FW027" && file.lost)) return;
    report(diagnostic);
  }, override);
  diagnostics.sort((a, b) => a.span.start - b.span.start);
  const sound = diagnostics.every((diagnostic) => severityOf(diagnostic) !== "error");
  return { sources, written, file, diagnostics, policy: sound ? policy : undefined };
}

/** What `lint` may be told. */
export interface LintWanted extends Wanted {
  /** The day, as 2026-12-31: without it nothing is said of rules that expire. */
  readonly today?: string;
  /** Whoever manages this host is connected by it. */
  readonly session?: Session | undefined;
  readonly read?: Read;
}

/** All that can be said of a file: its errors, and for a sound file how it could be better. */
export function lint(name: string, text: string, wanted: LintWanted = {}): Checked {
  const checked = check(name, text, {}, wanted.read);
  const { sources, written, file, policy } = checked;
  const found = policy
    ? [
      ...checked.diagnostics,
      ...hygiene(file, written, wanted.today),
      ...safety(policy),
      ...(wanted.session ? lockout(policy, wanted.session) : []),
      ...notPushed(policy),
      ...checkRelations(policy, wanted).filter((found) => wanted.correlated || isGrave(found)),
      ...layout(written, text),
    ]
    : checked.diagnostics;
  const diagnostics = policy ? suppress(found, file, sources) : found;
  return { ...checked, diagnostics: diagnostics.toSorted((a, b) => a.span.start - b.span.start) };
}

/** A policy is full of rules that overlap on purpose: what is only worth knowing is asked for. */
function isGrave(diagnostic: Diagnostic): boolean {
  return severityOf(diagnostic) !== "info";
}

/** FW705, with the fix that `fmt` would make. */
function layout(file: File, text: string): Diagnostic[] {
  const formatted = format(text, file);
  if (formatted === text) return [];
  let start = 0;
  while (formatted[start] === text[start]) start++;
  return [{
    code: "FW705",
    message: "the file is not in its canonical form",
    span: { start, end: start },
    help: "run `fmt`",
  }];
}

/** The canonical form of a file, or undefined if it has a syntax error. */
export function formatted(
  name: string,
  text: string,
): Omit<Checked, "policy" | "written"> & { text?: string } {
  const sources = new Sources();
  const diagnostics: Diagnostic[] = [];
  const file = parse(sources.add(name, text), (diagnostic) => diagnostics.push(diagnostic));
  return { sources, file, diagnostics, ...(!file.lost && { text: format(text, file) }) };
}

/**
 * The files that change when the fixes of diagnostics are made, and what they become. A fix that
 * overlaps an earlier one waits.
 */
export function fixed(
  sources: Sources,
  diagnostics: readonly Diagnostic[],
): readonly { readonly name: string; readonly text: string }[] {
  // By name, for a file may be included twice.
  const files = new Map<string, { text: string; edits: Edit[] }>();
  for (const { span, text: put } of diagnostics.flatMap(({ fix }) => fix ?? [])) {
    const { source: { name, text, base } } = sources.position(span.start);
    const file = files.get(name) ?? { text, edits: [] };
    files.set(name, file);
    file.edits.push({ span: { start: span.start - base, end: span.end - base }, text: put });
  }
  return [...files].map(([name, { text, edits }]) => ({ name, text: edited(text, edits) }));
}

/** What may be left of a line when a rule is taken out of it. */
const REST = /[ \t]*(#.*)?(\r?\n|$)/y;

function edited(text: string, edits: readonly Edit[]): string {
  const order = edits.toSorted((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
  let result = "", at = 0, last: Edit | undefined;
  for (const edit of order) {
    const { span, text: put } = edit;
    const again = last?.span.start === span.start && last.text === put;
    if (span.start < at || again) continue;
    last = edit;
    result += text.slice(at, span.start) + put;
    at = span.end;
    if (/\w$/.test(put) && /\w/.test(text[at] ?? "")) result += " ";
    if (put === "") at += /^[ \t]*;/.exec(text.slice(at, at + 200))?.[0].length ?? 0;
    // A line that held nothing else goes too, with the comment behind it and what documents it.
    REST.lastIndex = at;
    const rest = REST.exec(text)?.[0];
    const line = result.slice(result.lastIndexOf("\n") + 1);
    if (put === "" && rest !== undefined && line.trim() === "") {
      result = result.slice(0, result.length - line.length);
      at += rest.length;
      if (text[span.start] !== "#") result = withoutDocs(result);
    }
  }
  return result + text.slice(at);
}

/** A text without the `##` comments that it ends with: they belong to what follows. */
function withoutDocs(text: string): string {
  const start = text.lastIndexOf("\n", text.length - 2) + 1;
  const last = text.slice(start);
  return /^[ \t]*##.*\n$/.test(last) ? withoutDocs(text.slice(0, start)) : text;
}

/**
 * The table image of a sound policy; a diagnostic if its tables would be too large. Rule numbers
 * in the image are positions in `policy.rules`. The image is checked against the policy, for every
 * packet there can be, unless that is not wanted: throws WrongTables if it means anything else. It
 * is written to `memory`, if that is given.
 */
export function compile(
  policy: Policy,
  { verified = true, memory }: { verified?: boolean; memory?: Memory | undefined } = {},
): Uint8Array<ArrayBuffer> | Diagnostic {
  try {
    const made = image(policy, plan(policy), memory);
    if (verified) verify(policy, made);
    return made;
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
