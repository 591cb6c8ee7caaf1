/**
 * Diagnostics as text for a person: cause, source with a caret, note and help.
 *
 * @module
 */
import { CODES, type Diagnostic, severityOf, type Sources, type Span } from "../compiler/mod.ts";

/** Characters of a source line that are shown around what is meant. */
const WINDOW = 120;

/** One diagnostic. With `colour`, ANSI escapes mark severity and carets. */
export function render(diagnostic: Diagnostic, sources: Sources, colour: boolean): string {
  const severity = severityOf(diagnostic);
  const paint = colour ? PAINT[severity] : (text: string) => text;
  const at = sources.position(diagnostic.span.start);
  const lines = [
    { span: diagnostic.span, label: diagnostic.label ?? "", mark: "^" },
    ...(diagnostic.related ?? []).map((r) => ({ span: r.span, label: r.message, mark: "-" })),
  ];
  const width = Math.max(
    ...lines.map(({ span }) => String(sources.position(span.start).line).length),
  );
  const pad = " ".repeat(width);
  return [
    `${paint(`${severity}[${diagnostic.code}]`)}: ${diagnostic.message}`,
    `${pad}--> ${at.source.name}:${at.line}:${at.column}`,
    `${pad} |`,
    ...lines.flatMap((line) => excerpt(line, sources, width, paint)),
    ...(diagnostic.note ? [`${pad} = note: ${diagnostic.note}`] : []),
    ...(diagnostic.help ? [`${pad} = help: ${diagnostic.help}`] : []),
  ].join("\n");
}

/** The source line of a span, and a line of marks under it. */
function excerpt(
  { span, label, mark }: { span: Span; label: string; mark: string },
  sources: Sources,
  width: number,
  paint: (text: string) => string,
): string[] {
  const { source, line, column } = sources.position(span.start);
  const text = sources.line(source, line);
  const from = text.length > WINDOW ? Math.max(0, column - 1 - WINDOW / 3) : 0;
  const shown = text.slice(from, from + WINDOW);
  const before = shown.slice(0, column - 1 - from).replace(/[^\t]/g, " ");
  const length = Math.min(
    span.end - span.start,
    Math.max(0, from + WINDOW - (column - 1)),
    text.length - (column - 1),
  );
  const marks = mark.repeat(Math.max(1, length));
  const pad = " ".repeat(width);
  return [
    `${String(line).padStart(width)} | ${shown}`.trimEnd(),
    `${pad} | ${before}${paint(marks)}${label ? ` ${label}` : ""}`,
  ];
}

/** "1 error, 2 warnings", or "clean". */
export function tally(diagnostics: readonly Diagnostic[]): string {
  const parts = (["error", "warning", "info"] as const).flatMap((severity) => {
    const count = diagnostics.filter((d) => CODES[d.code].severity === severity).length;
    return count === 0
      ? []
      : [`${count} ${severity}${count === 1 || severity === "info" ? "" : "s"}`];
  });
  return parts.join(", ") || "clean";
}

const PAINT = {
  error: (text: string) => `\x1b[1;31m${text}\x1b[0m`,
  warning: (text: string) => `\x1b[1;33m${text}\x1b[0m`,
  info: (text: string) => `\x1b[1;36m${text}\x1b[0m`,
} as const;
