/**
 * Policy to decision tables, as `layout.ts` describes them: which axes, which back end.
 *
 * Every region of a rule is one entry. An axis puts a packet into a class, and each class knows the
 * entries that its packets can still match. The back end finds the first entry that is left on all
 * axes: bits for few rules, partitions for many, sparse bits where a partition's tables would grow
 * past their caps.
 *
 * @module
 */
import { DOMAIN, type Field } from "../policy/field.ts";
import { type IntervalSet, within } from "../policy/interval.ts";
import { conditionsOf, type Policy } from "../policy/policy.ts";
import { impliedValues, type Region } from "../policy/region.ts";
import { type Bits, type Classes, classesOf, groupBy, onesOf } from "./classes.ts";
import {
  byFrequency,
  combine,
  type Combined,
  type FieldSets,
  type Numbers,
} from "./combinations.ts";
import { LISTS, MAX_CLASSES } from "./layout.ts";
import { type Parted, parted } from "./parted.ts";
import {
  combinationWords,
  denseRows,
  type Holders,
  holdersOf,
  MAX_BITS,
  type SparseRow,
  SparseRows,
} from "./rows.ts";
import {
  type Fold,
  type ScalarAxes,
  scalarAxes,
  scalarAxesApart,
  type ScalarAxis,
} from "./scalar.ts";

export type BackEnd = (typeof LISTS.back_end.names)[number];

export interface Axis {
  readonly kind: (typeof LISTS.axis.names)[number];
  readonly classes: number;
  /** Of a scalar axis. */
  readonly folds: readonly Fold[];
  /** Of an address axis. */
  readonly addresses: Classes | undefined;
  /** Row after row, one a class: dense ones, or those of the combinations of the partitions. */
  readonly dense: Bits | undefined;
  readonly sparse: readonly SparseRow[] | undefined;
  readonly effects: readonly SparseRow[] | undefined;
}

export interface Plan {
  readonly backEnd: BackEnd;
  readonly axes: readonly Axis[];
  /** What the sparse rows of all axes share. */
  readonly rows: SparseRows;
  readonly parted: Parted | undefined;
  /** Rule number of each bit of a decide row: what has a verdict, and no literal. */
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

/** Up to so many entries, plain bits are quickest. */
const DENSE_MOST = 1024;
/** Up to so many classes, one scalar axis suffices: its rows of bits are near then. */
const NEAR_CLASSES = 1 << 13;
/** Words of 64 bits in those rows. */
const MAX_COMBINATION_WORDS = 1 << 21;

/** One region of one rule: a bit of every row. */
interface Entry {
  readonly region: Region;
  readonly rule: number;
  /** Whether the rule only counts, or its region depends on literals. */
  readonly effect: boolean;
}

/**
 * The tables of a policy. Throws TooLarge if they would outgrow their caps. `wanted` asks for a
 * back end whatever the size; sparse is taken where it cannot be had. Fields are taken out of a
 * scalar axis that would have more classes than `nearClasses`.
 */
export function plan(policy: Policy, wanted?: BackEnd, nearClasses = NEAR_CLASSES): Plan {
  const entries = policy.rules.flatMap(({ regions, verdict }, rule): Entry[] =>
    regions.map((region) => ({
      region: withoutImplied(region),
      rule,
      effect: verdict.name === "next" || region.dynamic !== undefined,
    }))
  );
  const decide = entries.filter(({ effect }) => !effect).map(({ rule }) => rule);
  const effect = entries.filter(({ effect }) => effect).map(({ rule }) => rule);
  if (Math.max(decide.length, effect.length) > MAX_BITS) {
    throw new TooLarge(`it has more than ${MAX_BITS} regions`);
  }
  const first = wanted ?? (decide.length <= DENSE_MOST ? "dense" : "parted");

  const uses = (field: Field) => entries.some(({ region }) => region[field]);
  const addresses = (["src", "dst"] as const)
    .filter((field) => first === "parted" || uses(field))
    .map((field) => {
      const sets = setsOf(entries, field);
      return { field, sets, classes: classesOf(DOMAIN[field], sets.sets) };
    });
  const fields = LISTS.field.names.filter(uses);
  const sets = fields.map((field) => setsOf(entries, field));
  const combined = byFrequency(combine(sets, entries.length));
  const asked = fields.map((field, i) => ({
    field,
    sets: sets[i]!.sets,
    setOf: combined.setOf[i]!,
    entries: entries.filter(({ region }) => region[field]).length,
  }));
  const scalars = first === "parted"
    ? scalarAxesApart(asked, entries.length, nearClasses)
    : scalarAxes(asked, first === "dense" ? nearClasses : undefined);
  const { others } = scalars;
  for (
    const { classes } of scalars.axes.flatMap(({ folds }) => folds).flatMap(({ steps }) => steps)
  ) {
    if (classes.count > MAX_CLASSES) {
      throw new TooLarge(`its rules tell more than ${MAX_CLASSES} values of a field apart`);
    }
  }

  let backEnd = first;
  const rowsOfCombinations = first === "parted" && (others || scalars.axes.length === 1)
    ? combinationRows(scalars, combined.count)
    : undefined;
  const tables = rowsOfCombinations &&
    parted(partedInput(entries, addresses, scalars, combined));
  if (first === "parted" && !tables) backEnd = "sparse";

  const holders: readonly Holders[] = [
    ...addresses.map(({ sets, classes }) => holdersOf(classes, sets.of, sets.sets.length)),
    ...scalars.axes.map((axis, i) => {
      const behind = i > 0 && others;
      return scalarHolders(
        axis,
        behind ? { of: combined.of.map((own) => others.of[own]!), count: others.count } : combined,
      );
    }),
  ];
  const rows = new SparseRows();
  const sparse = (axis: Holders, bitOf: Int32Array<ArrayBuffer>, bits: number) => {
    const found = rows.rows(axis, bitOf, bits);
    if (!found) throw new TooLarge("its rows would take more than 512 MB");
    return found;
  };
  const decideBit = bitsOf(entries, false), effectBit = bitsOf(entries, true);
  const rowsOf = holders.map((axis) => ({
    dense: backEnd === "dense" ? denseRows(axis, decideBit, decide.length) : undefined,
    sparse: backEnd === "sparse" ? sparse(axis, decideBit, decide.length) : undefined,
    effects: effect.length > 0 ? sparse(axis, effectBit, effect.length) : undefined,
  }));
  return {
    backEnd,
    axes: [
      ...addresses.map(({ field, classes }, i) => ({
        kind: field === "src" ? "source" as const : "destination" as const,
        classes: classes.count,
        folds: [],
        addresses: classes,
        ...rowsOf[i]!,
      })),
      ...scalars.axes.map(({ folds, members }, i) => ({
        kind: "scalar" as const,
        classes: members.length,
        folds,
        addresses: undefined,
        ...rowsOf[addresses.length + i]!,
        ...tables && { dense: rowsOfCombinations![i]! },
      })),
    ],
    rows,
    parted: tables,
    decide,
    effect,
    needs: entries.filter(({ effect }) => effect).map(({ region }) => conditionsOf(policy, region)),
  };
}

/**
 * Fields that others may imply: an IPv4 source the family, a port that this is no later fragment.
 * The last first: what the family implies goes before the family that an address implies.
 */
const IMPLIED: readonly Field[] = LISTS.field.names.filter((field) => {
  return field !== "hook" && field !== "sport" && field !== "dport";
}).toReversed();

/** The same packets, with no word on a field where the rest of the region says as much. */
function withoutImplied(region: Region): Region {
  let result = region;
  for (const field of IMPLIED) {
    const own = result[field];
    if (!own) continue;
    const { [field]: _, ...rest } = result;
    if (within(impliedValues(rest, field), own)) result = rest;
  }
  return result;
}

/** The bit of each entry in its own kind of row, -1 in the other. */
function bitsOf(entries: readonly Entry[], effect: boolean): Int32Array<ArrayBuffer> {
  let next = 0;
  return Int32Array.from(entries, (entry) => entry.effect === effect ? next++ : -1);
}

function setsOf(entries: readonly Entry[], field: Field): FieldSets {
  const sets: IntervalSet[] = [];
  const numbers = new Map<string, number>();
  const known = new Map<IntervalSet, number>();
  const of = Uint32Array.from(entries, ({ region }) => {
    const set = region[field] ?? DOMAIN[field];
    const same = known.get(set);
    if (same !== undefined) return same;
    const key = set.map(({ lo, hi }) => `${lo}-${hi}`).join();
    const number = numbers.get(key) ?? sets.push(set) - 1;
    numbers.set(key, number);
    known.set(set, number);
    return number;
  });
  return { sets, of };
}

/** For each scalar axis, a bit a combination for each class; undefined if that would be too large. */
function combinationRows({ axes, others }: ScalarAxes, combinations: number): Bits[] | undefined {
  const wordsOf = (axis: number) =>
    2 * combinationWords(axis > 0 && others ? others.count : combinations);
  const words = axes.reduce((sum, { members }, i) => sum + members.length * wordsOf(i), 0);
  if (words > 2 * MAX_COMBINATION_WORDS) return undefined;
  return axes.map(({ members }, i) => {
    const rows = new Uint32Array(members.length * wordsOf(i));
    for (const [cls, bits] of members.entries()) rows.set(bits, cls * wordsOf(i));
    return rows;
  });
}

/** Who is in the classes of a scalar axis: those that ask nothing of its fields are in all. */
function scalarHolders({ members }: ScalarAxis, { of, count }: Numbers): Holders {
  // The entries of a number side by side, for nearly all of them are read for each class.
  const entriesOf = groupBy(of, count);
  const inOrder = Uint32Array.from(entriesOf.flat());
  const starts = new Uint32Array(count + 1);
  for (let n = 0; n < count; n++) starts[n + 1] = starts[n]! + entriesOf[n]!.length;
  const entries = (bits: Bits) => {
    const found: number[] = [];
    for (const number of onesOf(bits)) {
      for (let i = starts[number]!; i < starts[number + 1]!; i++) found.push(inOrder[i]!);
    }
    return found;
  };
  const always = members.reduce((all, bits) => all.map((word, w) => word & bits[w]!));
  const shared = entries(always);
  return {
    count: members.length,
    shared: () => shared,
    own: (cls) => entries(members[cls]!.map((word, w) => word & ~always[w]!)),
  };
}

function partedInput(
  entries: readonly Entry[],
  addresses: readonly { readonly sets: FieldSets; readonly classes: Classes }[],
  { axes, others }: ScalarAxes,
  combined: Combined,
) {
  const [source, destination] = addresses as [typeof addresses[number], typeof addresses[number]];
  const decides = entries.flatMap(({ effect }, i) => effect ? [] : [i]);
  const pick = (numbers: Uint32Array<ArrayBuffer>) => Uint32Array.from(decides, (i) => numbers[i]!);
  return {
    source: source.classes,
    destination: destination.classes,
    first: axes[0]!.members,
    others,
    combinations: combined.count,
    sourceSet: pick(source.sets.of),
    destinationSet: pick(destination.sets.of),
    combination: pick(combined.of),
    rule: Uint32Array.from(decides, (i) => entries[i]!.rule),
  };
}
