/**
 * Operands to sets of values: constants and named sets are followed, literals typed.
 *
 * @module
 */
import { duplicate, nearest, notYet, type Report, suggestion } from "../diagnostic.ts";
import type { Span } from "../source.ts";
import type { Atom, Define, Element, Operand, SetDefinition, Value, Word } from "../syntax/ast.ts";
import { prefixesOf } from "./address.ts";
import { readDuration } from "./dynamic.ts";
import { type Interval, type IntervalSet, setOf, subtract } from "./interval.ts";
import type { RuntimeSet } from "./policy.ts";
import { ADDRESS, INTERFACE, MAC, MARK, PORT, PROTOCOL, USER, type ValueType } from "./value.ts";

/** The types that a set may be declared to hold; `host` comes with a later version. */
const SET_TYPES: Readonly<Record<string, ValueType>> = {
  addr: ADDRESS,
  port: PORT,
  proto: PROTOCOL,
  iface: INTERFACE,
  mark: MARK,
  mac: MAC,
  uid: USER,
};

/** A product of sets of values, one a place of the tuple. */
type Row = readonly IntervalSet[];

/** Names that may stand one for the next. */
const MAX_NAMES = 64;

/** Members that a run-time set has room for unless it says, and at most. */
const DEFAULT_SIZE = 65536;
const MAX_SIZE = 1 << 20;
/** Addresses of one host. */
const SELF_SIZE = 4096;

/** The constants and sets of a file, and the meaning of an operand among them. */
export class Operands {
  /** The sets that change at run time, "self" among them if it was asked for. */
  readonly runtime: RuntimeSet[] = [];
  readonly #constants = new Map<string, Define>();
  readonly #sets = new Map<string, SetDefinition>();
  readonly #read = new Map<ValueType, Map<string, IntervalSet | undefined>>();
  readonly #readRows = new Map<string, readonly Row[] | undefined>();
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
    if (isRuntime(set)) return this.#declareRuntime(set);
    if (set.types.length === 0) return;
    const types = set.types.map((declared) => this.#typeNamed(declared));
    if (!types.every((type) => type !== undefined)) return;
    if (types.length > 1) this.#rowsOf(set, types);
    else this.#valuesOf(`@${set.name.text}`, set.elements ?? [], types[0]!);
  }

  /** A set that changes at run time holds addresses. */
  #declareRuntime(set: SetDefinition): void {
    const other = set.types.find(({ text }, i) => text !== "addr" || i > 0);
    if (other) this.#report(notYet("a set of other than addresses at run time", other.span));
    const size = Number(set.size?.text ?? DEFAULT_SIZE);
    const sound = size >= 1 && size <= MAX_SIZE;
    if (!sound) {
      const message = `the size of a set is 1 to ${MAX_SIZE}, found ${size}`;
      this.#report({ code: "FW214", message, span: set.size!.span });
    }
    const members = other ? [] : this.#members(set.elements ?? [], ADDRESS) ?? [];
    const count = prefixesOf(members).length;
    if (sound && count > size) {
      const message = `\`@${set.name.text}\` has ${count} members, and room for ${size}`;
      this.#report({ code: "FW209", message, span: set.name.span });
    }
    const timeoutNs = set.timeout ? readDuration(set.timeout, this.#report) : 0n;
    this.runtime.push({ name: set.name.text, timeoutNs, size, members });
  }

  /** The number of the run-time set that an element is, or undefined if it is none. */
  runtimeSet({ parts: [atom, ...more] }: Element): number | undefined {
    if (!atom || atom.hi || more.length > 0) return undefined;
    const { kind, text } = atom.lo;
    if (kind === "self") {
      const known = this.runtime.findIndex(({ name }) => name === "self");
      if (known >= 0) return known;
      return this.runtime.push({ name: "self", timeoutNs: 0n, size: SELF_SIZE, members: [] }) - 1;
    }
    const number = this.runtime.findIndex(({ name }) => kind === "set" && name === text.slice(1));
    return number < 0 ? undefined : number;
  }

  #typeNamed(declared: Word): ValueType | undefined {
    const type = SET_TYPES[declared.text];
    if (type) return type;
    if (declared.text === "host") {
      this.#report(notYet("the type `host`", declared.span));
      return undefined;
    }
    const names = Object.keys(SET_TYPES);
    this.#report({
      code: "FW218",
      message: `\`${declared.text}\` is not a type of set`,
      span: declared.span,
      ...suggestion(declared.text, names),
      note: `the types are ${names.join(", ")}`,
    });
    return undefined;
  }

  /** The members of a set of tuples of these types; undefined if it could not be read. */
  readTuples(name: Word, types: readonly ValueType[]): readonly Row[] | undefined {
    const value: Value = { kind: "set", ...name };
    const set = this.#sets.get(name.text.slice(1));
    if (!set) return this.#undefined("set", value, this.#sets.keys());
    const declared = set.types.map(({ text }) => SET_TYPES[text]?.name);
    const differs = types.findIndex(({ name }, i) => declared[i] !== name);
    if (declared.length > 0 && (differs >= 0 || declared.length !== types.length)) {
      this.#report({
        code: "FW208",
        message: `\`${name.text}\` holds ${shapeOf(declared)}, and this tuple is ${
          shapeOf(types.map((type) => type.name))
        }`,
        span: name.span,
        related: [{ span: set.name.span, message: "declared here" }],
      });
      return undefined;
    }
    const rows = this.#guard(value, () => this.#rowsOf(set, types));
    return rows && joined(rows);
  }

  /** A set's rows, read once for each shape that is asked for. */
  #rowsOf(set: SetDefinition, types: readonly ValueType[]): readonly Row[] | undefined {
    const key = `${set.name.text} ${types.map(({ name }) => name).join(".")}`;
    if (!this.#readRows.has(key)) {
      this.#readRows.set(key, this.#rows(set.elements ?? [], types));
    }
    return this.#readRows.get(key);
  }

  #rows(elements: readonly Element[], types: readonly ValueType[]): readonly Row[] | undefined {
    let good = true;
    const rows = elements.flatMap((element): readonly Row[] => {
      const { parts } = element;
      const inner = parts.length === 1 && !parts[0]!.hi && parts[0]!.lo;
      if (inner && inner.kind === "set") {
        const nested = this.readTuples(inner, types);
        good &&= nested !== undefined;
        return nested ?? [];
      }
      if (parts.length !== types.length) {
        good = false;
        this.#report({
          code: "FW208",
          message: `expected ${types.length} values joined with \`.\`, found ${parts.length}`,
          span: element.span,
        });
        return [];
      }
      const row = parts.map((part, i) => this.#atom(part, types[i]!));
      if (row.every((set) => set !== undefined)) return [row];
      good = false;
      return [];
    });
    return good ? rows : undefined;
  }

  #members(elements: readonly Element[], type: ValueType): IntervalSet | undefined {
    const intervals: IntervalSet[] = [];
    let good = true;
    for (const element of elements) {
      const [atom, ...more] = element.parts;
      if (more.length > 0) {
        this.#report({
          code: "FW208",
          message: `expected ${type.name}, found a tuple`,
          span: element.span,
          help: "compare it with `tuple (…) in @set`",
        });
      }
      const values = atom && more.length === 0 ? this.#atom(atom, type) : undefined;
      if (values) intervals.push(values);
      else good = false;
    }
    if (!good) return undefined;
    // A set of thousands that many rules name is there once.
    return intervals.length === 1 ? intervals[0] : setOf(intervals.flat());
  }

  #atom(atom: Atom, type: ValueType): IntervalSet | undefined {
    if (atom.hi) return this.#range(atom.lo, atom.hi, type, atom.span);
    const value = atom.lo;
    switch (value.kind) {
      case "any":
        return type.any;
      case "self":
        this.#report(notYet("`self` in this place", value.span));
        return undefined;
      case "const": {
        const constant = this.#constantOf(atom);
        if (!constant) return this.#undefined("constant", value, this.#constants.keys());
        if (!constant.value.negated) {
          return this.#guard(
            value,
            () => this.#valuesOf(value.text, constant.value.elements, type),
          );
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
        if (isRuntime(set)) {
          if (set.types.some(({ text }) => text !== "addr")) return undefined; // told where declared
          if (type === ADDRESS) {
            this.#report(notYet("a set that changes at run time in this place", value.span));
          } else {
            const message = `expected ${type.name}, found a set of addresses`;
            this.#report({ code: "FW207", message, span: value.span });
          }
          return undefined;
        }
        return this.#guard(value, () => this.#valuesOf(value.text, set.elements ?? [], type));
      }
      default:
        return this.#literal(value, type);
    }
  }

  /** What the set or the constant of a name holds as values of a type, worked out once. */
  #valuesOf(
    name: string,
    elements: readonly Element[],
    type: ValueType,
  ): IntervalSet | undefined {
    const ofType = this.#read.get(type) ?? new Map<string, IntervalSet | undefined>();
    this.#read.set(type, ofType);
    if (ofType.has(name)) return ofType.get(name);
    const values = this.#members(elements, type);
    // Kept even when unreadable: its mistakes are reported once.
    ofType.set(name, values);
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
    const [first, last] = [this.#literal(lo, type, true), this.#literal(hi, type, true)];
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

  #literal(value: Value, type: ValueType, isEnd = false): IntervalSet | undefined {
    const { set, problem } = type.read(value);
    // Ports from 0 on are all those below one: no port 0 is meant.
    if (isEnd && problem?.code === "FW215") return set;
    const meant = problem && value.kind === "name" && this.#sigilFor(value.text);
    if (meant) {
      this.#report({
        code: "FW207",
        message: `expected ${type.name}, found a name`,
        span: value.span,
        label: `did you mean \`${meant}\`?`,
        fix: [{ span: value.span, text: meant }],
      });
    } else if (problem) {
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
  #guard<T>(value: Value, follow: () => T | undefined): T | undefined {
    if (this.#open.includes(value.text)) {
      this.#report({
        code: "FW022",
        message: `\`${value.text}\` is defined by itself`,
        span: value.span,
      });
      return undefined;
    }
    if (this.#open.length === MAX_NAMES) {
      this.#report({
        code: "FW029",
        message: `names stand for names more than ${MAX_NAMES} deep`,
        span: value.span,
        help: "write what it stands for",
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

  /** How a set or a constant of that name is referred to; undefined if there is neither. */
  #sigilFor(name: string): string | undefined {
    return this.#sets.has(name) ? `@${name}` : this.#constants.has(name) ? `$${name}` : undefined;
  }

  #undefined(what: string, value: Value, names: Iterable<string>): undefined {
    const sigil = value.text[0]!;
    const name = value.text.slice(1);
    const near = nearest(name, names);
    const meant = this.#sigilFor(name) ?? (near && `${sigil}${near}`);
    this.#report({
      code: "FW020",
      message: `there is no ${what} \`${value.text}\``,
      span: value.span,
      ...(meant && { label: `did you mean \`${meant}\`?` }),
      ...(!meant && {
        help: what === "set" ? `define it: set ${name} = { … }` : `define it: define ${name} = …`,
      }),
    });
  }
}

/** Whether a set changes at run time. */
function isRuntime(set: SetDefinition): boolean {
  return set.timeout !== undefined || set.size !== undefined;
}

/** "an address . a port" and the like. */
function shapeOf(types: readonly (string | undefined)[]): string {
  return types.map((type) => type ?? "something unknown").join(" . ");
}

/** Fewer rows that mean the same: those that differ in their last place only become one. */
function joined(rows: readonly Row[]): readonly Row[] {
  const groups = new Map<string, { head: Row; last: Interval[] }>();
  for (const row of rows) {
    const head = row.slice(0, -1);
    const key = head.map((set) => set.map(({ lo, hi }) => `${lo}-${hi}`).join()).join("|");
    const group = groups.get(key) ?? { head, last: [] };
    group.last.push(...row.at(-1)!);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ head, last }) => [...head, setOf(last)]);
}
