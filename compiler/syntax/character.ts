/**
 * What is said of characters that no rule file has.
 *
 * @module
 */
import type { IToken } from "chevrotain";
import type { Diagnostic } from "../diagnostic.ts";
import type { Span } from "../source.ts";
import { spanOf } from "./token.ts";

/** What the lexer could not read. */
export function explainCharacter(token: IToken): Diagnostic {
  const span = spanOf(token);
  const bad = token.image.slice(0, 12);
  if (bad.startsWith('"')) {
    return {
      code: "FW006",
      message: "this string has no end",
      span,
      help: 'close it with `"` on the same line',
    };
  }
  if (bad.startsWith("\ufffd")) {
    return {
      code: "FW008",
      message: "this is not UTF-8 text",
      span,
      help: "save the file as UTF-8",
    };
  }
  const code = bad.codePointAt(0)!;
  if (code < 32 || code === 127) {
    return {
      code: "FW008",
      message: code === 0
        ? "there is a NUL byte here; is this a text file?"
        : `there is a control character here (code ${code})`,
      span,
      help: "remove it",
    };
  }
  if (/^[\p{Cf}\p{Zs}\p{Zl}\p{Zp}]/u.test(bad) && !Object.hasOwn(LOOKALIKES, bad[0]!)) {
    return {
      code: "FW008",
      message: `there is a character here that is not seen (U+${
        code.toString(16).toUpperCase().padStart(4, "0")
      })`,
      span,
      help: "remove it",
    };
  }
  const script = SCRIPTS.find(([, letters]) => letters.test(bad))?.[0];
  if (script) {
    return {
      code: "FW008",
      message: `\`${bad}\` is written in ${script} letters`,
      span,
      help: "type the word in Latin letters; strings and comments may have any",
    };
  }
  const [like, help] = LOOKALIKES[String.fromCodePoint(code)] ?? [];
  return {
    code: "FW008",
    message: `\`${bad}\` means nothing in a rule file${like ? `; \`${like}\` does` : ""}`,
    span,
    ...(help && { help }),
  };
}

/** A file that is no text at all. */
export function explainBinary(span: Span): Diagnostic {
  return {
    code: "FW008",
    message: "this is not a text file",
    span,
    help: "name the rule file itself; one in UTF-16 must be saved as UTF-8",
  };
}

/** A carriage return alone: the end of a line to some editors, and the middle of a comment here. */
export function explainReturn(span: Span): Diagnostic {
  return {
    code: "FW008",
    message: "this line ends in a carriage return alone",
    span,
    help: "save the file with the line ends of Unix or of Windows",
  };
}

/** Alphabets whose letters look like ours. */
const SCRIPTS: readonly (readonly [name: string, letters: RegExp])[] = [
  ["Cyrillic", /^\p{Script=Cyrillic}/u],
  ["Greek", /^\p{Script=Greek}/u],
];

/** Characters that people type for others. */
const LOOKALIKES: Readonly<Record<string, readonly [like: string, help: string]>> = {
  "'": ['"', 'put strings in `"`'],
  "\u201c": ['"', 'put strings in `"`'],
  "\u201d": ['"', 'put strings in `"`'],
  "\u2013": ["-", "write `-`"],
  "\u2014": ["-", "write `-`"],
  "[": ["{", "write lists as `{ 80, 443 }`"],
  "]": ["}", "write lists as `{ 80, 443 }`"],
  "~": ["!", "negate with `!`"],
  "^": ["!", "negate with `!`"],
  "\u00a0": ["", "it is a no-break space: write a plain one"],
  "\ufeff": ["", "it is a byte order mark: remove it"],
  "&": ["", "clauses are joined by standing side by side"],
  "\\": ["", "leave it out: a rule may go on in the next line"],
  "*": ["", "an interface's name may end in it, as `eth*` does; leave the clause out for any"],
  "|": [",", "join alternatives in a list, as in `{ 80, 443 }`"],
  "<": ["", "a range is `0-1023`, and a set is named `@name`"],
  ">": ["", "a range is `1024-65535`"],
  "+": ["", "any number of letters is `*`, as in `in on eth*`"],
  "$": ["", "a constant is `$name`"],
  "@": ["", "a set is `@name`"],
  "%": ["", "the interface of an address is said by `in on` or `out on`"],
};
