/**
 * The one canonical form of a rule file: a sentence a line, two spaces a block, one space between
 * words. Comments stay where they are, and at most one empty line where some were.
 *
 * It works on the tokens, with the tree saying where sentences and clauses begin, so nothing but
 * layout, `;` and the last comma of a list can change; what comes out is compared to be sure.
 *
 * @module
 */
import type { TokenType } from "chevrotain";
import type { File, Statement } from "./ast.ts";
import { outline } from "./outline.ts";
import * as T from "./token.ts";

const { K } = T;

/** Lines are broken to stay within this, where there is a place to break. */
const WIDTH = 100;
const STEP = "  ";
/** How far the rest of a broken sentence is set in. */
const HANG = "    ";

/** A word or a comment, and how many lines end before it. */
interface Word {
  readonly text: string;
  readonly type: TokenType;
  readonly breaks: number;
  readonly start: number;
  readonly block: boolean;
}

/** The canonical form of a text. `file` is its tree, without syntax errors and at base 0. */
export function format(text: string, file: File): string {
  const words = wordsOf(text);
  const { sentences, clauses } = placesOf(file);
  const out: string[] = [];
  let depth = 0, fresh = true, empty = false, afterBlock = false, sentence: Word[] = [];

  const emit = (lines: readonly string[], breaks: number) => {
    if ((breaks > 1 || (afterBlock && breaks > 0)) && !fresh) out.push("");
    afterBlock = false;
    for (const line of lines) out.push(line);
    fresh = empty = false;
  };
  const flush = () => {
    const end = sentence.findLastIndex(({ type }) => type !== T.Comment) + 1;
    const [body, comments] = [sentence.slice(0, end), sentence.slice(end)];
    sentence = [];
    if (body.length > 0) emit(layOut(body, STEP.repeat(depth), clauses), body[0]!.breaks || 1);
    for (const comment of comments) remark(comment);
  };
  const remark = (comment: Word) => {
    empty = false;
    if (comment.breaks === 0 && out.length > 0) out[out.length - 1] += `  ${comment.text}`;
    else emit([STEP.repeat(depth) + comment.text], comment.breaks);
  };

  for (const word of words) {
    if (word.type === T.Semicolon) continue;
    if (word.type === T.Comment && sentence.length === 0) remark(word);
    else if (word.block && word.type === T.RBrace) {
      flush();
      depth--;
      if (empty) out[out.length - 1] += "}";
      else emit([`${STEP.repeat(depth)}}`], 0);
      fresh = false;
      afterBlock = depth === 0;
    } else {
      if (sentences.has(word.start)) flush();
      sentence.push(word);
      if (word.block) {
        flush();
        depth++;
        fresh = empty = true;
      }
    }
  }
  flush();
  const result = out.map((line) => `${line.trimEnd()}\n`).join("");
  if (result !== text && essence(wordsOf(result)) !== essence(words)) {
    throw new Error("formatting would change the file");
  }
  return result;
}

/** What words say, apart from layout: themselves, and the comments. */
function essence(all: readonly Word[]): string {
  const comments = all.filter(({ type }) => type === T.Comment);
  const words = all.filter(({ type }) => type !== T.Comment);
  return [...words.filter(({ type }, i) => type !== T.Semicolon && !isIdle(words, i)), ...comments]
    .map((word) => word.text).join("\n");
}

/** Whether the word at `i` is a comma, and a brace or another one comes next. */
function isIdle(words: readonly Word[], i: number): boolean {
  return words[i]!.type === T.Comma && endsMember(words, i);
}

/** Whether a comma or the end of the list comes after `i`, and after comments. */
function endsMember(words: readonly Word[], i: number): boolean {
  let next = i + 1;
  while (words[next]?.type === T.Comment) next++;
  return words[next]?.type === T.RBrace || words[next]?.type === T.Comma;
}

function wordsOf(text: string): Word[] {
  const { tokens, groups } = T.lexer.tokenize(text);
  const { blocks } = outline(tokens, text);
  const all = [...tokens, ...(groups.comments ?? [])]
    .sort((a, b) => a.startOffset - b.startOffset);
  let end = 0;
  return all.map((token) => {
    const breaks = text.slice(end, token.startOffset).split("\n").length - 1;
    end = token.startOffset + token.image.length;
    return {
      text: token.image.trimEnd(),
      type: token.tokenType,
      breaks: token.startOffset === 0 ? 1 : breaks,
      start: token.startOffset,
      block: blocks.has(token),
    };
  });
}

/** Where sentences and where clauses begin. */
function placesOf(file: File): { sentences: Set<number>; clauses: Set<number> } {
  const sentences = new Set<number>();
  const clauses = new Set<number>();
  const visit = (statement: Statement) => {
    sentences.add(statement.span.start);
    if (statement.kind === "include") return;
    for (const clause of statement.clauses) clauses.add(clause.span.start);
    if (statement.kind === "when") statement.body.forEach(visit);
  };
  for (const item of file.items) {
    sentences.add(item.span.start);
    if (item.kind === "chain") {
      if (item.log) clauses.add(item.log.span.start);
      item.body.forEach(visit);
    }
    if (item.kind === "test") {
      for (const { span, clauses: wanted } of item.expectations) {
        sentences.add(span.start);
        for (const clause of wanted) clauses.add(clause.span.start);
      }
    }
  }
  return { sentences, clauses };
}

/** The lines of a sentence. */
function layOut(words: readonly Word[], indent: string, clauses: ReadonlySet<number>): string[] {
  const flat = indent + join(words);
  const remarks = words.some(({ type }) => type === T.Comment);
  if (!remarks && flat.length <= WIDTH) return [flat];
  const lines = [indent];
  const put = (text: string, gap = " ") => {
    const line = lines.at(-1)!;
    lines[lines.length - 1] = line.trim() === "" ? line + text : line + gap + text;
  };
  let broken = false;
  for (const chunk of chunksOf(words, clauses)) {
    const text = join(chunk);
    const simple = !chunk.some(({ type }) => type === T.Comment);
    const over = lines.at(-1)!.length + 1 + text.length > WIDTH;
    if (lines.at(-1)!.trim() !== "" && (broken || (over && text.length + HANG.length <= WIDTH))) {
      lines.push(indent + HANG);
    }
    broken = false;
    if (simple && lines.at(-1)!.length + 1 + text.length <= WIDTH) put(text);
    else broken = spread(chunk, lines, put);
  }
  return lines;
}

/** A chunk over several lines: its list is opened, and a comment ends its line. */
function spread(
  chunk: readonly Word[],
  lines: string[],
  put: (text: string, gap?: string) => void,
): boolean {
  const base = /^ */.exec(lines.at(-1)!)![0];
  const one = chunk.some(({ type }) => type === T.Comment);
  let inList = false, broken = false, element: Word[] = [];
  const flush = (comma: string) => {
    if (element.length === 0) return;
    const text = join(element) + comma;
    element = [];
    const line = lines.at(-1)!;
    const full = inList && line.trim() !== "" &&
      (one || line.length + 1 + text.length > WIDTH);
    if (full || broken) lines.push(inList ? base + STEP : base + HANG);
    broken = false;
    put(text);
  };
  for (const [i, word] of chunk.entries()) {
    if (word.type === T.Comment) {
      flush(inList && endsMember(chunk, i) ? "," : "");
      if (word.breaks > 0 && lines.at(-1)!.trim() !== "") {
        lines.push(inList ? base + STEP : base + HANG);
      }
      put(word.text, word.breaks > 0 ? " " : "  ");
      broken = true;
    } else if (word.type === T.LBrace && !word.block) {
      element.push(word);
      flush("");
      lines.push(base + STEP);
      inList = true;
    } else if (word.type === T.RBrace && inList) {
      flush(",");
      inList = broken = false;
      if (lines.at(-1)!.trim() === "") lines.pop();
      lines.push(base);
      element.push(word);
    } else if (word.type === T.Comma && inList) {
      flush(",");
    } else {
      element.push(word);
    }
  }
  flush("");
  return broken;
}

/** The words cut before each clause. */
function chunksOf(words: readonly Word[], clauses: ReadonlySet<number>): Word[][] {
  const chunks: Word[][] = [[]];
  for (const word of words) {
    if (clauses.has(word.start) && chunks.at(-1)!.length > 0) chunks.push([]);
    chunks.at(-1)!.push(word);
  }
  return chunks;
}

/** Words on one line. */
function join(words: readonly Word[]): string {
  let text = "", tight = false;
  for (const [i, word] of words.entries()) {
    const before = words[i - 1];
    if (isIdle(words, i)) continue;
    if (before && gapBetween(before, word, tight)) text += " ";
    text += word.text;
    if (word.type === K.flags || word.type === K.per) tight = true;
    else if (SPACED.has(word.type)) tight = false;
  }
  return text;
}

/** Words behind which names are set apart again. */
const SPACED = new Set([K.state, K.days, T.LBrace, T.LParen]);
/** A `-` on these would become part of them. */
const GREEDY = new Set([T.Name, T.Glob, T.VarRef, T.SetRef]);

/** Whether there is a space between two words. `tight`: not behind a comma. */
function gapBetween(before: Word, word: Word, tight: boolean): boolean {
  if (word.type === T.Comma || word.type === T.RParen || before.type === T.LParen) return false;
  if (before.type === T.LBrace && word.type === T.RBrace) return false;
  if (word.type === T.Slash || before.type === T.Slash) return false;
  if (before.type === T.Comma) return !tight;
  const names = (type: TokenType) => GREEDY.has(type) || (type.CATEGORIES ?? []).includes(T.Ident);
  if (word.type === T.Dash) return names(before.type);
  if (before.type === T.Dash) return names(word.type);
  return true;
}
