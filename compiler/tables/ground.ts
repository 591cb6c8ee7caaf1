/**
 * The ground on which tables and rules are compared: every field cut where either of them may tell
 * values apart, so that a piece is of one mind to both; and the ways in which the pieces of the
 * scalar fields come together.
 *
 * @module
 */
import type { Ordinals } from "../analysis/ordinals.ts";
import { type Box, Space } from "../analysis/space.ts";
import { DOMAIN, type Field, FIELDS, type Packet, V4_ADDRESSES, V6_BASE } from "../policy/field.ts";
import type { IntervalSet } from "../policy/interval.ts";
import { packetText } from "../policy/packet.ts";
import type { Policy } from "../policy/policy.ts";
import { type Region, SHAPES } from "../policy/region.ts";
import { addressClass, type ReadOf, stepClass, type Tables } from "./classify.ts";
import { cut } from "./edges.ts";
import { LISTS } from "./layout.ts";

/** One region of one rule. */
export interface Entry {
  readonly region: Region;
  readonly rule: number;
  /** Whether the rule only counts, or the region depends on literals. */
  readonly effect: boolean;
}

/** A field, as the entries see it. */
export interface Line {
  readonly field: Field;
  /** Distinct sets of its pieces, and which of them each entry asks for. */
  readonly sets: readonly Ordinals[];
  readonly of: Uint32Array;
  /** The sets that begin or end at each piece. */
  readonly toggles: readonly (readonly number[])[];
}

/** Scalar fields that the tables turn into one class, and fields that they need not read. */
interface ScalarAxis {
  /** Undefined if the tables have no such axis. */
  readonly axis: ReadOf<"axis"> | undefined;
  /** Distinct combinations of sets: the number of each entry's. */
  readonly of: Uint32Array;
  readonly combinations: number;
  /** For each piece of a field, the number in `bits` of the combinations that it leaves. */
  readonly leaves: ReadonlyMap<Field, Int32Array>;
  readonly bits: BitSets;
  /** Those that are known, by what fields can be. */
  readonly states: Map<string, readonly State[]>;
}

/** Pieces of scalar fields that the tables give one class, and the rules one set of combinations. */
export interface State {
  readonly cls: number;
  /** Number in `bits` of the combinations that are still possible. */
  readonly left: number;
  /** One way to come there. */
  readonly path: Path | undefined;
}

interface Path {
  readonly field: Field;
  readonly piece: number;
  readonly before: Path | undefined;
}

export class Ground {
  readonly space: Space;
  readonly entries: readonly Entry[];
  readonly lines: ReadonlyMap<Field, Line>;
  readonly scalars: readonly ScalarAxis[];
  /** For each piece of an address, its class; undefined if the tables have no such axis. */
  readonly addresses: Readonly<Record<"src" | "dst", Int32Array | undefined>>;

  constructor(readonly policy: Policy, readonly tables: Tables) {
    this.entries = policy.rules.flatMap(({ regions, verdict }, rule) =>
      regions.map((region): Entry => ({
        region,
        rule,
        effect: verdict.name === "next" || region.dynamic !== undefined,
      }))
    );
    const regions = this.entries.map(({ region }) => region);
    const cuts = Object.fromEntries(FIELDS.map((field) => [field, cut(tables, field)])) as Region;
    this.space = new Space([...regions, cuts], policy.markBits);
    this.lines = new Map(
      FIELDS.filter((field) => regions.some((region) => region[field]))
        .map((field) => [field, line(field, regions, this.space)]),
    );
    const axes = tables.axes.filter(({ kind }) => LISTS.axis.names[kind] === "scalar");
    const read = axes.map((axis) => fieldsOf(tables, axis));
    const scalar = [...this.lines.keys()].filter((field) => field !== "src" && field !== "dst");
    const unread = scalar.filter((field) => !read.some((fields) => fields.includes(field)));
    const [first = [], ...others] = read;
    this.scalars = [[...first, ...unread], ...others].map((fields, i) =>
      scalarAxis(axes[i], fields.flatMap((field) => this.lines.get(field) ?? []), regions.length)
    );
    this.addresses = { src: this.#classes("src"), dst: this.#classes("dst") };
  }

  #classes(field: "src" | "dst"): Int32Array | undefined {
    const kind = LISTS.axis.names.indexOf(field === "src" ? "source" : "destination");
    const axis = this.tables.axes.find((axis) => axis.kind === kind);
    return axis && Int32Array.from(this.space.samples(field), (address, piece) => {
      // Between the families there are no addresses.
      const none = V4_ADDRESSES[0]!.hi < address && address < V6_BASE;
      const cls = none ? 0 : addressClass(this.tables, axis, address);
      if (cls < axis.classes) return cls;
      const packet = this.packet(shapesOf(address < V6_BASE ? 0 : 1)[0]!, [{ field, piece }]);
      throw new WrongTables("its address has no class", packet);
    });
  }

  /** All that the scalar fields of an axis can come to in packets of a shape. */
  states(axis: ScalarAxis, shape: number): readonly State[] {
    const whole = this.space.whole(shape);
    const ofField = (field: Field) => whole.sets[this.space.fields.indexOf(field)]!;
    // Shapes that differ in other fields have the same.
    const fields = [...axis.axis ? fieldsOf(this.tables, axis.axis) : [], ...axis.leaves.keys()];
    const key = fields.map((field) => ofField(field).join()).join(" ");
    const known = axis.states.get(key) ?? this.#statesOf(axis, shape, ofField);
    axis.states.set(key, known);
    return known;
  }

  #statesOf(axis: ScalarAxis, shape: number, ofField: (field: Field) => Ordinals): State[] {
    const { tables } = this;
    let states: State[] = [{ cls: 0, left: axis.bits.full, path: undefined }];
    const read = new Set<Field>();
    const folds = axis.axis
      ? tables.folds.slice(axis.axis.first_fold, axis.axis.first_fold + axis.axis.fold_count)
      : [];
    for (const fold of folds) {
      for (const step of tables.steps.slice(fold.first_step, fold.first_step + fold.step_count)) {
        const field = LISTS.field.names[step.field]!;
        read.add(field);
        const classes = this.space.samples(field);
        const classOf = (piece: number) =>
          step.stride * stepClass(tables, step, { [field]: classes[piece]! } as unknown as Packet);
        states = together(states, axis, field, ofField(field), classOf);
      }
      states = distinct(states.map((state) => {
        if (state.cls >= fold.product_count) {
          const packet = this.packet(shape, piecesOf(state));
          throw new WrongTables("its classes lead outside a table", packet);
        }
        const cls = tables.view.getUint16(fold.product_at + 2 * state.cls, true);
        return { ...state, cls };
      }));
    }
    for (const field of axis.leaves.keys()) {
      if (!read.has(field)) states = together(states, axis, field, ofField(field), () => 0);
    }
    return states;
  }

  /** The packets of an entry in a shape. */
  boxOf(entry: number, shape: number): Box | undefined {
    return this.space.boxes(this.entries[entry]!.region).find((box) => box.shape === shape);
  }

  /** A packet of a shape with some pieces of fields. */
  packet(shape: number, pieces: readonly { field: Field; piece: number }[]): Packet {
    const whole = this.space.whole(shape), sets = [...whole.sets];
    for (const { field, piece } of pieces) sets[this.space.fields.indexOf(field)] = [piece, piece];
    return this.space.packet({ ...whole, sets });
  }
}

/** Tables that do not mean what the rules mean: a fault of this compiler. */
export class WrongTables extends Error {
  override name = "WrongTables";

  /** `packet` shows it; undefined if none was found that does. */
  constructor(what: string, readonly packet?: Packet) {
    super(packet ? `The tables are wrong about \`${packetText(packet)}\`: ${what}` : what);
  }
}

/** The shapes of a family: 0 or 1. */
export function shapesOf(family: number): number[] {
  return [...SHAPES.keys()].filter((shape) => SHAPES[shape]!.family![0]!.lo === BigInt(family));
}

/** What the pieces on the way to a state are. */
export function piecesOf({ path }: State): { field: Field; piece: number }[] {
  return path ? [...piecesOf({ cls: 0, left: 0, path: path.before }), path] : [];
}

function fieldsOf({ folds, steps }: Tables, axis: ReadOf<"axis">): Field[] {
  return folds.slice(axis.first_fold, axis.first_fold + axis.fold_count)
    .flatMap((fold) => steps.slice(fold.first_step, fold.first_step + fold.step_count))
    .map(({ field }) => LISTS.field.names[field]!);
}

function line(field: Field, regions: readonly Region[], space: Space): Line {
  const known = new Map<IntervalSet, number>(), byText = new Map<string, number>();
  const sets: Ordinals[] = [];
  const of = Uint32Array.from(regions, (region) => {
    const set = region[field] ?? DOMAIN[field];
    let number = known.get(set);
    if (number !== undefined) return number;
    const pieces = space.pieces(field, set), text = pieces.join();
    number = byText.get(text) ?? sets.push(pieces) - 1;
    byText.set(text, number);
    known.set(set, number);
    return number;
  });
  const toggles: number[][] = space.samples(field).map(() => []);
  for (const [n, set] of sets.entries()) {
    for (let i = 0; i < set.length; i += 2) {
      toggles[set[i]!]!.push(n);
      toggles[set[i + 1]! + 1]?.push(n);
    }
  }
  return { field, sets, of, toggles };
}

function scalarAxis(
  axis: ReadOf<"axis"> | undefined,
  lines: readonly Line[],
  entries: number,
): ScalarAxis {
  let of = new Uint32Array(entries), combinations = 1;
  for (const line of lines) {
    const numbers = new Map<number, number>();
    of = of.map((combination, entry) => {
      const key = combination * line.sets.length + line.of[entry]!;
      const number = numbers.get(key) ?? numbers.size;
      numbers.set(key, number);
      return number;
    });
    combinations = numbers.size;
  }
  const bits = new BitSets(combinations);
  const leaves = new Map(lines.map((line): [Field, Int32Array] => {
    const members: Set<number>[] = line.sets.map(() => new Set());
    for (let entry = 0; entry < entries; entry++) members[line.of[entry]!]!.add(of[entry]!);
    const now = new Uint32Array(bits.words);
    let number = bits.number(now);
    const left = Int32Array.from(line.toggles, (sets) => {
      for (const set of sets) for (const c of members[set]!) now[c >>> 5]! ^= 1 << (c & 31);
      if (sets.length > 0) number = bits.number(now);
      return number;
    });
    return [line.field, left];
  }));
  return { axis, of, combinations, leaves, bits, states: new Map() };
}

/** States once one more field is known. */
function together(
  states: readonly State[],
  axis: ScalarAxis,
  field: Field,
  pieces: Ordinals,
  classOf: (piece: number) => number,
): State[] {
  const leaves = axis.leaves.get(field);
  const choices: State[] = [];
  for (let i = 0; i < pieces.length; i += 2) {
    for (let piece = pieces[i]!; piece <= pieces[i + 1]!; piece++) {
      const left = leaves ? leaves[piece]! : axis.bits.full;
      choices.push({ cls: classOf(piece), left, path: { field, piece, before: undefined } });
    }
  }
  const few = distinct(choices);
  return distinct(states.flatMap((state) =>
    few.map(({ cls, left, path }) => ({
      cls: state.cls + cls,
      left: axis.bits.and(state.left, left),
      path: { ...path!, before: state.path },
    }))
  ));
}

/** Of states with one class and the same combinations the first. */
function distinct(states: readonly State[]): State[] {
  const known = new Map<number, State>();
  for (const state of states) {
    const key = state.cls * 2 ** 32 + state.left;
    if (!known.has(key)) known.set(key, state);
  }
  return [...known.values()];
}

/** Sets of small numbers, each kept once and known by its number. */
export class BitSets {
  readonly words: number;
  /** The number of the set of all. */
  readonly full: number;
  readonly #sets: Uint32Array[] = [];
  readonly #byHash = new Map<number, number[]>();
  readonly #both = new Map<number, number>();

  constructor(size: number) {
    this.words = (size + 31) >>> 5;
    const all = new Uint32Array(this.words).fill(0xffffffff);
    if (size % 32 > 0) all[this.words - 1] = 2 ** (size % 32) - 1;
    this.full = this.number(all);
  }

  at(number: number): Uint32Array {
    return this.#sets[number]!;
  }

  /** The number of a set; `set` is copied. */
  number(set: Uint32Array): number {
    let hash = 0;
    for (let w = 0; w < set.length; w++) hash = Math.imul(hash ^ set[w]!, 0x85ebca6b) ^ hash >>> 13;
    const same = this.#byHash.get(hash) ?? [];
    const known = same.find((n) => this.#sets[n]!.every((word, w) => word === set[w]));
    if (known !== undefined) return known;
    const number = this.#sets.push(set.slice()) - 1;
    this.#byHash.set(hash, [...same, number]);
    return number;
  }

  and(a: number, b: number): number {
    if (a === b || b === this.full) return a;
    if (a === this.full) return b;
    const key = a * 2 ** 26 + b;
    let both = this.#both.get(key);
    if (both === undefined) {
      const other = this.at(b);
      both = this.number(this.at(a).map((word, w) => word & other[w]!));
      this.#both.set(key, both);
    }
    return both;
  }
}

/** Calls `each` with the members of a set, ascending. */
export function eachBit(set: Uint32Array, each: (member: number) => void): void {
  for (let w = 0; w < set.length; w++) {
    for (let word = set[w]!; word !== 0; word &= word - 1) {
      each(32 * w + 31 - Math.clz32(word & -word));
    }
  }
}
