/**
 * The packets that some regions tell apart, in small numbers.
 *
 * Every field is cut where some region begins or ends, and the pieces are numbered: coordinate
 * compression. Boxes over these numbers cost the same for IPv4 and IPv6. A piece that no packet
 * can be in gets no number; and of TCP flags, where one mask makes dozens, all that no region tells
 * apart have one. Dynamic literals are no fields (see `literals.ts`).
 *
 * @module
 */
import { DOMAIN, type Field, FIELDS, type Packet } from "../policy/field.ts";
import { contains, type IntervalSet, within } from "../policy/interval.ts";
import { impliedValues, type Region, SHAPES } from "../policy/region.ts";
import { agree, implies, type Literals, openTo, together } from "./literals.ts";
import {
  difference,
  has,
  inside,
  intersection,
  meet,
  type Ordinals,
  ordinalsOf,
  valuesIn,
} from "./ordinals.ts";
import { PREFERRED, sample } from "./sample.ts";

/** A set of values a field, within one shape. No field is empty. */
export interface Box {
  /** Which of SHAPES its packets have. */
  readonly shape: number;
  /** By number of the field; those that no region of the space names may be left out at the end. */
  readonly sets: readonly Ordinals[];
  /** The fields that are narrower than the shape. */
  readonly narrow: readonly number[];
  /** Dynamic literals that it asks about, and what: that they hold, or that they do not. */
  readonly literals?: Literals | undefined;
  /** Whether it is one packet at one time, at which no other literal holds. */
  readonly isPoint?: true;
  /** Whose it is: the number that was given with the region. */
  readonly owner: number;
}

interface Axis {
  /** Number of each edge that a region may name: that of the first stretch at or behind it. */
  readonly ordinal: Places;
  /** The piece that each stretch belongs to; without it each is one of its own. */
  readonly pieceOf: readonly number[] | undefined;
  /** One value that packets can have of each piece. */
  readonly samples: readonly bigint[];
  /** The pieces whose sample is one that a person would choose, best first. */
  readonly preferred: readonly number[];
  /** First value of each stretch. */
  readonly starts: readonly bigint[];
  /** First value behind the last one. */
  readonly end: bigint;
  /** First values again, three limbs each, and the end. */
  readonly limbs: Float64Array;
  /** Whether pieces weigh alike, however wide. */
  readonly counted: boolean;
}

export class Space {
  /** Those that some region names come first. */
  readonly fields: readonly Field[];
  readonly #axes: readonly Axis[];
  /** The sets of each shape; `box.sets[f] === shapes[shape][f]` where a box is not narrower. */
  readonly #shapes: readonly (readonly Ordinals[])[];
  readonly #named: number;
  /** The shapes that have packets. */
  readonly #possible: readonly number[];
  readonly #weights = new Map<Ordinals, number>();

  /** A space for all of `regions`; only these, and regions made of their sets, can be asked about. */
  constructor(regions: readonly Region[], markBits: number) {
    const named = new Set<string>();
    for (const region of regions) for (const field in region) named.add(field);
    this.fields = [
      ...FIELDS.filter((field) => named.has(field)),
      ...FIELDS.filter((field) => !named.has(field)),
    ];
    this.#named = FIELDS.filter((field) => named.has(field)).length;
    this.#axes = this.fields.map((field) =>
      named.has(field) ? axis(field, regions, markBits) : unnamed(field)
    );
    const byField = this.fields.map((field, f) => {
      const known = new Map<IntervalSet, Ordinals>();
      return SHAPES.map((shape) => {
        const set = shape[field] ?? DOMAIN[field];
        const whole = known.get(set) ?? this.#ordinals(f, set);
        known.set(set, whole);
        return whole;
      });
    });
    this.#shapes = SHAPES.map((_, shape) => byField.map((wholes) => wholes[shape]!));
    this.#possible = [...this.#shapes.keys()].filter((shape) =>
      this.#shapes[shape]!.every((set) => set.length > 0)
    );
  }

  /** One value that packets can have of each piece of a field. */
  samples(field: Field): readonly bigint[] {
    return this.#axes[this.fields.indexOf(field)]!.samples;
  }

  /** The pieces of a field that a set has. */
  pieces(field: Field, set: IntervalSet): Ordinals {
    return this.#ordinals(this.fields.indexOf(field), set);
  }

  /** All packets of a shape. */
  whole(shape: number): Box {
    return { shape, sets: this.#shapes[shape]!, narrow: [], owner: -1 };
  }

  /** The packets of a region as boxes, one a shape at most: none if no packet can be in it. */
  boxes(region: Region, owner = -1): Box[] {
    const named: { readonly f: number; readonly set: Ordinals }[] = [];
    for (let f = 0; f < this.#named; f++) {
      const set = region[this.fields[f]!];
      if (set) named.push({ f, set: this.#ordinals(f, set) });
    }
    const boxes: Box[] = [];
    for (const shape of this.#possible) {
      const whole = this.#shapes[shape]!;
      if (!named.every(({ f, set }) => meet(whole[f]!, set))) continue;
      const sets = whole.slice(0, this.#named), narrow: number[] = [];
      for (const { f, set } of named) {
        if (inside(whole[f]!, set)) continue;
        sets[f] = inside(set, whole[f]!) ? set : intersection(whole[f]!, set);
        narrow.push(f);
      }
      boxes.push({ shape, sets, narrow, literals: region.dynamic, owner });
    }
    return boxes;
  }

  /** The part of `a` that is in `b` too; undefined if there is none. It stays `a`'s owner's. */
  both(a: Box, b: Box): Box | undefined {
    if (a.shape !== b.shape) return undefined;
    for (const f of b.narrow) if (!meet(a.sets[f]!, b.sets[f]!)) return undefined;
    if (!agree(a, b)) return undefined;
    const sets = [...a.sets], narrow = [...a.narrow];
    for (const f of b.narrow) {
      sets[f] = intersection(a.sets[f]!, b.sets[f]!);
      if (!narrow.includes(f)) narrow.push(f);
    }
    return { ...a, sets, narrow, literals: together(a, b) };
  }

  /** Adds the packets of `a` that are not in `b` to `pieces`, as disjoint boxes; `common` is in both. */
  beside(a: Box, b: Box, common: Box, pieces: Box[]): void {
    let sets = a.sets;
    for (const f of b.narrow) {
      const rest = difference(a.sets[f]!, b.sets[f]!);
      if (rest.length === 0) continue;
      pieces.push({ ...common, sets: sets.with(f, rest), literals: a.literals });
      sets = sets.with(f, common.sets[f]!);
    }
    let literals = a.literals;
    for (const [n, holds] of openTo(a, b)) {
      pieces.push({ ...common, sets, literals: new Map(literals).set(n, !holds) });
      literals = new Map(literals).set(n, holds);
    }
  }

  /** Whether every packet of `a` is in `b`. */
  inside(a: Box, b: Box): boolean {
    return a.shape === b.shape && b.narrow.every((f) => inside(a.sets[f]!, b.sets[f]!)) &&
      implies(a, b);
  }

  /**
   * How much of all traffic a box is, for shares. It is a convention: hooks alike, families alike,
   * TCP, UDP, ICMP and all else alike, a fragment for every hundred packets; addresses, ports and
   * types spread evenly; states, flags, marks and interfaces by the values that the rules tell apart.
   * A literal holds half of the time.
   */
  weight(box: Box): number {
    let weight = (box.shape % 5 === 4 ? 0.01 : 1) / 2 ** (box.literals?.size ?? 0);
    for (const f of box.narrow) {
      const set = box.sets[f]!, whole = this.#shapes[box.shape]![f]!;
      if (set === whole) continue;
      let all = this.#weights.get(whole);
      if (all === undefined) this.#weights.set(whole, all = this.#weigh(f, whole));
      weight *= this.#weigh(f, set) / all;
    }
    return weight;
  }

  /** The weight of what another box has of this one, for very many others. */
  weightWithin(box: Box): (other: Box) => number {
    const weight = this.weight(box);
    const weights = box.sets.map((set, f) => this.#weigh(f, set));
    return (other) => {
      if (box.shape !== other.shape || !agree(box, other)) return 0;
      let both = other.literals ? weight / 2 ** openTo(box, other).length : weight;
      for (const f of other.narrow) {
        both *= this.#weighBoth(f, box.sets[f]!, other.sets[f]!) / weights[f]!;
      }
      return both;
    };
  }

  /** One cell of the box: packets that no region of the space tells apart. */
  point(box: Box): Box {
    const sets = box.sets.map((_, f) => {
      const piece = this.#best(f, box.sets[f]!);
      return [piece, piece];
    });
    return { ...box, sets, narrow: sets.map((_, f) => f), isPoint: true };
  }

  /** A packet of the box, as a person would choose it. */
  packet(box: Box): Packet {
    const whole = this.#shapes[box.shape]!;
    const values = this.fields.map((
      field,
      f,
    ) => [field, this.#sample(f, box.sets[f] ?? whole[f]!)]);
    return Object.fromEntries(values) as Packet;
  }

  /** Whether a literal holds of that packet. */
  holds(box: Box, literal: number): boolean {
    return box.literals?.get(literal) ?? false;
  }

  /**
   * The region of header space that a box stands for, whatever the literals: it names the fields that
   * are narrower than the shape, and of the shape what does not follow from those.
   */
  region(box: Box): Region {
    const whole = this.#shapes[box.shape]!;
    const named = this.fields.map((field, f) => ({ field, f, set: box.sets[f] ?? whole[f]! }))
      .filter(({ field, f, set }) => SHAPED.includes(field) || !inside(whole[f]!, set));
    let region: Region = Object.fromEntries(
      named.map(({ field, f, set }) => [field, this.#intervals(f, set)]),
    );
    for (const { field, f, set } of named.filter(({ field }) => IMPLIED.includes(field))) {
      const { [field]: own, ...rest } = region;
      if (inside(whole[f]!, set) && within(impliedValues(rest, field), own!)) region = rest;
    }
    return region;
  }

  #ordinals(f: number, set: IntervalSet): Ordinals {
    const { ordinal } = this.#axes[f]!;
    const result: number[] = [];
    for (const { lo, hi } of set) {
      const from = ordinal.get(lo), to = ordinal.get(hi + 1n);
      if (from === undefined || to === undefined) {
        throw new Error(
          `Cannot ask about ${this.fields[f]}: ${lo} to ${hi} is no set of this space`,
        );
      }
      if (from >= to) continue;
      // Neighbours once the pieces between them are gone.
      if (result.length > 0 && result.at(-1) === from - 1) result[result.length - 1] = to - 1;
      else result.push(from, to - 1);
    }
    const { pieceOf } = this.#axes[f]!;
    return pieceOf ? ordinalsOf(valuesIn(result).map((stretch) => pieceOf[stretch]!)) : result;
  }

  #intervals(f: number, given: Ordinals): IntervalSet {
    const { starts, end, pieceOf } = this.#axes[f]!;
    const set = pieceOf
      ? ordinalsOf([...starts.keys()].filter((stretch) => has(given, pieceOf[stretch]!)))
      : given;
    return Array.from({ length: set.length / 2 }, (_, i) => ({
      lo: starts[set[2 * i]!]!,
      hi: (starts[set[2 * i + 1]! + 1] ?? end) - 1n,
    }));
  }

  #weigh(f: number, set: Ordinals): number {
    const { limbs, counted } = this.#axes[f]!;
    let weight = 0;
    for (let i = 0; i < set.length; i += 2) {
      const from = set[i]!, to = set[i + 1]! + 1;
      weight += counted ? to - from : distance(limbs, from, to);
    }
    return weight;
  }

  /** The weight of the values that are in both. */
  #weighBoth(f: number, a: Ordinals, b: Ordinals): number {
    const { limbs, counted } = this.#axes[f]!;
    let weight = 0;
    for (let i = 0, j = 0; i < a.length && j < b.length;) {
      const from = Math.max(a[i]!, b[j]!), to = Math.min(a[i + 1]!, b[j + 1]!) + 1;
      if (from < to) weight += counted ? to - from : distance(limbs, from, to);
      if (a[i + 1]! < b[j + 1]!) i += 2;
      else j += 2;
    }
    return weight;
  }

  #sample(f: number, set: Ordinals): bigint {
    return this.#axes[f]!.samples[this.#best(f, set)]!;
  }

  /** The piece of a set that a person would take an example from. */
  #best(f: number, set: Ordinals): number {
    return this.#axes[f]!.preferred.find((piece) => meet([piece, piece], set)) ?? set[0]!;
  }
}

/** What tells shapes apart, and what of it other fields may imply. */
const SHAPED: readonly Field[] = ["hook", "family", "proto", "fragment"];
const IMPLIED: readonly Field[] = ["fragment", "family"];

/** The axis of a field that no region names: always the same, and so are most of a small policy's. */
function unnamed(field: Field): Axis {
  const known = UNNAMED.get(field) ?? axis(field, [], 0);
  UNNAMED.set(field, known);
  return known;
}

const UNNAMED = new Map<Field, Axis>();

function axis(field: Field, regions: readonly Region[], markBits: number): Axis {
  const domain = DOMAIN[field][0]!;
  const ordinal = new Places();
  ordinal.set(domain.lo, 0);
  const cut = (set: IntervalSet | undefined) => {
    for (const { lo, hi } of set ?? []) {
      ordinal.set(lo, 0);
      ordinal.set(hi + 1n, 0);
    }
  };
  for (const region of regions) cut(region[field]);
  for (const shape of SHAPES) cut(shape[field]);
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
  const preferred = liked.map((value) => samples.indexOf(value)).filter((piece) => piece >= 0);
  return {
    ordinal,
    pieceOf,
    samples,
    preferred,
    starts,
    end: domain.hi + 1n,
    limbs: limbsOf([...starts, domain.hi + 1n]),
    counted: COUNTED.has(field),
  };
}

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
const COUNTED: ReadonlySet<Field> = new Set(["in", "out", "mark", "flags", "state"]);
