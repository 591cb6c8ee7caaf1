/**
 * Operands to sets of values: constants and named sets are followed, literals typed.
 *
 * @module
 */
import { duplicate, nearest, notYet, type Report, suggestion } from "../diagnostic.ts";
import type { Span } from "../source.ts";
import type { Atom, Define, Element, Operand, SetDefinition, Value } from "../syntax/ast.ts";
import { EMPTY, type Interval, type IntervalSet, setOf, subtract } from "./interval.ts";
import { ADDRESS, INTERFACE, MARK, PORT, PROTOCOL, type ValueType } from "./value.ts";

/** The types that a set may be declared to hold; the others come with a later version. */
const SET_TYPES: Readonly<Record<string, ValueType>> = {
  addr: ADDRESS,
  port: PORT,
  proto: PROTOCOL,
  iface: INTERFACE,
  mark: MARK,
};

/** The constants and sets of a file, and the meaning of an operand among them. */
export class Operands {
  readonly #constants = new Map<string, Define>();
  readonly #sets = new Map<string, SetDefinition>();
  readonly #read = new Map<string, IntervalSet>();
  readonly #open: string[] = [];
  readonly #report: Report;

  constructor(defines: readonly Define[], sets: readonly SetDefinition[], report: Report) {
    this.#report = report;
    for (const define of defines) this.#declare(this.#constants, "constant `$", define);
    for (const set of sets) this.#declare(this.#sets, "set `@", set);
    for (const set of sets) this.#checkSet(set);
  }

  /** The values of an operand, or undefined if it could not be read (and that was reported). */
  read(operand: Operand, type: ValueType): IntervalSet | undefined {
    const only = operand.elements[0]?.parts[0];
    const constant = operand.elements.length === 1 && only && this.#constantOf(only);
    if (constant && constant.value.negated) {
      // `define others = ! lan` stands for a whole operand, so its `!` counts.
      const inner = this.#guard(only.lo, () => this.read(constant.value, type));
      return inner && (operand.negated ? subtract(type.domainOf(inner), inner) : inner);
    }
    const set = this.#members(operand.elements, type);
    return set && (operand.negated ? subtract(type.domainOf(set), set) : set);
  }

  #declare<D extends Define | SetDefinition>(map: Map<string, D>, what: string, item: D): void {
    const earlier = map.get(item.name.text);
    if (!earlier) {
      map.set(item.name.text, item);
      return;
    }
    this.#report(duplicate(`${what}${item.name.text}\``, item.name.span, earlier.name.span));
  }

  /** A set's declaration is checked where it stands, used or not. */
  #checkSet(set: SetDefinition): void {
    for (
      const [part, word] of [["timeout", set.timeout], ["size", set.size], [
        "file",
        set.file,
      ]] as const
    ) {
      if (word) this.#report(notYet(`\`${part}\` of a set`, word.span));
    }
    if (set.types.length > 1) return this.#report(notYet("a set of tuples", set.name.span));
    const declared = set.types[0];
    if (!declared) return;
    const type = SET_TYPES[declared.text];
    if (type) {
      this.#setValues(set, type);
      return;
    }
    const later = ["mac", "uid", "host"];
    if (later.includes(declared.text)) {
      return this.#report(notYet(`the type \`${declared.text}\``, declared.span));
    }
    const names = Object.keys(SET_TYPES);
    this.#report({
      code: "FW218",
      message: `\`${declared.text}\` is not a type of set`,
      span: declared.span,
      ...suggestion(declared.text, names),
      note: `the types are ${names.join(", ")}`,
    });
  }

  #members(elements: readonly Element[], type: ValueType): IntervalSet | undefined {
    const intervals: Interval[] = [];
    let good = true;
    for (const element of elements) {
      const [atom, ...more] = element.parts;
      if (more.length > 0) this.#report(notYet("a tuple", element.span));
      const values = atom && more.length === 0 ? this.#atom(atom, type) : undefined;
      if (values) intervals.push(...values);
      else good = false;
    }
    return good ? setOf(intervals) : undefined;
  }

  #atom(atom: Atom, type: ValueType): IntervalSet | undefined {
    if (atom.hi) return this.#range(atom.lo, atom.hi, type, atom.span);
    const value = atom.lo;
    switch (value.kind) {
      case "any":
        return type.any;
      case "self":
        this.#report(notYet("`self`", value.span));
        return undefined;
      case "const": {
        const constant = this.#constantOf(atom);
        if (!constant) return this.#undefined("constant", value, this.#constants.keys());
        if (!constant.value.negated) {
          return this.#guard(value, () => this.#members(constant.value.elements, type));
        }
        this.#report({
          code: "FW207",
          message: `\`${value.text}\` is negated, so it cannot be a member of a list`,
          span: value.span,
          related: [{ span: constant.span, message: "defined here" }],
        });
        return undefined;
      }
      case "set": {
        const set = this.#sets.get(value.text.slice(1));
        if (!set) return this.#undefined("set", value, this.#sets.keys());
        return this.#guard(value, () => this.#setValues(set, type));
      }
      default:
        return this.#literal(value, type);
    }
  }

  /** The members of a set as values of a type, worked out once. */
  #setValues(set: SetDefinition, type: ValueType): IntervalSet | undefined {
    const key = `${type.name} ${set.name.text}`;
    const known = this.#read.get(key);
    if (known) return known;
    const values = this.#members(set.elements ?? [], type);
    // Kept even when unreadable: its mistakes are reported once.
    this.#read.set(key, values ?? EMPTY);
    return values;
  }

  #range(from: Value, to: Value, type: ValueType, place: Span): IntervalSet | undefined {
    const bad = (code: "FW207" | "FW213", message: string, help?: string, instead?: string) => {
      const fix = instead !== undefined && { fix: [{ span: place, text: instead }] };
      this.#report({ code, message, span: place, ...(help && { help }), ...fix });
      return undefined;
    };
    const [lo, hi] = [this.#end(from), this.#end(to)];
    if (!lo || !hi) return undefined;
    if (!type.ranges) return bad("FW207", `${type.name} cannot be a range`);
    const [first, last] = [this.#literal(lo, type), this.#literal(hi, type)];
    if (!first || !last) return undefined;
    if (lo.text.includes("/") || hi.text.includes("/")) {
      return bad(
        "FW207",
        "a prefix cannot be the end of a range",
        "write its first or last address",
      );
    }
    if (lo.kind !== hi.kind || first.length !== last.length) {
      return bad("FW207", `the ends of this range are not of one kind`);
    }
    if (first[0]!.lo > last[0]!.lo) {
      const turned = `${hi.text}-${lo.text}`;
      return bad("FW213", "this range is reversed", `write ${turned}`, turned);
    }
    return first.map(({ lo }, i) => ({ lo, hi: last[i]!.hi }));
  }

  /** The literal that an end of a range is, through a constant or directly. */
  #end(value: Value): Value | undefined {
    if (value.kind !== "const") return value;
    const operand = this.#constants.get(value.text.slice(1))?.value;
    if (!operand) return this.#undefined("constant", value, this.#constants.keys());
    const atom = operand.elements.length === 1 ? operand.elements[0]!.parts[0] : undefined;
    if (atom && !atom.hi && !operand.negated && atom.lo.kind !== "const") return atom.lo;
    this.#report({
      code: "FW207",
      message: `\`${value.text}\` is not one value, so it cannot be the end of a range`,
      span: value.span,
    });
    return undefined;
  }

  #literal(value: Value, type: ValueType): IntervalSet | undefined {
    const { set, problem } = type.read(value);
    if (problem) {
      const { instead, ...found } = problem;
      const fix = instead !== undefined && { fix: [{ span: value.span, text: instead }] };
      this.#report({ ...found, span: value.span, ...fix });
    }
    return set.length > 0 ? set : undefined;
  }

  #constantOf(atom: Atom): Define | undefined {
    if (atom.hi || atom.lo.kind !== "const") return undefined;
    return this.#constants.get(atom.lo.text.slice(1));
  }

  /** Follows a name unless it is being followed already. */
  #guard(value: Value, follow: () => IntervalSet | undefined): IntervalSet | undefined {
    if (this.#open.includes(value.text)) {
      this.#report({
        code: "FW022",
        message: `\`${value.text}\` is defined by itself`,
        span: value.span,
      });
      return undefined;
    }
    this.#open.push(value.text);
    try {
      return follow();
    } finally {
      this.#open.pop();
    }
  }

  #undefined(what: string, value: Value, names: Iterable<string>): undefined {
    const sigil = value.text[0]!;
    const meant = nearest(value.text.slice(1), names);
    this.#report({
      code: "FW020",
      message: `there is no ${what} \`${value.text}\``,
      span: value.span,
      ...(meant && { label: `did you mean \`${sigil}${meant}\`?` }),
      ...(!meant && {
        help: what === "set"
          ? `define it: set ${value.text.slice(1)} = { … }`
          : `define it: define ${value.text.slice(1)} = …`,
      }),
    });
  }
}
