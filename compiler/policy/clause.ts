/**
 * The clauses of a rule to the regions it asks for, and to what it does besides.
 *
 * @module
 */
import {
  type Diagnostic,
  duplicate,
  nearest,
  notYet,
  type Report,
  suggestion,
} from "../diagnostic.ts";
import type * as Ast from "../syntax/ast.ts";
import { readLimit, readLog, readTime, readUntil } from "./dynamic.ts";
import { type Field, FRAGMENT, IPV4, IPV6, NO_FLAGS, PROTO, STATES, TCP_FLAGS } from "./field.ts";
import { setOf, span, subtract } from "./interval.ts";
import type { Marks } from "./mark.ts";
import type { Operands } from "./operand.ts";
import type { Literal, Log, MarkChange, Member } from "./policy.ts";
import type { Region } from "./region.ts";
import {
  ADDRESS,
  DSCP,
  EXTENSION,
  GROUP,
  ICMP_CODE,
  ICMP_TYPE,
  INTERFACE,
  LENGTH,
  MAC,
  PORT,
  PROTOCOL,
  TTL,
  USER,
  type ValueType,
} from "./value.ts";

/** What a list of clauses comes to. */
export interface Reading {
  /** ANDed. */
  readonly parts: readonly Part[];
  readonly label?: Ast.Word;
  readonly mark?: MarkChange;
  readonly log?: Log;
}

/** The packets that one clause asks for: those of any of its regions. */
export interface Part {
  readonly regions: readonly Region[];
  readonly clause: Ast.Clause;
}

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
  length: ["length", LENGTH],
  ttl: ["ttl", TTL],
  dscp: ["dscp", DSCP],
  exthdr: ["exthdr", EXTENSION],
  mac: ["mac", MAC],
  uid: ["uid", USER],
  gid: ["gid", GROUP],
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

/** Reads clauses, each list of them once, however often its rule is reached. */
export class Clauses {
  /** What must be asked when a packet is there; regions name them by position. */
  readonly literals: Literal[] = [];
  readonly #operands: Operands;
  readonly #marks: Marks;
  readonly #report: Report;
  readonly #known = new Map<readonly Ast.Clause[], Reading | undefined>();

  constructor(operands: Operands, marks: Marks, report: Report) {
    this.#operands = operands;
    this.#marks = marks;
    this.#report = report;
  }

  /** What the clauses of a rule or a `when` come to; undefined if one is wrong (and was reported). */
  read(clauses: readonly Ast.Clause[]): Reading | undefined {
    if (!this.#known.has(clauses)) this.#known.set(clauses, this.#read(clauses));
    return this.#known.get(clauses);
  }

  #read(clauses: readonly Ast.Clause[]): Reading | undefined {
    const parts: Part[] = [];
    let effects: Omit<Reading, "parts"> = {};
    let good = true;
    const first = new Map<string, Ast.Clause>();
    for (const clause of clauses) {
      const effect = this.#effect(clause);
      if (effect) {
        effects = { ...effects, ...effect };
        const earlier = first.get(clause.kind);
        if (earlier) this.#report(duplicate(nameOf(clause), clause.span, earlier.span));
        else first.set(clause.kind, clause);
        continue;
      }
      const regions = isEffect(clause) ? undefined : this.#regions(clause);
      if (regions) parts.push({ regions, clause });
      else good = false;
    }
    return good ? { parts, ...effects } : undefined;
  }

  /** What a clause does, if it asks for nothing; undefined also if it is wrong. */
  #effect(clause: Ast.Clause): Omit<Reading, "parts"> | undefined {
    switch (clause.kind) {
      case "label":
        return { label: clause.name };
      case "set-mark": {
        const mark = this.#marks.change(clause);
        return mark && { mark };
      }
      case "log":
        return { log: readLog(clause, this.#report) };
      default:
        return undefined;
    }
  }

  #regions(clause: Ast.Clause): readonly Region[] | undefined {
    switch (clause.kind) {
      case "keyword":
        return [KEYWORDS[clause.word]];
      case "field":
        return this.#field(clause);
      case "flags":
        return this.#flags(clause);
      case "state":
        return this.#state(clause);
      case "fragment": {
        const fragments = span(FRAGMENT.first, FRAGMENT.later);
        return [{ fragment: clause.negated ? span(FRAGMENT.whole) : fragments }];
      }
      case "tuple":
        return this.#tuple(clause);
      case "limit": {
        const limit = readLimit(clause, this.#report);
        return limit && [this.#literal(limit, !clause.over)];
      }
      case "time": {
        const time = readTime(clause, this.#report);
        return time && [this.#literal(time, true)];
      }
      case "until": {
        const until = readUntil(clause, this.#report);
        return until && [this.#literal(until, true)];
      }
      default:
        this.#report(notYet(nameOf(clause), clause.span));
        return undefined;
    }
  }

  /** The packets of which a literal has a value. */
  #literal(literal: Literal, value: boolean): Region {
    return { dynamic: new Map([[this.literals.push(literal) - 1, value]]) };
  }

  /** Addresses, of which some may be in sets that change at run time. */
  #addresses(clause: Ast.FieldClause, field: "src" | "dst"): readonly Region[] | undefined {
    const { operand } = clause;
    const constant: Ast.Element[] = [];
    const members: number[] = [];
    for (const element of operand.elements) {
      const set = this.#operands.runtimeSet(element);
      if (set === undefined) constant.push(element);
      else members.push(set);
    }
    const asked = members.map((set) => this.#member({ kind: "member", set, of: field }));
    if (asked.length > 0 && constant.length === 0) {
      if (!operand.negated) {
        return asked.map((literal) => ({ dynamic: new Map([[literal, true]]) }));
      }
      return [{ dynamic: new Map(asked.map((literal) => [literal, false])) }];
    }
    const set = this.#operands.read({ ...operand, elements: constant }, ADDRESS);
    if (!set || asked.length === 0) return set && [{ [field]: set }];
    if (operand.negated) {
      return [{ [field]: set, dynamic: new Map(asked.map((literal) => [literal, false])) }];
    }
    return [{ [field]: set }, ...asked.map((literal) => ({ dynamic: new Map([[literal, true]]) }))];
  }

  /** Membership is the same wherever it is asked for. */
  #member(member: Member): number {
    const known = this.literals.findIndex((literal) =>
      literal.kind === "member" && literal.set === member.set && literal.of === member.of
    );
    return known >= 0 ? known : this.literals.push(member) - 1;
  }

  #field(clause: Ast.FieldClause): readonly Region[] | undefined {
    if (clause.field === "mark") {
      const mark = this.#marks.read(clause);
      return mark && [{ mark }];
    }
    const compared = COMPARED[clause.field];
    if (!compared) {
      this.#report(notYet(nameOf(clause), clause.span));
      return undefined;
    }
    if (clause.mask) {
      this.#report({
        code: "FW009",
        message: `only \`mark\` takes a mask, \`${clause.field}\` does not`,
        span: clause.mask.span,
        help: "leave the mask out",
      });
      return undefined;
    }
    const [field, type] = compared;
    if (field === "src" || field === "dst") return this.#addresses(clause, field);
    const set = this.#operands.read(clause.operand, type);
    return set && [{ [field]: set }];
  }

  /** The members of a set of tuples, each a region. */
  #tuple(clause: Ast.TupleClause): readonly Region[] | undefined {
    const compared = clause.keys.map(({ text }) => COMPARED[text as Ast.FieldName]);
    const without = compared.indexOf(undefined);
    if (without >= 0) {
      const key = clause.keys[without]!;
      this.#report(notYet(`\`${key.text}\` in a tuple`, key.span));
      return undefined;
    }
    const keys = compared.filter((pair) => pair !== undefined);
    const twice = keys.findIndex(([field], i) => keys.findIndex(([f]) => f === field) < i);
    if (twice >= 0) {
      const again = clause.keys[twice]!;
      const earlier = clause.keys.find(({ text }) => text === again.text)!;
      this.#report(duplicate(`\`${again.text}\``, again.span, earlier.span));
      return undefined;
    }
    const rows = this.#operands.readTuples(clause.set, keys.map(([, type]) => type));
    return rows?.map((row) => Object.fromEntries(row.map((set, i) => [keys[i]![0], set])));
  }

  /** `value/mask`: of the flags in the mask exactly those in the value. No mask: all of the value. */
  #flags(clause: Ast.FlagsClause): readonly Region[] | undefined {
    const words = [...clause.value, ...(clause.mask ?? [])];
    const unknown = words.filter(({ text }) => !Object.hasOwn(FLAG_BITS, text));
    if (unknown.length > 0) {
      const meant = flagsMeant(clause);
      this.#report({
        ...unnamed(unknown, ["a TCP flag", "TCP flags"], Object.keys(FLAG_BITS)),
        ...(meant && { help: `write \`flags ${meant}\`` }),
      });
      return undefined;
    }
    const value = bitsOf(clause.value);
    const mask = clause.mask ? bitsOf(clause.mask) : value;
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
    return [{ flags: setOf(bytes.filter((b) => (b & mask) === value).flatMap((b) => span(b))) }];
  }

  #state(clause: Ast.StateClause): readonly Region[] | undefined {
    const numbers = clause.names.map(({ text }) => STATES.findIndex((name) => name === text));
    const unknown = clause.names.filter((_, i) => numbers[i]! < 0);
    if (unknown.length > 0) {
      this.#report(unnamed(unknown, ["a state", "states"], STATES));
      return undefined;
    }
    const set = setOf(numbers.flatMap((state) => span(state)));
    return [{ state: clause.negated ? subtract(span(0, STATES.length - 1), set) : set }];
  }
}

const FLAG_BITS: Readonly<Record<string, number>> = { ...TCP_FLAGS, none: 0, all: 255 };

function bitsOf(flags: readonly Ast.Word[]): number {
  return flags.reduce((bits, { text }) => bits | FLAG_BITS[text]!, 0);
}

/** Flags by their first letters, as pf and tcpdump have them, in our words; undefined if one is not. */
function flagsMeant({ value, mask }: Ast.FlagsClause): string | undefined {
  const letters: Readonly<Record<string, string>> = {
    ...Object.fromEntries(Object.keys(TCP_FLAGS).map((flag) => [flag[0]!.toUpperCase(), flag])),
    ...{ E: "ece", W: "cwr" },
  };
  const written = [value, ...(mask ? [mask] : [])].map((words) =>
    words.flatMap(({ text }) => [...text].map((letter) => letters[letter]))
  );
  if (!written.flat().every((flag) => flag !== undefined)) return undefined;
  return written.map((flags) => flags.join(",")).join("/");
}

/** What is said of words of one clause that are none of the names it knows: all in one finding. */
function unnamed(
  words: readonly Ast.Word[],
  [one, many]: readonly [one: string, many: string],
  known: readonly string[],
): Diagnostic {
  const [first, ...also] = words;
  const note = `the ${many.split(" ").at(-1)} are ${known.join(", ")}`;
  if (also.length === 0) {
    const message = `\`${first!.text}\` is not ${one}`;
    return { code: "FW218", message, span: first!.span, ...suggestion(first!.text, known), note };
  }
  const names = [...new Set(words.map(({ text }) => text))];
  const meant = names.map((name) => nearest(name, known));
  return {
    code: "FW218",
    message: `${names.map((name) => `\`${name}\``).join(", ")} are not ${many}`,
    span: first!.span,
    also: also.map(({ span }) => span),
    ...(meant.every((name) => name !== undefined) && {
      label: `did you mean \`${meant.join(", ")}\`?`,
    }),
    note,
  };
}

/** A clause in words, as the user wrote it. */
export function nameOf(clause: Ast.Clause): string {
  const word = clause.kind === "field" ? clause.field : clause.kind.replace("-", " ");
  return `\`${word}\``;
}

/** Whether a clause does something, and asks for nothing. */
export function isEffect(clause: Ast.Clause): boolean {
  return clause.kind === "label" || clause.kind === "set-mark" || clause.kind === "log";
}
