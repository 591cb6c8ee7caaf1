/**
 * Findings about the user's source: data only. The command line renders them.
 *
 * @module
 */
import type { Span } from "./source.ts";

export type Severity = "error" | "warning" | "info";

/** Every code the compiler can report. A code is never reused; its meaning never changes. */
export const CODES = {
  FW001: { severity: "error", title: "unknown verb" },
  FW002: { severity: "error", title: "syntax of another firewall" },
  FW003: { severity: "error", title: "unknown clause" },
  FW004: { severity: "error", title: "missing operand" },
  FW005: { severity: "error", title: "missing comma" },
  FW006: { severity: "error", title: "unterminated string" },
  FW007: { severity: "error", title: "unterminated block or list" },
  FW008: { severity: "error", title: "character that no rule file has" },
  FW009: { severity: "error", title: "unexpected word" },
  FW010: { severity: "error", title: "include that cannot be followed" },
  FW011: { severity: "error", title: "version of the language not known" },
  FW012: { severity: "error", title: "not available yet" },
  FW020: { severity: "error", title: "undefined name" },
  FW021: { severity: "error", title: "duplicate name" },
  FW022: { severity: "error", title: "name defined by itself" },
  FW023: { severity: "error", title: "jump cycle" },
  FW024: { severity: "error", title: "jump to a hook chain" },
  FW025: { severity: "error", title: "hook chain without a default" },
  FW026: { severity: "error", title: "default on a subroutine" },
  FW027: { severity: "error", title: "no hook chain" },
  FW029: { severity: "error", title: "nested too deep" },
  FW030: { severity: "error", title: "unknown option" },
  FW031: { severity: "error", title: "option value out of range" },
  FW101: { severity: "warning", title: "shadowed rule" },
  FW102: { severity: "warning", title: "redundant rule" },
  FW103: { severity: "info", title: "rule made redundant by later ones" },
  FW104: { severity: "info", title: "partly shadowed rule" },
  FW106: { severity: "info", title: "correlated rules" },
  FW107: { severity: "error", title: "contradiction" },
  FW108: { severity: "warning", title: "rule behind a catch-all" },
  FW109: { severity: "warning", title: "unreachable default" },
  FW110: { severity: "warning", title: "repeated rule" },
  FW111: { severity: "info", title: "neighbours that merge" },
  FW112: { severity: "warning", title: "jump that decides nothing" },
  FW113: { severity: "warning", title: "impossible packets" },
  FW198: { severity: "error", title: "policy too large for its tables" },
  FW199: { severity: "info", title: "not decided within the budget" },
  FW201: { severity: "warning", title: "defined and never used" },
  FW202: { severity: "warning", title: "empty set" },
  FW203: { severity: "info", title: "set used once" },
  FW204: { severity: "warning", title: "duplicate member" },
  FW205: { severity: "warning", title: "member covered by another" },
  FW206: { severity: "info", title: "members that merge" },
  FW207: { severity: "error", title: "value of another type" },
  FW208: { severity: "error", title: "tuple of another shape" },
  FW209: { severity: "error", title: "bad set file" },
  FW210: { severity: "warning", title: "prefix with host bits" },
  FW211: { severity: "error", title: "prefix length out of range" },
  FW212: { severity: "error", title: "malformed address" },
  FW213: { severity: "error", title: "reversed range" },
  FW214: { severity: "error", title: "number out of range" },
  FW215: { severity: "warning", title: "port 0" },
  FW216: { severity: "error", title: "interface name too long" },
  FW217: { severity: "warning", title: "IPv4-mapped IPv6 address" },
  FW218: { severity: "error", title: "unknown name of a value" },
  FW219: { severity: "error", title: "mark mask too scattered" },
  FW301: { severity: "error", title: "clause not possible in this chain" },
  FW302: { severity: "error", title: "clauses that contradict" },
  FW401: { severity: "warning", title: "everything is accepted" },
  FW402: { severity: "warning", title: "the session that manages this host is denied" },
  FW403: { severity: "warning", title: "replies are denied" },
  FW404: { severity: "warning", title: "invalid packets are accepted" },
  FW405: { severity: "warning", title: "IPv6 forgotten" },
  FW406: { severity: "warning", title: "ICMPv6 that IPv6 needs is denied" },
  FW407: { severity: "warning", title: "path MTU discovery is denied" },
  FW409: { severity: "warning", title: "loopback is denied" },
  FW411: { severity: "warning", title: "management port open to any" },
  FW412: { severity: "warning", title: "fragments pass by port rules" },
  FW501: { severity: "warning", title: "log without a rate" },
  FW503: { severity: "info", title: "log prefix long or not unique" },
  FW506: { severity: "info", title: "nothing could be pushed down to the kernel" },
  FW702: { severity: "warning", title: "rule has expired" },
  FW703: { severity: "info", title: "rule expires soon" },
  FW705: { severity: "info", title: "not formatted" },
  FW799: { severity: "warning", title: "suppression without effect" },
  FW704: { severity: "warning", title: "line that looks like a rule of its own" },
  FW801: { severity: "error", title: "expectation failed" },
  FW802: { severity: "warning", title: "expectation over no packets" },
  FW803: { severity: "info", title: "rule that no test exercises" },
} as const satisfies Record<string, { severity: Severity; title: string }>;

export type Code = keyof typeof CODES;

/** One finding. `message` is one line of cause; the rest helps to mend it. */
export interface Diagnostic {
  readonly code: Code;
  readonly message: string;
  readonly span: Span;
  /** More of the same, on the same line. */
  readonly also?: readonly Span[];
  /** Instead of the code's own: the finding is graver than most, or the file asks for another. */
  readonly severity?: Severity;
  /** What stands beside the caret. */
  readonly label?: string;
  /** Other places that explain the finding. */
  readonly related?: readonly { readonly span: Span; readonly message: string }[];
  /** Why it is so. */
  readonly note?: string;
  /** The concrete edit that mends it. */
  readonly help?: string;
  /** Edits that mend it without a person's judgement. They do not overlap. */
  readonly fix?: readonly Edit[];
}

/** Text to put where a span is; an empty span inserts, an empty text removes. */
export interface Edit {
  readonly span: Span;
  readonly text: string;
}

/** Where a stage puts what it finds. */
export type Report = (diagnostic: Diagnostic) => void;

export function severityOf(diagnostic: Diagnostic): Severity {
  return diagnostic.severity ?? CODES[diagnostic.code].severity;
}

/** A word of the language that this version does not carry out: an error, never a wrong meaning. */
export function notYet(what: string, place: Span): Diagnostic {
  return {
    code: "FW012",
    message: `${what} is not available yet`,
    span: place,
    note: "it is a word of the language, and refused rather than ignored",
  };
}

/** A name that two things have. */
export function duplicate(what: string, again: Span, earlier: Span): Diagnostic {
  return {
    code: "FW021",
    message: `${what} is there twice`,
    span: again,
    related: [{ span: earlier, message: "first here" }],
  };
}

/** The caret's label that offers the nearest candidate, if one is near. */
export function suggestion(word: string, candidates: Iterable<string>): Pick<Diagnostic, "label"> {
  const meant = nearest(word, candidates);
  return meant ? { label: `did you mean \`${meant}\`?` } : {};
}

/**
 * The candidate nearest to `word` within Damerau-Levenshtein distance 2 (optimal string alignment),
 * and less than half its length away, else the only one that it begins, or undefined. Ties go to
 * the first.
 */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(2, Math.floor((word.length - 1) / 2)) + 1;
  const begun = new Set<string>();
  for (const candidate of candidates) {
    if (word.length > 2 && candidate.startsWith(word.toLowerCase())) begun.add(candidate);
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
  }
  return best ?? (begun.size === 1 ? [...begun][0] : undefined);
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 2) return 3;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        cost = Math.min(cost, beforeLast[j - 2]! + 1);
      }
      row.push(cost);
    }
    [beforeLast, last] = [last, row];
  }
  return last[b.length]!;
}
