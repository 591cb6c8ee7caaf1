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
import { type IntervalSet, within } from "../policy/interval.ts";
import { impliedValues, type Region, SHAPES } from "../policy/region.ts";
import { Axis, unnamed } from "./axis.ts";
import { agree, implies, type Literals, openTo, together } from "./literals.ts";
import { difference, inside, intersection, meet, type Ordinals } from "./ordinals.ts";

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
      named.has(field) ? new Axis(field, regions, markBits) : unnamed(field)
    );
    const byField = this.fields.map((field, f) => {
      const known = new Map<IntervalSet, Ordinals>();
      return SHAPES.map((shape) => {
        const set = shape[field] ?? DOMAIN[field];
        const whole = known.get(set) ?? this.#axes[f]!.ordinals(set);
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
    return this.#axes[this.fields.indexOf(field)]!.ordinals(set);
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
      if (set) named.push({ f, set: this.#axes[f]!.ordinals(set) });
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
   * types spread evenly; states, flags, marks, lengths and interfaces by the values that the rules
   * tell apart.
   * A literal holds half of the time.
   */
  weight(box: Box): number {
    let weight = (box.shape % 5 === 4 ? 0.01 : 1) / 2 ** (box.literals?.size ?? 0);
    for (const f of box.narrow) {
      const set = box.sets[f]!, whole = this.#shapes[box.shape]![f]!;
      if (set === whole) continue;
      let all = this.#weights.get(whole);
      if (all === undefined) this.#weights.set(whole, all = this.#axes[f]!.weigh(whole));
      weight *= this.#axes[f]!.weigh(set) / all;
    }
    return weight;
  }

  /** The weight of what another box has of this one, for very many others. */
  weightWithin(box: Box): (other: Box) => number {
    const weight = this.weight(box);
    const weights = box.sets.map((set, f) => this.#axes[f]!.weigh(set));
    return (other) => {
      if (box.shape !== other.shape || !agree(box, other)) return 0;
      let both = other.literals ? weight / 2 ** openTo(box, other).length : weight;
      for (const f of other.narrow) {
        both *= this.#axes[f]!.weighBoth(box.sets[f]!, other.sets[f]!) / weights[f]!;
      }
      return both;
    };
  }

  /** One cell of the box: packets that no region of the space tells apart. */
  point(box: Box): Box {
    const sets = box.sets.map((_, f) => {
      const piece = this.#axes[f]!.best(box.sets[f]!);
      return [piece, piece];
    });
    return { ...box, sets, narrow: sets.map((_, f) => f), isPoint: true };
  }

  /** A packet of the box, as a person would choose it. */
  packet(box: Box): Packet {
    const whole = this.#shapes[box.shape]!;
    const values = this.fields.map((field, f) => {
      const axis = this.#axes[f]!;
      return [field, axis.samples[axis.best(box.sets[f] ?? whole[f]!)]];
    });
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
      named.map(({ field, f, set }) => [field, this.#axes[f]!.intervals(set)]),
    );
    for (const { field, f, set } of named.filter(({ field }) => IMPLIED.includes(field))) {
      const { [field]: own, ...rest } = region;
      if (inside(whole[f]!, set) && within(impliedValues(rest, field), own!)) region = rest;
    }
    return region;
  }
}

/** What tells shapes apart, and what of it other fields may imply. */
const SHAPED: readonly Field[] = ["hook", "family", "proto", "fragment"];
const IMPLIED: readonly Field[] = ["fragment", "family"];
