/**
 * Text to syntax tree, and every syntax error as a diagnostic a person can act on.
 *
 * A mistake is told once: what follows from it in the same sentence is not, and a line of another
 * firewall is told as a whole. Chevrotain's tokens without a place (the end of the file) are dealt
 * with here only.
 *
 * @module
 */
import type { IToken } from "chevrotain";
import { type Diagnostic, type Report, severityOf } from "../diagnostic.ts";
import type { Source, Span } from "../source.ts";
import type { File, Statement, Word } from "./ast.ts";
import { explainBinary, explainCharacter, explainReturn } from "./character.ts";
import { explainError, explainForeign, explainMistake, explainSlip } from "./explain.ts";
import { foreignWord, translate } from "./foreign.ts";
import { Grammar } from "./grammar.ts";
import { mend } from "./habits.ts";
import { type Outline, outline } from "./outline.ts";
import { Equals, Ident, K, lexer, SetRef, Unknown, VarRef } from "./token.ts";

// One for the life of the program: the self-analysis costs more than a parse.
let grammar: Grammar | undefined;

/** A problem, and whether others in its sentence may come of it. */
interface Found {
  readonly diagnostic: Diagnostic;
  /** `word`: unknown words behind it are no news. `all`: nothing behind it is. */
  readonly hides: "nothing" | "words" | "all";
  readonly isWord: boolean;
}

/** Parses one file. Reports every mistake; what could not be understood is left out of the tree. */
export function parse(source: Source, report: Report): File {
  const { tree, tokens, comments, sound } = read(
    source,
    report,
    (grammar, ...input) => grammar.readFile(...input),
  );
  return { ...tree, comments, ...(!sound && { lost: declared(tokens) }) };
}

/** As `parse`, for a file that a chain's body includes: it holds rules. */
export function parseStatements(
  source: Source,
  report: Report,
): { body: readonly Statement[]; comments: readonly Word[] } {
  const { tree: body, comments } = read(
    source,
    report,
    (grammar, ...input) => grammar.readStatements(...input),
  );
  return { body, comments };
}

function read<N>(
  source: Source,
  report: Report,
  production: (grammar: Grammar, shape: Outline, text: string) => N,
): { tree: N; tokens: readonly IToken[]; comments: readonly Word[]; sound: boolean } {
  const { base } = source;
  const unread = unreadable(source);
  if (unread) report(unread);
  const text = unread ? "" : source.text;
  const { tokens, groups } = lexer.tokenize(text);
  const shape = outline(tokens, text);
  grammar ??= new Grammar();
  const tree = production(grammar, shape, text);

  const found: Found[] = [
    ...tokens.filter(({ tokenType }) => tokenType === Unknown).map((token): Found => ({
      diagnostic: explainCharacter(token),
      hides: "all",
      isWord: false,
    })),
    ...shape.problems.map((diagnostic): Found => ({
      diagnostic,
      hides: diagnostic.code === "FW704" ? "nothing" : "all",
      isWord: false,
    })),
    ...grammar.mistakes.map((mistake): Found => {
      const diagnostic = explainMistake(mistake);
      const isWord = mistake.at !== "order" && mistake.at !== "outside";
      return { diagnostic, hides: isWord && !diagnostic.label ? "words" : "nothing", isWord };
    }),
    // A brace without text was put in by the outline, which has said so.
    ...grammar.errors.filter(({ token }) => token.image !== "" || Number.isNaN(token.startOffset))
      .map((error): Found => ({
        diagnostic: explainError(error, text),
        hides: "all",
        isWord: false,
      })),
  ];
  const shift = (span: Span) => ({ start: span.start + base, end: span.end + base });
  const told = translated(causes(found, shape.starts), text);
  for (const d of told) {
    report({
      ...d,
      span: shift(d.span),
      ...(d.also && { also: d.also.map(shift) }),
      ...(d.related && { related: d.related.map((r) => ({ ...r, span: shift(r.span) })) }),
      ...(d.fix && { fix: d.fix.map((edit) => ({ ...edit, span: shift(edit.span) })) }),
    });
  }
  const sound = !unread && told.every((d) => severityOf(d) !== "error");
  const comments = (groups.comments ?? []).map(({ image, startOffset: start }) => ({
    text: image.trimEnd(),
    span: shift({ start, end: start + image.length }),
  }));
  return { tree: base === 0 ? tree : shiftSpans(tree, shift), tokens, comments, sound };
}

/** Why a text is not looked at. */
function unreadable({ text, base }: Source): Diagnostic | undefined {
  if (isBinary(text)) return explainBinary({ start: base, end: base });
  const at = base + text.search(/\r(?!\r*(\n|$))/);
  return at < base ? undefined : explainReturn({ start: at, end: at + 1 });
}

/** Whether a text is full of characters that no person types: its words are not worth a look. */
function isBinary(text: string): boolean {
  const head = text.slice(0, 4096);
  const odd = head.match(/(?![\t\r\n])[\p{Cc}\ufffd]/gu)?.length ?? 0;
  return odd >= 16 && odd > head.length / 10;
}

/** What is no consequence of an earlier problem in the same sentence, in source order. */
function causes(found: readonly Found[], starts: ReadonlySet<IToken>): Diagnostic[] {
  const bounds = [...starts].map((token) => token.startOffset);
  const order = found.toSorted((a, b) => a.diagnostic.span.start - b.diagnostic.span.start);
  const told: Diagnostic[] = [];
  let next = 0;
  let hides: Found["hides"] = "nothing";
  for (const { diagnostic, hides: alsoHides, isWord } of order) {
    const sentence = next;
    while (next < bounds.length && bounds[next]! <= diagnostic.span.start) next++;
    if (next > sentence) hides = "nothing";
    if (hides === "all" || (hides === "words" && alsoHides !== "nothing")) continue;
    told.push(diagnostic);
    if (alsoHides === "all" || (isWord && alsoHides === "words")) hides = alsoHides;
  }
  return told;
}

/** The same, with all that was found on a line of another firewall as one. */
function translated(told: readonly Diagnostic[], text: string): Diagnostic[] {
  const result: Diagnostic[] = [];
  let slips = 0;
  for (let i = 0; i < told.length;) {
    const at = told[i]!.span.start;
    const start = text.lastIndexOf("\n", at - 1) + 1;
    const newLine = text.indexOf("\n", at);
    const end = newLine === -1 ? text.length : newLine;
    let next = i + 1;
    while (next < told.length && told[next]!.span.start <= end) next++;
    const group = told.slice(i, next);
    const suspect = group.some(({ code }) => code !== "FW006" && code !== "FW704");
    const line = text.slice(start, Math.min(end, start + MAX_LINE)).trimEnd();
    const translation = suspect && end - start < MAX_LINE ? translate(line) : undefined;
    const mended = suspect && !translation && line.length < MAX_SLIP && slips++ < MAX_SLIPS
      ? mend(line, isSentence)
      : undefined;
    if (translation) result.push(explainForeign(translation, line, start));
    else if (mended) result.push(explainSlip(mended, start));
    else result.push(...group.map((diagnostic) => single(diagnostic, text)));
    i = next;
  }
  return result;
}

/** Lines longer than this no person has carried over from another firewall. */
const MAX_LINE = 2000;
/** Longer lines, and more of them, are not tried for what they should have been. */
const MAX_SLIP = 300, MAX_SLIPS = 200;

/** Whether a line is one of ours somewhere: by itself, in a block, or as the rest of a sentence. */
function isSentence(line: string): boolean {
  const plain = line.replace(/"[^"]*"/g, "");
  const open = plain.split("{").length - plain.split("}").length;
  const whole = open < 0 ? line.replace(/[}\s]+$/, "") : line + "\n}".repeat(open);
  return ["", "chain x {", 'test "" {', "chain x { accept ", "set x = {"].some((head) =>
    isSound(head ? `${head}${whole}\n}` : whole)
  );
}

function isSound(text: string): boolean {
  const { tokens } = lexer.tokenize(text);
  const shape = outline(tokens, text);
  if (shape.problems.length > 0 || tokens.some(({ tokenType }) => tokenType === Unknown)) {
    return false;
  }
  grammar!.readFile(shape, text);
  return grammar!.mistakes.length === 0 && grammar!.errors.length === 0;
}

/** An unknown word that another firewall knows is told as such. */
function single(diagnostic: Diagnostic, text: string): Diagnostic {
  if (!["FW001", "FW003", "FW004", "FW009"].includes(diagnostic.code)) return diagnostic;
  const word = text.slice(diagnostic.span.start, diagnostic.span.end);
  const foreign = foreignWord(word);
  if (!foreign) return diagnostic;
  return {
    code: "FW002",
    message: `\`${word}\` is ${foreign.of} syntax`,
    span: diagnostic.span,
    help: foreign.write === "" ? "leave it out" : `write \`${foreign.write}\``,
  };
}

/** The names of what may have been meant to be defined, as they are referred to. */
function declared(tokens: readonly IToken[]): string[] {
  return tokens.flatMap((token, i) => {
    const { tokenType: type, image } = token;
    if (tokens[i + 1]?.tokenType === Equals) {
      const name = image.replace(/^[$@]/, "");
      return [`$${name}`, `@${name}`];
    }
    const before = tokens[i - 1]?.tokenType;
    const named = (type.CATEGORIES ?? []).includes(Ident) || type === SetRef || type === VarRef;
    if (!named) return [];
    if (before === K.define) return [`$${image.replace("$", "")}`];
    if (before === K.set) return [`@${image.replace("@", "")}`];
    return before === K.chain || before === K.label ? [image] : [];
  });
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
