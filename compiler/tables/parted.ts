/**
 * Four partitions, for policies of many rules.
 *
 * A set of addresses is narrow if few classes are in it, else wide. The wide sets that hold a class
 * are its *part*: few parts, where classes are many. An entry belongs to one of four groups, by
 * whether its source and its destination are narrow. A group is a map from a pair of numbers, each
 * side's class where it is narrow and its part where it is wide, to the entries of the group that
 * those addresses leave possible: a *row*, the same for many pairs. The smallest rule that the four
 * groups find decides. Few entries that are wide on both sides join those of one side.
 *
 * A short row is a list of rules, each with its *combination*, what it asks besides addresses. It is
 * walked until one holds, and whether it does is a bit in the row of the packet's class on each scalar
 * axis. A long row is a table by the class on the first of them (`lists.ts`). What stands where a
 * packet reads is laid out by cache lines: a row of one rule says it itself, a class has its part
 * beside its own rows, lists keep to a line, and the combinations of most entries come first.
 *
 * @module
 */
import { type Classes, groupBy, Numbering, setsOfClass } from "./classes.ts";
import { LONE, SECTION_ALIGN } from "./layout.ts";
import { type Asked, Rows } from "./lists.ts";
import { type Hashed, hashPairs } from "./pairs.ts";

/** What an entry asks for: a set of source addresses, one of destinations, and a combination. */
export interface PartedInput extends Asked {
  readonly source: Classes;
  readonly destination: Classes;
  /** By entry. */
  readonly sourceSet: Uint32Array<ArrayBuffer>;
  readonly destinationSet: Uint32Array<ArrayBuffer>;
}

export interface Parted {
  readonly sources: Records;
  readonly destinations: Records;
  /** Rule and combination; the last of a row with LAST. The first row is MISSING. */
  readonly lists: Uint32Array<ArrayBuffer>;
  /** `[long row][class on the first scalar axis]`: a rule, or MISSING; with more axes a row. */
  readonly tables: Uint32Array<ArrayBuffer>;
  /** Bits of a combination in a row that is ONE. */
  readonly combinationBits: number;
  /** By combination, what it asks of the scalar axes behind the first; empty if there are none. */
  readonly others: Uint32Array<ArrayBuffer>;
  readonly groups: readonly Group[];
}

/**
 * What the classes of an axis lead to, `width` numbers each: rows by the other side's part, if the
 * group of this side has them here, and last the part, with LONE if no pair has the class.
 */
export interface Records {
  readonly width: number;
  readonly words: Uint32Array<ArrayBuffer>;
}

/** Which sides of a group are narrow. */
export type GroupKind = "none" | "source" | "destination" | "pair";

export interface Group {
  readonly kind: GroupKind;
  readonly entries: number;
  readonly map: RowMap;
}

/**
 * Rows of pairs. A row is a position in `lists`, BRANCH and the number of a long row, or ONE with a
 * rule and its combination. `rows` has one for each pair, source by source, and `side` has them in
 * the records of that side; `hashed` only those of pairs that have one.
 */
export type RowMap =
  | { readonly width: number; readonly rows: Uint32Array<ArrayBuffer> }
  | { readonly side: "source" | "destination" }
  | { readonly hashed: Hashed };

/** Sets in at most so many classes are narrow, if their pairs are no more than that for each entry. */
const NARROW = { limit: 64, pairs: 8 };
/** The same where many sets would be wide, if few are then: parts make tables that pairs do not. */
const LESS_NARROW = { limit: 256, pairs: 24 };
const FEW_WIDE = 32;
/** Pairs of a group that others have joined, and candidates in its rows if all meet all. */
const MAX_JOINED = { pairs: 1 << 16, candidates: 1 << 13 };
/** Numbers in the record of a class: a cache line. */
const MAX_RECORD = SECTION_ALIGN / 4;
/** Pairs of numbers that are looked at to make a map. */
const MAX_PAIRS = 1 << 24;
/** The partitions, or undefined if a table of theirs would be too large. */
export function parted(input: PartedInput): Parted | undefined {
  const { source, destination, sourceSet, destinationSet } = input;
  const limit = narrowLimit(input);
  const isWide = (classes: Classes) => Uint8Array.from(classes.covers, (n) => n > limit ? 1 : 0);
  const wideSource = isWide(source), wideDestination = isWide(destination);
  const [pair, bySource, byDestination, none] = groupBy(
    Uint8Array.from({ length: input.rule.length }, (_, i) => {
      return 2 * wideSource[sourceSet[i]!]! + wideDestination[destinationSet[i]!]!;
    }),
    4,
  ) as [number[], number[], number[], number[]];

  const sources = partsOf(source, wideSource);
  const destinations = partsOf(destination, wideDestination);
  const rows = new Rows(input);
  const sourceClasses = { setOf: sourceSet, members: setsByClass(source), sizes: undefined };
  const sourceParts = { ...sources, setOf: sourceSet };
  const destinationClasses = {
    setOf: destinationSet,
    members: setsByClass(destination),
    sizes: undefined,
  };
  const destinationParts = { ...destinations, setOf: destinationSet };
  // Few that are wide on both sides join others: a group less to look at.
  const joined = joinable(none, bySource, sourceClasses, destinationParts)
    ? bySource
    : joinable(none, byDestination, sourceParts, destinationClasses)
    ? byDestination
    : none;
  if (joined !== none) joined.push(...none.splice(0));
  joined.sort((a, b) => a - b);
  const found: { kind: GroupKind; entries: number; pairs: Pairs }[] = [];
  const wanted = [
    ["none", none, sourceParts, destinationParts],
    ["source", bySource, sourceClasses, destinationParts],
    ["destination", byDestination, sourceParts, destinationClasses],
    ["pair", pair, sourceClasses, destinationClasses],
  ] as const;
  for (const [kind, entries, one, other] of wanted) {
    if (entries.length === 0) continue;
    const pairs = pairsOf(entries, one, other, rows);
    if (!pairs) return undefined;
    found.push({ kind, entries: entries.length, pairs });
  }
  const placed = rows.place();
  if (!placed) return undefined;
  const { places, lists, tables } = placed;
  const pairs = found.find(({ kind }) => kind === "pair")?.pairs;
  const has = (wanted: GroupKind) => found.some(({ kind }) => kind === wanted);
  const records = {
    source: recordsOf(sources.of, has("source") ? destinations.members.length : 0, pairs?.sources),
    destination: recordsOf(
      destinations.of,
      has("destination") ? sources.members.length : 0,
      pairs?.destinations,
    ),
  };
  const groups: Group[] = [];
  for (const { kind, entries, pairs } of found) {
    const own = { ...pairs, rows: pairs.rows.map((row) => places[row]!) };
    const side = kind === "source" || kind === "destination" ? kind : undefined;
    const map = side && records[side].width > 1 ? inRecords(side, records[side], own) : mapOf(own);
    if (!map) return undefined;
    groups.push({ kind, entries, map });
  }
  return {
    sources: records.source,
    destinations: records.destination,
    lists,
    tables,
    combinationBits: rows.combinationBits,
    others: input.others?.of ?? new Uint32Array(),
    groups,
  };
}

/** The records of a side's classes, with room for so many rows each if they fit a cache line. */
function recordsOf(
  parts: Uint32Array<ArrayBuffer>,
  rows: number,
  paired: readonly number[] = [],
): Records {
  const width = rows < MAX_RECORD ? 2 ** Math.ceil(Math.log2(rows + 1)) : 1;
  const words = new Uint32Array(parts.length * width);
  for (const [cls, part] of parts.entries()) words[(cls + 1) * width - 1] = part + LONE;
  for (const cls of paired) words[(cls + 1) * width - 1] = parts[cls]!;
  return { width, words };
}

/** A map of pairs in the records of the side that they have the classes of. */
function inRecords(
  side: "source" | "destination",
  { width, words }: Records,
  { sources, destinations, rows }: Pairs,
): RowMap {
  const [classes, parts] = side === "source" ? [sources, destinations] : [destinations, sources];
  for (const [i, row] of rows.entries()) words[classes[i]! * width + parts[i]!] = row;
  return { side };
}

/** In how many classes a set may be and still be narrow. */
function narrowLimit(input: PartedInput): number {
  const limit = largestLimit(input, NARROW);
  const wide = (limit: number) =>
    [input.source, input.destination].map(({ covers }) => covers.filter((n) => n > limit).length);
  if (Math.max(...wide(limit)) <= FEW_WIDE) return limit;
  const other = largestLimit(input, LESS_NARROW);
  return Math.max(...wide(other)) <= FEW_WIDE ? other : limit;
}

/** The largest limit that keeps the pairs of narrow classes to a few for each entry. */
function largestLimit(
  { source, destination, sourceSet, destinationSet, rule }: PartedInput,
  most: typeof NARROW,
): number {
  for (let limit = most.limit; limit > 1; limit >>>= 1) {
    let pairs = 0;
    for (let i = 0; i < rule.length; i++) {
      const s = source.covers[sourceSet[i]!]!, d = destination.covers[destinationSet[i]!]!;
      if (s <= limit && d <= limit) pairs += s * d;
    }
    if (pairs <= most.pairs * rule.length + 1024) return limit;
  }
  return 1;
}

/** The part of each class, and the wide sets that a part stands for. */
function partsOf(classes: Classes, isWide: Uint8Array<ArrayBuffer>) {
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
  const members = numbering.all;
  const sizes = new Uint32Array(members.length);
  for (const part of of) sizes[part]!++;
  return { of, members, sizes };
}

/** The sets that hold each class. */
function setsByClass(classes: Classes): (readonly number[])[] {
  return Array.from({ length: classes.count }, (_, cls) => setsOfClass(classes, cls));
}

/** Whether entries may have rows among those of others, which are as many as there are pairs then. */
function joinable(entries: readonly number[], others: readonly number[], one: Side, other: Side) {
  return one.members.length * other.members.length <= MAX_JOINED.pairs &&
    entries.length * others.length <= MAX_JOINED.candidates;
}

/** One side of a group: the set of each entry, and those that each class or part is in. */
interface Side {
  readonly setOf: Uint32Array<ArrayBuffer>;
  readonly members: readonly (readonly number[])[];
  /** How many classes each part has; undefined if the numbers are classes. */
  readonly sizes: Uint32Array<ArrayBuffer> | undefined;
}

/** Pairs of a group's numbers that have a row, source by source, and how many numbers there are. */
interface Pairs {
  readonly height: number;
  readonly width: number;
  readonly sources: readonly number[];
  readonly destinations: readonly number[];
  readonly rows: readonly number[];
}

/** The rows of a group's pairs, by way of the entries that each source has. Undefined if too many. */
function pairsOf(
  entries: readonly number[],
  one: Side,
  other: Side,
  rows: Rows,
): Pairs | undefined {
  const bySet: number[][] = [];
  for (const entry of entries) (bySet[one.setOf[entry]!] ??= []).push(entry);
  const holders: number[][] = [];
  for (const entry of entries) holders[other.setOf[entry]!] ??= [];
  for (const [number, sets] of other.members.entries()) {
    for (const set of sets) holders[set]?.push(number);
  }
  const lists: number[][] = Array.from(other.members, () => []);
  const result = { sources: [] as number[], destinations: [] as number[], rows: [] as number[] };
  let work = 0;
  for (const [source, sets] of one.members.entries()) {
    const own = sets.flatMap((set) => bySet[set] ?? []).sort((a, b) => a - b);
    const touched: number[] = [];
    for (const entry of own) {
      const held = holders[other.setOf[entry]!]!;
      if ((work += held.length) > MAX_PAIRS) return undefined;
      for (const destination of held) {
        const list = lists[destination]!;
        if (list.length === 0) touched.push(destination);
        list.push(entry);
      }
    }
    for (const destination of touched.sort((a, b) => a - b)) {
      result.sources.push(source);
      result.destinations.push(destination);
      const pairs = (one.sizes?.[source] ?? 1) * (other.sizes?.[destination] ?? 1);
      result.rows.push(rows.row(lists[destination]!, pairs));
      lists[destination] = [];
    }
  }
  return { height: one.members.length, width: other.members.length, ...result };
}

/** A map of pairs: a table where they are many of those that there could be, else hashed. */
function mapOf({ height, width, sources, destinations, rows }: Pairs): RowMap | undefined {
  if (height * width <= Math.max(1 << 10, 8 * rows.length)) {
    const table = new Uint32Array(height * width);
    for (const [i, row] of rows.entries()) table[sources[i]! * width + destinations[i]!] = row;
    return { width, rows: table };
  }
  const hashed = hashPairs(Math.max(height, width) <= 1 << 16 ? 2 : 4, sources, destinations, rows);
  return hashed && { hashed };
}
