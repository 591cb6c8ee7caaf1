/**
 * The four groups of the parted back end, compared with the rules. The smallest rule of the groups
 * decides, so two things make them right:
 *
 * - sound: where a group names a rule, the rule matches;
 * - complete: for each entry some group names, wherever the entry matches, its rule or one before.
 *
 * Every group leads a pair of numbers (of each side a class, or a part) to a row, and row and class
 * on the first scalar axis (a column) to a rule, by a position in the row that depends only on what
 * its rules ask besides addresses, the row's pattern. So both are asked of rows, each for all the
 * pairs that share it, and of patterns and columns, in one family after the other.
 *
 * Where there are more scalar axes, a column leads to several positions, each for some classes on the
 * others (`verify_lists.ts`). What a position says is right then if it is for no packet but those of an
 * entry there, too; and of the positions, those count for an entry that are for all of its packets.
 *
 * @module
 */
import { intersection, type Ordinals } from "../analysis/ordinals.ts";
import { pairIn, partOf as recordOf, type ReadOf, rowOf, ruleOf, skips } from "./classify.ts";
import { type Ground, shapesOf } from "./ground.ts";
import { LISTS, NO_RULE } from "./layout.ts";
import { type Place, RowLists } from "./verify_lists.ts";
import { Scalars, type Way } from "./verify_scalars.ts";
import { memo, numbersOf, type Part, type Side, side } from "./verify_sides.ts";
import type { Suspect } from "./verify.ts";

type Group = ReadOf<"group">;

/** One group: its rows as places, and what entries have of those by their addresses. */
interface View {
  readonly places: readonly Place[];
  readonly near: (entry: number) => Part;
  /** The classes of addresses that come to a place. */
  readonly pairs: (place: number) => Iterable<readonly [readonly number[], readonly number[]]>;
}

/** What the groups get wrong, each with packets that may show it. */
export function* checkParted(ground: Ground): Generator<Suspect> {
  const decides = ground.entries.flatMap(({ effect }, i) => effect ? [] : [i]);
  for (const family of [0, 1]) {
    const half = new Half(ground, family);
    const views = new Map(ground.tables.groups.map((group) => [
      LISTS.group.names[group.kind]!,
      half.view(group),
    ]));
    const byRule: number[][] = ground.policy.rules.map(() => []);
    for (const entry of decides) byRule[ground.entries[entry]!.rule]!.push(entry);
    for (const view of views.values()) yield* unsound(half, view, byRule);
    const complete = new Map([...views].map(([kind, view]) => [kind, completeness(half, view)]));
    for (const entry of decides) {
      if (!half.possible(entry)) continue;
      if (half.groupsFor(entry).some((kind) => complete.get(kind)?.(entry))) continue;
      yield* half.missed(entry);
    }
  }
}

/** Where a group names a rule that does not match. */
function* unsound(
  half: Half,
  view: View,
  byRule: readonly (readonly number[])[],
): Generator<Suspect> {
  const { lists, scalars } = half;
  const byPattern = Map.groupBy(view.places.keys(), (p) => view.places[p]!.pattern);
  const inside = new Map<number, boolean>();
  for (const [pattern, places] of byPattern) {
    const columnsAt: number[][] = [];
    for (const column of scalars.columns) {
      for (
        let position = lists.position(pattern, column);
        position >= 0;
        position = lists.next(pattern, column, position)
      ) (columnsAt[position] ??= []).push(column);
    }
    inside.clear();
    for (const p of places) {
      for (const [position, columns] of columnsAt.entries()) {
        if (!columns) continue;
        const rule = lists.rule(view.places[p]!, position);
        if (rule === NO_RULE) continue;
        const sound = (byRule[rule] ?? []).some((entry) => {
          if (!view.near(entry).has(p)) return false;
          const key = scalars.part(entry).key * 2 ** 32 + position;
          const known = inside.get(key) ?? lists.within(pattern, position, columns, entry);
          inside.set(key, known);
          return known;
        });
        if (sound) continue;
        for (const column of columns) {
          for (const [sources, destinations] of view.pairs(p)) {
            const ways = lists.ways(pattern, column, position);
            for (const sets of half.boxes(sources, destinations, ways)) yield { ...sets, rule };
          }
        }
      }
    }
  }
}

/** Whether a group names, for every packet of an entry, its rule or one before. */
function completeness({ ground, lists, scalars }: Half, view: View): (entry: number) => boolean {
  const positions = new Map<number, number[]>();
  const largest = new Map<number, number>();
  return (entry) => {
    const far = scalars.part(entry);
    return view.near(entry).touched.every((p) => {
      const place = view.places[p]!;
      const key = p * 2 ** 26 + far.key;
      let most = largest.get(key);
      if (most === undefined) {
        const at = place.pattern * 2 ** 26 + far.key;
        let reached = positions.get(at);
        if (!reached) {
          const last = far.touched.map((column) => lists.last(place.pattern, column, entry));
          positions.set(at, reached = [...new Set(last)]);
        }
        most = -1;
        for (const position of reached) most = Math.max(most, lists.rule(place, position));
        largest.set(key, most);
      }
      return most <= ground.entries[entry]!.rule;
    });
  };
}

/** Classes of an entry that are gone through one by one, where no group alone has all of it. */
const MOST = 1 << 20;

/** The packets of one family, and what entries have of the classes that they can have. */
class Half {
  readonly scalars: Scalars;
  readonly lists: RowLists;
  readonly #shapes: readonly number[];
  readonly #source: Side;
  readonly #destination: Side;

  constructor(readonly ground: Ground, family: number) {
    this.#shapes = shapesOf(family);
    const { view, parted, axes } = ground.tables;
    const [source, destination] = axes as [ReadOf<"axis">, ReadOf<"axis">];
    const parts = (at: number, width: number, { classes }: ReadOf<"axis">) =>
      Array.from({ length: classes }, (_, cls) => recordOf(view, at, width, cls));
    const { sources_at, source_width, destinations_at, destination_width } = parted!;
    const [shape] = this.#shapes as [number];
    this.#source = side(ground, "src", shape, parts(sources_at, source_width, source));
    this.#destination = side(
      ground,
      "dst",
      shape,
      parts(destinations_at, destination_width, destination),
    );
    this.scalars = new Scalars(ground, this.#shapes);
    this.lists = new RowLists(ground, this.scalars);
  }

  /** Whether some packet of the family is the entry's. */
  possible(entry: number): boolean {
    return this.#source.partOf(this.#source.set(entry)).touched.length > 0 &&
      this.#destination.partOf(this.#destination.set(entry)).touched.length > 0 &&
      this.scalars.touched(entry).every((classes) => classes.length > 0);
  }

  /** Packets of an entry for which all groups together name a later rule, or none. */
  *missed(entry: number): Generator<Suspect> {
    const { ground } = this;
    const { rule } = ground.entries[entry]!;
    const own = this.#shapes.flatMap((shape) => ground.boxOf(entry, shape) ?? []);
    const touched = [
      this.#source.partOf(this.#source.set(entry)).touched,
      this.#destination.partOf(this.#destination.set(entry)).touched,
      ...this.scalars.touched(entry),
    ];
    let left = MOST;
    for (const classes of choices(touched)) {
      if (left-- > 0 && ruleOf(ground.tables, classes) <= rule) continue;
      const [s, d, ...scalars] = classes as [number, number, ...number[]];
      const ways = this.scalars.ways((axis, cls) => cls === scalars[axis]);
      for (const { shape, sets } of this.boxes([s], [d], ways)) {
        const box = own.find((box) => box.shape === shape);
        const common = sets.map((set, f) => box ? intersection(set, box.sets[f]!) : []);
        if (common.every((set) => set.length > 0)) {
          yield { shape, sets: common, literals: box?.literals, entry };
        }
      }
    }
  }

  /** The groups that may have an entry, the likely one first. */
  groupsFor(entry: number): (typeof LISTS.group.names)[number][] {
    const source = this.#source.exact(this.#source.set(entry));
    const destination = this.#destination.exact(this.#destination.set(entry));
    return [
      ...source && destination ? ["none" as const] : [],
      ...destination ? ["source" as const] : [],
      ...source ? ["destination" as const] : [],
      "pair",
    ];
  }

  /** The packets with some classes of addresses and ways of the scalar fields. */
  *boxes(
    sources: readonly number[],
    destinations: readonly number[],
    ways: Iterable<Way>,
  ): Generator<Omit<Suspect, "entry" | "rule">> {
    const { space } = this.ground;
    const pieces = ({ piecesOf }: Side, classes: readonly number[]) =>
      merged(classes.flatMap((cls) => piecesOf(cls) ?? []).sort((a, b) => a - b));
    const src = pieces(this.#source, sources), dst = pieces(this.#destination, destinations);
    for (const { shape, pieces } of ways) {
      const sets = [...space.whole(shape).sets];
      sets[space.fields.indexOf("src")] = src;
      sets[space.fields.indexOf("dst")] = dst;
      for (const { field, piece } of pieces) sets[space.fields.indexOf(field)] = [piece, piece];
      yield { shape, sets };
    }
  }

  view(group: Group): View {
    const { view } = this.ground.tables;
    const kind = LISTS.group.names[group.kind]!;
    const source = numbersOf(this.#source, kind === "source" || kind === "pair");
    const destination = numbersOf(this.#destination, kind === "destination" || kind === "pair");
    const skipping = skips(group);
    const [lones, others] = [this.#source.lone, this.#destination.lone];
    const rowAt = (s: number, d: number) =>
      skipping && (lones(s) || others(d)) ? 0 : rowOf(view, group, s, d);
    const index = new Map([[0, 0]]);
    const pairsAt: (readonly [number, number])[][] = [[]];
    const pairs = group.destination_stride > 0
      ? source.all.flatMap((s) => destination.all.map((d) => [s, d] as const))
      : hashedPairs(this.ground, group);
    for (const [s, d] of pairs) {
      // A pair that no address of this family comes to is nobody's.
      if (source.classesOf(s).length === 0 || destination.classesOf(d).length === 0) continue;
      const row = rowAt(s, d);
      if (row === 0) continue;
      let place = index.get(row);
      if (place === undefined) {
        place = pairsAt.push([]) - 1;
        index.set(row, place);
      }
      pairsAt[place]!.push([s, d]);
    }
    const near = memo((key) => {
      const s = source.partOf(Math.floor(key / 2 ** 26)), d = destination.partOf(key % 2 ** 26);
      const touched = lazily(() => {
        const rows = s.touched.flatMap((a) => d.touched.map((b) => index.get(rowAt(a, b))!));
        return unique(rows);
      });
      return {
        get touched() {
          return touched();
        },
        has: (p: number) => p > 0 && pairsAt[p]!.every(([a, b]) => s.has(a) && d.has(b)),
      };
    });
    // Whatever pair has no row of its own has the empty one.
    const lost = function* () {
      for (const s of source.all) {
        for (const d of destination.all) if (rowAt(s, d) === 0) yield [s, d] as const;
      }
    };
    return {
      places: [...index.keys()].map((row) => this.lists.place(row)),
      near: (entry) => near(this.#source.set(entry) * 2 ** 26 + this.#destination.set(entry)),
      pairs: function* (p) {
        for (const [s, d] of p > 0 ? pairsAt[p]! : lost()) {
          yield [source.classesOf(s), destination.classesOf(d)];
        }
      },
    };
  }
}

/** All ways of taking one of each list, those that differ in the last list beside each other. */
function* choices(lists: readonly (readonly number[])[]): Generator<number[]> {
  const [first, ...others] = lists;
  if (!first) return yield [];
  for (const one of first) for (const rest of choices(others)) yield [one, ...rest];
}

function unique(numbers: readonly number[]): number[] {
  return [...new Set(numbers)];
}

/** Ascending pieces as a set. */
function merged(pieces: readonly number[]): Ordinals {
  const set: number[] = [];
  for (const piece of pieces) {
    if (set.at(-1) === piece - 1) set[set.length - 1] = piece;
    else set.push(piece, piece);
  }
  return set;
}

function lazily<T>(work: () => T): () => T {
  let result: T | undefined;
  return () => result ??= work();
}

/** The pairs of numbers in the slots of a group. */
function* hashedPairs({ tables: { view } }: Ground, group: Group): Generator<[number, number]> {
  for (let slot = 0; slot < group.slot_count; slot++) {
    const { source, destination, row } = pairIn(view, group, slot);
    if (row !== 0) yield [source, destination];
  }
}
