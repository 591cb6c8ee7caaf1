/**
 * Diagnostics as text for a person: cause, source with a caret, note and help.
 *
 * @module
 */
import {
  type Diagnostic,
  severityOf,
  type Source,
  type Sources,
  type Span,
} from "../compiler/mod.ts";

/** Characters of a source line that are shown around what is meant, at most and at least. */
const WIDEST = 120, NARROWEST = 40;

/**
 * One diagnostic. With `colour`, ANSI escapes mark severity and carets. Source lines are cut to the
 * terminal's `columns`, so that carets stay below what they mark.
 */
export function render(
  diagnostic: Diagnostic,
  sources: Sources,
  colour: boolean,
  columns = Infinity,
): string {
  const severity = severityOf(diagnostic);
  const paint = colour ? PAINT[severity] : (text: string) => text;
  const at = sources.position(diagnostic.span.start);
  const lines = [
    {
      spans: [diagnostic.span, ...(diagnostic.also ?? [])],
      label: diagnostic.label ?? "",
      mark: "^",
    },
    ...(diagnostic.related ?? []).map((r) => ({ spans: [r.span], label: r.message, mark: "-" })),
  ];
  const width = Math.max(
    ...lines.map(({ spans }) => String(sources.position(spans[0]!.start).line).length),
  );
  const pad = " ".repeat(width);
  const window = Math.max(NARROWEST, Math.min(WIDEST, columns - width - " | …".length));
  const excerpts: string[] = [];
  let above: Shown | undefined;
  for (const line of lines) {
    const { shown, text } = excerpt(line, above, sources, { width, window, paint });
    excerpts.push(...text);
    above = shown;
  }
  return [
    `${paint(`${severity}[${diagnostic.code}]`)}: ${printable(diagnostic.message)}`,
    `${pad}--> ${at.source.name}:${at.line}:${at.column}`,
    `${pad} |`,
    ...excerpts,
    ...(diagnostic.note ? [`${pad} = note: ${diagnostic.note}`] : []),
    ...(diagnostic.help ? [`${pad} = help: ${printable(diagnostic.help)}`] : []),
  ].join("\n");
}

/** A part of a source line that is on the screen. */
interface Shown {
  readonly source: Source;
  readonly line: number;
  /** Characters of the line before it. */
  readonly from: number;
}

/**
 * The source line of some spans, and a line of marks under it. A part of the line that is shown
 * `above` is not shown again; in another file than that, the place stands first.
 */
function excerpt(
  { spans, label, mark }: { spans: readonly Span[]; label: string; mark: string },
  above: Shown | undefined,
  sources: Sources,
  { width, window, paint }: {
    /** Of line numbers. */
    width: number;
    window: number;
    paint: (text: string) => string;
  },
): { shown: Shown; text: string[] } {
  const { source, line, column } = sources.position(spans[0]!.start);
  const elsewhere = above !== undefined && above.source !== source;
  const at = column - 1;
  const sameLine = above?.source === source && above.line === line &&
    at >= above.from && at < above.from + window;
  const start = spans[0]!.start - at;
  const from = sameLine ? above.from : at >= window ? at - Math.floor(window / 3) : 0;
  const { text, more } = sources.excerpt(start + from, window);
  const shown = printable(text);
  let marks = "";
  for (const span of spans) {
    const begin = span.start - start - from;
    if (begin > shown.length) break;
    const length = Math.max(1, Math.min(span.end - span.start, shown.length - begin));
    marks += shown.slice(marks.length, begin).replace(/[^\t]/g, " ") + mark.repeat(length);
  }
  const pad = " ".repeat(width);
  const [, indent = "", rest = ""] = /^(\s*)(.*)$/s.exec(marks)!;
  const lines = [
    ...(elsewhere ? [`${pad}::: ${source.name}:${line}:${column}`, `${pad} |`] : []),
    ...(sameLine ? [] : [`${String(line).padStart(width)} | ${shown}${more ? "…" : ""}`.trimEnd()]),
    `${pad} | ${indent}${paint(rest)}${label ? ` ${label}` : ""}`,
  ];
  return { shown: { source, line, from }, text: lines };
}

/** Control characters as pictures, so that a file cannot speak to the terminal. */
function printable(text: string): string {
  return text.replace(
    /[^\P{Cc}\t]/gu,
    (c) => String.fromCodePoint(0x2400 + (c.charCodeAt(0) & 31)),
  );
}

/** "1 error, 2 warnings", or "clean". */
export function tally(diagnostics: readonly Diagnostic[]): string {
  const parts = (["error", "warning", "info"] as const).flatMap((severity) => {
    const count = diagnostics.filter((d) => severityOf(d) === severity).length;
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
