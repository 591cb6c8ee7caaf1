/**
 * Clauses: what a packet must be, and what else becomes of it.
 *
 * @module
 */
import type { IToken } from "chevrotain";
import type {
  Clause,
  FieldName,
  FlagsClause,
  FragmentClause,
  KeywordClause,
  LimitClause,
  LogClause,
  Operand,
  StateClause,
  TimeClause,
  TupleClause,
  Word,
} from "../ast.ts";
import * as T from "../token.ts";
import { OperandParser, PROTOCOLS, VALUES } from "./operands.ts";
import { type Production, whole, wordOf } from "./parser.ts";

const { K } = T;

const OPERAND_FIELDS = [
  ...["from", "to", "sport", "dport", "type", "code", "exthdr"],
  ...["sni", "http-host", "dns"],
] as const;
const MASKED_FIELDS = ["mark", "length", "ttl", "dscp", "mac", "uid", "gid"] as const;
const TUPLE_KEYS = ["from", "to", "sport", "dport", "proto", "in", "out", "mac", "mark"] as const;

/** What a clause begins with. */
export const CLAUSE_WORDS = [
  ...[K.ipv4, K.ipv6, K.proto, K.in, K.out, K.flags, K.state, K.fragment, T.Bang, K.tuple],
  ...[K.limit, K.time, K.log, K.until, K.set, K.label],
  ...[...PROTOCOLS, ...OPERAND_FIELDS, ...MASKED_FIELDS].map((word) => K[word]),
];

export class ClauseParser extends OperandParser {
  protected readonly clause: Production<Clause> = this.production(
    "clause",
    () =>
      this.OR([
        { ALT: () => this.SUBRULE(this.knownClause) },
        { ALT: () => this.SUBRULE(this.unknownClause) },
      ]),
  );

  protected readonly knownClause: Production<Clause> = this.production(
    "knownClause",
    () =>
      this.OR([
        ...(["ipv4", "ipv6", ...PROTOCOLS] as const).map((word) => ({
          ALT: (): KeywordClause => ({
            kind: "keyword",
            word,
            span: T.spanOf(this.CONSUME(K[word])),
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
            const day = wordOf(this.CONSUME(T.Day));
            return { kind: "until" as const, day, span: this.from(start) };
          },
        },
        {
          ALT: () => {
            let mask: Word | undefined;
            const start = this.CONSUME(K.set);
            this.CONSUME2(K.mark);
            const value = this.SUBRULE(this.value);
            this.OPTION(() => mask = this.SUBRULE2(this.mask));
            const span = this.from(start);
            return value && { kind: "set-mark" as const, value, ...(mask && { mask }), span };
          },
        },
        {
          ALT: () => {
            const start = this.CONSUME(K.label);
            const name = this.SUBRULE(this.name);
            return name && { kind: "label" as const, name, span: this.from(start) };
          },
        },
      ]),
  );

  /** A word that begins no clause, with the values that seem to belong to it. */
  protected readonly unknownClause: Production<undefined> = this.production("unknownClause", () => {
    this.mistake("clause", this.CONSUME(T.Name));
    this.MANY(() =>
      this.OR([
        ...VALUES.filter(([, kind]) => kind !== "name").map(([type]) => ({
          ALT: () => this.CONSUME(type),
        })),
        {
          GATE: () => !this.outline.starts.has(this.LA(1)),
          ALT: () => this.CONSUME2(T.Name),
        },
        { ALT: () => this.CONSUME(T.Dash) },
        { ALT: () => this.CONSUME(T.Comma) },
        { ALT: () => this.CONSUME(T.Slash) },
        {
          GATE: () => !this.outline.blocks.has(this.LA(1)),
          ALT: () => this.SUBRULE(this.list),
        },
      ])
    );
    return undefined;
  });

  /** Clauses up to the next sentence; undefined if one was not understood. */
  protected readonly clauses: Production<readonly Clause[]> = this.production("clauses", () => {
    const clauses: (Clause | undefined)[] = [];
    this.MANY({
      GATE: () => !this.outline.starts.has(this.LA(1)),
      DEF: () => clauses.push(this.SUBRULE(this.clause)),
    });
    return whole(clauses) ? clauses : undefined;
  });

  protected readonly flags: Production<FlagsClause> = this.production("flags", () => {
    let mask: readonly Word[] | undefined;
    const start = this.CONSUME(K.flags);
    const value = this.SUBRULE(this.names);
    this.OPTION(() => {
      this.CONSUME(T.Slash);
      mask = this.SUBRULE2(this.names);
    });
    const span = this.from(start);
    return value && { kind: "flags" as const, value, ...(mask && { mask }), span };
  });

  protected readonly state: Production<StateClause> = this.production("state", () => {
    let negated = false;
    const start = this.CONSUME(K.state);
    this.OPTION(() => {
      this.CONSUME(T.Bang);
      negated = true;
    });
    const names = this.SUBRULE(this.names);
    return names && { kind: "state" as const, negated, names, span: this.from(start) };
  });

  protected readonly fragment: Production<FragmentClause> = this.production("fragment", () => {
    let negated = false;
    const start = this.LA(1);
    this.OPTION(() => {
      this.CONSUME(T.Bang);
      negated = true;
    });
    this.CONSUME(K.fragment);
    return { kind: "fragment" as const, negated, span: this.from(start) };
  });

  protected readonly tuple: Production<TupleClause> = this.production("tuple", () => {
    const keys: Word[] = [];
    const start = this.CONSUME(K.tuple);
    this.CONSUME(T.LParen);
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () =>
        this.OR(
          TUPLE_KEYS.map((key) => ({ ALT: () => keys.push(wordOf(this.CONSUME(K[key]))) })),
        ),
    });
    this.CONSUME(T.RParen);
    this.CONSUME2(K.in);
    const set = wordOf(this.CONSUME(T.SetRef));
    return { kind: "tuple" as const, keys, set, span: this.from(start) };
  });

  protected readonly limit: Production<LimitClause> = this.production("limit", () => {
    let over = false, burst: Word | undefined;
    const per: { key: Word; length?: Word }[] = [];
    const start = this.CONSUME(K.limit);
    this.OPTION(() => {
      this.CONSUME(K.over);
      over = true;
    });
    const amount = wordOf(this.CONSUME(T.Int));
    this.CONSUME(T.Slash);
    const unit = wordOf(this.CONSUME(T.Name));
    this.OPTION2(() => {
      this.CONSUME(K.burst);
      burst = wordOf(this.CONSUME2(T.Int));
    });
    this.OPTION3(() => {
      this.CONSUME(K.per);
      this.AT_LEAST_ONE_SEP({
        SEP: T.Comma,
        DEF: () => {
          let length: Word | undefined;
          const key = wordOf(this.CONSUME(T.Ident));
          this.OPTION4(() => {
            this.CONSUME2(T.Slash);
            length = wordOf(this.CONSUME3(T.Int));
          });
          per.push({ key, ...(length && { length }) });
        },
      });
    });
    const span = this.from(start);
    return { kind: "limit" as const, over, amount, unit, ...(burst && { burst }), per, span };
  });

  protected readonly time: Production<TimeClause> = this.production("time", () => {
    let days: readonly Word[] | undefined;
    const start = this.CONSUME(K.time);
    const from = wordOf(this.CONSUME(T.Clock));
    this.CONSUME(T.Dash);
    const to = wordOf(this.CONSUME2(T.Clock));
    this.OPTION(() => {
      this.CONSUME(K.days);
      days = this.SUBRULE(this.names);
    });
    return { kind: "time" as const, from, to, days: days ?? [], span: this.from(start) };
  });

  protected readonly log: Production<LogClause> = this.production("log", () => {
    let prefix: Word | undefined, every: Word | undefined, pcap = false;
    const start = this.CONSUME(K.log);
    this.OPTION(() => prefix = wordOf(this.CONSUME(T.Str)));
    this.OPTION2(() => {
      this.CONSUME(K.every);
      every = wordOf(this.CONSUME(T.Duration));
    });
    this.OPTION3(() => {
      this.CONSUME(K.pcap);
      pcap = true;
    });
    const span = this.from(start);
    return { kind: "log" as const, ...(prefix && { prefix }), ...(every && { every }), pcap, span };
  });

  #compare(
    field: FieldName,
    start: IToken,
    operand: Operand | undefined,
    mask?: Word,
  ): Clause | undefined {
    const span = this.from(start);
    return operand && { kind: "field", field, operand, ...(mask && { mask }), span };
  }
}
