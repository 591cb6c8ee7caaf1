/**
 * The grammar of LANGUAGE, LL(1), as a Chevrotain parser that returns the syntax tree.
 *
 * A few productions accept what is wrong on purpose (an unknown word where a verb, a clause or an
 * item must stand): the parser then knows what was meant and stays in step. They report through
 * `mistakes`, and what they are part of is left out of the tree. Any other mistake is one of
 * `errors` and costs the rest of its sentence, whose end the outline tells; Chevrotain's own
 * recovery, which guesses from follow sets, is off.
 *
 * @module
 */
import {
  EmbeddedActionsParser,
  type IParserErrorMessageProvider,
  isRecognitionException,
  type IToken,
  type ParserMethod,
} from "chevrotain";
import type { Span } from "../source.ts";
import type {
  Atom,
  Chain,
  Clause,
  Define,
  Element,
  Expectation,
  FieldName,
  File,
  FlagsClause,
  FragmentClause,
  Include,
  Item,
  KeywordClause,
  LimitClause,
  LogClause,
  Operand,
  Option,
  Rule,
  SetDefinition,
  StateClause,
  Statement,
  Test,
  TimeClause,
  TupleClause,
  Value,
  Verb,
  When,
  Word,
} from "./ast.ts";
import type { Outline } from "./outline.ts";
import * as T from "./token.ts";

const { K } = T;

/** What stands where something else must: a word, a whole rule, clauses before their verb. */
export interface Mistake {
  readonly at: "word" | "item" | "verb" | "clause" | "outside" | "order" | "expectation" | "junk";
  readonly word: Word;
  /** What stands before it on its line. */
  readonly after?: string;
}

const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6", "sctp"] as const;
const OPERAND_FIELDS = [
  ...["from", "to", "sport", "dport", "type", "code", "exthdr"],
  ...["sni", "http-host", "dns"],
] as const;
const MASKED_FIELDS = ["mark", "length", "ttl", "dscp", "mac", "uid", "gid"] as const;
const TUPLE_KEYS = ["from", "to", "sport", "dport", "proto", "in", "out", "mac", "mark"] as const;

const VALUES = [
  [T.V4, "ipv4"],
  [T.V6, "ipv6"],
  [T.Mac, "mac"],
  [T.Int, "number"],
  [T.Hex, "number"],
  [T.Str, "string"],
  [T.Name, "name"],
  [T.Glob, "glob"],
  [T.VarRef, "const"],
  [T.SetRef, "set"],
  [T.Duration, "duration"],
  [K.any, "any"],
  [K.self, "self"],
  ...PROTOCOLS.map((p) => [K[p], "name"] as const),
] as const;

const OPERAND_STARTS = new Set([...VALUES.map(([type]) => type), T.LBrace]);

/** Tokens that no item and no statement begins with. */
const JUNK = T.VOCABULARY.filter((type) =>
  ![T.Ident, T.Anything, T.Name, T.LBrace, T.RBrace].includes(type)
)
  .filter((type) => !T.SKIPPED.includes(type));
const ITEM_WORDS = [K.include, K.define, K.set, K.option, K.chain, K.test];
const VERB_WORDS = [K.accept, K.drop, K.reject, K.match, K.jump, K.return];
const STATEMENT_WORDS = [K.include, K.when, ...VERB_WORDS];
const CLAUSE_WORDS = [
  ...[K.ipv4, K.ipv6, K.proto, K.in, K.out, K.flags, K.state, K.fragment, T.Bang, K.tuple],
  ...[K.limit, K.time, K.log, K.until, K.set, K.label],
  ...[...PROTOCOLS, ...OPERAND_FIELDS, ...MASKED_FIELDS].map((word) => K[word]),
];
const JUNK_ITEMS = JUNK.filter((type) => ![...ITEM_WORDS, ...VERB_WORDS].includes(type));
const JUNK_STATEMENTS = JUNK.filter((type) =>
  ![...STATEMENT_WORDS, ...CLAUSE_WORDS].includes(type)
);

/** Chevrotain's texts are keys for `parse`: what was expected, by the token's name. */
const KEYS: IParserErrorMessageProvider = {
  buildMismatchTokenMessage: ({ expected }) => expected.name,
  buildNotAllInputParsedMessage: () => "end",
  buildNoViableAltMessage: () => "",
  buildEarlyExitMessage: () => "",
};

/** A production's method: undefined where it was not understood. */
type Production<N> = ParserMethod<[], N | undefined>;

export class Grammar extends EmbeddedActionsParser {
  /** What was found since `read`, apart from `errors`. */
  readonly mistakes: Mistake[] = [];
  #outline: Pick<Outline, "starts" | "blocks"> = { starts: new Set(), blocks: new Set() };
  #text = "";
  /** Blocks around us that belong to nothing we know. */
  #strays = 0;

  constructor() {
    super([...T.VOCABULARY], { maxLookahead: 1, errorMessageProvider: KEYS });
    this.performSelfAnalysis();
  }

  /** The tree of a file. Its mistakes are then in `mistakes` and `errors`. */
  readFile(outline: Outline, text: string): File {
    this.#begin(outline, text);
    return this.file() ?? { items: [], comments: [] };
  }

  /** As `readFile`, for a file that stands in for part of a chain's body. */
  readStatements(outline: Outline, text: string): readonly Statement[] {
    this.#begin(outline, text);
    return this.statements() ?? [];
  }

  #begin(outline: Outline, text: string): void {
    this.mistakes.length = 0;
    this.#outline = outline;
    this.#text = text;
    this.#strays = 0;
    this.input = [...outline.tokens];
  }

  private readonly file: Production<File> = this.#production("file", () => {
    let version: Word | undefined;
    const items: (Item | undefined)[] = [];
    this.OPTION(() => {
      this.CONSUME(K.fw);
      version = this.#sentence(0, this.version);
    });
    this.MANY(() => items.push(this.SUBRULE(this.item)));
    const whole = items.filter((i) => i !== undefined);
    return { ...(version && { version }), items: whole, comments: [] };
  });

  private readonly statements: Production<readonly Statement[]> = this.#production(
    "statements",
    () => {
      const body: (Statement | undefined)[] = [];
      this.MANY(() => body.push(this.SUBRULE(this.statement)));
      return body.filter((s) => s !== undefined);
    },
  );

  private readonly version: Production<Word> = this.#production(
    "version",
    () => this.#word(this.CONSUME(T.Int)),
  );

  private readonly item: Production<Item> = this.#production("item", () => {
    return this.OR([
      ...[this.include, this.define, this.set, this.optionItem].map((production, i) => ({
        ALT: () => this.#sentence<Item>(i, production),
      })),
      { ALT: () => this.SUBRULE(this.chain) },
      { ALT: () => this.SUBRULE(this.test) },
      { ALT: () => this.SUBRULE(this.unknownItem) },
      { ALT: () => this.#sentence(5, this.outside) },
      { ALT: () => this.SUBRULE(this.junkItem) },
      { ALT: () => this.SUBRULE(this.strayBlock) },
    ]);
  });

  /** A word that begins no item. What follows it cannot be judged. */
  private readonly unknownItem: Production<undefined> = this.#production("unknownItem", () => {
    const word = this.CONSUME(T.Name);
    this.ACTION(() => this.#mistake(this.#strays > 0 ? "word" : "item", word));
    this.SUBRULE(this.rest);
    return undefined;
  });

  /** A rule in no chain. */
  private readonly outside: Production<undefined> = this.#production("outside", () => {
    const start = this.LA(1);
    this.SUBRULE(this.knownVerb);
    this.SUBRULE(this.clauses);
    this.OPTION(() => this.CONSUME(T.Semicolon));
    this.ACTION(() => this.#strays === 0 && this.#mistake("outside", start));
    return undefined;
  });

  private readonly junkItem: Production<undefined> = this.#production("junkItem", () => {
    const after = this.#before();
    const token = this.OR(JUNK_ITEMS.map((type) => ({ ALT: () => this.CONSUME(type) })));
    this.#mistake("junk", token, after);
    this.SUBRULE(this.rest);
    return undefined;
  });

  /** A block that belongs to nothing we know, read for the mistakes in it. */
  private readonly strayBlock: Production<undefined> = this.#production("strayBlock", () => {
    this.ACTION(() => this.#strays++);
    this.CONSUME(T.LBrace);
    this.MANY(() => this.SUBRULE(this.item));
    this.CONSUME(T.RBrace);
    this.ACTION(() => this.#strays--);
    return undefined;
  });

  /** What is left of a sentence. */
  private readonly rest: Production<undefined> = this.#production("rest", () => {
    this.MANY({
      GATE: () => {
        const { starts, blocks } = this.#outline;
        return !starts.has(this.LA(1)) && !blocks.has(this.LA(1));
      },
      DEF: () => this.CONSUME(T.Anything),
    });
    return undefined;
  });

  private readonly include: Production<Include> = this.#production("include", () => {
    const start = this.CONSUME(K.include);
    const path = this.#word(this.CONSUME(T.Str));
    return { kind: "include" as const, path, span: this.#from(start) };
  });

  private readonly define: Production<Define> = this.#production("define", () => {
    const start = this.CONSUME(K.define);
    const name = this.#word(this.CONSUME(T.Ident));
    this.CONSUME(T.Equals);
    const value = this.SUBRULE(this.operand);
    return value && { kind: "define" as const, name, value, span: this.#from(start) };
  });

  private readonly set: Production<SetDefinition> = this.#production("set", () => {
    const types: Word[] = [];
    let timeout: Word | undefined, size: Word | undefined, file: Word | undefined;
    let elements: readonly Element[] | undefined;
    const start = this.CONSUME(K.set);
    const name = this.#word(this.CONSUME(T.Ident));
    this.OPTION(() => {
      this.CONSUME(T.Colon);
      this.AT_LEAST_ONE_SEP({
        SEP: T.Dot,
        DEF: () => types.push(this.#word(this.CONSUME2(T.Ident))),
      });
    });
    this.MANY(() =>
      this.OR([
        {
          ALT: () => {
            this.CONSUME(K.timeout);
            timeout = this.#word(this.CONSUME(T.Duration));
          },
        },
        {
          ALT: () => {
            this.CONSUME(K.size);
            size = this.#word(this.CONSUME(T.Int));
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
          file = this.#word(this.CONSUME(T.Str));
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
      span: this.#from(start),
    };
  });

  private readonly optionItem: Production<Option> = this.#production("optionItem", () => {
    const start = this.CONSUME(K.option);
    const name = this.#word(this.CONSUME(T.Ident));
    let setting: Word | undefined;
    const value = this.OR([
      { ALT: () => this.SUBRULE(this.operand) },
      ...(["accept", "drop"] as const).map((verdict) => ({
        ALT: () => this.#wordOperand(this.CONSUME(K[verdict])),
      })),
      { ALT: () => this.#wordOperand(this.CONSUME(T.Endpoint)) },
    ]);
    this.OPTION({
      GATE: () => this.#sameLine(),
      DEF: () => setting = this.#word(this.CONSUME(T.Name)),
    });
    const span = this.#from(start);
    return value && { kind: "option" as const, name, value, ...(setting && { setting }), span };
  });

  private readonly chain: Production<Chain> = this.#production("chain", () => {
    let body: readonly Statement[] = [];
    const head = this.#sentence(0, this.chainHead);
    this.OPTION(() => body = this.SUBRULE(this.block) ?? []);
    return head && { ...head, body };
  });

  private readonly chainHead: Production<Omit<Chain, "body">> = this.#production(
    "chainHead",
    () => {
      let byDefault: Verb | undefined, log: LogClause | undefined;
      const start = this.CONSUME(K.chain);
      const name = this.#word(this.CONSUME(T.Ident));
      this.OPTION(() => {
        this.CONSUME(K.default);
        byDefault = this.SUBRULE(this.verdict);
        this.OPTION2(() => log = this.SUBRULE(this.log));
      });
      this.#demandBlock();
      return {
        kind: "chain" as const,
        name,
        ...(byDefault && { default: byDefault }),
        ...(log && { log }),
        span: this.#from(start),
      };
    },
  );

  private readonly block: Production<readonly Statement[]> = this.#production("block", () => {
    const body: (Statement | undefined)[] = [];
    this.CONSUME(T.LBrace);
    this.MANY(() => body.push(this.SUBRULE(this.statement)));
    this.CONSUME(T.RBrace);
    return body.filter((s) => s !== undefined);
  });

  private readonly statement: Production<Statement> = this.#production(
    "statement",
    () =>
      this.OR([
        { ALT: () => this.#sentence<Statement>(0, this.include) },
        { ALT: () => this.SUBRULE(this.when) },
        { ALT: () => this.#sentence(1, this.rule) },
        { ALT: () => this.#sentence(2, this.headless) },
        { ALT: () => this.SUBRULE(this.junkStatement) },
        { ALT: () => this.SUBRULE(this.strayBlock) },
      ]),
  );

  /** A rule whose verb is missing, or stands behind its clauses on the same line. */
  private readonly headless: Production<undefined> = this.#production("headless", () => {
    const start = this.LA(1);
    this.SUBRULE(this.knownClause);
    this.SUBRULE(this.clauses);
    this.OPTION({
      GATE: () => this.#sameLine(),
      DEF: () => {
        this.SUBRULE(this.verb);
        this.SUBRULE2(this.clauses);
      },
    });
    this.OPTION2(() => this.CONSUME(T.Semicolon));
    this.ACTION(() => this.mistakes.push({ at: "order", word: this.#phrase(start) }));
    return undefined;
  });

  private readonly junkStatement: Production<undefined> = this.#production("junkStatement", () => {
    const after = this.#before();
    const token = this.OR(JUNK_STATEMENTS.map((type) => ({ ALT: () => this.CONSUME(type) })));
    this.#mistake("junk", token, after);
    this.SUBRULE(this.rest);
    return undefined;
  });

  private readonly when: Production<Statement> = this.#production("when", () => {
    let body: readonly Statement[] = [];
    const head = this.#sentence(0, this.whenHead);
    this.OPTION(() => body = this.SUBRULE(this.block) ?? []);
    return head && { ...head, body };
  });

  private readonly whenHead: Production<Omit<When, "body">> = this.#production("whenHead", () => {
    const start = this.CONSUME(K.when);
    const clauses: (Clause | undefined)[] = [];
    this.AT_LEAST_ONE(() => clauses.push(this.SUBRULE(this.clause)));
    this.#demandBlock();
    const span = this.#from(start);
    return this.#whole(clauses) ? { kind: "when" as const, clauses, span } : undefined;
  });

  /** Clauses up to the next sentence; undefined if one was not understood. */
  private readonly clauses: Production<readonly Clause[]> = this.#production("clauses", () => {
    const clauses: (Clause | undefined)[] = [];
    this.MANY({
      GATE: () => !this.#outline.starts.has(this.LA(1)),
      DEF: () => clauses.push(this.SUBRULE(this.clause)),
    });
    return this.#whole(clauses) ? clauses : undefined;
  });

  private readonly rule: Production<Rule> = this.#production("rule", () => {
    const start = this.LA(1);
    const verb = this.SUBRULE(this.verb);
    const clauses = this.SUBRULE(this.clauses);
    const span = this.#from(start);
    this.OPTION(() => this.CONSUME(T.Semicolon));
    return verb && clauses && { kind: "rule" as const, verb, clauses, span };
  });

  private readonly verb: Production<Verb> = this.#production("verb", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.knownVerb) },
      { ALT: () => this.#mistake("verb", this.CONSUME(T.Name)) },
    ]));

  private readonly knownVerb: Production<Verb> = this.#production("knownVerb", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.verdict) },
      {
        ALT: () => {
          const start = this.CONSUME(K.jump);
          const target = this.#word(this.CONSUME(T.Ident));
          return { kind: "jump" as const, target, span: this.#from(start) };
        },
      },
      ...(["match", "return"] as const).map((kind) => ({
        ALT: () => ({ kind, span: this.#span(this.CONSUME(K[kind])) }),
      })),
    ]));

  private readonly verdict: Production<Verb> = this.#production("verdict", () =>
    this.OR([
      ...(["accept", "drop"] as const).map((kind) => ({
        ALT: () => ({ kind, span: this.#span(this.CONSUME(K[kind])) }),
      })),
      {
        ALT: () => {
          let how: Word | undefined;
          const start = this.CONSUME(K.reject);
          this.OPTION(() => {
            this.CONSUME(K.with);
            how = this.#word(this.CONSUME(T.Name));
          });
          return { kind: "reject" as const, ...(how && { with: how }), span: this.#from(start) };
        },
      },
    ]));

  private readonly clause: Production<Clause> = this.#production(
    "clause",
    () =>
      this.OR([
        { ALT: () => this.SUBRULE(this.knownClause) },
        { ALT: () => this.SUBRULE(this.unknownClause) },
      ]),
  );

  private readonly knownClause: Production<Clause> = this.#production("knownClause", () =>
    this.OR([
      ...(["ipv4", "ipv6", ...PROTOCOLS] as const).map((word) => ({
        ALT: (): KeywordClause => ({
          kind: "keyword",
          word,
          span: this.#span(this.CONSUME(K[word])),
        }),
      })),
      ...OPERAND_FIELDS.map((field, i) => ({
        ALT: () =>
          this.#compare(
            field as FieldName,
            this.CONSUME(K[field]),
            this.subrule(i, this.operand),
          ),
      })),
      {
        ALT: () => this.#compare("proto", this.CONSUME(K.proto), this.subrule(20, this.operand)),
      },
      ...(["in", "out"] as const).map((field, i) => ({
        ALT: () => {
          const start = this.CONSUME(K[field]);
          this.consume(i, K.on);
          return this.#compare(field, start, this.subrule(21 + i, this.operand));
        },
      })),
      ...MASKED_FIELDS.map((field, i) => ({
        ALT: () => {
          let mask: Word | undefined;
          const start = this.CONSUME(K[field]);
          const operand = this.subrule(30 + i, this.operand);
          this.option(30 + i, () => mask = this.subrule(40 + i, this.mask));
          return this.#compare(field, start, operand, mask);
        },
      })),
      { ALT: () => this.SUBRULE(this.flags) },
      { ALT: () => this.SUBRULE(this.state) },
      { ALT: () => this.SUBRULE(this.fragment) },
      { ALT: () => this.SUBRULE(this.tuple) },
      { ALT: () => this.SUBRULE(this.limit) },
      { ALT: () => this.SUBRULE(this.time) },
      { ALT: () => this.SUBRULE(this.log) },
      {
        ALT: () => {
          const start = this.CONSUME(K.until);
          const day = this.#word(this.CONSUME(T.Day));
          return { kind: "until" as const, day, span: this.#from(start) };
        },
      },
      {
        ALT: () => {
          let mask: Word | undefined;
          const start = this.CONSUME(K.set);
          this.CONSUME2(K.mark);
          const value = this.SUBRULE(this.value);
          this.OPTION(() => mask = this.SUBRULE2(this.mask));
          const span = this.#from(start);
          return value && { kind: "set-mark" as const, value, ...(mask && { mask }), span };
        },
      },
      {
        ALT: () => {
          const start = this.CONSUME(K.label);
          const name = this.SUBRULE(this.name);
          return name && { kind: "label" as const, name, span: this.#from(start) };
        },
      },
    ]));

  /** A word that begins no clause, with the values that seem to belong to it. */
  private readonly unknownClause: Production<undefined> = this.#production("unknownClause", () => {
    this.#mistake("clause", this.CONSUME(T.Name));
    this.MANY(() =>
      this.OR([
        ...VALUES.filter(([, kind]) => kind !== "name").map(([type]) => ({
          ALT: () => this.CONSUME(type),
        })),
        {
          GATE: () => !this.#outline.starts.has(this.LA(1)),
          ALT: () => this.CONSUME2(T.Name),
        },
        { ALT: () => this.CONSUME(T.Dash) },
        { ALT: () => this.CONSUME(T.Comma) },
        { ALT: () => this.CONSUME(T.Slash) },
        {
          GATE: () => !this.#outline.blocks.has(this.LA(1)),
          ALT: () => this.SUBRULE(this.list),
        },
      ])
    );
    return undefined;
  });

  private readonly flags: Production<FlagsClause> = this.#production("flags", () => {
    let mask: readonly Word[] | undefined;
    const start = this.CONSUME(K.flags);
    const value = this.SUBRULE(this.names);
    this.OPTION(() => {
      this.CONSUME(T.Slash);
      mask = this.SUBRULE2(this.names);
    });
    const span = this.#from(start);
    return value && { kind: "flags" as const, value, ...(mask && { mask }), span };
  });

  private readonly state: Production<StateClause> = this.#production("state", () => {
    let negated = false;
    const start = this.CONSUME(K.state);
    this.OPTION(() => {
      this.CONSUME(T.Bang);
      negated = true;
    });
    const names = this.SUBRULE(this.names);
    return names && { kind: "state" as const, negated, names, span: this.#from(start) };
  });

  private readonly fragment: Production<FragmentClause> = this.#production("fragment", () => {
    let negated = false;
    const start = this.LA(1);
    this.OPTION(() => {
      this.CONSUME(T.Bang);
      negated = true;
    });
    this.CONSUME(K.fragment);
    return { kind: "fragment" as const, negated, span: this.#from(start) };
  });

  private readonly tuple: Production<TupleClause> = this.#production("tuple", () => {
    const keys: Word[] = [];
    const start = this.CONSUME(K.tuple);
    this.CONSUME(T.LParen);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () =>
        this.OR(
          TUPLE_KEYS.map((key) => ({ ALT: () => keys.push(this.#word(this.CONSUME(K[key]))) })),
        ),
    });
    this.CONSUME(T.RParen);
    this.CONSUME2(K.in);
    const set = this.#word(this.CONSUME(T.SetRef));
    return { kind: "tuple" as const, keys, set, span: this.#from(start) };
  });

  private readonly limit: Production<LimitClause> = this.#production("limit", () => {
    let over = false, burst: Word | undefined;
    const per: { key: Word; length?: Word }[] = [];
    const start = this.CONSUME(K.limit);
    this.OPTION(() => {
      this.CONSUME(K.over);
      over = true;
    });
    const amount = this.#word(this.CONSUME(T.Int));
    this.CONSUME(T.Slash);
    const unit = this.#word(this.CONSUME(T.Name));
    this.OPTION2(() => {
      this.CONSUME(K.burst);
      burst = this.#word(this.CONSUME2(T.Int));
    });
    this.OPTION3(() => {
      this.CONSUME(K.per);
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          let length: Word | undefined;
          const key = this.#word(this.CONSUME(T.Ident));
          this.OPTION4(() => {
            this.CONSUME2(T.Slash);
            length = this.#word(this.CONSUME3(T.Int));
          });
          per.push({ key, ...(length && { length }) });
        },
      });
    });
    const span = this.#from(start);
    return { kind: "limit" as const, over, amount, unit, ...(burst && { burst }), per, span };
  });

  private readonly time: Production<TimeClause> = this.#production("time", () => {
    let days: readonly Word[] | undefined;
    const start = this.CONSUME(K.time);
    const from = this.#word(this.CONSUME(T.Clock));
    this.CONSUME(T.Dash);
    const to = this.#word(this.CONSUME2(T.Clock));
    this.OPTION(() => {
      this.CONSUME(K.days);
      days = this.SUBRULE(this.names);
    });
    return { kind: "time" as const, from, to, days: days ?? [], span: this.#from(start) };
  });

  private readonly log: Production<LogClause> = this.#production("log", () => {
    let prefix: Word | undefined, every: Word | undefined, pcap = false;
    const start = this.CONSUME(K.log);
    this.OPTION(() => prefix = this.#word(this.CONSUME(T.Str)));
    this.OPTION2(() => {
      this.CONSUME(K.every);
      every = this.#word(this.CONSUME(T.Duration));
    });
    this.OPTION3(() => {
      this.CONSUME(K.pcap);
      pcap = true;
    });
    const span = this.#from(start);
    return { kind: "log" as const, ...(prefix && { prefix }), ...(every && { every }), pcap, span };
  });

  private readonly name: Production<Word> = this.#production("name", () =>
    this.OR([
      { ALT: () => this.#word(this.CONSUME(T.Ident)) },
      { ALT: () => this.#word(this.CONSUME(T.Str)) },
    ]));

  private readonly mask: Production<Word> = this.#production("mask", () => {
    this.CONSUME(T.Slash);
    return this.OR([
      { ALT: () => this.#word(this.CONSUME(T.Hex)) },
      { ALT: () => this.#word(this.CONSUME(T.Int)) },
    ]);
  });

  private readonly names: Production<readonly Word[]> = this.#production("names", () => {
    const names: Word[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => names.push(this.#word(this.CONSUME(T.Name))),
    });
    return names;
  });

  private readonly operand: Production<Operand> = this.#production("operand", () => {
    let negated = false;
    const start = this.LA(1);
    this.OPTION(() => {
      this.CONSUME(T.Bang);
      negated = true;
    });
    // Chevrotain takes long to say that no alternative fits; that one word does not, it says fast.
    this.ACTION(() => {
      if (!OPERAND_STARTS.has(this.LA(1).tokenType)) this.consume(9, T.Name);
    });
    const elements = this.OR([
      {
        ALT: () => {
          const atom = this.SUBRULE(this.atom);
          return atom && [{ parts: [atom], span: atom.span }];
        },
      },
      { ALT: () => this.SUBRULE(this.list) },
    ]);
    return elements && { negated, elements, span: this.#from(start) };
  });

  private readonly list: Production<readonly Element[]> = this.#production("list", () => {
    const elements: (Element | undefined)[] = [];
    this.CONSUME(T.LBrace);
    this.OPTION(() => {
      elements.push(this.SUBRULE(this.element));
      this.MANY(() => {
        this.CONSUME(T.Comma);
        this.OPTION2(() => elements.push(this.SUBRULE2(this.element)));
      });
    });
    this.CONSUME(T.RBrace);
    return this.#whole(elements) ? elements : undefined;
  });

  private readonly element: Production<Element> = this.#production("element", () => {
    const parts: (Atom | undefined)[] = [];
    const start = this.LA(1);
    this.AT_LEAST_ONE_SEP({ SEP: T.Dot, DEF: () => parts.push(this.SUBRULE(this.atom)) });
    return this.#whole(parts) ? { parts, span: this.#from(start) } : undefined;
  });

  private readonly atom: Production<Atom> = this.#production("atom", () => {
    let hi: Value | undefined;
    const start = this.LA(1);
    const lo = this.SUBRULE(this.value);
    this.OPTION(() => {
      this.CONSUME(T.Dash);
      hi = this.SUBRULE2(this.value);
    });
    return lo && { lo, ...(hi && { hi }), span: this.#from(start) };
  });

  private readonly value: Production<Value> = this.#production(
    "value",
    () =>
      this.OR(
        VALUES.map(([type, kind]) => ({
          ALT: () => ({ kind, ...this.#word(this.CONSUME(type)) }),
        })),
      ),
  );

  private readonly test: Production<Item> = this.#production("test", () => {
    const expectations: (Expectation | undefined)[] = [];
    const head = this.#sentence(0, this.testHead);
    this.OPTION(() => {
      this.CONSUME(T.LBrace);
      this.MANY(() =>
        expectations.push(this.OR([
          { ALT: () => this.#sentence(1, this.expectation) },
          { ALT: () => this.SUBRULE(this.junkExpectation) },
          { ALT: () => this.SUBRULE(this.strayBlock) },
        ]))
      );
      this.CONSUME(T.RBrace);
    });
    return head && this.#whole(expectations) ? { ...head, expectations } : undefined;
  });

  private readonly testHead: Production<Omit<Test, "expectations">> = this.#production(
    "testHead",
    () => {
      const start = this.CONSUME(K.test);
      const name = this.#word(this.CONSUME(T.Str));
      this.#demandBlock();
      return { kind: "test" as const, name, span: this.#from(start) };
    },
  );

  private readonly junkExpectation: Production<undefined> = this.#production(
    "junkExpectation",
    () => {
      const types = [T.Name, ...JUNK.filter((type) => type !== K.expect)];
      this.#mistake(
        "expectation",
        this.OR(types.map((type) => ({ ALT: () => this.CONSUME(type) }))),
      );
      this.SUBRULE(this.rest);
      return undefined;
    },
  );

  private readonly expectation: Production<Expectation> = this.#production(
    "expectation",
    () => {
      let some = false, by: Word | undefined;
      const start = this.CONSUME(K.expect);
      this.OPTION(() => {
        this.CONSUME(K.some);
        some = true;
      });
      const chain = this.#word(this.CONSUME(T.Name));
      const verdict = this.OR([
        { ALT: () => this.SUBRULE(this.verdict) },
        {
          ALT: () => {
            this.CONSUME(K.deny);
            return "deny" as const;
          },
        },
      ]);
      this.OPTION2(() => {
        this.CONSUME(K.by);
        by = this.SUBRULE(this.name);
      });
      const clauses = this.SUBRULE(this.clauses);
      const span = this.#from(start);
      this.OPTION3(() => this.CONSUME(T.Semicolon));
      if (!verdict || !clauses) return undefined;
      return { some, chain, verdict, ...(by && { by }), clauses, span };
    },
  );

  #production<N>(name: string, body: () => N | undefined): Production<N> {
    return this.RULE(name, body);
  }

  /** A sentence; where it is mistaken, the rest of it is left out. */
  #sentence<N>(i: number, production: Production<N>): N | undefined {
    try {
      return this.subrule(i, production);
    } catch (error) {
      if (!(error instanceof Error && isRecognitionException(error))) throw error;
      this.subrule(i, this.rest);
      return undefined;
    }
  }

  /** Fails unless a `{` follows, which it leaves to the caller. */
  #demandBlock(): void {
    this.ACTION(() => {
      if (this.LA(1).tokenType !== T.LBrace) this.consume(9, T.LBrace);
    });
  }

  /** Whether the next token stands on the line of the last one. */
  #sameLine(): boolean {
    const last = this.LA(0);
    return !this.#text.slice(last.startOffset, this.LA(1).startOffset).includes("\n");
  }

  #compare(
    field: FieldName,
    start: IToken,
    operand: Operand | undefined,
    mask?: Word,
  ): Clause | undefined {
    const span = this.#from(start);
    return operand && { kind: "field", field, operand, ...(mask && { mask }), span };
  }

  /** Whether every part was understood. */
  #whole<N>(parts: (N | undefined)[]): parts is N[] {
    return parts.every((part) => part !== undefined);
  }

  #mistake(at: Mistake["at"], token: IToken, after = ""): undefined {
    this.ACTION(() => this.mistakes.push({ at, word: this.#word(token), ...(after && { after }) }));
  }

  /** The last token consumed if it is on the line of the next one, else "". */
  #before(): string {
    const last = this.LA(0);
    return last.startOffset >= 0 && this.#sameLine() ? last.image : "";
  }

  /** The text from a token to the last one consumed. */
  #phrase(start: IToken): Word {
    const span = this.#from(start);
    return { text: this.#text.slice(span.start, span.end), span };
  }

  /** A word that is no value elsewhere, as an operand. */
  #wordOperand(token: IToken): Operand {
    const lo: Value = { kind: "name", ...this.#word(token) };
    const { span } = lo;
    return { negated: false, elements: [{ parts: [{ lo, span }], span }], span };
  }

  #word(token: IToken): Word {
    const text = token.tokenType === T.Str
      ? token.image.slice(1, -1).replace(/\\(.)/g, "$1")
      : token.image;
    return { text, span: this.#span(token) };
  }

  #span(token: IToken): Span {
    return { start: token.startOffset, end: token.startOffset + token.image.length };
  }

  /** From a token to the last one consumed. */
  #from(start: IToken): Span {
    const last = this.LA(0);
    return { start: start.startOffset, end: last.startOffset + last.image.length };
  }
}
