/**
 * Policy to decision tables, as `layout.ts` describes them: which axes, which steps, which rows.
 *
 * Every region of a rule is one bit. An axis puts a packet into a class, and each class has the bits of the
 * rules that its packets can still match. Scalar fields share an axis: the class so far and the
 * next field's class give the next class, through a table over the combinations that occur. When
 * such a table would grow past its cap, a further axis begins.
 *
 * @module
 */
import { DOMAIN, type Field } from "../policy/field.ts";
import type { IntervalSet } from "../policy/interval.ts";
import { conditionsOf, type Policy } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import {
  type Bits,
  bitsFor,
  BitsTable,
  type Classes,
  classesOf,
  onesOf,
  type Piece,
  setBit,
} from "./classes.ts";
import type { LISTS } from "./layout.ts";
import { MAX_CLASSES } from "./layout.ts";

export type ScalarField = (typeof LISTS.field.names)[number];

/** Small domains first, so that the products stay small for long. */
const SCALARS: readonly ScalarField[] = [
  ...["hook", "family", "fragment", "state", "exthdr", "proto", "flags", "type", "code"] as const,
  ...["dscp", "ttl", "in", "out", "mac", "uid", "gid", "mark", "length", "sport", "dport"] as const,
];
const ADDRESSES = ["src", "dst"] as const;

/** Entries of one product table. */
const MAX_PRODUCT = 1 << 20;
/** Bytes of all rows: beyond it a policy is refused. */
const MAX_ROW_BYTES = 1 << 29;

export interface Step {
  readonly field: ScalarField;
  readonly classes: number;
  readonly pieces: readonly Piece[];
  /** `[class so far][class of the field]`, row by row; none for an axis's first step. */
  readonly product: Uint16Array<ArrayBuffer> | undefined;
  /** Classes after this step. */
  readonly productClasses: number;
}

export interface Axis {
  readonly kind: "scalar" | "source" | "destination";
  readonly classes: number;
  /** Of a scalar axis. */
  readonly steps: readonly Step[];
  /** Of an address axis. */
  readonly pieces: readonly Piece[];
  /** Row after row, one a class. */
  readonly decideRows: Bits;
  readonly effectRows: Bits;
}

export interface Plan {
  readonly axes: readonly Axis[];
  /** Rule number of each bit of a decide row: the rules with a verdict. */
  readonly decide: readonly number[];
  /** Rule number of each bit of an effect row: the rules that only count, or that depend on literals. */
  readonly effect: readonly number[];
  /** What each bit of an effect row asks of literals, in order. */
  readonly needs: readonly (readonly (readonly [number, boolean])[])[];
}

/** A policy that this layout cannot hold. The user's mistake, if any: the caller reports it. */
export class TooLarge extends Error {
  override name = "TooLarge";
}

/** The tables of a policy. Throws TooLarge if they would outgrow their caps. */
export function plan(policy: Policy): Plan {
  const entries = policy.rules.flatMap(({ regions, verdict }, rule) =>
    regions.map((region) => ({
      region,
      rule,
      effect: verdict.name === "next" || region.dynamic !== undefined,
    }))
  );
  const rows = new RowMaker(entries);
  return {
    axes: [...addressAxes(entries, rows), ...scalarAxes(entries, rows)],
    decide: entries.filter(({ effect }) => !effect).map(({ rule }) => rule),
    effect: entries.filter(({ effect }) => effect).map(({ rule }) => rule),
    needs: entries.filter(({ effect }) => effect).map(({ region }) => conditionsOf(policy, region)),
  };
}

/** Words of a row of `bits` bits: rows are whole u64 words, kept here as pairs of u32. */
export function rowWords(bits: number): number {
  return 2 * Math.ceil(bits / 64);
}

/** One region of one rule: a bit of every row. */
interface Entry {
  readonly region: Region;
  readonly rule: number;
  /** Whether the rule only counts, or its region depends on literals. */
  readonly effect: boolean;
}

/** Turns "the entries of each class" into rows, decide and effect apart. */
class RowMaker {
  readonly #place: readonly { readonly effect: boolean; readonly bit: number }[];
  readonly #decideWords: number;
  readonly #effectWords: number;
  #bytes = 0;

  constructor(entries: readonly Entry[]) {
    let decide = 0, effect = 0;
    this.#place = entries.map((entry) => ({
      effect: entry.effect,
      bit: entry.effect ? effect++ : decide++,
    }));
    this.#decideWords = rowWords(decide);
    this.#effectWords = rowWords(effect);
  }

  /** `groups` are lists of entries; class `c` has the entries of every group in `members[c]`. */
  rows(members: readonly Bits[], groups: readonly (readonly number[])[]) {
    this.#bytes += 4 * members.length * (this.#decideWords + this.#effectWords);
    if (this.#bytes > MAX_ROW_BYTES) {
      throw new TooLarge(`its rows would take more than ${MAX_ROW_BYTES >> 20} MB`);
    }
    const decideRows = new Uint32Array(members.length * this.#decideWords);
    const effectRows = new Uint32Array(members.length * this.#effectWords);
    for (const [cls, bits] of members.entries()) {
      const decide = decideRows.subarray(cls * this.#decideWords, (cls + 1) * this.#decideWords);
      const effect = effectRows.subarray(cls * this.#effectWords, (cls + 1) * this.#effectWords);
      for (const group of onesOf(bits)) {
        for (const entry of groups[group]!) {
          const place = this.#place[entry]!;
          setBit(place.effect ? effect : decide, place.bit);
        }
      }
    }
    return { decideRows, effectRows };
  }
}

/** The distinct sets that entries compare a field with, and the set of each entry. */
function setsOf(entries: readonly Entry[], field: Field): { sets: IntervalSet[]; of: number[] } {
  const sets: IntervalSet[] = [];
  const numbers = new Map<string, number>();
  const of = entries.map(({ region }) => {
    const set = region[field] ?? DOMAIN[field];
    const key = set.map(({ lo, hi }) => `${lo}-${hi}`).join();
    const number = numbers.get(key) ?? sets.push(set) - 1;
    numbers.set(key, number);
    return number;
  });
  return { sets, of };
}

/** Lists the positions of each number: `groupBy([1, 0, 1])` is `[[1], [0, 2]]`. */
function groupBy(numbers: readonly number[], groups: number): number[][] {
  const lists: number[][] = Array.from({ length: groups }, () => []);
  for (const [i, n] of numbers.entries()) lists[n]!.push(i);
  return lists;
}

function addressAxes(entries: readonly Entry[], rows: RowMaker): Axis[] {
  return ADDRESSES.flatMap((field) => {
    if (entries.every(({ region }) => region[field] === undefined)) return [];
    const { sets, of } = setsOf(entries, field);
    const { pieces, members } = fieldClasses(field, sets);
    return {
      kind: field === "src" ? "source" as const : "destination" as const,
      classes: members.length,
      steps: [],
      pieces,
      ...rows.rows(members, groupBy(of, sets.length)),
    };
  });
}

function scalarAxes(entries: readonly Entry[], rows: RowMaker): Axis[] {
  const used = SCALARS.filter((field) => entries.some(({ region }) => region[field]));
  const sets = used.map((field) => setsOf(entries, field));

  // Entries that agree in every scalar field are one combination: few, where rules are many.
  const numbers = new Map<string, number>();
  const combinations: number[][] = [];
  const combinationOf = entries.map((_, entry) => {
    const combination = sets.map(({ of }) => of[entry]!);
    const key = combination.join();
    const number = numbers.get(key) ?? combinations.push(combination) - 1;
    numbers.set(key, number);
    return number;
  });
  const groups = groupBy(combinationOf, combinations.length);

  const axes: Axis[] = [];
  let steps: Step[] = [];
  let members: readonly Bits[] = [];
  const close = () => {
    axes.push({
      kind: "scalar",
      classes: members.length,
      steps,
      pieces: [],
      ...rows.rows(members, groups),
    });
    steps = [];
  };
  for (const [i, field] of used.entries()) {
    const classes = combinationClasses(field, sets[i]!.sets, combinations.map((c) => c[i]!));
    const folded = steps.length > 0 ? fold(members, classes.members) : undefined;
    if (steps.length > 0 && !folded) close();
    steps.push({
      field,
      classes: classes.members.length,
      pieces: classes.pieces,
      product: folded?.product,
      productClasses: (folded?.members ?? classes.members).length,
    });
    members = folded?.members ?? classes.members;
  }
  close();
  return axes;
}

function fieldClasses(field: Field, sets: readonly IntervalSet[]): Classes {
  const classes = classesOf(DOMAIN[field], sets);
  if (classes.members.length <= MAX_CLASSES) return classes;
  throw new TooLarge(`its rules tell more than ${MAX_CLASSES} values of \`${field}\` apart`);
}

/** A field's classes, with the combinations that each class can still be of. */
function combinationClasses(
  field: ScalarField,
  sets: readonly IntervalSet[],
  setOfCombination: readonly number[],
): Classes {
  const classes = fieldClasses(field, sets);
  const combinationsOf = groupBy(setOfCombination, sets.length);
  const members = classes.members.map((bits) => {
    const combinations = bitsFor(setOfCombination.length);
    for (const set of onesOf(bits)) for (const c of combinationsOf[set]!) setBit(combinations, c);
    return combinations;
  });
  return { pieces: classes.pieces, members };
}

/** The product of two lists of classes, or undefined if it would be too large. */
function fold(a: readonly Bits[], b: readonly Bits[]) {
  if (a.length * b.length > MAX_PRODUCT) return undefined;
  const product = new Uint16Array(a.length * b.length);
  const table = new BitsTable();
  for (const [i, x] of a.entries()) {
    for (const [j, y] of b.entries()) {
      const cls = table.number(x.map((word, w) => word & y[w]!));
      if (cls >= MAX_CLASSES) return undefined;
      product[i * b.length + j] = cls;
    }
  }
  return { product, members: table.all };
}
