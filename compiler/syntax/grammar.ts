/**
 * The grammar of LANGUAGE, LL(1), as a Chevrotain parser that returns the syntax tree. Here are the
 * items of a file; what they are made of is in `grammar/`, a layer a file: parser (what all
 * productions use), operands, clauses, statements, tests.
 *
 * A few productions accept what is wrong on purpose (an unknown word where a verb, a clause or an
 * item must stand): the parser then knows what was meant and stays in step. They report through
 * `mistakes`, and what they are part of is left out of the tree. Any other mistake is one of
 * `errors` and costs the rest of its sentence, whose end the outline tells; Chevrotain's own
 * recovery, which guesses from follow sets, is off.
 *
 * @module
 */
import type { IToken } from "chevrotain";
import type {
  Chain,
  Define,
  Element,
  File,
  Item,
  LogClause,
  Operand,
  Option,
  SetDefinition,
  Statement,
  Value,
  Verb,
  Word,
} from "./ast.ts";
import { junk, type Production, wordOf } from "./grammar/parser.ts";
import { VERB_WORDS } from "./grammar/statements.ts";
import { TestParser } from "./grammar/tests.ts";
import type { Outline } from "./outline.ts";
import * as T from "./token.ts";

export type { Mistake } from "./grammar/parser.ts";

const { K } = T;

const ITEM_WORDS = [K.include, K.define, K.set, K.option, K.chain, K.test];
const JUNK_ITEMS = junk([...ITEM_WORDS, ...VERB_WORDS]);

export class Grammar extends TestParser {
  /** Blocks around us that belong to nothing we know. */
  #strays = 0;

  /** `validated`: throws if the grammar is ambiguous; that takes as long as all else at the start. */
  constructor({ validated = false } = {}) {
    super(validated);
    this.performSelfAnalysis();
  }

  /** The tree of a file. Its mistakes are then in `mistakes` and `errors`. */
  readFile(outline: Outline, text: string): File {
    this.begin(outline, text);
    return this.file() ?? { items: [], comments: [] };
  }

  /** As `readFile`, for a file that stands in for part of a chain's body. */
  readStatements(outline: Outline, text: string): readonly Statement[] {
    this.begin(outline, text);
    return this.statements() ?? [];
  }

  protected override begin(outline: Outline, text: string): void {
    super.begin(outline, text);
    this.#strays = 0;
    this.strayDefault = undefined;
  }

  protected readonly file: Production<File> = this.production("file", () => {
    let version: Word | undefined;
    const items: (Item | undefined)[] = [];
    this.OPTION(() => {
      this.CONSUME(K.fw);
      version = this.sentence(0, this.version);
    });
    this.MANY(() => this.add(items, this.SUBRULE(this.item)));
    const whole = items.filter((i) => i !== undefined);
    return { ...(version && { version }), items: whole, comments: [] };
  });

  protected readonly version: Production<Word> = this.production(
    "version",
    () => wordOf(this.CONSUME(T.Int)),
  );

  protected readonly item: Production<Item> = this.production("item", () => {
    return this.OR([
      ...[this.include, this.define, this.set, this.optionItem].map((production, i) => ({
        ALT: () => this.sentence<Item>(i, production),
      })),
      { ALT: () => this.SUBRULE(this.chain) },
      { ALT: () => this.SUBRULE(this.test) },
      { ALT: () => this.SUBRULE(this.unknownItem) },
      { ALT: () => this.sentence(5, this.outside) },
      { ALT: () => this.SUBRULE(this.junkItem) },
      { ALT: () => this.SUBRULE(this.strayBlock) },
    ]);
  });

  /** A word that begins no item. What follows it cannot be judged. */
  protected readonly unknownItem: Production<undefined> = this.production("unknownItem", () => {
    const word = this.CONSUME(T.Name);
    this.ACTION(() => this.mistake(this.#strays > 0 ? "word" : "item", word));
    this.SUBRULE(this.rest);
    return undefined;
  });

  /** A rule in no chain. */
  protected readonly outside: Production<undefined> = this.production("outside", () => {
    const start = this.LA(1);
    this.SUBRULE(this.knownVerb);
    this.SUBRULE(this.clauses);
    this.OPTION(() => this.CONSUME(T.Semicolon));
    this.ACTION(() => this.#strays === 0 && this.mistake("outside", start));
    return undefined;
  });

  protected readonly junkItem: Production<undefined> = this.production("junkItem", () => {
    const after = this.before();
    const token = this.OR(JUNK_ITEMS.map((type) => ({ ALT: () => this.CONSUME(type) })));
    this.mistake("junk", token, after);
    this.SUBRULE(this.rest);
    return undefined;
  });

  /** A block that belongs to nothing we know, read for the mistakes in it; or a list that does. */
  protected readonly strayBlock: Production<undefined> = this.production("strayBlock", () => {
    const after = this.before();
    const brace = this.CONSUME(T.LBrace);
    this.OPTION({
      GATE: () => this.outline.blocks.has(brace),
      DEF: () => {
        this.ACTION(() => this.#strays++);
        this.MANY(() => this.add([], this.SUBRULE(this.item)));
        this.CONSUME(T.RBrace);
        this.ACTION(() => this.#strays--);
      },
    });
    this.ACTION(() => this.outline.blocks.has(brace) || this.mistake("junk", brace, after));
    this.SUBRULE(this.rest);
    return undefined;
  });

  protected readonly define: Production<Define> = this.production("define", () => {
    const start = this.CONSUME(K.define);
    const name = wordOf(this.CONSUME(T.Ident));
    this.CONSUME(T.Equals);
    const value = this.SUBRULE(this.operand);
    return value && { kind: "define" as const, name, value, span: this.from(start) };
  });

  protected readonly set: Production<SetDefinition> = this.production("set", () => {
    const types: Word[] = [];
    let timeout: Word | undefined, size: Word | undefined, file: Word | undefined;
    let elements: readonly Element[] | undefined;
    const start = this.CONSUME(K.set);
    const name = wordOf(this.CONSUME(T.Ident));
    this.OPTION(() => {
      this.CONSUME(T.Colon);
      this.AT_LEAST_ONE_SEP({
        SEP: T.Dot,
        DEF: () => types.push(wordOf(this.CONSUME2(T.Ident))),
      });
    });
    this.MANY(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(K.timeout);
            timeout = wordOf(this.CONSUME(T.Duration));
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.size);
            size = wordOf(this.CONSUME(T.Int));
          },
        },
      ])
    );
    this.OR2([
      {
        ALT: () => {
          this.CONSUME(T.Equals);
          elements = this.SUBRULE(this.list);
        },
      },
      {
        ALT: () => {
          this.CONSUME(K.file);
          file = wordOf(this.CONSUME(T.Str));
        },
      },
    ]);
    return {
      kind: "set" as const,
      name,
      types,
      ...(timeout && { timeout }),
      ...(size && { size }),
      ...(elements && { elements }),
      ...(file && { file }),
      span: this.from(start),
    };
  });

  protected readonly optionItem: Production<Option> = this.production("optionItem", () => {
    const start = this.CONSUME(K.option);
    const name = wordOf(this.CONSUME(T.Ident));
    let setting: Word | undefined;
    const value = this.OR([
      { ALT: () => this.SUBRULE(this.operand) },
      ...(["accept", "drop", "on"] as const).map((word) => ({
        ALT: () => operandOf(this.CONSUME(K[word])),
      })),
      { ALT: () => operandOf(this.CONSUME(T.Endpoint)) },
    ]);
    this.OPTION({
      GATE: () => this.sameLine(),
      DEF: () => setting = wordOf(this.CONSUME(T.Name)),
    });
    const span = this.from(start);
    return value && { kind: "option" as const, name, value, ...(setting && { setting }), span };
  });

  protected readonly chain: Production<Chain> = this.production("chain", () => {
    let body: readonly Statement[] = [];
    this.strayDefault = undefined;
    const head = this.sentence(0, this.chainHead);
    this.OPTION(() => body = this.SUBRULE(this.block) ?? []);
    const stray = this.strayDefault as Verb | undefined;
    return head && { ...(stray && { default: stray }), ...head, body };
  });

  protected readonly chainHead: Production<Omit<Chain, "body">> = this.production(
    "chainHead",
    () => {
      let byDefault: Verb | undefined, log: LogClause | undefined;
      const start = this.CONSUME(K.chain);
      const name = wordOf(this.CONSUME(T.Ident));
      this.OPTION(() => {
        this.CONSUME(K.default);
        byDefault = this.SUBRULE(this.verdict);
        this.OPTION2(() => log = this.SUBRULE(this.log));
      });
      this.demandBlock();
      return {
        kind: "chain" as const,
        name,
        ...(byDefault && { default: byDefault }),
        ...(log && { log }),
        span: this.from(start),
      };
    },
  );
}

/** A word that is no value elsewhere, as an operand. */
function operandOf(token: IToken): Operand {
  const lo: Value = { kind: "name", ...wordOf(token) };
  const { span } = lo;
  return { negated: false, elements: [{ parts: [{ lo, span }], span }], span };
}
