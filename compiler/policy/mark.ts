/**
 * Packet marks: `mark` clauses to sets of marks, `set mark` clauses to bits that change.
 *
 * Marks are kept under the bits that any rule of the file tests, so that a mask leaves few intervals.
 *
 * @module
 */
import type { Report } from "../diagnostic.ts";
import type * as Ast from "../syntax/ast.ts";
import { type IntervalSet, setOf, subtract } from "./interval.ts";
import type { Operands } from "./operand.ts";
import type { MarkChange } from "./policy.ts";
import { MARK } from "./value.ts";

/** A mark mask may leave this many bits open above its lowest bit: 2^12 intervals. */
const MAX_SCATTERED_BITS = 12;
const EVERY_BIT = 0xffffffffn;

export class Marks {
  /** Bits of the packet mark that some rule tests. */
  readonly bits: number;
  readonly #operands: Operands;
  readonly #ourBits: bigint;
  readonly #report: Report;

  /** `tests` are all `mark` clauses; `ourBits` are the bits of the mark that rules cannot see. */
  constructor(
    tests: Iterable<Ast.FieldClause>,
    operands: Operands,
    ourBits: number,
    report: Report,
  ) {
    this.#operands = operands;
    this.#ourBits = BigInt(ourBits);
    this.#report = report;
    let bits = 0n;
    for (const clause of tests) bits |= this.#maskOf(clause);
    this.bits = Number(bits);
  }

  /** The marks that a clause asks for, or undefined if it is wrong (and that was reported). */
  read(clause: Ast.FieldClause): IntervalSet | undefined {
    const mask = this.#maskOf(clause);
    const values = this.#operands.read({ ...clause.operand, negated: false }, MARK);
    if (!values) return undefined;
    const ours = values.some(({ lo, hi }) => ((lo | hi) & this.#ourBits) !== 0n);
    if (ours || (clause.mask && BigInt(clause.mask.text) !== mask)) {
      return this.#refuseOurs(clause, "test");
    }
    if (clause.mask && values.some(({ lo, hi }) => lo !== hi || (lo & ~mask) !== 0n)) {
      this.#report({
        code: "FW302",
        message: "a value under a mask has no bit outside it, and is no range",
        span: clause.span,
      });
      return undefined;
    }
    const set = clause.mask ? this.#underMask(values.map((v) => v.lo), mask, clause) : values;
    return set && (clause.operand.negated ? subtract(MARK.any, set) : set);
  }

  /** What `set mark` changes. Without a mask it sets every bit that is not ours. */
  change(clause: Ast.SetMarkClause): MarkChange | undefined {
    const values = this.#operands.read(
      {
        negated: false,
        elements: [{ parts: [{ lo: clause.value, span: clause.value.span }], span: clause.span }],
        span: clause.span,
      },
      MARK,
    );
    if (!values) return undefined;
    const clear = clause.mask ? BigInt(clause.mask.text) : EVERY_BIT & ~this.#ourBits;
    const [{ lo: value, hi }] = values as [{ lo: bigint; hi: bigint }];
    if (((value | (clause.mask ? clear : 0n)) & this.#ourBits) !== 0n) {
      return this.#refuseOurs(clause, "set");
    }
    if (values.length > 1 || value !== hi || clear > EVERY_BIT || (value & ~clear) !== 0n) {
      this.#report({
        code: "FW302",
        message: "`set mark` takes one value, with no bit outside its mask",
        span: clause.span,
      });
      return undefined;
    }
    return { value: Number(value), clear: Number(clear) };
  }

  #maskOf(clause: Ast.FieldClause): bigint {
    return (clause.mask ? BigInt(clause.mask.text) : EVERY_BIT) & EVERY_BIT & ~this.#ourBits;
  }

  #refuseOurs(clause: Ast.Clause, verb: "test" | "set"): undefined {
    this.#report({
      code: "FW214",
      message: `the bits 0x${this.#ourBits.toString(16)} of the mark are Barrage's own`,
      span: clause.span,
      help: `${verb} other bits, or move Barrage's with \`option mark-mask\``,
    });
  }

  /** All marks (under `bits`) that have one of the values under the mask. */
  #underMask(
    values: readonly bigint[],
    mask: bigint,
    clause: Ast.FieldClause,
  ): IntervalSet | undefined {
    const open = BigInt(this.bits) & ~mask;
    const below = open & ((mask & -mask) - 1n);
    const scattered: bigint[] = [];
    for (let bit = 1n; bit <= open; bit <<= 1n) if (open & ~below & bit) scattered.push(bit);
    if (scattered.length > MAX_SCATTERED_BITS) {
      this.#report({
        code: "FW219",
        message:
          `together, the mark clauses of this file test ${scattered.length} bits around this mask`,
        span: clause.span,
        help: "test fewer bits elsewhere: give each `mark` a mask of the bits it means",
      });
      return undefined;
    }
    let starts = [...values];
    for (const bit of scattered) starts = starts.flatMap((start) => [start, start | bit]);
    return setOf(starts.map((lo) => ({ lo, hi: lo | below })));
  }
}
