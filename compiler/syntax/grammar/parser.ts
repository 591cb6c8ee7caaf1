/**
 * What every production is made with: sentences that fail alone, mistakes that do not, and words
 * and spans of what was read.
 *
 * @module
 */
import {
  EmbeddedActionsParser,
  type IParserErrorMessageProvider,
  isRecognitionException,
  type IToken,
  type ParserMethod,
  type TokenType,
} from "chevrotain";
import type { Span } from "../../source.ts";
import type { Word } from "../ast.ts";
import type { Outline } from "../outline.ts";
import * as T from "../token.ts";

/** What stands where something else must: a word, a whole rule, clauses before their verb. */
export interface Mistake {
  readonly at:
    | ("word" | "item" | "verb" | "clause" | "expectation" | "junk")
    | ("outside" | "order" | "default");
  readonly word: Word;
  /** What stands before it on its line. */
  readonly after?: string;
}

/** A production's method: undefined where it was not understood. */
export type Production<N> = ParserMethod<[], N | undefined>;

/** Tokens that begin nothing, except where one of `but` may. */
export function junk(but: readonly TokenType[]): TokenType[] {
  const never = [T.Ident, T.Anything, T.Name, T.LBrace, T.RBrace, ...T.SKIPPED, ...but];
  return T.VOCABULARY.filter((type) => !never.includes(type));
}

/** Chevrotain's texts are keys for `explain`: what was expected, by the token's name. */
const KEYS: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.name,
  buildNotAllInputParsedMessage: () => "end",
  buildNoViableAltMessage: () => "",
  buildEarlyExitMessage: () => "",
};

export class SentenceParser extends EmbeddedActionsParser {
  /** What was found since `begin`, apart from `errors`. */
  readonly mistakes: Mistake[] = [];
  protected outline: Pick<Outline, "starts" | "blocks"> = { starts: new Set(), blocks: new Set() };
  #text = "";
  /** Whether what was read last goes on with words that cannot follow it. */
  #spoilt = false;

  constructor(validated: boolean) {
    super([...T.VOCABULARY], {
      maxLookahead: 1,
      errorMessageProvider: KEYS,
      skipValidations: !validated,
    });
  }

  protected begin(outline: Outline, text: string): void {
    this.mistakes.length = 0;
    this.outline = outline;
    this.#text = text;
    this.#spoilt = false;
    this.input = [...outline.tokens];
  }

  /** What is left of a sentence. */
  protected readonly rest: Production<undefined> = this.production("rest", () => {
    this.MANY({
      GATE: () => {
        const { starts, blocks } = this.outline;
        return !starts.has(this.LA(1)) && !blocks.has(this.LA(1));
      },
      DEF: () => this.CONSUME(T.Anything),
    });
    return undefined;
  });

  protected production<N>(name: string, body: () => N | undefined): Production<N> {
    return this.RULE(name, body);
  }

  /** A sentence; where it is mistaken, the rest of it is left out. */
  protected sentence<N>(i: number, production: Production<N>): N | undefined {
    try {
      return this.subrule(i, production);
    } catch (error) {
      if (!(error instanceof Error && isRecognitionException(error))) throw error;
      this.subrule(i, this.rest);
      return undefined;
    }
  }

  /** Fails unless a `{` follows, which it leaves to the caller. */
  protected demandBlock(): void {
    this.ACTION(() => {
      if (this.LA(1).tokenType !== T.LBrace) this.consume(9, T.LBrace);
    });
  }

  /** Whether the next token stands on the line of the last one. */
  protected sameLine(): boolean {
    const last = this.LA(0);
    return !this.#text.slice(last.startOffset, this.LA(1).startOffset).includes("\n");
  }

  /** The last token consumed if it is on the line of the next one, else "". */
  protected before(): string {
    const last = this.LA(0);
    return last.startOffset >= 0 && this.sameLine() ? last.image : "";
  }

  /** The text from a token to the last one consumed. */
  protected phrase(start: IToken): Word {
    const span = this.from(start);
    return { text: this.#text.slice(span.start, span.end), span };
  }

  /** From a token to the last one consumed. */
  protected from(start: IToken): Span {
    const last = this.LA(0);
    return { start: start.startOffset, end: last.startOffset + last.image.length };
  }

  /** What cannot stand here, or cannot follow what stands before it on its line. */
  protected mistake(at: Mistake["at"], token: IToken, after = ""): undefined {
    this.ACTION(() => {
      this.mistakes.push({ at, word: wordOf(token), ...(after && { after }) });
      this.#spoilt = after !== "" && after !== "}";
    });
  }

  /** Adds what was read next; what it has spoilt goes. */
  protected add<N>(read: (N | undefined)[], next: N | undefined): void {
    if (this.#spoilt) read.pop();
    this.#spoilt = false;
    read.push(next);
  }
}

/** Whether every part was understood. */
export function whole<N>(parts: (N | undefined)[]): parts is N[] {
  return parts.every((part) => part !== undefined);
}

export function wordOf(token: IToken): Word {
  const text = token.tokenType === T.Str
    ? token.image.slice(1, -1).replace(/\\(.)/g, "$1")
    : token.image;
  return { text, span: T.spanOf(token) };
}
