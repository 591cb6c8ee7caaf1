/**
 * What the grammar stumbled over, in the user's words. No text names a token class or a production.
 *
 * @module
 */
import type { IRecognitionException, IToken } from "chevrotain";
import { type Diagnostic, nearest } from "../diagnostic.ts";
import type { Span } from "../source.ts";
import type { Translation } from "./foreign.ts";
import type { Mistake } from "./grammar.ts";
import type { Mended } from "./habits.ts";
import { EXAMPLE_AFTER, FOLLOWED, MISSING, PARTS, VALUE_AFTER, WORDS_IN } from "./sentence.ts";
import * as T from "./token.ts";

const { K } = T;

const VERBS = ["accept", "drop", "reject", "match", "jump", "return", "when", "include"];
const ITEMS = ["include", "define", "set", "option", "chain", "test"];
const CLAUSES = T.KEYWORDS.slice(T.KEYWORDS.indexOf("from"), T.KEYWORDS.indexOf("expect"))
  .filter((word) => !["over", "burst", "per", "days", "every", "pcap", "on"].includes(word));

/** A word or phrase that stands where something else must. */
export function explainMistake({ at, word, after }: Mistake): Diagnostic {
  const { span, text } = word;
  switch (at) {
    case "outside":
      return {
        code: "FW009",
        message: `\`${text}\` stands outside a chain`,
        span,
        help: "put the rule inside `chain input default drop { … }`",
      };
    case "order": {
      const verb = /^(.*)\b(accept|drop|reject|match|return|jump [\w-]+)(.*)$/s.exec(text);
      const put = verb && `${verb[2]} ${verb[1]!.trim()}${verb[3]}`;
      return {
        code: "FW009",
        message: verb ? "the verb of a rule stands first" : "a rule starts with its verb",
        span: verb ? part(span, verb[1]!.length, verb[2]!.length) : firstWord(word),
        help: put
          ? `write \`${put}\``
          : /^(log|label|set)\b/.test(text)
          ? `write \`match ${text}\``
          : `write \`accept ${text}\`, or \`drop ${text}\``,
      };
    }
    case "expectation": {
      const meant = nearest(text, ["expect"]);
      return {
        code: "FW001",
        message: `unknown expectation \`${text}\``,
        span,
        ...(meant && { label: `did you mean \`${meant}\`?` }),
        note: "a test holds lines as `expect input drop tcp dport 22`",
      };
    }
    case "default":
      return {
        code: "FW009",
        message: "a chain's default stands in its head",
        span,
        help: `write it behind the chain's name, as in \`${FOLLOWED.chain![1]}\``,
      };
    case "junk": {
      const whole = Object.hasOwn(PARTS, text) ? PARTS[text] : undefined;
      return {
        code: "FW009",
        message: after
          ? `\`${text}\` cannot follow \`${after}\``
          : `\`${text}\` cannot begin anything here`,
        span,
        ...(whole && {
          help: `it is part of \`${whole}\`: write it as in \`${FOLLOWED[text]![1]}\``,
        }),
        ...(text === "," && { help: "put several values in braces, as in `dport { 22, 80 }`" }),
      };
    }
    default: {
      const [what, candidates, note] = {
        word: ["word", [...ITEMS, ...VERBS], undefined],
        item: ["item", ITEMS, `a file holds ${listed(ITEMS)}`],
        verb: ["verb", VERBS, "a rule starts with accept, drop, reject, match, jump or return"],
        clause: ["clause", [...CLAUSES, ...VERBS], undefined],
      }[at] as [string, readonly string[], string | undefined];
      const meant = nearest(text, candidates);
      return {
        code: at === "clause" ? "FW003" : "FW001",
        message: `unknown ${what} \`${text}\``,
        span,
        ...(meant && { label: `did you mean \`${meant}\`?` }),
        ...(note && { note }),
        ...(meant && { fix: [{ span, text: meant }] }),
      };
    }
  }
}

/** Where a sentence broke off. The message of the exception is the name of what it wanted. */
export function explainError(
  error: IRecognitionException & { readonly previousToken?: IToken },
  text: string,
): Diagnostic {
  const production = error.context.ruleStack.at(-1) ?? "file";
  const found = error.token;
  const before = error.previousToken;
  const atEnd = !(found.startOffset >= 0);
  const end = before && before.startOffset >= 0 ? before.startOffset + before.image.length : 0;
  const onNextLine = !atEnd && text.slice(end, found.startOffset).includes("\n");
  const over = atEnd || onNextLine || found.tokenType === T.RBrace;
  const span = over && end > 0 ? T.spanOf(before!) : atEnd ? { start: end, end } : T.spanOf(found);
  const word = `\`${found.image}\``;
  const last = before?.image ?? "";

  const missingOperand = (what: string, example: string): Diagnostic => {
    const meant = nearest(found.image, WORDS_IN[production] ?? []);
    return {
      code: "FW004",
      message: over
        ? `${what} is missing after \`${last}\``
        : `expected ${what} after \`${last}\`, found ${word}`,
      span,
      ...(meant && meant !== found.image && !over && { label: `did you mean \`${meant}\`?` }),
      help: `write it as in \`${example}\``,
    };
  };
  if (production === "list" && error.message === "LBrace") {
    return missingOperand("a list in braces", "set lan = { 10.0.0.0/8 }");
  }
  if (production === "list" || production === "element") {
    if (found.tokenType === T.LBrace) {
      return { code: "FW009", message: "a list holds no list", span, help: "write one list" };
    }
    if (found.tokenType === T.Equals || found.tokenType === T.Bang) {
      const help = found.tokenType === T.Bang
        ? "negate the whole list, as in `dport ! { 22, 80 }`"
        : "leave it out";
      return { code: "FW009", message: `a member of a list has no ${word}`, span, help };
    }
    return {
      code: "FW005",
      message: `a comma is missing before ${word}`,
      span,
      help: `write \`${last}, ${found.image}\``,
      fix: [{ span: { start: end, end }, text: "," }],
    };
  }
  const missing = MISSING[production]?.[error.message] ??
    (error.name === "NoViableAltException" && production === "set"
      ? MISSING.set!.Equals
      : undefined);
  if (missing) {
    const sentence = text.slice(text.lastIndexOf("set", end), end);
    // It may begin empty: members come at run time.
    const fills = production === "set" && over && /\s(timeout|size)\s/.test(sentence);
    return missingOperand(missing[0], fills ? `${sentence} = {}` : missing[1]);
  }
  const followed = before && isWord(before) && Object.hasOwn(FOLLOWED, last)
    ? FOLLOWED[last]
    : undefined;
  if (followed) return missingOperand(...followed);
  if (production === "expectation") return missingOperand("a verdict", "expect input drop tcp");
  if (production === "tuple") return missingOperand("a field", "tuple (from, dport) in @allowed");
  if (production === "mask") return missingOperand("a number", "mark 0x1/0xff");
  if (Object.hasOwn(VALUE_AFTER, last)) {
    return missingOperand(VALUE_AFTER[last]!, EXAMPLE_AFTER[last]!);
  }
  if (production === "optionItem" && found.tokenType === T.Slash) {
    const path = /\S+/.exec(text.slice(found.startOffset))![0];
    return {
      code: "FW004",
      message: "a path stands in quotes",
      span: { start: found.startOffset, end: found.startOffset + path.length },
      help: `write it as in \`${last} "${path}"\``,
    };
  }
  if (production === "optionItem" || production === "operand" || production === "value") {
    return missingOperand("a value", text.slice(end - last.length, end) + " 0");
  }
  if (found.tokenType === T.LBrace) {
    return { code: "FW009", message: "no block can open here", span };
  }
  return {
    code: "FW009",
    message: last === "" ? `${word} cannot stand here` : `${word} cannot follow \`${last}\``,
    span,
  };
}

/** A slip in a line that is ours otherwise. `start` is where the line begins in the file. */
export function explainSlip({ message, span, write }: Mended, start: number): Diagnostic {
  return {
    code: "FW009",
    message,
    span: { start: start + span.start, end: start + span.end },
    ...(write && { help: `write \`${write}\`` }),
  };
}

/** A line of another firewall. `start` is where it begins in the file. */
export function explainForeign(found: Translation, line: string, start: number): Diagnostic {
  const [first, ...also] = found.words.map((word) => ({
    start: word.start + start,
    end: word.end + start,
  }));
  const shown = line.replace(/#.*$/, "").trim();
  const whole = {
    start: start + line.length - line.trimStart().length,
    end: start + line.trimEnd().length,
  };
  const why = found.why ? `; ${found.why}` : "";
  return {
    code: "FW002",
    message: `\`${shown.length > 60 ? `${shown.slice(0, 59)}…` : shown}\` is ${found.of} syntax`,
    span: first ?? whole,
    ...(also.length > 0 && { also }),
    help: found.write === undefined
      ? found.why ?? ""
      : found.write === ""
      ? `leave it out${why}`
      : `write \`${found.write}\`${why}`,
  };
}

function isWord(token: IToken): boolean {
  return (token.tokenType.CATEGORIES ?? []).includes(T.Ident) && token.tokenType !== T.Name &&
    token.tokenType !== K.any;
}

function part(span: Span, offset: number, length: number): Span {
  return { start: span.start + offset, end: span.start + offset + length };
}

function firstWord({ span, text }: { span: Span; text: string }): Span {
  return { start: span.start, end: span.start + (text.match(/^\S+/)?.[0].length ?? 1) };
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
