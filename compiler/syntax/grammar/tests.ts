/**
 * Test blocks: what must become of which packets.
 *
 * @module
 */
import type { Expectation, Item, Test, Word } from "../ast.ts";
import * as T from "../token.ts";
import { junk, type Production, whole, wordOf } from "./parser.ts";
import { StatementParser } from "./statements.ts";

const { K } = T;

const JUNK_EXPECTATIONS = [T.Name, ...junk([K.expect])];

export abstract class TestParser extends StatementParser {
  protected readonly test: Production<Item> = this.production("test", () => {
    const expectations: (Expectation | undefined)[] = [];
    const head = this.sentence(0, this.testHead);
    this.OPTION(() => {
      this.CONSUME(T.LBrace);
      this.MANY(() =>
        expectations.push(this.OR([
          { ALT: () => this.sentence(1, this.expectation) },
          { ALT: () => this.SUBRULE(this.junkExpectation) },
          { ALT: () => this.SUBRULE(this.strayBlock) },
        ]))
      );
      this.CONSUME(T.RBrace);
    });
    return head && whole(expectations) ? { ...head, expectations } : undefined;
  });

  protected readonly testHead: Production<Omit<Test, "expectations">> = this.production(
    "testHead",
    () => {
      const start = this.CONSUME(K.test);
      const name = wordOf(this.CONSUME(T.Str));
      this.demandBlock();
      return { kind: "test" as const, name, span: this.from(start) };
    },
  );

  protected readonly expectation: Production<Expectation> = this.production(
    "expectation",
    () => {
      let some = false, by: Word | undefined;
      const start = this.CONSUME(K.expect);
      this.OPTION(() => {
        this.CONSUME(K.some);
        some = true;
      });
      const chain = wordOf(this.CONSUME(T.Name));
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
      const span = this.from(start);
      this.OPTION3(() => this.CONSUME(T.Semicolon));
      if (!verdict || !clauses) return undefined;
      return { some, chain, verdict, ...(by && { by }), clauses, span };
    },
  );

  protected readonly junkExpectation: Production<undefined> = this.production(
    "junkExpectation",
    () => {
      this.mistake(
        "expectation",
        this.OR(JUNK_EXPECTATIONS.map((type) => ({ ALT: () => this.CONSUME(type) }))),
      );
      this.SUBRULE(this.rest);
      return undefined;
    },
  );
}
