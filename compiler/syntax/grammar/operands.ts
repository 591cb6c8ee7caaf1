/**
 * What clauses, constants and sets are made of: values, ranges, lists, names.
 *
 * @module
 */
import type { Atom, Element, Operand, Value, Word } from "../ast.ts";
import * as T from "../token.ts";
import { type Production, SentenceParser, whole, wordOf } from "./parser.ts";

const { K } = T;

export const PROTOCOLS = ["tcp", "udp", "icmp", "icmpv6", "sctp"] as const;

export const VALUES = [
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

export class OperandParser extends SentenceParser {
  protected readonly value: Production<Value> = this.production(
    "value",
    () =>
      this.OR(
        VALUES.map(([type, kind]) => ({
          ALT: () => ({ kind, ...wordOf(this.CONSUME(type)) }),
        })),
      ),
  );

  protected readonly atom: Production<Atom> = this.production("atom", () => {
    let hi: Value | undefined;
    const start = this.LA(1);
    const lo = this.SUBRULE(this.value);
    this.OPTION(() => {
      this.CONSUME(T.Dash);
      hi = this.SUBRULE2(this.value);
    });
    return lo && { lo, ...(hi && { hi }), span: this.from(start) };
  });

  protected readonly element: Production<Element> = this.production("element", () => {
    const parts: (Atom | undefined)[] = [];
    const start = this.LA(1);
    this.AT_LEAST_ONE_SEP({ SEP: T.Dot, DEF: () => parts.push(this.SUBRULE(this.atom)) });
    return whole(parts) ? { parts, span: this.from(start) } : undefined;
  });

  protected readonly list: Production<readonly Element[]> = this.production("list", () => {
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
    return whole(elements) ? elements : undefined;
  });

  protected readonly operand: Production<Operand> = this.production("operand", () => {
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
    return elements && { negated, elements, span: this.from(start) };
  });

  protected readonly names: Production<readonly Word[]> = this.production("names", () => {
    const names: Word[] = [];
    this.AT_LEAST_ONE_SEP({
      SEP: T.Comma,
      DEF: () => names.push(wordOf(this.CONSUME(T.Name))),
    });
    return names;
  });

  protected readonly name: Production<Word> = this.production("name", () =>
    this.OR([
      { ALT: () => wordOf(this.CONSUME(T.Ident)) },
      { ALT: () => wordOf(this.CONSUME(T.Str)) },
    ]));

  protected readonly mask: Production<Word> = this.production("mask", () => {
    this.CONSUME(T.Slash);
    return this.OR([
      { ALT: () => wordOf(this.CONSUME(T.Hex)) },
      { ALT: () => wordOf(this.CONSUME(T.Int)) },
    ]);
  });
}
