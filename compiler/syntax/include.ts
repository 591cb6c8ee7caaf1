/**
 * What a rule file takes from other files: `include` is replaced by what it names, and a set's
 * `file` by the members that the lines of that file are.
 *
 * The compiler reads no file itself. It is handed a `Read`, so it stays pure.
 *
 * @module
 */
import type { Report } from "../diagnostic.ts";
import type { Source, Sources } from "../source.ts";
import type * as Ast from "./ast.ts";
import { parse, parseStatements } from "./parse.ts";

/**
 * The files that `path` means where it stands in the file `from`: one, or those that a glob names,
 * in order. A text says why there is none.
 */
export type Read = (
  path: string,
  from: string,
) => readonly { readonly name: string; readonly text: string }[] | string;

/** Mistakes of one set file that are told one by one. */
const MAX_BAD_LINES = 10;

/** A file's tree with everything that it includes in place, and the comments of all of it. */
export function follow(
  file: Ast.File,
  source: Source,
  sources: Sources,
  read: Read,
  report: Report,
): Ast.File {
  const follower = new Follower(sources, read, report);
  const whole = follower.file(file, [source.name]);
  return { ...whole, comments: follower.comments };
}

class Follower {
  readonly comments: Ast.Word[] = [];

  constructor(
    private readonly sources: Sources,
    private readonly read: Read,
    private readonly report: Report,
  ) {}

  /** `path` names the files that lead here, the innermost last. */
  file(file: Ast.File, path: readonly string[]): Ast.File {
    const lost = [...file.lost ?? []];
    this.#note(file.comments);
    const items = file.items.flatMap((item): readonly Ast.Item[] => {
      switch (item.kind) {
        case "include":
          return this.#opened(item, path).flatMap(({ source, inner }) => {
            const included = this.file(parse(source, this.report), inner);
            lost.push(...included.lost ?? []);
            return included.items;
          });
        case "chain":
          return [{ ...item, body: this.#body(item.body, path) }];
        case "set":
          return [item.file ? { ...item, elements: this.#members(item.file, path) } : item];
        default:
          return [item];
      }
    });
    return { ...file, items, ...(lost.length > 0 && { lost }) };
  }

  #body(body: readonly Ast.Statement[], path: readonly string[]): readonly Ast.Statement[] {
    return body.flatMap((statement): readonly Ast.Statement[] => {
      switch (statement.kind) {
        case "include":
          return this.#opened(statement, path).flatMap(({ source, inner }) => {
            const { body, comments } = parseStatements(source, this.report);
            this.#note(comments);
            return this.#body(body, inner);
          });
        case "when":
          return [{ ...statement, body: this.#body(statement.body, path) }];
        default:
          return [statement];
      }
    });
  }

  #note(comments: readonly Ast.Word[]): void {
    for (const comment of comments) this.comments.push(comment);
  }

  /** The files that an include names, but those that it already stands in. */
  #opened(include: Ast.Include, path: readonly string[]) {
    const found = this.read(include.path.text, path.at(-1)!);
    if (typeof found === "string") {
      this.report({
        code: "FW010",
        message: `cannot include "${include.path.text}": ${found}`,
        span: include.path.span,
      });
      return [];
    }
    return found.flatMap(({ name, text }) => {
      if (!path.includes(name)) {
        return [{ source: this.sources.add(name, text), inner: [...path, name] }];
      }
      this.report({
        code: "FW010",
        message: `this include closes a circle: ${
          [...path.slice(path.indexOf(name)), name].join(" → ")
        }`,
        span: include.path.span,
      });
      return [];
    });
  }

  /** The members that a set file lists, one a line, `#` and `;` beginning a comment. */
  #members(file: Ast.Word, path: readonly string[]): readonly Ast.Element[] {
    const found = this.read(file.text, path.at(-1)!);
    if (typeof found === "string") {
      const message = `cannot read the set file "${file.text}": ${found}`;
      this.report({ code: "FW209", message, span: file.span });
      return [];
    }
    return found.flatMap(({ name, text }) => this.#lines(this.sources.add(name, text)));
  }

  #lines({ name, text, base }: Source): Ast.Element[] {
    const elements: Ast.Element[] = [];
    let bad = 0, line = 0;
    for (let start = 0, end; start <= text.length; start = end + 1) {
      end = text.indexOf("\n", start);
      if (end < 0) end = text.length;
      line++;
      const whole = text.slice(start, end);
      // Behind a carriage return in a line, an editor may show another.
      const [content] = /\r(?!\r*$)/.test(whole) ? [whole] : /^[^#;]*/.exec(whole)!;
      const trimmed = content.trim();
      if (trimmed === "") continue;
      const from = base + start + content.indexOf(trimmed);
      const element = memberOf(trimmed, from);
      if (element) {
        elements.push(element);
      } else if (++bad <= MAX_BAD_LINES) {
        this.report({
          code: "FW209",
          message: `line ${line} of ${name} is no member of a set`,
          span: { start: from, end: from + trimmed.length },
          ...(bad === MAX_BAD_LINES && { note: "further lines like this are not listed" }),
        });
      }
    }
    return elements;
  }
}

/** How one value of a set file looks. The first that fits the whole text says what it is. */
const LOOKS: readonly (readonly [Ast.Value["kind"], RegExp])[] = [
  ["ipv4", /^\d+\.\d+\.\d+\.\d+(\/\d+)?$/],
  ["mac", /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$/],
  ["ipv6", /^[0-9A-Fa-f]*:[0-9A-Fa-f:]*(\.\d+)*(\/\d+)?$/],
  ["number", /^(\d+|0[xX][0-9A-Fa-f]+)$/],
  ["name", /^[A-Za-z_]\w*([-.]\w+)*$/],
  ["glob", /^[A-Za-z_][\w.-]*\*$/],
];

/** One line as a member: a value, a range, or several joined with ` . `; undefined if it is none. */
function memberOf(text: string, at: number): Ast.Element | undefined {
  const parts: Ast.Atom[] = [];
  let offset = at;
  for (const [i, piece] of text.split(/(\s+\.\s+)/).entries()) {
    const atom = i % 2 === 0 ? atomOf(piece, offset) : undefined;
    if (atom) parts.push(atom);
    else if (i % 2 === 0) return undefined;
    offset += piece.length;
  }
  return { parts, span: { start: at, end: at + text.length } };
}

function atomOf(text: string, at: number): Ast.Atom | undefined {
  const span = { start: at, end: at + text.length };
  const only = valueOf(text, at);
  if (only) return { lo: only, span };
  const [, first = "", dash = "", second = ""] = /^(\S+?)(\s*-\s*)(\S+)$/.exec(text) ?? [];
  const lo = valueOf(first, at);
  const hi = valueOf(second, at + first.length + dash.length);
  return lo && hi && { lo, hi, span };
}

function valueOf(text: string, start: number): Ast.Value | undefined {
  const found = LOOKS.find(([, looks]) => looks.test(text));
  return found && { kind: found[0], text, span: { start, end: start + text.length } };
}
