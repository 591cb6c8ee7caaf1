/**
 * Statements: rules, conditions around rules, and the blocks that hold them.
 *
 * @module
 */
import type { Clause, Include, Rule, Statement, Verb, When, Word } from "../ast.ts";
import * as T from "../token.ts";
import { CLAUSE_WORDS, ClauseParser } from "./clauses.ts";
import { junk, type Production, whole, wordOf } from "./parser.ts";

const { K } = T;

export const VERB_WORDS = [K.accept, K.drop, K.reject, K.match, K.jump, K.return];
const STATEMENT_WORDS = [K.include, K.when, ...VERB_WORDS];
const JUNK_STATEMENTS = junk([...STATEMENT_WORDS, ...CLAUSE_WORDS, K.default]);

export abstract class StatementParser extends ClauseParser {
  /** A block that belongs to nothing we know. */
  protected abstract readonly strayBlock: Production<undefined>;
  /** What a chain says becomes of the rest, where it says so among its rules. */
  protected strayDefault: Verb | undefined;

  protected readonly statements: Production<readonly Statement[]> = this.production(
    "statements",
    () => {
      const body: (Statement | undefined)[] = [];
      this.MANY(() => this.add(body, this.SUBRULE(this.statement)));
      return body.filter((s) => s !== undefined);
    },
  );

  protected readonly block: Production<readonly Statement[]> = this.production("block", () => {
    const body: (Statement | undefined)[] = [];
    this.CONSUME(T.LBrace);
    this.MANY(() => this.add(body, this.SUBRULE(this.statement)));
    this.CONSUME(T.RBrace);
    return body.filter((s) => s !== undefined);
  });

  protected readonly statement: Production<Statement> = this.production(
    "statement",
    () =>
      this.OR([
        { ALT: () => this.sentence<Statement>(0, this.include) },
        { ALT: () => this.SUBRULE(this.when) },
        { ALT: () => this.sentence(1, this.rule) },
        { ALT: () => this.sentence(2, this.headless) },
        { ALT: () => this.sentence(3, this.defaultAmongRules) },
        { ALT: () => this.SUBRULE(this.junkStatement) },
        { ALT: () => this.SUBRULE(this.strayBlock) },
      ]),
  );

  protected readonly rule: Production<Rule> = this.production("rule", () => {
    const start = this.LA(1);
    const verb = this.SUBRULE(this.verb);
    const clauses = this.SUBRULE(this.clauses);
    const span = this.from(start);
    this.OPTION(() => this.CONSUME(T.Semicolon));
    return verb && clauses && { kind: "rule" as const, verb, clauses, span };
  });

  /** A rule whose verb is missing, or stands behind its clauses on the same line. */
  protected readonly headless: Production<undefined> = this.production("headless", () => {
    const start = this.LA(1);
    this.SUBRULE(this.knownClause);
    this.SUBRULE(this.clauses);
    this.OPTION({
      GATE: () => this.sameLine(),
      DEF: () => {
        this.SUBRULE(this.verb);
        this.SUBRULE2(this.clauses);
      },
    });
    this.OPTION2(() => this.CONSUME(T.Semicolon));
    this.ACTION(() => this.mistakes.push({ at: "order", word: this.phrase(start) }));
    return undefined;
  });

  protected readonly junkStatement: Production<undefined> = this.production("junkStatement", () => {
    const after = this.before();
    const token = this.OR(JUNK_STATEMENTS.map((type) => ({ ALT: () => this.CONSUME(type) })));
    this.mistake("junk", token, after);
    this.SUBRULE(this.rest);
    return undefined;
  });

  protected readonly verb: Production<Verb> = this.production("verb", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.knownVerb) },
      { ALT: () => this.mistake("verb", this.CONSUME(T.Name)) },
    ]));

  protected readonly knownVerb: Production<Verb> = this.production("knownVerb", () =>
    this.OR([
      { ALT: () => this.SUBRULE(this.verdict) },
      {
        ALT: () => {
          const start = this.CONSUME(K.jump);
          const target = wordOf(this.CONSUME(T.Ident));
          return { kind: "jump" as const, target, span: this.from(start) };
        },
      },
      ...(["match", "return"] as const).map((kind) => ({
        ALT: () => ({ kind, span: T.spanOf(this.CONSUME(K[kind])) }),
      })),
    ]));

  protected readonly verdict: Production<Verb> = this.production("verdict", () =>
    this.OR([
      ...(["accept", "drop"] as const).map((kind) => ({
        ALT: () => ({ kind, span: T.spanOf(this.CONSUME(K[kind])) }),
      })),
      {
        ALT: () => {
          let how: Word | undefined;
          const start = this.CONSUME(K.reject);
          this.OPTION(() => {
            this.CONSUME(K.with);
            how = wordOf(this.CONSUME(T.Name));
          });
          return { kind: "reject" as const, ...(how && { with: how }), span: this.from(start) };
        },
      },
    ]));

  protected readonly when: Production<Statement> = this.production("when", () => {
    let body: readonly Statement[] = [];
    const head = this.sentence(0, this.whenHead);
    this.OPTION(() => body = this.SUBRULE(this.block) ?? []);
    return head && { ...head, body };
  });

  protected readonly whenHead: Production<Omit<When, "body">> = this.production("whenHead", () => {
    const start = this.CONSUME(K.when);
    const clauses: (Clause | undefined)[] = [];
    this.AT_LEAST_ONE(() => clauses.push(this.SUBRULE(this.clause)));
    this.demandBlock();
    const span = this.from(start);
    return whole(clauses) ? { kind: "when" as const, clauses, span } : undefined;
  });

  protected readonly include: Production<Include> = this.production("include", () => {
    const start = this.CONSUME(K.include);
    const path = wordOf(this.CONSUME(T.Str));
    return { kind: "include" as const, path, span: this.from(start) };
  });

  /** A chain's default among its rules, rather than in its head. */
  protected readonly defaultAmongRules: Production<undefined> = this.production(
    "defaultAmongRules",
    () => {
      const start = this.CONSUME(K.default);
      const verdict = this.SUBRULE(this.verdict);
      this.OPTION(() => this.SUBRULE(this.log));
      this.OPTION2(() => this.CONSUME(T.Semicolon));
      this.ACTION(() => {
        this.mistakes.push({ at: "default", word: this.phrase(start) });
        this.strayDefault = verdict;
      });
      return undefined;
    },
  );
}
