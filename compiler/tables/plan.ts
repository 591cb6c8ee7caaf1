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
import { LISTS, MAX_CLASSES } from "./layout.ts";
import { type Parted, parted } from "./parted.ts";
import {
  denseRows,
  type Holders,
  holdersOf,
  MAX_BITS,
  type SparseRow,
  SparseRows,
} from "./rows.ts";
import { type FieldSets, type Fold, scalarAxes, type ScalarAxis } from "./scalar.ts";

export type BackEnd = (typeof LISTS.back_end.names)[number];

export interface Axis {
  readonly kind: (typeof LISTS.axis.names)[number];
  readonly classes: number;
  /** Of a scalar axis. */
  readonly folds: readonly Fold[];
  /** Of an address axis. */
  readonly addresses: Classes | undefined;
  /** Row after row, one a class. */
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
export const DENSE_MOST = 1024;

/** One region of one rule: a bit of every row. */
interface Entry {
  readonly region: Region;
  readonly rule: number;
  /** Whether the rule only counts, or its region depends on literals. */
  readonly effect: boolean;
}

/**
 * The tables of a policy. Throws TooLarge if they would outgrow their caps. `wanted` asks for a
 * back end whatever the size; sparse is taken where it cannot be had.
 */
export function plan(policy: Policy, wanted?: BackEnd): Plan {
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
  const combined = combine(sets, entries.length);
  const scalars = scalarAxes(
    fields.map((field, i) => ({ field, sets: sets[i]!.sets })),
    combined.setOf,
  );
  for (const { classes } of scalars.flatMap(({ folds }) => folds).flatMap(({ steps }) => steps)) {
    if (classes.count > MAX_CLASSES) {
      throw new TooLarge(`its rules tell more than ${MAX_CLASSES} values of a field apart`);
    }
  }

  let backEnd = first;
  const tables = first === "parted" && scalars.length === 1
    ? parted(partedInput(entries, addresses, scalars[0]!, combined))
    : undefined;
  if (first === "parted" && !tables) backEnd = "sparse";

  const holders: readonly Holders[] = [
    ...addresses.map(({ sets, classes }) => holdersOf(classes, sets.of, sets.sets.length)),
    ...scalars.map((axis) => scalarHolders(axis, combined)),
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
      ...scalars.map(({ folds, members }, i) => ({
        kind: "scalar" as const,
        classes: members.length,
        folds,
        addresses: undefined,
        ...rowsOf[addresses.length + i]!,
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

/** Entries that agree in every scalar field are one combination: few, where rules are many. */
function combine(fields: readonly FieldSets[], entries: number) {
  let of = new Uint32Array(entries);
  let count = 1;
  for (const field of fields) {
    const numbers = new Map<number, number>();
    of = of.map((combination, entry) => {
      const key = combination * field.sets.length + field.of[entry]!;
      const number = numbers.get(key) ?? numbers.size;
      numbers.set(key, number);
      return number;
    });
    count = numbers.size;
  }
  const setOf = fields.map((field) => {
    const sets = new Uint32Array(count);
    for (let entry = 0; entry < entries; entry++) sets[of[entry]!] = field.of[entry]!;
    return sets;
  });
  return { of, count, setOf };
}

function scalarHolders(axis: ScalarAxis, combined: ReturnType<typeof combine>): Holders {
  const entriesOf = groupBy(combined.of, combined.count);
  return {
    count: axis.members.length,
    shared: () => NOBODY,
    own: (cls) => onesOf(axis.members[cls]!).flatMap((combination) => entriesOf[combination]!),
  };
}

const NOBODY: readonly number[] = [];

function partedInput(
  entries: readonly Entry[],
  addresses: readonly { readonly sets: FieldSets; readonly classes: Classes }[],
  app: ScalarAxis,
  combined: ReturnType<typeof combine>,
) {
  const [source, destination] = addresses as [typeof addresses[number], typeof addresses[number]];
  const decides = entries.flatMap(({ effect }, i) => effect ? [] : [i]);
  const pick = (numbers: Uint32Array<ArrayBuffer>) => Uint32Array.from(decides, (i) => numbers[i]!);
  return {
    source: source.classes,
    destination: destination.classes,
    app: app.members,
    combinations: combined.count,
    sourceSet: pick(source.sets.of),
    destinationSet: pick(destination.sets.of),
    combination: pick(combined.of),
    rule: Uint32Array.from(decides, (i) => entries[i]!.rule),
  };
}
