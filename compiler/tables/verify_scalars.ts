/**
 * The scalar axes of the parted back end in one family: which classes there are, and what entries and
 * the combinations of the tables have of them.
 *
 * Where there are several axes, that is said shape by shape: within a shape of packets all that is
 * possible on one axis goes with all that is on another. So a combination that has no class of a shape
 * on one axis has no packet of it, whatever it has on others: rules that ask for TCP flags need not
 * ask for TCP.
 *
 * @module
 */
import type { Field } from "../policy/field.ts";
import { hasOther, otherOf } from "./classify.ts";
import { BitSets, eachBit, type Ground, piecesOf, type State } from "./ground.ts";
import { memo, type Part, partOf } from "./verify_sides.ts";

/** The same for all entries with the key. */
export interface Keyed extends Part {
  readonly key: number;
}

/** Packets as far as scalar fields go: of one shape, with one piece of each field that is read. */
export interface Way {
  readonly shape: number;
  readonly pieces: readonly { readonly field: Field; readonly piece: number }[];
}

export class Scalars {
  /** The classes of the first axis. */
  readonly columns: readonly number[];
  /** Whether there are others. */
  readonly several: boolean;
  readonly #ground: Ground;
  readonly #shapes: readonly number[];
  /** `[axis][shape]` */
  readonly #states: readonly (readonly (readonly State[])[])[];
  /** Bits of the shapes that each column is in. */
  readonly #shapesOf: Uint32Array;
  /** What an entry has of the columns in shapes that are alike. */
  readonly #first: readonly Omit<AlikeShapes, "present">[];
  readonly #others: readonly OtherAxis[];
  /** What an entry has of the columns; the key says what it asks of all axes. */
  readonly part: (entry: number) => Keyed;

  constructor(ground: Ground, shapes: readonly number[]) {
    const { scalars, tables: { axes } } = ground;
    this.#ground = ground;
    this.#shapes = shapes;
    this.#states = scalars.map((axis) => shapes.map((shape) => ground.states(axis, shape)));
    const [first, ...others] = this.#states as [readonly (readonly State[])[]];
    this.columns = [...new Set(first.flat().map(({ cls }) => cls))];
    this.several = others.length > 0;
    this.#shapesOf = new Uint32Array(axes[2]!.classes);
    for (const [s, states] of first.entries()) {
      for (const { cls } of states) this.#shapesOf[cls]! |= 1 << s;
    }
    this.#first = (others.length > 0 ? alikeShapes(first) : []).map(({ shapes, states }) => ({
      shapes,
      partOf: partsOf(ground, 0, states),
    }));
    this.#others = others.map((states, i) => new OtherAxis(ground, i + 1, states));
    const asked = scalars.slice(1).reduce(
      (asked, axis) => numbered(asked.map((own, i) => own * axis.combinations + axis.of[i]!)),
      scalars[0]!.of,
    );
    const partOf = partsOf(ground, 0, first.flat());
    this.part = memo((entry) => ({ ...partOf(scalars[0]!.of[entry]!), key: asked[entry]! }));
  }

  /** The classes of each axis of which an entry has something. */
  touched(entry: number): (readonly number[])[] {
    const others = this.#others.map(({ touched }, i) =>
      touched(this.#ground.scalars[i + 1]!.of[entry]!)
    );
    return [this.part(entry).touched, ...others];
  }

  /** Whether packets of some columns that have a combination on the other axes are all an entry's. */
  within(combination: number, columns: readonly number[], entry: number): boolean {
    let nobody = 0, within = -1;
    for (const [i, axis] of this.#others.entries()) {
      nobody |= axis.nobody(combination);
      within &= axis.within(combination, this.#ground.scalars[i + 1]!.of[entry]!);
    }
    return this.#first.every(({ shapes, partOf }) => {
      const some = shapes & ~nobody;
      if (some === 0) return true;
      const part = partOf(this.#ground.scalars[0]!.of[entry]!);
      return columns.every((column) => {
        const own = this.#shapesOf[column]! & some;
        return own === 0 || ((own & ~within) === 0 && part.has(column));
      });
    });
  }

  /** In which shapes packets that are an entry's on the other axes have all a combination there. */
  covers(combination: number, entry: number): number {
    return this.#others.reduce(
      (shapes, { covers }, i) =>
        shapes & covers(combination, this.#ground.scalars[i + 1]!.of[entry]!),
      -1,
    );
  }

  /** Whether all packets of a column are of some shapes, given as bits. */
  isOf(column: number, shapes: number): boolean {
    return (this.#shapesOf[column]! & ~shapes) === 0;
  }

  /** All packets whose class on each axis is wanted. */
  *ways(wanted: (axis: number, cls: number) => boolean): Generator<Way> {
    for (const [s, shape] of this.#shapes.entries()) {
      const states = this.#states.map((ofAxis, axis) =>
        ofAxis[s]!.filter(({ cls }) => wanted(axis, cls))
      );
      for (const pieces of together(states)) yield { shape, pieces };
    }
  }
}

function* together([first, ...others]: readonly (readonly State[])[]): Generator<Way["pieces"]> {
  for (const state of first ?? []) {
    const own = piecesOf(state);
    if (others.length === 0) yield own;
    else for (const rest of together(others)) yield [...own, ...rest];
  }
}

/** An axis behind the first. Shapes are bits. */
class OtherAxis {
  /** The classes of which an entry with this combination of the rules has something. */
  readonly touched: (own: number) => readonly number[];
  /** In which shapes no packet has a combination of the tables. */
  readonly nobody: (combination: number) => number;
  /** In which shapes packets with a combination of the tables are all of entries with one of the rules. */
  readonly within: (combination: number, own: number) => number;
  /** In which shapes packets of entries with one of the rules have all a combination of the tables. */
  readonly covers: (combination: number, own: number) => number;

  constructor(ground: Ground, number: number, states: readonly (readonly State[])[]) {
    const { tables } = ground;
    const { classes } = tables.axes[2 + number]!;
    const alike = alikeShapes(states).map(({ shapes, states }) => ({
      shapes,
      present: [...new Set(states.map(({ cls }) => cls))],
      partOf: partsOf(ground, number, states),
    }));
    // Most of what combinations ask is of other axes: the classes that they leave on this are few sets.
    const sets = new BitSets(classes);
    const columns = Array.from({ length: classes }, (_, cls) => cls);
    const setOf = memo((combination) => {
      const other = otherOf(tables, combination), bits = new Uint32Array(sets.words);
      for (const cls of columns) {
        if (hasOther(tables, 2 + number, cls, other)) bits[cls >>> 5]! |= 1 << (cls & 31);
      }
      return sets.number(bits);
    });
    const shapesWhere = (
      test: (alike: AlikeShapes, has: (cls: number) => boolean, own: number) => boolean,
    ) => {
      const known = memo((key) => {
        const set = sets.at(Math.floor(key / 2 ** 26)), own = key % 2 ** 26;
        const has = (cls: number) => (set[cls >>> 5]! >>> (cls & 31) & 1) === 1;
        return alike.reduce((bits, some) => test(some, has, own) ? bits | some.shapes : bits, 0);
      });
      return (combination: number, own: number) => known(setOf(combination) * 2 ** 26 + own);
    };
    this.touched = memo((own) => [...new Set(alike.flatMap(({ partOf }) => partOf(own).touched))]);
    const nobody = shapesWhere(({ present }, has) => !present.some(has));
    this.nobody = (combination) => nobody(combination, 0);
    this.within = shapesWhere(({ present, partOf }, has, own) => {
      const part = partOf(own);
      return present.every((cls) => !has(cls) || part.has(cls));
    });
    this.covers = shapesWhere(({ partOf }, has, own) => partOf(own).touched.every(has));
  }
}

/** Shapes, as bits, that come to the same states: those that are there, and what entries have of them. */
interface AlikeShapes {
  readonly shapes: number;
  readonly present: readonly number[];
  readonly partOf: (combination: number) => Part;
}

/** Which shapes come to the same states. */
function alikeShapes(states: readonly (readonly State[])[]) {
  const bits = new Map<readonly State[], number>();
  for (const [s, ofShape] of states.entries()) bits.set(ofShape, (bits.get(ofShape) ?? 0) | 1 << s);
  return [...bits].map(([states, shapes]) => ({ shapes, states }));
}

/** What a combination of the rules has of the classes of an axis, in packets that come to some states. */
function partsOf(
  { scalars, tables }: Ground,
  number: number,
  states: readonly State[],
): (combination: number) => Part {
  const { combinations, bits } = scalars[number]!;
  const { classes } = tables.axes[2 + number]!;
  // Most states leave few combinations.
  const ways = new Map(states.map((state) => [state.cls * 2 ** 26 + state.left, state]));
  const ofClass = new Uint32Array(classes);
  const classesOf: Map<number, number>[] = Array.from({ length: combinations }, () => new Map());
  for (const { cls, left } of ways.values()) {
    ofClass[cls]!++;
    eachBit(bits.at(left), (combination) => {
      const counts = classesOf[combination]!;
      counts.set(cls, (counts.get(cls) ?? 0) + 1);
    });
  }
  return memo((combination) => partOf(classesOf[combination]!, (cls) => ofClass[cls]!, classes));
}

/** The same numbers where there were the same, from 0 on. */
function numbered(numbers: Uint32Array): Uint32Array<ArrayBuffer> {
  const known = new Map<number, number>();
  return Uint32Array.from(numbers, (number) => {
    const own = known.get(number) ?? known.size;
    known.set(number, own);
    return own;
  });
}
