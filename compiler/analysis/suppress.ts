/**
 * What a file asks not to be told: `# fw-ignore FW501: reason` on the line above a finding, and
 * `option lint FW501 off`. Errors are never silenced.
 *
 * @module
 */
import {
  type Code,
  CODES,
  type Diagnostic,
  type Report,
  type Severity,
  suggestion,
} from "../diagnostic.ts";
import type { Sources, Span } from "../source.ts";
import type { File } from "../syntax/ast.ts";

const SETTINGS = ["off", "info", "warning", "error"] as const;

interface Suppression {
  readonly codes: readonly string[];
  readonly line: number;
  readonly source: string;
  readonly span: Span;
}

/** The findings that the file wants told, at the severity that it wants. */
export function suppress(found: readonly Diagnostic[], file: File, sources: Sources): Diagnostic[] {
  const problems: Diagnostic[] = [];
  const settings = readSettings(file, (d) => problems.push(d));
  const ignored = suppressions(file, sources);
  const used = new Set<string>();
  const told = found.flatMap((diagnostic): Diagnostic[] => {
    if (CODES[diagnostic.code].severity === "error") return [diagnostic];
    const setting = settings.get(diagnostic.code);
    if (setting === "off") return [];
    const at = sources.position(diagnostic.span.start);
    const by = ignored.find(({ codes, line, source }) =>
      codes.includes(diagnostic.code) && line === at.line - 1 && source === at.source.name
    );
    if (by) {
      used.add(`${by.span.start} ${diagnostic.code}`);
      return [];
    }
    return [setting ? { ...diagnostic, severity: setting } : diagnostic];
  });
  const idle = ignored.flatMap(({ codes, span }) =>
    codes.filter((code) => !used.has(`${span.start} ${code}`)).map((code): Diagnostic => ({
      code: "FW799",
      message: `there is no ${code} on the next line to ignore`,
      span,
      help: "remove it",
      ...(codes.length === 1 && { fix: [{ span, text: "" }] }),
    }))
  );
  return [...told, ...problems, ...(settings.get("FW799") === "off" ? [] : idle)];
}

function suppressions({ comments }: File, sources: Sources): Suppression[] {
  return comments.flatMap(({ text, span }): Suppression[] => {
    const list = /^#\s*fw-ignore\s+(FW\d+(?:\s*,\s*FW\d+)*)/.exec(text)?.[1];
    if (!list) return [];
    const { line, source } = sources.position(span.start);
    return [{ codes: list.split(/\s*,\s*/), line, source: source.name, span }];
  });
}

/** `option lint CODE off|info|warning|error` */
function readSettings(file: File, report: Report): Map<Code, Severity | "off"> {
  const settings = new Map<Code, Severity | "off">();
  for (const item of file.items) {
    if (item.kind !== "option" || item.name.text !== "lint") continue;
    const word = item.value.elements[0]?.parts[0]?.lo;
    const setting = SETTINGS.find((s) => s === item.setting?.text);
    if (!word || !Object.hasOwn(CODES, word.text) || !setting) {
      report({
        code: "FW031",
        message: "option `lint` takes a code and off, info, warning or error",
        span: item.span,
        ...(word && suggestion(word.text, Object.keys(CODES))),
        help: "write it as in `option lint FW501 off`",
      });
    } else if (CODES[word.text as Code].severity === "error") {
      report({
        code: "FW031",
        message: `\`${word.text}\` is an error, and errors stay errors`,
        span: item.span,
      });
    } else settings.set(word.text as Code, setting);
  }
  return settings;
}
