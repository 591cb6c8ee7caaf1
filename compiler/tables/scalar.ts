/**
 * Scalar fields to classes: every field's class is found in a table of its own, and classes of
 * several fields are folded into one through product tables over the combinations that occur.
 *
 * @module
 */
import { DOMAIN } from "../policy/field.ts";
import { type IntervalSet, within } from "../policy/interval.ts";
import {
  type Bits,
  bitsFor,
  type Classes,
  classesOf,
  groupBy,
  Numbering,
  setBit,
} from "./classes.ts";
import { combine, type Numbers } from "./combinations.ts";
import { type LISTS, MAX_CLASSES } from "./layout.ts";

export type ScalarField = (typeof LISTS.field.names)[number];

/** One field's class, and what a class is worth in the index of its fold's product. */
export interface Step {
  readonly field: ScalarField;
  readonly classes: Classes;
  readonly stride: number;
}

/**
 * Several fields' classes, and the class of the fold before it (its stride is 1), become one. The
 * index is the sum of class times stride.
 */
export interface Fold {
  readonly steps: readonly Step[];
  readonly product: Uint16Array<ArrayBuffer>;
  readonly classes: number;
}

/** An axis's folds, and for each class the combinations that it can still be. */
export interface ScalarAxis {
  readonly folds: readonly Fold[];
  readonly members: readonly Bits[];
}

export interface ScalarAxes {
  readonly axes: readonly ScalarAxis[];
  /**
   * What each combination asks of the axes behind the first; undefined if they are as the first. Their
   * members are these numbers, and not combinations.
   */
  readonly others: Others | undefined;
}

export interface Others extends Numbers {
  /** The number for nothing, -1 if each combination asks for something. */
  readonly nothing: number;
}

/** Entries of one product table: as many as stay near the processor, if that suffices. */
const NEAR_PRODUCT = 1 << 14;
const MAX_PRODUCT = 1 << 20;
/** Axes behind the first. */
const MOST_BEHIND = 6;
/** A field is rare if one of so many entries asks for it, or fewer. */
const RARE = 8;
/** Words to AND for one product table. */
const MAX_WORK = 1 << 26;

/** What the rules ask of one field. */
export interface AskedField {
  readonly field: ScalarField;
  readonly sets: readonly IntervalSet[];
  /** By combination: the number of its set. */
  readonly setOf: Uint32Array<ArrayBuffer>;
  /** How many entries ask for it. */
  readonly entries: number;
}

/** One axis of all fields, or several where it would have more than `most` classes. */
export function scalarAxes(fields: readonly AskedField[], most: number = MAX_CLASSES): ScalarAxes {
  return { axes: axesOf(found(fields), most), others: undefined };
}

/**
 * One axis of all fields, if it has no more than about `most` classes. If not, those that few of the
 * entries ask for are behind it in others, as in one product each would multiply the classes of all.
 */
export function scalarAxesApart(
  fields: readonly AskedField[],
  entries: number,
  most: number,
): ScalarAxes {
  const together = axesOf(found(fields), most, 1);
  if (together.length === 1) return { axes: together, others: undefined };
  const isCommon = (field: AskedField) => RARE * field.entries > entries;
  const common = found(fields.some(isCommon) ? fields.filter(isCommon) : fields);
  // Next to a field of very many classes there is room for others.
  const room = Math.min(MAX_CLASSES, Math.max(most, 2 * common.at(-1)!.classes.count));
  const [first] = axesOf(common, room, 1);
  const inFirst = first!.folds.flatMap(({ steps }) => steps).map(({ field }) => field);
  const left = fields.filter(({ field }) => !inFirst.includes(field));
  if (left.length === 0) return { axes: [first!], others: undefined };
  const { of, count, setOf } = combine(
    left.map(({ sets, setOf }) => ({ sets, of: setOf })),
    fields[0]!.setOf.length,
  );
  const behind = found(left.map((field, i) => ({ ...field, setOf: setOf[i]! })));
  const nothing = Array.from({ length: count }, (_, number) => number).findIndex((number) =>
    left.every(({ field, sets }, i) => within(DOMAIN[field], sets[setOf[i]![number]!]!))
  );
  const axes = axesOf(behind, most, MOST_BEHIND);
  if (axes.length > MOST_BEHIND) return scalarAxes(fields);
  return { axes: [first!, ...axes], others: { of, count, nothing } };
}

interface FoundField extends AskedField {
  readonly classes: Classes;
  readonly members: readonly Bits[];
}

/** The classes of each field, the fewest first. */
function found(fields: readonly AskedField[]): FoundField[] {
  return fields.map((asked) => {
    const classes = classesOf(DOMAIN[asked.field], asked.sets);
    const members = combinationsOf(classes, asked.sets.length, asked.setOf);
    return { ...asked, classes, members };
  }).sort((a, b) => a.classes.count - b.classes.count);
}

/** Axes of at most so many classes, if no field alone has more; gives up after `axes` of them. */
function axesOf(fields: readonly FoundField[], most: number, axes = Infinity): ScalarAxis[] {
  const done: ScalarAxis[] = [];
  let axis = new AxisBuilder(most);
  for (const { field, classes, members } of fields) {
    if (axis.add(field, classes, members)) continue;
    done.push(axis.finish());
    axis = new AxisBuilder(most);
    axis.add(field, classes, members);
    if (done.length === axes) break;
  }
  return fields.length > 0 ? [...done, axis.finish()] : done;
}

/** For each class of a field, the combinations whose set holds it. */
function combinationsOf(classes: Classes, sets: number, setOf: Uint32Array<ArrayBuffer>): Bits[] {
  const bySet = groupBy(setOf, sets);
  const ofBroad = new Map<readonly number[], Bits>();
  const collect = (bits: Bits, list: readonly number[]) => {
    for (const set of list) for (const c of bySet[set]!) setBit(bits, c);
    return bits;
  };
  return Array.from({ length: classes.count }, (_, cls) => {
    const broad = classes.broad[cls]!;
    const shared = ofBroad.get(broad) ?? collect(bitsFor(setOf.length), broad);
    ofBroad.set(broad, shared);
    return collect(shared.slice(), classes.narrow[cls]!);
  });
}

class AxisBuilder {
  readonly #folds: Fold[] = [];
  #members: readonly Bits[] = [];
  /** Of the fold being made: its fields, and the class of each index. */
  #steps: Step[] = [];
  #product = new Uint32Array(1);

  /** An axis of at most so many classes, or of one field. */
  constructor(private readonly most: number) {}

  /** Folds a field in; false, and nothing is changed, if that would be too large. */
  add(field: ScalarField, classes: Classes, members: readonly Bits[]): boolean {
    const first = this.#members.length === 0;
    const near = this.#product.length * classes.count <= NEAR_PRODUCT;
    const before = near || first ? this.#product : Uint32Array.from(this.#members, (_, i) => i);
    if (before.length * classes.count > MAX_PRODUCT) {
      return first && this.#begin(field, classes, members);
    }
    const table = first ? undefined : fold(this.#members, members, this.most);
    if (!first && !table) return false;
    if (before !== this.#product) this.#close();
    const product = new Uint32Array(before.length * classes.count);
    for (let cls = 0, at = 0; cls < classes.count; cls++) {
      for (let i = 0; i < before.length; i++) {
        product[at++] = table ? table.product[before[i]! * classes.count + cls]! : cls;
      }
    }
    this.#steps.push({ field, classes, stride: before.length });
    this.#product = product;
    this.#members = table?.members ?? members;
    return true;
  }

  finish(): ScalarAxis {
    this.#close();
    return { folds: this.#folds, members: this.#members };
  }

  /** A field with very many classes, alone. */
  #begin(field: ScalarField, classes: Classes, members: readonly Bits[]): boolean {
    this.#steps.push({ field, classes, stride: 1 });
    this.#product = Uint32Array.from(members, (_, i) => i);
    this.#members = members;
    return true;
  }

  #close(): void {
    this.#folds.push({
      steps: this.#steps,
      product: Uint16Array.from(this.#product),
      classes: this.#members.length,
    });
    this.#steps = [];
    this.#product = new Uint32Array(1);
  }
}

/** Which combinations two lists of classes leave to each other, or undefined if that is too much. */
function fold(a: readonly Bits[], b: readonly Bits[], most: number) {
  const words = a[0]!.length;
  if (a.length * b.length > MAX_PRODUCT || a.length * b.length * words > MAX_WORK) return undefined;
  const product = new Uint16Array(a.length * b.length);
  const numbering = new Numbering<Bits>();
  let both = new Uint32Array(words);
  for (const [i, x] of a.entries()) {
    for (const [j, y] of b.entries()) {
      for (let w = 0; w < words; w++) both[w] = x[w]! & y[w]!;
      const cls = numbering.number(both);
      if (cls >= most) return undefined;
      if (numbering.all[cls] === both) both = new Uint32Array(words);
      product[i * b.length + j] = cls;
    }
  }
  return { product, members: numbering.all };
}
