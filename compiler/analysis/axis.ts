/**
 * One field, cut where some region begins or ends, and its pieces in small numbers.
 *
 * @module
 */
import { DOMAIN, type Field } from "../policy/field.ts";
import { contains, type IntervalSet } from "../policy/interval.ts";
import { type Region, SHAPES } from "../policy/region.ts";
import { has, meet, type Ordinals, ordinalsOf, valuesIn } from "./ordinals.ts";
import { PREFERRED, sample } from "./sample.ts";

export class Axis {
  readonly #field: Field;
  /** Number of each edge that a region may name: that of the first stretch at or behind it. */
  readonly #ordinal: Places;
  /** The piece that each stretch belongs to; without it each is one of its own. */
  readonly #pieceOf: readonly number[] | undefined;
  /** One value that packets can have of each piece. */
  readonly samples: readonly bigint[];
  /** The pieces whose sample is one that a person would choose, best first. */
  readonly #preferred: readonly number[];
  /** First value of each stretch. */
  readonly #starts: readonly bigint[];
  /** First value behind the last one. */
  readonly #end: bigint;
  /** First values again, three limbs each, and the end. */
  readonly #limbs: Float64Array;
  /** Whether pieces weigh alike, however wide. */
  readonly #counted: boolean;
  /** The pieces of sets, which many regions share. */
  readonly #known = new WeakMap<IntervalSet, Ordinals>();

  /** For the sets of these regions and of the shapes, and what is made of them. */
  constructor(field: Field, regions: readonly Region[], markBits: number) {
    const domain = DOMAIN[field][0]!;
    const ordinal = new Places();
    ordinal.set(domain.lo, 0);
    for (const set of new Set([...regions, ...SHAPES].map((region) => region[field]))) {
      for (const { lo, hi } of set ?? []) {
        ordinal.set(lo, 0);
        ordinal.set(hi + 1n, 0);
      }
    }
    ordinal.set(domain.hi + 1n, 0);
    const edges = ordinal.keys();
    const sorted = BigInt.asUintN(64, domain.hi) === domain.hi
      ? Array.from(BigUint64Array.from(edges).sort())
      : edges.sort((a, b) => a < b ? -1 : a > b ? 1 : 0);

    const ofStretch: bigint[] = [], starts: bigint[] = [];
    for (const [i, lo] of sorted.entries()) {
      ordinal.set(lo, starts.length);
      const next = sorted[i + 1];
      if (next === undefined) break;
      const value = sample(field, { lo, hi: next - 1n }, markBits);
      if (value === undefined) continue;
      ofStretch.push(value);
      starts.push(lo);
    }
    const pieceOf = field === "flags" ? alike(field, starts, regions) : undefined;
    const liked = PREFERRED[field] ?? [];
    const samples: bigint[] = [];
    for (const [stretch, value] of ofStretch.entries()) {
      const piece = pieceOf?.[stretch] ?? stretch;
      const known = samples[piece];
      if (known === undefined || !liked.includes(known) && liked.includes(value)) {
        samples[piece] = value;
      }
    }
    this.#field = field;
    this.#ordinal = ordinal;
    this.#pieceOf = pieceOf;
    this.samples = samples;
    this.#preferred = liked.map((value) => samples.indexOf(value)).filter((piece) => piece >= 0);
    this.#starts = starts;
    this.#end = domain.hi + 1n;
    this.#limbs = limbsOf([...starts, this.#end]);
    this.#counted = COUNTED.has(field);
  }

  /** The pieces that a set has. Throws if it is not made of sets that the axis was made for. */
  ordinals(set: IntervalSet): Ordinals {
    const known = this.#known.get(set) ?? this.#ordinals(set);
    this.#known.set(set, known);
    return known;
  }

  #ordinals(set: IntervalSet): Ordinals {
    const result: number[] = [];
    for (const { lo, hi } of set) {
      const from = this.#ordinal.get(lo), to = this.#ordinal.get(hi + 1n);
      if (from === undefined || to === undefined) {
        throw new Error(
          `Cannot ask about ${this.#field}: ${lo} to ${hi} is no set of this space`,
        );
      }
      if (from >= to) continue;
      // Neighbours once the pieces between them are gone.
      if (result.length > 0 && result.at(-1) === from - 1) result[result.length - 1] = to - 1;
      else result.push(from, to - 1);
    }
    const pieceOf = this.#pieceOf;
    return pieceOf ? ordinalsOf(valuesIn(result).map((stretch) => pieceOf[stretch]!)) : result;
  }

  /** The values of some pieces. */
  intervals(given: Ordinals): IntervalSet {
    const starts = this.#starts, end = this.#end, pieceOf = this.#pieceOf;
    const set = pieceOf
      ? ordinalsOf([...starts.keys()].filter((stretch) => has(given, pieceOf[stretch]!)))
      : given;
    return Array.from({ length: set.length / 2 }, (_, i) => ({
      lo: starts[set[2 * i]!]!,
      hi: (starts[set[2 * i + 1]! + 1] ?? end) - 1n,
    }));
  }

  /** The weight of a set's values. */
  weigh(set: Ordinals): number {
    const limbs = this.#limbs, counted = this.#counted;
    let weight = 0;
    for (let i = 0; i < set.length; i += 2) {
      const from = set[i]!, to = set[i + 1]! + 1;
      weight += counted ? to - from : distance(limbs, from, to);
    }
    return weight;
  }

  /** The weight of the values that are in both. */
  weighBoth(a: Ordinals, b: Ordinals): number {
    const limbs = this.#limbs, counted = this.#counted;
    let weight = 0;
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      const from = Math.max(a[i]!, b[j]!), to = Math.min(a[i + 1]!, b[j + 1]!) + 1;
      if (from < to) weight += counted ? to - from : distance(limbs, from, to);
      if (a[i + 1]! < b[j + 1]!) i += 2;
      else j += 2;
    }
    return weight;
  }

  /** The piece of a set that a person would take an example from. */
  best(set: Ordinals): number {
    return this.#preferred.find((piece) => meet([piece, piece], set)) ?? set[0]!;
  }
}

/** The axis of a field that no region names: always the same, and so are most of a small policy's. */
export function unnamed(field: Field): Axis {
  const known = UNNAMED.get(field) ?? new Axis(field, [], 0);
  UNNAMED.set(field, known);
  return known;
}

const UNNAMED = new Map<Field, Axis>();

/** The piece of each stretch, where those that the same regions and shapes have are one. */
function alike(field: Field, starts: readonly bigint[], regions: readonly Region[]): number[] {
  const sets = new Map<string, IntervalSet>();
  for (const { [field]: set } of [...regions, ...SHAPES]) {
    if (set) sets.set(set.map(({ lo, hi }) => `${lo}-${hi}`).join(), set);
  }
  const numbers = new Map<string, number>();
  return starts.map((value) => {
    const key = [...sets.values()].map((set) => contains(set, value) ? 1 : 0).join("");
    const number = numbers.get(key) ?? numbers.size;
    numbers.set(key, number);
    return number;
  });
}

/**
 * Numbers by big numbers. In two steps, because V8 hashes the low 64 bits of a bigint only, and in
 * those all networks of IPv6 are alike.
 */
class Places {
  readonly #byHigh = new Map<bigint, Map<bigint, number>>();

  get(value: bigint): number | undefined {
    return this.#byHigh.get(value >> 64n)?.get(BigInt.asUintN(64, value));
  }

  set(value: bigint, place: number): void {
    const high = value >> 64n;
    let byLow = this.#byHigh.get(high);
    if (!byLow) this.#byHigh.set(high, byLow = new Map());
    byLow.set(BigInt.asUintN(64, value), place);
  }

  keys(): bigint[] {
    return [...this.#byHigh].flatMap(([high, byLow]) =>
      [...byLow.keys()].map((low) => high << 64n | low)
    );
  }
}

/** Bits of a limb: few enough for a double to hold it exactly. */
const LIMB = 48n;

function limbsOf(values: readonly bigint[]): Float64Array {
  return Float64Array.from(
    values.flatMap((value) =>
      [2n * LIMB, LIMB, 0n].map((shift) => Number(BigInt.asUintN(Number(LIMB), value >> shift)))
    ),
  );
}

/**
 * The distance of two values, rounded only after the difference: next to the width of IPv6 a
 * network is nothing.
 */
function distance(limbs: Float64Array, from: number, to: number): number {
  const limb = 2 ** Number(LIMB);
  const [a, b] = [3 * from, 3 * to];
  return ((limbs[b]! - limbs[a]!) * limb + (limbs[b + 1]! - limbs[a + 1]!)) * limb +
    (limbs[b + 2]! - limbs[a + 2]!);
}

/** Fields whose values weigh by the pieces, however wide, that the rules tell apart. */
const COUNTED: ReadonlySet<Field> = new Set(["in", "out", "mark", "flags", "state", "length"]);
