/**
 * Four partitions of small dense tables, for policies of many rules.
 *
 * A set of addresses is narrow if few classes are in it, else wide. An entry belongs to one of four
 * groups, by whether its source and its destination are narrow. A group's table leads, without
 * a search, to the first entry of its own that matches; the smallest rule of the four decides.
 *
 * - wide, wide: the wide parts of both classes select a row, and the app class the rule in it;
 * - narrow source: the source's class selects a *row*, a list of rules, and the *pattern* of what
 *   those rules ask besides. Many rows share a pattern. The wide part of the destination and the
 *   app class become one class, and pattern and class give a place in the list;
 * - narrow destination: the same, the other way round;
 * - narrow, narrow: a hash table by the pair of classes selects the row, the app class the place.
 *
 * @module
 */
import {
  type Bits,
  bitsFor,
  type Classes,
  groupBy,
  Numbering,
  onesOf,
  setBit,
  setsOfClass,
} from "./classes.ts";
import { NO_PAIR, PAIR_MIX } from "./layout.ts";

/** What an entry asks for: a set of source addresses, one of destinations, and a combination. */
export interface PartedInput {
  readonly source: Classes;
  readonly destination: Classes;
  /** For each app class, the combinations it can still be. */
  readonly app: readonly Bits[];
  readonly combinations: number;
  /** By entry; ascending rules. */
  readonly sourceSet: Uint32Array<ArrayBuffer>;
  readonly destinationSet: Uint32Array<ArrayBuffer>;
  readonly combination: Uint32Array<ArrayBuffer>;
  readonly rule: Uint32Array<ArrayBuffer>;
}

/** Where a class leads: a place in its group's list, a pattern of it, and the class's wide part. */
export interface Places {
  readonly row: Uint32Array<ArrayBuffer>;
  readonly pattern: Uint32Array<ArrayBuffer>;
  readonly wide: Uint32Array<ArrayBuffer>;
}

/** Lists of rules, each ended by MISSING, and the places that patterns point to. */
export interface RowTable {
  readonly list: Uint32Array<ArrayBuffer>;
  /** `[pattern][class]`: a place in a list, counted from its row's. */
  readonly patterns: Uint32Array<ArrayBuffer>;
  /** The longest list. */
  readonly longest: number;
  readonly classes: number;
}

export interface Parted {
  readonly places: { readonly source: Places; readonly destination: Places };
  readonly wide?: {
    readonly rows: number;
    /** `[wide source][wide destination]`: a row of `rules`. */
    readonly cross: Uint32Array<ArrayBuffer>;
    /** `[row][app class]`: a rule. */
    readonly rules: Uint32Array<ArrayBuffer>;
  };
  /** `cross` is `[wide part of the other side][app class]`: a class of the table. */
  readonly source?: { readonly cross: Uint32Array<ArrayBuffer>; readonly table: RowTable };
  readonly destination?: { readonly cross: Uint32Array<ArrayBuffer>; readonly table: RowTable };
  readonly pair?: { readonly buckets: Buckets; readonly places: Places; readonly table: RowTable };
}

export interface Buckets {
  /** Keys of a bucket: 8 of 32 bits, or 4 of 64 where classes need more than 16. */
  readonly ways: 4 | 8;
  readonly multiplier: number;
  readonly shift: number;
  /** `[bucket][way]`: the pair's classes, NO_PAIR where empty, and its row. */
  readonly source: Uint32Array<ArrayBuffer>;
  readonly destination: Uint32Array<ArrayBuffer>;
  readonly row: Uint32Array<ArrayBuffer>;
}

/** The end of a list: no rule. */
export const MISSING = 0xffffffff;

/** Sets in at most this many classes are narrow, if their pairs are few enough. */
const NARROW = 64;
/** Entries of a table. */
const MAX_TABLE = 1 << 24;
/** Steps of work for a table. */
const MAX_WORK = 1 << 28;
/** Patterns and wide parts are numbers of 16 bits. */
const MAX_16 = 1 << 16;

/** The partitions, or undefined if a table of theirs would be too large. */
export function parted(input: PartedInput): Parted | undefined {
  const count = input.rule.length;
  const limit = narrowLimit(input);
  const isWide = (classes: Classes) => Uint8Array.from(classes.covers, (n) => n > limit ? 1 : 0);
  const wideSource = isWide(input.source), wideDestination = isWide(input.destination);
  const groups = groupBy(
    Uint8Array.from({ length: count }, (_, i) => {
      return 2 * wideSource[input.sourceSet[i]!]! + wideDestination[input.destinationSet[i]!]!;
    }),
    4,
  ) as [number[], number[], number[], number[]];

  const sources = wideParts(input.source, wideSource);
  const destinations = wideParts(input.destination, wideDestination);
  if (sources.members.length > MAX_16 || destinations.members.length > MAX_16) return undefined;
  const places = {
    source: emptyPlaces(input.source.count, sources.of),
    destination: emptyPlaces(input.destination.count, destinations.of),
  };
  const [pairs, bySource, byDestination, wide] = groups;

  const one = bySource.length === 0 ? undefined : oneSided(
    bySource,
    input,
    { ...side(input.source, input.sourceSet, wideSource), places: places.source },
    { setOf: input.destinationSet, parts: destinations.members },
  );
  const other = byDestination.length === 0 ? undefined : oneSided(
    byDestination,
    input,
    {
      ...side(input.destination, input.destinationSet, wideDestination),
      places: places.destination,
    },
    { setOf: input.sourceSet, parts: sources.members },
  );
  const both = wide.length === 0 ? undefined : wideWide(wide, input, sources, destinations);
  const pair = pairs.length === 0
    ? undefined
    : narrowNarrow(pairs, input, wideSource, wideDestination);
  if (one === null || other === null || both === null || pair === null) return undefined;
  return {
    places,
    ...both && { wide: both },
    ...one && { source: one },
    ...other && { destination: other },
    ...pair && { pair },
  };
}

/** The largest limit that keeps the pairs of narrow classes to a few for each entry. */
function narrowLimit(
  { source, destination, sourceSet, destinationSet, rule }: PartedInput,
): number {
  for (let limit = NARROW; limit > 1; limit >>>= 1) {
    let pairs = 0;
    for (let i = 0; i < rule.length; i++) {
      const s = source.covers[sourceSet[i]!]!, d = destination.covers[destinationSet[i]!]!;
      if (s <= limit && d <= limit) pairs += s * d;
    }
    if (pairs <= 8 * rule.length + 1024) return limit;
  }
  return 1;
}

/** The wide sets of each class, numbered by content. */
function wideParts(classes: Classes, isWide: Uint8Array<ArrayBuffer>) {
  const numbering = new Numbering<readonly number[]>();
  const broadParts = new Map<readonly number[], readonly number[]>();
  const of = new Uint32Array(classes.count);
  for (let cls = 0; cls < classes.count; cls++) {
    const broad = classes.broad[cls]!;
    const shared = broadParts.get(broad) ?? broad.filter((set) => isWide[set]);
    broadParts.set(broad, shared);
    const own = classes.narrow[cls]!.filter((set) => isWide[set]);
    of[cls] = numbering.number(own.length > 0 ? [...shared, ...own] : shared);
  }
  return { of, members: numbering.all };
}

function emptyPlaces(count: number, wide: Uint32Array<ArrayBuffer>): Places {
  return { row: new Uint32Array(count), pattern: new Uint32Array(count), wide };
}

/** The narrow sets of a class. */
function side(classes: Classes, setOf: Uint32Array<ArrayBuffer>, isWide: Uint8Array<ArrayBuffer>) {
  return {
    setOf,
    narrowSets: Array.from(
      { length: classes.count },
      (_, cls) => setsOfClass(classes, cls).filter((set) => !isWide[set]),
    ),
    sets: isWide.length,
  };
}

/** Makes rows of entries: those with the key of an earlier one in the row can never be first. */
class Rows {
  readonly patterns = new Numbering<readonly number[]>();
  readonly #rows = new Numbering<readonly number[]>();
  readonly #list: number[] = [];
  readonly #first: number[] = [];
  readonly #pattern: number[] = [];
  readonly #seen: Uint32Array<ArrayBuffer>;
  readonly #rule: Uint32Array<ArrayBuffer>;
  #longest = 0;
  #turn = 0;

  constructor(keys: number, rule: Uint32Array<ArrayBuffer>) {
    this.#seen = new Uint32Array(keys);
    this.#rule = rule;
  }

  /** `entries` ascend. The place of the row's list, and its pattern. */
  row(
    entries: readonly number[],
    keyOf: Uint32Array<ArrayBuffer>,
  ): { first: number; pattern: number } {
    this.#turn++;
    const keys: number[] = [], kept: number[] = [];
    for (const entry of entries) {
      const key = keyOf[entry]!;
      if (this.#seen[key] === this.#turn) continue;
      this.#seen[key] = this.#turn;
      keys.push(key);
      kept.push(entry);
    }
    const row = this.#rows.number(kept);
    if (row === this.#first.length) {
      this.#first.push(this.#list.length);
      this.#pattern.push(this.patterns.number(keys));
      for (const entry of kept) this.#list.push(this.#rule[entry]!);
      this.#list.push(MISSING);
      this.#longest = Math.max(this.#longest, kept.length);
    }
    return { first: this.#first[row]!, pattern: this.#pattern[row]! };
  }

  /** The finished table; `classesOf` lists the classes that a key is in. Null if it is too large. */
  table(classesOf: readonly (readonly number[])[], classes: number): RowTable | null {
    const all = this.patterns.all;
    if (all.length > MAX_16 || all.length * classes > MAX_TABLE) return null;
    const patterns = new Uint32Array(all.length * classes);
    for (const [p, keys] of all.entries()) {
      const row = patterns.subarray(p * classes, (p + 1) * classes).fill(keys.length);
      for (let i = keys.length - 1; i >= 0; i--) {
        for (const cls of classesOf[keys[i]!]!) row[cls] = i;
      }
    }
    return { list: Uint32Array.from(this.#list), patterns, longest: this.#longest, classes };
  }
}

/** For each member of bit sets, the sets it is in. */
function transpose(sets: readonly Bits[], members: number): number[][] {
  const lists: number[][] = Array.from({ length: members }, () => []);
  for (const [i, bits] of sets.entries()) for (const member of onesOf(bits)) lists[member]!.push(i);
  return lists;
}

function ascending(list: number[]): number[] {
  return list.sort((a, b) => a - b);
}

/** The group whose near side is narrow and whose far side is wide. */
function oneSided(
  group: readonly number[],
  { app, combination, combinations, rule }: PartedInput,
  near: ReturnType<typeof side> & { readonly places: Places },
  far: { readonly setOf: Uint32Array<ArrayBuffer>; readonly parts: readonly (readonly number[])[] },
) {
  // What an entry asks besides its near side: its far set and its combination.
  const keys = new Map<number, number>();
  const keySet: number[] = [], keyCombination: number[] = [];
  const keyOf = new Uint32Array(rule.length);
  for (const entry of group) {
    const [set, part] = [far.setOf[entry]!, combination[entry]!];
    const content = set * combinations + part;
    let key = keys.get(content);
    if (key === undefined) {
      key = keys.size;
      keys.set(content, key);
      keySet.push(set);
      keyCombination.push(part);
    }
    keyOf[entry] = key;
  }
  const words = (keys.size + 31) >>> 5;
  const size = far.parts.length * app.length;
  if (size > MAX_TABLE || size * words > MAX_WORK) return null;

  const keysOfSet = new Map<number, number[]>();
  for (const [key, set] of keySet.entries()) {
    const list = keysOfSet.get(set);
    if (list) list.push(key);
    else keysOfSet.set(set, [key]);
  }
  const keysOfCombination = groupBy(keyCombination, combinations);
  const keysOfApp = app.map((bits) => {
    const own = bitsFor(keys.size);
    for (const c of onesOf(bits)) for (const key of keysOfCombination[c]!) setBit(own, key);
    return own;
  });
  const numbering = new Numbering<Bits>();
  const cross = new Uint32Array(size);
  let both = bitsFor(keys.size);
  for (const [part, sets] of far.parts.entries()) {
    const own = bitsFor(keys.size);
    for (const set of sets) for (const key of keysOfSet.get(set) ?? []) setBit(own, key);
    for (const [a, bits] of keysOfApp.entries()) {
      for (let w = 0; w < words; w++) both[w] = own[w]! & bits[w]!;
      const cls = numbering.number(both);
      if (numbering.all[cls] === both) both = bitsFor(keys.size);
      cross[part * app.length + a] = cls;
    }
  }
  if (numbering.all.length > MAX_16) return null;

  const entriesOfSet: number[][] = Array.from({ length: near.sets }, () => []);
  for (const entry of group) entriesOfSet[near.setOf[entry]!]!.push(entry);
  const rows = new Rows(keys.size, rule);
  for (const [cls, sets] of near.narrowSets.entries()) {
    const entries = sets.length === 1
      ? entriesOfSet[sets[0]!]!
      : ascending(sets.flatMap((set) => entriesOfSet[set]!));
    const { first, pattern } = rows.row(entries, keyOf);
    near.places.row[cls] = first;
    near.places.pattern[cls] = pattern;
  }
  const table = rows.table(transpose(numbering.all, keys.size), numbering.all.length);
  return table && { cross, table };
}

/** The group that is wide on both sides. */
function wideWide(
  group: readonly number[],
  { app, combination, combinations, sourceSet, destinationSet, rule }: PartedInput,
  sources: ReturnType<typeof wideParts>,
  destinations: ReturnType<typeof wideParts>,
) {
  const size = sources.members.length * destinations.members.length;
  if (size > MAX_TABLE || size * group.length > 4 * MAX_WORK) return null;
  const classesOf = transpose(app, combinations);
  const byContent = new Numbering<readonly number[]>();
  const rows = new Numbering<Uint32Array<ArrayBuffer>>();
  const rowOf: number[] = [];
  const cross = new Uint32Array(size);
  const seen = new Uint32Array(combinations);
  let turn = 0;
  const destinationParts = destinations.members.map((sets) => new Set(sets));
  for (const [s, sets] of sources.members.entries()) {
    const own = new Set(sets);
    const bySource = group.filter((entry) => own.has(sourceSet[entry]!));
    for (const [d, within] of destinationParts.entries()) {
      turn++;
      const kept = bySource.filter((entry) => {
        if (!within.has(destinationSet[entry]!) || seen[combination[entry]!] === turn) return false;
        seen[combination[entry]!] = turn;
        return true;
      });
      const number = byContent.number(kept);
      if (number === rowOf.length) {
        const row = new Uint32Array(app.length).fill(MISSING);
        for (const entry of kept.toReversed()) {
          for (const cls of classesOf[combination[entry]!]!) row[cls] = rule[entry]!;
        }
        rowOf.push(rows.number(row));
        if (rows.all.length * app.length > MAX_TABLE) return null;
      }
      cross[s * destinations.members.length + d] = rowOf[number]!;
    }
  }
  if (rows.all.length > MAX_16) return null;
  const rules = new Uint32Array(rows.all.length * app.length);
  for (const [i, row] of rows.all.entries()) rules.set(row, i * app.length);
  return {
    rows: rows.all.length,
    cross,
    rules,
  };
}

/** The group that is narrow on both sides. */
function narrowNarrow(
  group: readonly number[],
  { app, combination, combinations, source, destination, sourceSet, destinationSet, rule }:
    PartedInput,
  wideSource: Uint8Array<ArrayBuffer>,
  wideDestination: Uint8Array<ArrayBuffer>,
) {
  const inSource = classesOfNarrow(source, wideSource);
  const inDestination = classesOfNarrow(destination, wideDestination);
  // One number says source class, destination class and entry, so that sorting groups the pairs.
  const count = rule.length, width = destination.count;
  if (source.count * width * count > Number.MAX_SAFE_INTEGER) return null;
  const found: number[] = [];
  for (const entry of group) {
    for (const s of inSource[sourceSet[entry]!]!) {
      for (const d of inDestination[destinationSet[entry]!]!) {
        found.push((s * width + d) * count + entry);
      }
    }
  }
  const sorted = Float64Array.from(found).sort();
  const rows = new Rows(combinations, rule);
  const none = rows.row([], combination);
  const placeNumbers = new Map<number, number>([[none.first, 0]]);
  const placeRows = [none.first], placePatterns = [none.pattern];
  const pairSource: number[] = [], pairDestination: number[] = [], pairPlace: number[] = [];
  for (let i = 0; i < sorted.length;) {
    const pair = Math.floor(sorted[i]! / count);
    const entries: number[] = [];
    for (; i < sorted.length && Math.floor(sorted[i]! / count) === pair; i++) {
      entries.push(sorted[i]! - pair * count);
    }
    const { first, pattern } = rows.row(entries, combination);
    let place = placeNumbers.get(first);
    if (place === undefined) {
      place = placeRows.push(first) - 1;
      placePatterns.push(pattern);
      placeNumbers.set(first, place);
    }
    pairSource.push(Math.floor(pair / width));
    pairDestination.push(pair % width);
    pairPlace.push(place);
  }
  const ways = source.count < MAX_16 - 1 && destination.count < MAX_16 - 1 ? 8 : 4;
  const table = rows.table(transpose(app, combinations), app.length);
  return table && {
    buckets: hashPairs(ways, pairSource, pairDestination, pairPlace),
    places: {
      row: Uint32Array.from(placeRows),
      pattern: Uint32Array.from(placePatterns),
      wide: new Uint32Array(placeRows.length),
    },
    table,
  };
}

/** For each narrow set, the classes in it. */
function classesOfNarrow(classes: Classes, isWide: Uint8Array<ArrayBuffer>): number[][] {
  const lists: number[][] = Array.from({ length: isWide.length }, () => []);
  for (let cls = 0; cls < classes.count; cls++) {
    for (const set of setsOfClass(classes, cls)) if (!isWide[set]) lists[set]!.push(cls);
  }
  return lists;
}

/** Pairs into buckets of a cache line; multipliers are tried until none overflows. */
function hashPairs(
  ways: 4 | 8,
  source: readonly number[],
  destination: readonly number[],
  row: readonly number[],
): Buckets {
  let bits = 1;
  while (2 ** bits * ways * 0.28 < source.length) bits++;
  for (let attempt = 0;; attempt++) {
    if (attempt > 0 && attempt % 16 === 0) bits++;
    const multiplier = (Math.imul(attempt, 0x85ebca6b) + 0xc2b2ae35 | 1) >>> 0;
    const shift = 32 - bits;
    const size = 2 ** bits * ways;
    const filled = new Uint8Array(2 ** bits);
    const result = {
      source: new Uint32Array(size).fill(NO_PAIR),
      destination: new Uint32Array(size).fill(NO_PAIR),
      row: new Uint32Array(size),
    };
    const fits = source.every((s, i) => {
      const d = destination[i]!;
      const bucket = Math.imul(Math.imul(s, PAIR_MIX) + d, multiplier) >>> shift;
      if (filled[bucket] === ways) return false;
      const at = bucket * ways + filled[bucket]!++;
      result.source[at] = s;
      result.destination[at] = d;
      result.row[at] = row[i]!;
      return true;
    });
    if (fits) return { ways, multiplier, shift, ...result };
  }
}
