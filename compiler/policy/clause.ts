/**
 * The clauses of a rule to its region.
 *
 * @module
 */
import { notYet, type Report, suggestion } from "../diagnostic.ts";
import type * as Ast from "../syntax/ast.ts";
import {
  type Field,
  FRAGMENT,
  type Hook,
  HOOKS,
  IPV4,
  IPV6,
  NO_FLAGS,
  PROTO,
  STATES,
  TCP_FLAGS,
} from "./field.ts";
import { type Interval, type IntervalSet, setOf, span, subtract } from "./interval.ts";
import type { Operands } from "./operand.ts";
import { both, emptyField, narrow, type Region } from "./region.ts";
import {
  ADDRESS,
  ICMP_CODE,
  ICMP_TYPE,
  INTERFACE,
  MARK,
  PORT,
  PROTOCOL,
  type ValueType,
} from "./value.ts";

/** Clauses that compare one field with values of one type. */
const COMPARED: Partial<Record<Ast.FieldName, readonly [Field, ValueType]>> = {
  from: ["src", ADDRESS],
  to: ["dst", ADDRESS],
  sport: ["sport", PORT],
  dport: ["dport", PORT],
  proto: ["proto", PROTOCOL],
  type: ["type", ICMP_TYPE],
  code: ["code", ICMP_CODE],
  in: ["in", INTERFACE],
  out: ["out", INTERFACE],
};

const KEYWORDS: Readonly<Record<Ast.KeywordClause["word"], Region>> = {
  ipv4: { family: span(IPV4) },
  ipv6: { family: span(IPV6) },
  tcp: { proto: span(PROTO.tcp) },
  udp: { proto: span(PROTO.udp) },
  sctp: { proto: span(PROTO.sctp) },
  icmp: { proto: span(PROTO.icmp), family: span(IPV4) },
  icmpv6: { proto: span(PROTO.icmpv6), family: span(IPV6) },
};

/** A mark mask may leave this many bits open below its lowest bit's neighbours: 2^12 intervals. */
const MAX_SCATTERED_BITS = 12;
const EVERY_BIT = 0xffffffffn;

/** Turns clauses into regions. Mark clauses of all rules share the bits that any of them tests. */
export class Clauses {
  /** Bits of the packet mark that some rule tests. */
  readonly markBits: number;
  readonly #operands: Operands;
  readonly #ourBits: bigint;
  readonly #report: Report;

  /** `ourBits` are the bits of the mark that rules cannot see. */
  constructor(
    operands: Operands,
    chains: readonly Ast.Chain[],
    ourBits: number,
    report: Report,
    tests: readonly Ast.Test[] = [],
  ) {
    this.#operands = operands;
    this.#ourBits = BigInt(ourBits);
    this.#report = report;
    let bits = 0n;
    const collect = (clauses: readonly Ast.Clause[]) => {
      for (const clause of clauses) {
        if (clause.kind === "field" && clause.field === "mark") bits |= this.#maskOf(clause);
      }
    };
    for (const chain of chains) {
      for (const statement of chain.body) if (statement.kind === "rule") collect(statement.clauses);
    }
    for (const test of tests) for (const { clauses } of test.expectations) collect(clauses);
    this.markBits = Number(bits);
  }

  /** The packets of a rule, or undefined if a clause is wrong (and that was reported). */
  region(hook: Hook, rule: Pick<Ast.Rule, "clauses">): Region | undefined {
    const start: Region = { hook: span(HOOKS.indexOf(hook)) };
    const parts = rule.clauses.map((clause) => this.#clause(hook, clause));
    if (!parts.every((part) => part !== undefined)) return undefined;
    const region = parts.reduce(both, start);
    if (!emptyField(narrow(region))) return region;
    this.#contradiction(rule, parts, start);
    return undefined;
  }

  #clause(hook: Hook, clause: Ast.Clause): Region | undefined {
    switch (clause.kind) {
      case "keyword":
        return KEYWORDS[clause.word];
      case "label":
        return {};
      case "field":
        return this.#field(hook, clause);
      case "flags":
        return this.#flags(clause);
      case "state":
        return this.#state(clause);
      case "fragment": {
        const fragments = span(FRAGMENT.first, FRAGMENT.later);
        return { fragment: clause.negated ? span(FRAGMENT.whole) : fragments };
      }
      default:
        this.#report(notYet(`\`${clause.kind.replace("-", " ")}\``, clause.span));
        return undefined;
    }
  }

  #field(hook: Hook, clause: Ast.FieldClause): Region | undefined {
    const impossible = { input: "out", output: "in", forward: undefined }[hook];
    if (clause.field === impossible) {
      this.#report({
        code: "FW301",
        message: `a packet of ${hook} has no ${impossible}put interface`,
        span: clause.span,
        help: `write \`${impossible === "in" ? "out" : "in"} on\`, or move the rule to forward`,
      });
      return undefined;
    }
    if (clause.field === "mark") return this.#mark(clause);
    const compared = COMPARED[clause.field];
    if (!compared) {
      this.#report(notYet(`\`${clause.field}\``, clause.span));
      return undefined;
    }
    const [field, type] = compared;
    const set = this.#operands.read(clause.operand, type);
    return set && { [field]: set };
  }

  /** `value/mask`: of the flags in the mask exactly those in the value. No mask: all of the value. */
  #flags(clause: Ast.FlagsClause): Region | undefined {
    const value = this.#flagBits(clause.value);
    const mask = clause.mask ? this.#flagBits(clause.mask) : value;
    if (value === undefined || mask === undefined) return undefined;
    if ((value & ~mask) !== 0) {
      this.#report({
        code: "FW302",
        message: "flags that the mask leaves out can never be found set",
        span: clause.span,
        help: "name them behind the `/` too",
      });
      return undefined;
    }
    const bytes = Array.from({ length: Number(NO_FLAGS) }, (_, byte) => byte);
    return { flags: setOf(bytes.filter((b) => (b & mask) === value).flatMap((b) => span(b))) };
  }

  #flagBits(names: readonly Ast.Word[]): number | undefined {
    let bits = 0;
    for (const { text, span } of names) {
      const bit = text === "none" ? 0 : text === "all" ? 255 : TCP_FLAGS[text];
      if (bit === undefined) {
        const known = [...Object.keys(TCP_FLAGS), "none", "all"];
        this.#report({
          code: "FW218",
          message: `\`${text}\` is not a TCP flag`,
          span,
          ...suggestion(text, known),
          note: `the flags are ${known.join(", ")}`,
        });
        return undefined;
      }
      bits |= bit;
    }
    return bits;
  }

  #state(clause: Ast.StateClause): Region | undefined {
    const states: Interval[] = [];
    for (const { text, span: place } of clause.names) {
      const state = STATES.findIndex((name) => name === text);
      if (state < 0) {
        this.#report({
          code: "FW218",
          message: `\`${text}\` is not a state`,
          span: place,
          ...suggestion(text, STATES),
          note: `the states are ${STATES.join(", ")}`,
        });
        return undefined;
      }
      states.push(...span(state));
    }
    const set = setOf(states);
    return { state: clause.negated ? subtract(span(0, STATES.length - 1), set) : set };
  }

  #maskOf(clause: Ast.FieldClause): bigint {
    return (clause.mask ? BigInt(clause.mask.text) : EVERY_BIT) & EVERY_BIT & ~this.#ourBits;
  }

  #mark(clause: Ast.FieldClause): Region | undefined {
    const mask = this.#maskOf(clause);
    const values = this.#operands.read({ ...clause.operand, negated: false }, MARK);
    if (!values) return undefined;
    const ours = values.some(({ lo, hi }) => ((lo | hi) & this.#ourBits) !== 0n);
    if (ours || (clause.mask && BigInt(clause.mask.text) !== mask)) {
      this.#report({
        code: "FW214",
        message: `the bits 0x${this.#ourBits.toString(16)} of the mark are Barrage's own`,
        span: clause.span,
        help: "test other bits, or move Barrage's with `option mark-mask`",
      });
      return undefined;
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
    return set && { mark: clause.operand.negated ? subtract(MARK.any, set) : set };
  }

  /** All marks (under `markBits`) that have one of the values under the mask. */
  #underMask(
    values: readonly bigint[],
    mask: bigint,
    clause: Ast.FieldClause,
  ): IntervalSet | undefined {
    const open = BigInt(this.markBits) & ~mask;
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

  /** Says which clause leaves no packet, and which earlier one it contradicts. */
  #contradiction(rule: Pick<Ast.Rule, "clauses">, parts: readonly Region[], start: Region): void {
    let region = start;
    for (const [i, part] of parts.entries()) {
      region = both(region, part);
      if (!emptyField(narrow(region))) continue;
      const other = parts.slice(0, i).findLastIndex((earlier) =>
        emptyField(narrow(both(both(start, earlier), part))) !== undefined
      );
      const against = rule.clauses[other < 0 ? i : other]!;
      this.#report({
        code: "FW302",
        message: other < 0
          ? "no packet can have all that this rule asks for"
          : "no packet can match both of these clauses",
        span: rule.clauses[i]!.span,
        ...(other >= 0 && { related: [{ span: against.span, message: "contradicts this" }] }),
      });
      return;
    }
  }
}
