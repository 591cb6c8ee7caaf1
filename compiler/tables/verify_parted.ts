/**
 * The four groups of the parted back end, compared with the rules. The smallest rule of the groups
 * decides, so two things make them right:
 *
 * - sound: where a group names a rule, the rule matches;
 * - complete: for each entry some group names, wherever the entry matches, its rule or one before.
 *
 * Every group leads its near side (a class, a pair of classes, or a pair of wide parts) to a place,
 * and what else there is to a column; place and column lead to a rule. So both are asked of places
 * and columns, each for all the packets that share them, in one family after the other.
 *
 * @module
 */
import { intersection, type Ordinals } from "../analysis/ordinals.ts";
import { pairPlace, type ReadOf, ruleOf } from "./classify.ts";
import { eachBit, type Ground, piecesOf, shapesOf, type State } from "./ground.ts";
import { LISTS, MAX_CLASSES, NO_PAIR, NO_RULE, readRecord, RECORDS } from "./layout.ts";
import type { Suspect } from "./verify.ts";

type Group = ReadOf<"group">;
type Place = ReadOf<"place">;

/** What an entry has of some small numbers. */
interface Part {
  /** Those of which it has something. */
  readonly touched: readonly number[];
  /** Whether it has all of one. */
  readonly has: (n: number) => boolean;
}

/** The same for all entries with the key. */
interface Keyed extends Part {
  readonly key: number;
}

/** One group, as places and columns. */
interface View {
  readonly places: readonly { readonly row: number; readonly pattern: number }[];
  readonly columns: readonly number[];
  readonly position: (pattern: number, column: number) => number;
  readonly rule: (at: number) => number;
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
        const rule = view.rule(view.places[p]!.row + position);
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
      const { row, pattern } = view.places[p]!;
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
        for (const position of reached) most = Math.max(most, view.rule(row + position));
        largest.set(key, most);
      }
      return most <= entries[entry]!.rule;
    });
  };
}

/** Classes of an entry that are gone through one by one, where no group alone has all of it. */
const MOST = 1 << 20;

/** One side's addresses of one family. */
interface Side {
  readonly field: "src" | "dst";
  readonly places: readonly Place[];
  readonly classes: readonly number[];
  readonly wide: readonly number[];
  /** Undefined if there is no such class. */
  readonly piecesOf: (cls: number) => number[] | undefined;
  readonly classesOfWide: (wide: number) => number[];
  /** Of an entry. */
  readonly set: (entry: number) => number;
  readonly partOf: (set: number) => Part;
  readonly widePartOf: (set: number) => Part;
  /** Whether the set has all of each wide part that it has something of. */
  readonly exact: (set: number) => boolean;
}

/** The packets of one family, and what entries have of the classes that they can have. */
class Half {
  readonly shapes: readonly number[];
  readonly #source: Side;
  readonly #destination: Side;
  readonly #states: readonly (State & { readonly shape: number })[];
  readonly #apps: readonly number[];
  readonly #appPart: (combination: number) => Keyed;

  constructor(readonly ground: Ground, family: number) {
    this.shapes = shapesOf(family);
    const { parted, axes } = ground.tables;
    const [source, destination, app] = axes as [ReadOf<"axis">, ReadOf<"axis">, ReadOf<"axis">];
    const places = (at: number, { classes }: ReadOf<"axis">) => placesAt(ground, at, classes);
    this.#source = side(ground, "src", this.shapes[0]!, places(parted!.sources_at, source));
    this.#destination = side(
      ground,
      "dst",
      this.shapes[0]!,
      places(parted!.destinations_at, destination),
    );
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
            if (common.every((set) => set.length > 0)) yield { shape, sets: common, entry };
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
    switch (LISTS.group.names[group.kind]!) {
      case "none":
        return this.#none(group);
      case "source":
        return this.#oneSided(group, this.#source, this.#destination, false);
      case "destination":
        return this.#oneSided(group, this.#destination, this.#source, true);
      case "pair":
        return this.#pair(group);
    }
  }

  #none(group: Group): View {
    const { view, parted } = this.ground.tables;
    const [source, destination] = [this.#source, this.#destination];
    const rowOf = (ws: number, wd: number) =>
      view.getUint16(group.cross_at + 2 * (ws * parted!.wide_destinations + wd), true);
    const rows: (readonly [number, number])[][] = [];
    for (const ws of source.wide) {
      for (const wd of destination.wide) (rows[rowOf(ws, wd)] ??= []).push([ws, wd]);
    }
    const used = Object.keys(rows).map(Number);
    const index = new Map(used.map((row, p) => [row, p]));
    const near = memo((key) => {
      const s = source.widePartOf(Math.floor(key / 2 ** 26));
      const d = destination.widePartOf(key % 2 ** 26);
      const full = new Map<number, number>();
      for (const ws of s.touched) {
        for (const wd of d.touched) {
          const p = index.get(rowOf(ws, wd))!;
          full.set(p, (full.get(p) ?? 0) + (s.has(ws) && d.has(wd) ? 1 : 0));
        }
      }
      return partOf(full, (p) => rows[used[p]!]!.length, used.length);
    });
    return {
      places: used.map((row) => ({ row: row * group.classes, pattern: 0 })),
      columns: this.#apps,
      position: (_, app) => app,
      rule: ruleAt(this.ground, group),
      near: (entry) => near(source.set(entry) * 2 ** 26 + destination.set(entry)),
      far: (entry) => this.#app(entry),
      packets: (p, app) =>
        rows[used[p]!]!.map(([ws, wd]) =>
          [source.classesOfWide(ws), destination.classesOfWide(wd), app] as const
        ),
    };
  }

  #oneSided(group: Group, near: Side, far: Side, turned: boolean): View {
    const { view, axes } = this.ground.tables;
    const apps = axes[2]!.classes;
    const columnOf = (wide: number, app: number) =>
      view.getUint16(group.cross_at + 2 * (wide * apps + app), true);
    const byWide = memo((wide) => unique(this.#apps.map((app) => columnOf(wide, app))));
    const byApp = memo((app) => unique(far.wide.map((wide) => columnOf(wide, app))));
    const widesOf = counted(far.wide, byWide), appsOf = counted(this.#apps, byApp);
    // A column is an entry's if all the wide parts and all the app classes that lead to it are.
    const ofWide = memo((set) => {
      const full = counted(far.wide.filter(far.widePartOf(set).has), byWide);
      return partOf(full, (column) => widesOf.get(column)!, group.classes);
    });
    const ofApp = memo((combination) => {
      const { touched, has } = this.#appPart(combination);
      return partOf(counted(touched.filter(has), byApp), (c) => appsOf.get(c)!, group.classes);
    });
    let keys = 0;
    const farPart = memo((content) => {
      const set = Math.floor(content / 2 ** 26),
        { touched: apps, key } = this.#appPart(content % 2 ** 26);
      const touched = new Set<number>();
      for (const wide of far.widePartOf(set).touched) {
        for (const app of apps) touched.add(columnOf(wide, app));
      }
      const [a, b] = [ofWide(set), ofApp(key)];
      return {
        touched: [...touched],
        has: (column: number) => a.has(column) && b.has(column),
        key: keys++,
      };
    });
    const { places, nearPart, classesAt } = placed(near);
    return {
      places,
      columns: unique(far.wide.flatMap(byWide)),
      position: patternAt(this.ground, group),
      rule: ruleAt(this.ground, group),
      near: (entry) => nearPart(near.set(entry)),
      far: (entry) => farPart(far.set(entry) * 2 ** 26 + this.#app(entry).key),
      packets: (p, column) =>
        far.wide.flatMap((wide) =>
          this.#apps.filter((app) => columnOf(wide, app) === column).map((app) => {
            const [n, f] = [classesAt[p]!, far.classesOfWide(wide)];
            return turned ? [f, n, app] as const : [n, f, app] as const;
          })
        ),
    };
  }

  #pair(group: Group): View {
    const { view } = this.ground.tables;
    const [source, destination] = [this.#source, this.#destination];
    const places = placesAt(this.ground, group.places_at, group.place_count);
    const ofPlace: (readonly [number, number])[][] = places.map(() => []);
    for (const [s, d, number] of pairsOf(this.ground, group)) {
      if (!ofPlace[number]) throw new RangeError("A pair has no place");
      // A pair that no address of this family comes to is nobody's.
      const both = source.piecesOf(s)?.length && destination.piecesOf(d)?.length;
      if (both) ofPlace[number].push([s, d]);
    }
    const near = memo((key) => {
      const s = source.partOf(Math.floor(key / 2 ** 26)), d = destination.partOf(key % 2 ** 26);
      const touched = lazily(() =>
        unique(s.touched.flatMap((a) => d.touched.map((b) => pairPlace(view, group, a, b))))
      );
      return {
        get touched() {
          return touched();
        },
        has: (p: number) => p > 0 && ofPlace[p]!.every(([a, b]) => s.has(a) && d.has(b)),
      };
    });
    // Whatever pair has no place of its own is at the first.
    const lost = function* (sources: readonly number[], destinations: readonly number[]) {
      for (const s of sources) {
        for (const d of destinations) {
          if (pairPlace(view, group, s, d) === 0) yield [s, d] as const;
        }
      }
    };
    return {
      places: places.map(({ row, pattern }) => ({ row, pattern })),
      columns: this.#apps,
      position: patternAt(this.ground, group),
      rule: ruleAt(this.ground, group),
      near: (entry) => near(source.set(entry) * 2 ** 26 + destination.set(entry)),
      far: (entry) => this.#app(entry),
      packets: function* (p, app) {
        const pairs = p > 0 ? ofPlace[p]! : lost(source.classes, destination.classes);
        for (const [s, d] of pairs) yield [[s], [d], app];
      },
    };
  }
}

function side(
  { space, lines, addresses, entries }: Ground,
  field: "src" | "dst",
  shape: number,
  places: readonly Place[],
): Side {
  const [from, to] = space.whole(shape).sets[space.fields.indexOf(field)] as [number, number];
  const classes = addresses[field]!;
  const pieces: number[][] = places.map(() => []);
  for (let piece = from; piece <= to; piece++) pieces[classes[piece]!]!.push(piece);
  const present = [...places.keys()].filter((cls) => pieces[cls]!.length > 0);
  const byWide = Map.groupBy(present, (cls) => places[cls]!.wide);
  const line = lines.get(field) ?? { sets: [[from, to]], of: new Uint32Array(entries.length) };
  const classPart = memo((set) => {
    const counts = new Map<number, number>();
    for (let i = 0; i < line.sets[set]!.length; i += 2) {
      const [first, last] = [line.sets[set]![i]!, line.sets[set]![i + 1]!];
      for (let piece = Math.max(first, from); piece <= Math.min(last, to); piece++) {
        counts.set(classes[piece]!, (counts.get(classes[piece]!) ?? 0) + 1);
      }
    }
    return partOf(counts, (cls) => pieces[cls]!.length, places.length);
  });
  const widePartOf = memo((set) => grouped(classPart(set), byWide, (cls) => places[cls]!.wide));
  return {
    field,
    places,
    classes: present,
    wide: [...byWide.keys()],
    piecesOf: (cls) => pieces[cls],
    classesOfWide: (wide) => byWide.get(wide)!,
    set: (entry) => line.of[entry]!,
    partOf: classPart,
    widePartOf,
    exact: memo((set) => {
      const { touched, has } = widePartOf(set);
      return touched.every(has);
    }),
  };
}

/** The classes of a side by the place that they lead to. */
function placed(near: Side) {
  const byPlace = Map.groupBy(near.classes, (cls) => {
    const { row, pattern } = near.places[cls]!;
    return row * 2 ** 16 + pattern;
  });
  const classesAt = [...byPlace.values()];
  const placeOf = new Map(
    [...classesAt.entries()].flatMap(([p, all]) => all.map((cls) => [cls, p])),
  );
  const groups = new Map(classesAt.entries());
  return {
    classesAt,
    places: classesAt.map(([cls]) => near.places[cls!]!),
    nearPart: memo((set) => grouped(near.partOf(set), groups, (cls) => placeOf.get(cls)!)),
  };
}

/** What a set has of groups of numbers, from what it has of the numbers. */
function grouped(
  { touched, has }: Part,
  groups: ReadonlyMap<number, readonly number[]>,
  groupOf: (n: number) => number,
): Part {
  const found = new Map<number, number>();
  for (const n of touched) {
    const group = groupOf(n);
    found.set(group, (found.get(group) ?? 0) + (has(n) ? 1 : 0));
  }
  return partOf(found, (group) => groups.get(group)!.length, groups.size);
}

/** How many of some numbers lead to each of others. */
function counted(numbers: readonly number[], to: (n: number) => readonly number[]) {
  const counts = new Map<number, number>();
  for (const n of numbers) {
    for (const other of to(n)) counts.set(other, (counts.get(other) ?? 0) + 1);
  }
  return counts;
}

/** The part that has what is counted, all of those (out of about `size`) where the count is whole. */
function partOf(
  counts: ReadonlyMap<number, number>,
  whole: (n: number) => number,
  size: number,
): Part {
  const touched = [...counts.keys()];
  const full = touched.filter((n) => counts.get(n) === whole(n));
  if (32 * full.length < size) {
    const few = new Set(full);
    return { touched, has: (n) => few.has(n) };
  }
  const bits = new Uint8Array(full.reduce((most, n) => Math.max(most, n), 0) + 1);
  for (const n of full) bits[n] = 1;
  return { touched, has: (n) => bits[n] === 1 };
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

function memo<T>(work: (n: number) => T): (n: number) => T {
  const known = new Map<number, T>();
  return (n) => {
    let result = known.get(n);
    if (result === undefined) known.set(n, result = work(n));
    return result;
  };
}

function lazily<T>(work: () => T): () => T {
  let result: T | undefined;
  return () => result ??= work();
}

function ruleAt({ tables: { view, parted } }: Ground, group: Group): (at: number) => number {
  if (parted!.rule_size === 4) return (at) => view.getUint32(group.list_at + 4 * at, true);
  return (at) => {
    const rule = view.getUint16(group.list_at + 2 * at, true);
    return rule === 0xffff ? NO_RULE : rule;
  };
}

function patternAt({ tables: { view } }: Ground, group: Group): View["position"] {
  const { patterns_at: at, classes } = group;
  return group.pattern_size === 1
    ? (pattern, column) => view.getUint8(at + pattern * classes + column)
    : (pattern, column) => view.getUint16(at + 2 * (pattern * classes + column), true);
}

function placesAt({ tables: { view } }: Ground, at: number, count: number): Place[] {
  return Array.from(
    { length: count },
    (_, i) => readRecord(view, at + i * RECORDS.place.size, RECORDS.place),
  );
}

/** The pairs of classes in the buckets of a group that a search finds there, and their places. */
function* pairsOf({ tables: { view } }: Ground, group: Group): Generator<[number, number, number]> {
  for (let bucket = 0; bucket < 2 ** (32 - group.bucket_shift); bucket++) {
    const at = group.buckets_at + 64 * bucket;
    for (let way = 0; way < group.bucket_ways; way++) {
      const narrow = group.bucket_ways === 8;
      const key = view.getUint32(at + (narrow ? 4 : 8) * way, true);
      if (key === NO_PAIR) continue;
      const s = narrow ? key >>> 16 : view.getUint32(at + 8 * way + 4, true);
      const d = narrow ? key & 0xffff : key;
      const place = view.getUint32(at + 32 + 4 * way, true);
      if (pairPlace(view, group, s, d) === place) yield [s, d, place];
    }
  }
}
