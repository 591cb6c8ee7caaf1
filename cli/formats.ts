/**
 * Findings for programs: one line each, JSON, SARIF 2.1.0 and GitHub's workflow commands.
 *
 * @module
 */
import {
  type Code,
  CODES,
  type Diagnostic,
  explainCode,
  type Severity,
  severityOf,
  type Sources,
  type Span,
} from "../compiler/mod.ts";

/** A finding and the files it is in. */
export interface Finding {
  readonly diagnostic: Diagnostic;
  readonly sources: Sources;
}

export const FORMATS = ["pretty", "short", "json", "sarif", "github"] as const;
export type Format = (typeof FORMATS)[number];

/** `file:line:col: warning[FW101]: text` */
export function short({ diagnostic, sources }: Finding): string {
  const { source, line, column } = sources.position(diagnostic.span.start);
  const { code, message } = diagnostic;
  return `${source.name}:${line}:${column}: ${severityOf(diagnostic)}[${code}]: ${message}`;
}

/** `::error file=F,line=L,col=C,title=FW001::text` */
export function github({ diagnostic, sources }: Finding): string {
  const { file, line, column, endLine, endColumn } = place(diagnostic.span, sources);
  const level = { error: "error", warning: "warning", info: "notice" }[severityOf(diagnostic)];
  const escape = (text: string) =>
    text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
  const property = (text: string) => escape(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
  const text = diagnostic.message + (diagnostic.help ? `\n${diagnostic.help}` : "");
  return `::${level} file=${property(file)},line=${line},endLine=${endLine},col=${column},` +
    `endColumn=${endColumn},title=${diagnostic.code}::${escape(text)}`;
}

/** An array of findings, each with its places and its fix as offsets and as lines. */
export function json(findings: readonly Finding[]): string {
  return JSON.stringify(
    findings.map(({ diagnostic, sources }) => ({
      code: diagnostic.code,
      severity: severityOf(diagnostic),
      message: diagnostic.message,
      ...place(diagnostic.span, sources),
      label: diagnostic.label,
      note: diagnostic.note,
      help: diagnostic.help,
      related: diagnostic.related?.map(({ span, message }) => ({
        message,
        ...place(span, sources),
      })),
      fix: diagnostic.fix?.map(({ span, text }) => ({ ...place(span, sources), text })),
    })),
    null,
    2,
  );
}

/** A SARIF log of one run. */
export function sarif(findings: readonly Finding[], version: string): string {
  const codes = [...new Set(findings.map(({ diagnostic }) => diagnostic.code))].toSorted();
  return JSON.stringify(
    {
      $schema: "https://json.schemastore.org/sarif-2.1.0.json",
      version: "2.1.0",
      runs: [{
        tool: { driver: { name: "barrage", version, rules: codes.map(rule) } },
        columnKind: "utf16CodeUnits",
        results: findings.map((finding) => result(finding, codes)),
      }],
    },
    null,
    2,
  );
}

const LEVELS: Readonly<Record<Severity, string>> = {
  error: "error",
  warning: "warning",
  info: "note",
};

function rule(code: Code) {
  const { title, severity } = CODES[code];
  return {
    id: code,
    shortDescription: { text: title },
    fullDescription: { text: explainCode(code) },
    defaultConfiguration: { level: LEVELS[severity] },
  };
}

function result({ diagnostic, sources }: Finding, codes: readonly Code[]) {
  const { code, message, help, span, related, fix } = diagnostic;
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level: LEVELS[severityOf(diagnostic)],
    message: { text: help ? `${message}. ${help}` : message },
    locations: [location(span, sources)],
    ...(related && {
      relatedLocations: related.map((r, id) => ({
        id,
        ...location(r.span, sources),
        message: { text: r.message },
      })),
    }),
    ...(fix && {
      fixes: [{
        description: { text: help ?? "mend it" },
        artifactChanges: [{
          artifactLocation: { uri: uriOf(place(span, sources).file) },
          replacements: fix.map((edit) => ({
            deletedRegion: region(edit.span, sources),
            insertedContent: { text: edit.text },
          })),
        }],
      }],
    }),
    partialFingerprints: { "rule/v1": fingerprint(diagnostic, sources) },
  };
}

function location(span: Span, sources: Sources) {
  return {
    physicalLocation: {
      artifactLocation: { uri: uriOf(place(span, sources).file) },
      region: region(span, sources),
    },
  };
}

function region(span: Span, sources: Sources) {
  const { line, column, endLine, endColumn } = place(span, sources);
  return { startLine: line, startColumn: column, endLine, endColumn };
}

function uriOf(file: string): string {
  return file.split("/").map(encodeURIComponent).join("/");
}

function place(span: Span, sources: Sources) {
  const from = sources.position(span.start);
  const to = sources.position(span.end);
  return {
    file: from.source.name,
    line: from.line,
    column: from.column,
    endLine: to.line,
    endColumn: to.column,
  };
}

/** Of the code and the words it is about, not of the line, so that it survives edits above. */
function fingerprint({ code, span }: Diagnostic, sources: Sources): string {
  const { source, column } = sources.position(span.start);
  const start = span.start - source.base - (column - 1);
  const end = Math.max(source.text.indexOf("\n", span.end - source.base), span.end - source.base);
  const words = source.text.slice(start, Math.min(end, start + 1000)).trim().replace(/\s+/g, " ");
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(`${code} ${words}`)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n);
  }
  return hash.toString(16).padStart(16, "0");
}
