/**
 * The four groups of the parted back end, compared with the rules. The smallest rule of the groups
 * decides, so two things make them right:
 *
 * - sound: where a group names a rule, the rule matches;
 * - complete: for each entry some group names, wherever the entry matches, its rule or one before.
 *
 * Every group leads a pair of numbers (of each side a class, or a part) to a row, and row and app
 * class to a rule, by a position in the row that depends only on what its rules ask besides
 * addresses, the row's pattern. So both are asked of rows, each for all the pairs that share it, and
 * of patterns and app classes, in one family after the other.
 *
 * @module
 */
import { intersection, type Ordinals } from "../analysis/ordinals.ts";
import { candidates, partOf as recordOf, type ReadOf, rowOf, ruleOf, skips } from "./classify.ts";
import { eachBit, type Ground, piecesOf, shapesOf, type State } from "./ground.ts";
import { BLOCK_BUCKETS, BRANCH, LISTS, MAX_CLASSES, NO_PAIR, NO_RULE } from "./layout.ts";
import { memo, numbersOf, type Part, partOf, type Side, side } from "./verify_sides.ts";
import type { Suspect } from "./verify.ts";

type Group = ReadOf<"group">;

/** The same for all entries with the key. */
interface Keyed extends Part {
  readonly key: number;
}

/** A row; its rules, unless it is long. */
interface Place {
  readonly row: number;
  readonly pattern: number;
  readonly rules: readonly number[];
}

/** One group: its rows as places, each of a pattern, and the app classes as columns. */
interface View {
  readonly places: readonly Place[];
  readonly columns: readonly number[];
  readonly position: (pattern: number, column: number) => number;
  readonly rule: (place: number, position: number) => number;
  readonly near: (entry: number) => Part;
  readonly far: (entry: number) => Keyed;
  /** The classes of addresses and of the scalar fields that come there. */
  readonly packets: (
    place: number,
    column: number,
  ) => Iterable<readonly [readonly number[], readonly number[], number]>;
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
    const complete = new Map([...views].map(([kind, view]) => [kind, completeness(ground, view)]));
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
  const byPattern = Map.groupBy(view.places.keys(), (p) => view.places[p]!.pattern);
  const columnsAt = new Uint32Array(MAX_CLASSES);
  const inside = new Map<number, boolean>();
  for (const [pattern, places] of byPattern) {
    columnsAt.fill(0);
    const positions: number[] = [];
    for (const column of view.columns) {
      const position = view.position(pattern, column);
      if (columnsAt[position]!++ === 0) positions.push(position);
    }
    inside.clear();
    for (const p of places) {
      for (const position of positions) {
        const rule = view.rule(p, position);
        if (rule === NO_RULE) continue;
        const sound = (byRule[rule] ?? []).some((entry) => {
          if (!view.near(entry).has(p)) return false;
          const far = view.far(entry);
          const key = far.key * 2 ** 16 + position;
          let known = inside.get(key);
          if (known === undefined) {
            // All the columns with this position, if as many are the entry's.
            const own = far.touched.filter((column) =>
              view.position(pattern, column) === position && far.has(column)
            );
            inside.set(key, known = own.length === columnsAt[position]);
          }
          return known;
        });
        if (sound) continue;
        for (const column of view.columns) {
          if (view.position(pattern, column) !== position) continue;
          for (const sets of half.boxes(view, p, column)) yield { ...sets, rule };
        }
      }
    }
  }
}

/** Whether a group names, for every packet of an entry, its rule or one before. */
function completeness({ entries }: Ground, view: View): (entry: number) => boolean {
  const positions = new Map<number, number[]>();
  const largest = new Map<number, number>();
  return (entry) => {
    const far = view.far(entry);
    return view.near(entry).touched.every((p) => {
      const { pattern } = view.places[p]!;
      const key = p * 2 ** 26 + far.key;
      let most = largest.get(key);
      if (most === undefined) {
        const at = pattern * 2 ** 26 + far.key;
        let reached = positions.get(at);
        if (!reached) {
          reached = [...new Set(far.touched.map((column) => view.position(pattern, column)))];
          positions.set(at, reached);
        }
        most = -1;
        for (const position of reached) most = Math.max(most, view.rule(p, position));
        largest.set(key, most);
      }
      return most <= entries[entry]!.rule;
    });
  };
}

/** Classes of an entry that are gone through one by one, where no group alone has all of it. */
const MOST = 1 << 20;

/** The packets of one family, and what entries have of the classes that they can have. */
class Half {
  readonly shapes: readonly number[];
  readonly #source: Side;
  readonly #destination: Side;
  readonly #states: readonly (State & { readonly shape: number })[];
  readonly #apps: readonly number[];
  readonly #appPart: (combination: number) => Keyed;
  readonly #lists: RowLists;

  constructor(readonly ground: Ground, family: number) {
    this.shapes = shapesOf(family);
    const { view, parted, axes } = ground.tables;
    const [source, destination, app] = axes as [ReadOf<"axis">, ReadOf<"axis">, ReadOf<"axis">];
    const parts = (at: number, width: number, { classes }: ReadOf<"axis">) =>
      Array.from({ length: classes }, (_, cls) => recordOf(view, at, width, cls));
    const { sources_at, source_width, destinations_at, destination_width } = parted!;
    const [shape] = this.shapes as [number];
    this.#source = side(ground, "src", shape, parts(sources_at, source_width, source));
    this.#destination = side(
      ground,
      "dst",
      shape,
      parts(destinations_at, destination_width, destination),
    );
    this.#lists = new RowLists(ground);
    const [axis] = ground.scalars;
    this.#states = this.shapes.flatMap((shape) =>
      ground.states(axis!, shape).map((state) => ({ ...state, shape }))
    );
    this.#apps = unique(this.#states.map(({ cls }) => cls));
    // Most states leave few combinations.
    const ways = new Map(this.#states.map((state) => [state.cls * 2 ** 26 + state.left, state]));
    const ofClass = new Uint32Array(app.classes);
    const classesOf: Map<number, number>[] = Array.from(
      { length: axis!.combinations },
      () => new Map(),
    );
    for (const { cls, left } of ways.values()) {
      ofClass[cls]!++;
      eachBit(axis!.bits.at(left), (combination) => {
        const counts = classesOf[combination]!;
        counts.set(cls, (counts.get(cls) ?? 0) + 1);
      });
    }
    this.#appPart = memo((combination) => ({
      ...partOf(classesOf[combination]!, (cls) => ofClass[cls]!, app.classes),
      key: combination,
    }));
  }

  /** Whether some packet of the family is the entry's. */
  possible(entry: number): boolean {
    return this.#source.partOf(this.#source.set(entry)).touched.length > 0 &&
      this.#destination.partOf(this.#destination.set(entry)).touched.length > 0 &&
      this.#app(entry).touched.length > 0;
  }

  /** Packets of an entry for which all groups together name a later rule, or none. */
  *missed(entry: number): Generator<Suspect> {
    const { ground } = this;
    const { rule } = ground.entries[entry]!;
    const own = this.shapes.flatMap((shape) => ground.boxOf(entry, shape) ?? []);
    const parts = [
      this.#source.partOf(this.#source.set(entry)),
      this.#destination.partOf(this.#destination.set(entry)),
      this.#app(entry),
    ].map(({ touched }) => touched) as [readonly number[], readonly number[], readonly number[]];
    let left = MOST;
    for (const s of parts[0]) {
      for (const d of parts[1]) {
        for (const app of parts[2]) {
          if (left-- > 0 && ruleOf(ground.tables, [s, d, app]) <= rule) continue;
          for (const { shape, sets } of this.#packets([s], [d], app)) {
            const box = own.find((box) => box.shape === shape);
            const common = sets.map((set, f) => box ? intersection(set, box.sets[f]!) : []);
            if (common.every((set) => set.length > 0)) {
              yield { shape, sets: common, literals: box?.literals, entry };
            }
          }
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

  /** The packets that come to a place and a column, by classes and ways of the scalar fields. */
  *boxes(view: View, place: number, column: number): Generator<Omit<Suspect, "entry" | "rule">> {
    for (const packets of view.packets(place, column)) yield* this.#packets(...packets);
  }

  *#packets(
    sources: readonly number[],
    destinations: readonly number[],
    app: number,
  ): Generator<Omit<Suspect, "entry" | "rule">> {
    const { space } = this.ground;
    const pieces = ({ piecesOf }: Side, classes: readonly number[]) =>
      merged(classes.flatMap((cls) => piecesOf(cls) ?? []).sort((a, b) => a - b));
    const src = pieces(this.#source, sources), dst = pieces(this.#destination, destinations);
    for (const state of this.#states.filter(({ cls }) => cls === app)) {
      const sets = [...space.whole(state.shape).sets];
      sets[space.fields.indexOf("src")] = src;
      sets[space.fields.indexOf("dst")] = dst;
      for (const { field, piece } of piecesOf(state)) {
        sets[space.fields.indexOf(field)] = [piece, piece];
      }
      yield { shape: state.shape, sets };
    }
  }

  #app(entry: number): Keyed {
    return this.#appPart(this.ground.scalars[0]!.of[entry]!);
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
      : bucketPairs(this.ground, group);
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
    const places = [...index.keys()].map((row) => this.#lists.place(row));
    return {
      places,
      columns: this.#apps,
      position: (pattern, app) => this.#lists.position(pattern, app),
      rule: (p, position) => this.#lists.rule(places[p]!, position),
      near: (entry) => near(this.#source.set(entry) * 2 ** 26 + this.#destination.set(entry)),
      far: (entry) => this.#app(entry),
      packets: function* (p, app) {
        for (const [s, d] of p > 0 ? pairsAt[p]! : lost()) {
          yield [source.classesOf(s), destination.classesOf(d), app];
        }
      },
    };
  }
}

/** The rows of all groups. */
class RowLists {
  readonly #ground: Ground;
  readonly #apps: number;
  /** The words of each app class's bits. */
  readonly #bits: Uint32Array;
  readonly #words: number;
  readonly #patterns: (readonly number[])[] = [LONG];
  readonly #byText = new Map<string, number>();

  constructor(ground: Ground) {
    this.#ground = ground;
    const { view, parted, axes } = ground.tables;
    this.#apps = axes[2]!.classes;
    this.#words = 2 * parted!.app_words;
    this.#bits = Uint32Array.from(
      { length: this.#apps * this.#words },
      (_, i) => view.getUint32(parted!.app_at + 4 * i, true),
    );
  }

  place(row: number): Place {
    if (row >= BRANCH) return { row, pattern: 0, rules: [] };
    const found = candidates(this.#ground.tables, row);
    const combinations = found.map(({ combination }) => combination);
    const text = combinations.join();
    const pattern = this.#byText.get(text) ?? this.#patterns.push(combinations) - 1;
    this.#byText.set(text, pattern);
    return { row, pattern, rules: found.map(({ rule }) => rule) };
  }

  /** How far a packet's app class goes in a row, maybe behind it; in a long one, to its own place. */
  position(pattern: number, app: number): number {
    if (pattern === 0) return app;
    const combinations = this.#patterns[pattern]!, bits = this.#bits, from = app * this.#words;
    for (let i = 0; i < combinations.length; i++) {
      const combination = combinations[i]!;
      if (bits[from + (combination >>> 5)]! >>> (combination & 31) & 1) return i;
    }
    return combinations.length;
  }

  rule({ row, rules }: Place, position: number): number {
    if (row < BRANCH) return rules[position] ?? NO_RULE;
    const { view, parted } = this.#ground.tables;
    return view.getUint32(parted!.tables_at + 4 * ((row - BRANCH) * this.#apps + position), true);
  }
}

/** The pattern of a long row. */
const LONG: readonly number[] = [];

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

/** The pairs of numbers in the buckets of a group. */
function* bucketPairs({ tables: { view } }: Ground, group: Group): Generator<[number, number]> {
  for (let bucket = 0; bucket < BLOCK_BUCKETS * group.block_count; bucket++) {
    const at = group.buckets_at + 64 * bucket;
    for (let way = 0; way < group.bucket_ways; way++) {
      const narrow = group.bucket_ways === 8;
      const key = view.getUint32(at + (narrow ? 4 : 8) * way, true);
      if (key === NO_PAIR) continue;
      const s = narrow ? key >>> 16 : view.getUint32(at + 8 * way + 4, true);
      const d = narrow ? key & 0xffff : key;
      yield [s, d];
    }
  }
}
