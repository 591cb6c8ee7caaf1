/**
 * Text to syntax tree, and every syntax error as a diagnostic a person can act on.
 *
 * Chevrotain says which token it met in which production; the texts are ours. Its inclusive ends
 * and its tokens without a place (end of file, inserted in recovery) are dealt with here only.
 *
 * @module
 */
import type { ILexingError, IRecognitionException, IToken } from "chevrotain";
import { type Diagnostic, nearest, type Report } from "../diagnostic.ts";
import type { Source, Span } from "../source.ts";
import type { File, Statement } from "./ast.ts";
import { Grammar, type Mistake } from "./grammar.ts";
import { Ident, K, KEYWORDS, LBrace, lexer, Name, RBrace, Str } from "./token.ts";

const VERBS = ["accept", "drop", "reject", "match", "jump", "return", "when", "include"];
const ITEMS = ["include", "define", "set", "option", "chain", "test"];
const CLAUSES = KEYWORDS.slice(KEYWORDS.indexOf("from"), KEYWORDS.indexOf("expect"));

/** Words of pf, nft, iptables and Suricata, and what they are here. */
const FOREIGN: Readonly<Record<string, { of: string; write: string }>> = {
  pass: { of: "pf", write: "accept" },
  block: { of: "pf", write: "drop" },
  permit: { of: "router", write: "accept" },
  allow: { of: "ufw", write: "accept" },
  deny: { of: "ufw", write: "drop" },
  quick: { of: "pf", write: "nothing: the first rule that matches wins" },
  policy: { of: "nft", write: "default" },
  saddr: { of: "nft", write: "from" },
  daddr: { of: "nft", write: "to" },
  iifname: { of: "nft", write: "in on" },
  oifname: { of: "nft", write: "out on" },
  iif: { of: "nft", write: "in on" },
  oif: { of: "nft", write: "out on" },
  ct: { of: "nft", write: "state" },
  ip: { of: "nft", write: "ipv4" },
  ip6: { of: "nft", write: "ipv6" },
  table: { of: "nft", write: "chain" },
  rule: { of: "nft", write: "accept, drop or reject" },
  port: { of: "pf", write: "sport or dport" },
  src: { of: "tcpdump", write: "from" },
  dst: { of: "tcpdump", write: "to" },
};

// One for the life of the program: the self-analysis costs more than a parse.
let grammar: Grammar | undefined;

/** Parses one file. Reports every mistake; what could not be understood is left out of the tree. */
export function parse(source: Source, report: Report): File {
  return read(source, report, (grammar) => grammar.file()) ?? { items: [] };
}

/** As `parse`, for a file that a chain's body includes: it holds rules. */
export function parseStatements(source: Source, report: Report): readonly Statement[] {
  return read(source, report, (grammar) => grammar.statements()) ?? [];
}

function read<N>(source: Source, report: Report, production: (grammar: Grammar) => N): N {
  const { tokens, errors } = lexer.tokenize(source.text);
  grammar ??= new Grammar();
  grammar.mistakes.length = 0;
  grammar.input = tokens;
  const tree = production(grammar);

  const found = [
    ...errors.map((error) => explainLexing(error, source.text)),
    ...grammar.mistakes.map(explainMistake),
    ...grammar.errors.map((error) => explainParsing(error, tokens, source.text)),
  ];
  const shift = (span: Span) => ({ start: span.start + source.base, end: span.end + source.base });
  for (const d of found.toSorted((a, b) => a.span.start - b.span.start)) {
    report({
      ...d,
      span: shift(d.span),
      ...(d.related && { related: d.related.map((r) => ({ ...r, span: shift(r.span) })) }),
    });
  }
  return source.base === 0 ? tree : shiftSpans(tree, shift);
}

/** Moves every span of a tree. */
function shiftSpans<N>(node: N, shift: (span: Span) => Span): N {
  if (Array.isArray(node)) return node.map((n) => shiftSpans(n, shift)) as N;
  if (typeof node !== "object" || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === "span" ? shift(value as Span) : shiftSpans(value, shift),
    ]),
  ) as N;
}

function explainLexing(error: ILexingError, text: string): Diagnostic {
  const span = { start: error.offset, end: error.offset + Math.max(1, error.length) };
  if (text[error.offset] === '"') {
    return {
      code: "FW006",
      message: "this string has no end",
      span: { start: span.start, end: endOfLine(text, span.start) },
      help: 'close it with `"` on the same line',
    };
  }
  const shown = JSON.stringify(text.slice(span.start, Math.min(span.end, span.start + 12)));
  return { code: "FW008", message: `${shown} means nothing in a rule file`, span };
}

function explainMistake({ at, word }: Mistake): Diagnostic {
  const foreign = Object.hasOwn(FOREIGN, word.text) ? FOREIGN[word.text] : undefined;
  const code = foreign ? "FW002" : at === "clause" ? "FW003" : "FW001";
  if (foreign) {
    return {
      code,
      message: `\`${word.text}\` is ${foreign.of} syntax`,
      span: word.span,
      help: foreign.write.startsWith("nothing")
        ? `leave it out: ${foreign.write.slice(9)}`
        : `write \`${foreign.write}\``,
    };
  }
  const [what, candidates, note] = {
    item: ["item", ITEMS, `a file holds ${listed(ITEMS)}`],
    verb: ["verb", VERBS, "a rule starts with accept, drop, reject, match, jump or return"],
    clause: ["clause", [...CLAUSES, ...VERBS], undefined],
  }[at] as [string, readonly string[], string | undefined];
  const meant = nearest(word.text, candidates);
  return {
    code,
    message: `unknown ${what} \`${word.text}\``,
    span: word.span,
    ...(meant && { label: `did you mean \`${meant}\`?` }),
    ...(note && { note }),
  };
}

function explainParsing(
  error: IRecognitionException,
  tokens: readonly IToken[],
  text: string,
): Diagnostic {
  const rule = error.context.ruleStack.at(-1) ?? "file";
  const found = error.token;
  const atEnd = !(found.startOffset >= 0);
  if (atEnd) {
    const open = lastOpenBrace(tokens);
    const span = { start: text.length, end: text.length };
    if (open) {
      return {
        code: "FW007",
        message: `the file ends inside a ${rule === "list" ? "list" : "block"}`,
        span: spanOf(open),
        label: "opened here, never closed",
        help: "add the missing `}`",
      };
    }
    return {
      code: "FW009",
      message: `the file ends where ${EXPECTED[rule] ?? "more"} must follow`,
      span,
    };
  }
  const span = spanOf(found);
  if (rule === "list" && found.tokenType !== RBrace && isValue(found)) {
    return {
      code: "FW005",
      message: `a comma is missing before \`${found.image}\``,
      span,
      help: "separate the members of a list with `,`",
    };
  }
  const previous = tokens[tokens.indexOf(found) - 1];
  const after = previous ? ` after \`${previous.image}\`` : "";
  if (rule === "operand" || rule === "value" || rule === "element" || rule === "atom") {
    return { code: "FW004", message: `expected a value${after}, found \`${found.image}\``, span };
  }
  if ((rule === "file" || rule === "item") && found.tokenType === RBrace) {
    return { code: "FW009", message: "this `}` closes nothing", span, help: "remove it" };
  }
  if ((rule === "file" || rule === "item") && VERBS.includes(found.image)) {
    return {
      code: "FW009",
      message: `\`${found.image}\` stands outside a chain`,
      span,
      help: "put the rule inside `chain input default drop { … }`",
    };
  }
  const expected = EXPECTED[rule];
  return {
    code: "FW009",
    message: expected
      ? `expected ${expected}${after}, found \`${found.image}\``
      : `\`${found.image}\` cannot stand here`,
    span,
  };
}

/** What a production was looking for, in the user's words. */
const EXPECTED: Readonly<Record<string, string>> = {
  file: listed(ITEMS),
  item: listed(ITEMS),
  include: 'a file name in quotes, as in include "lan.fw"',
  define: "a name, `=` and a value, as in define lan = br-lan",
  set: "a name, `=` and a list, as in set lan = { 10.0.0.0/8 }",
  optionItem: "an option and its value, as in option queue 0",
  chain: "a chain's name, its default and `{`",
  block: "a rule or `}`",
  statement: "a rule",
  rule: "a verb",
  verb: "a verb",
  verdict: "accept, drop or reject",
  when: "clauses and `{`",
  clause: "a clause",
  flags: "TCP flags, as in flags syn/syn,ack",
  state: "states, as in state established, related",
  fragment: "`fragment`",
  names: "a name",
  name: "a name",
  mask: "a number",
  limit: "a rate, as in limit 10/second burst 20",
  time: "hours, as in time 08:00-18:00",
  log: "a prefix in quotes",
  list: "`,` or `}`",
  tuple: "fields in parentheses and a set, as in tuple (from, dport) in @allowed",
  test: "a name in quotes and `{`",
  expectation: "a chain and a verdict, as in expect input drop tcp dport 22",
};

function isValue(token: IToken): boolean {
  return token.tokenType !== LBrace && !isKeyword(token) || token.tokenType === Str;
}

function isKeyword(token: IToken): boolean {
  return token.tokenType !== Name && token.tokenType !== K.any && token.tokenType !== K.self &&
    (token.tokenType.CATEGORIES ?? []).includes(Ident);
}

function lastOpenBrace(tokens: readonly IToken[]): IToken | undefined {
  const open: IToken[] = [];
  for (const token of tokens) {
    if (token.tokenType === LBrace) open.push(token);
    if (token.tokenType === RBrace) open.pop();
  }
  return open.at(-1);
}

function spanOf(token: IToken): Span {
  return { start: token.startOffset, end: token.startOffset + token.image.length };
}

function endOfLine(text: string, from: number): number {
  const end = text.indexOf("\n", from);
  return end === -1 ? text.length : end;
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
