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
 * walked until one holds, and whether it does is a bit in the row of the packet's app class. A long
 * row is a table by app class. What stands where a packet reads is laid out by cache lines: a row of
 * one rule says it itself, a class has its part beside its own rows, lists keep to a line, and the
 * combinations of most entries come first.
 *
 * @module
 */
import {
  type Bits,
  type Classes,
  groupBy,
  Numbering,
  onesOf,
  setBit,
  setsOfClass,
} from "./classes.ts";
import {
  BLOCK_BUCKETS,
  BRANCH,
  LAST,
  LONE,
  NO_PAIR,
  ONE,
  PAIR_MIX,
  PAIR_SPREAD,
  RECORDS,
  SECTION_ALIGN,
} from "./layout.ts";

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

export interface Parted {
  readonly sources: Records;
  readonly destinations: Records;
  /** For each app class, a bit a combination, by the numbers that lists have of them. */
  readonly app: Bits;
  /** Pairs of u32 in `app` that a class has. */
  readonly appWords: number;
  /** Rule and combination; the last of a row with LAST. The first row is MISSING. */
  readonly lists: Uint32Array<ArrayBuffer>;
  /** `[long row][app class]`: a rule, or MISSING. */
  readonly tables: Uint32Array<ArrayBuffer>;
  /** Bits of a combination in a row that is ONE. */
  readonly combinationBits: number;
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
 * the records of that side; `buckets` only those of pairs that have one.
 */
export type RowMap =
  | { readonly width: number; readonly rows: Uint32Array<ArrayBuffer> }
  | { readonly side: "source" | "destination" }
  | { readonly buckets: Buckets };

export interface Buckets {
  /** Keys of a bucket: 8 of 32 bits, or 4 of 64 where numbers need more than 16. */
  readonly ways: 4 | 8;
  /** One a block of BLOCK_BUCKETS buckets. */
  readonly multipliers: Uint32Array<ArrayBuffer>;
  /** `[bucket][way]`: a pair, NO_PAIR where empty, and its row. */
  readonly source: Uint32Array<ArrayBuffer>;
  readonly destination: Uint32Array<ArrayBuffer>;
  readonly row: Uint32Array<ArrayBuffer>;
}

/** No rule. */
export const MISSING = 0xffffffff;

/** Sets in at most so many classes are narrow, if their pairs are no more than that for each entry. */
const NARROW = { limit: 64, pairs: 8 };
/** The same where many sets would be wide, if few are then: parts make tables that pairs do not. */
const LESS_NARROW = { limit: 256, pairs: 24 };
const FEW_WIDE = 32;
/** Numbers in the tables of rows that most classes lead to: they stay near the processor. */
const NEAR_TABLES = 1 << 15;
/** Rows of more rules than that are tables as well, within a larger cap; of the first if they can be. */
const LONG = [8, 64];
const MAX_TABLES = 1 << 22;
/** Pairs of a group that others have joined, and candidates in its rows if all meet all. */
const MAX_JOINED = { pairs: 1 << 16, candidates: 1 << 13 };
/** Numbers in the record of a class: a cache line. */
const MAX_RECORD = SECTION_ALIGN / 4;
/** Rules of a list in a cache line. */
const LINE = SECTION_ALIGN / RECORDS.candidate.size;
/** Bits of a row that is ONE. */
const ONE_BITS = 30;
/** Rules of all short rows. */
const MAX_LISTS = 1 << 22;
/** Pairs of numbers that are looked at to make a map. */
const MAX_PAIRS = 1 << 24;
/** Words of the app classes' rows. */
const MAX_APP_WORDS = 1 << 22;
/** Share of a bucket's ways that pairs fill, on average. */
const FILL = { 4: 0.5, 8: 0.6 };
const MAX_BLOCKS = 1 << 17;
/** Multipliers that are tried for one block. */
const MOST_TRIED = 1 << 12;

/** The partitions, or undefined if a table of theirs would be too large. */
export function parted(input: PartedInput): Parted | undefined {
  const { source, destination, sourceSet, destinationSet, app, combinations } = input;
  const appWords = Math.max(1, combinations + 63 >>> 6);
  if (app.length * appWords > MAX_APP_WORDS) return undefined;
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
  const number = byFrequency(input);
  const rows = new Rows(input, number);
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
    app: appBits(app, appWords, number),
    appWords,
    lists,
    tables,
    combinationBits: rows.combinationBits,
    groups,
  };
}

/** A number for each combination, the one of most entries first. */
function byFrequency({ combination, combinations }: PartedInput): Uint32Array<ArrayBuffer> {
  const entries = new Uint32Array(combinations);
  for (const own of combination) entries[own]!++;
  const order = [...entries.keys()].sort((a, b) => entries[b]! - entries[a]! || a - b);
  const number = new Uint32Array(combinations);
  for (const [i, own] of order.entries()) number[own] = i;
  return number;
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

/** A bit for each combination of each app class. */
function appBits(app: readonly Bits[], words: number, number: Uint32Array<ArrayBuffer>): Bits {
  const bits = new Uint32Array(app.length * words * 2);
  for (const [cls, members] of app.entries()) {
    const row = bits.subarray(cls * words * 2, (cls + 1) * words * 2);
    for (const combination of onesOf(members)) setBit(row, number[combination]!);
  }
  return bits;
}

/** All rows, each once; the first is empty. */
class Rows {
  readonly combinationBits: number;
  readonly #input: PartedInput;
  readonly #number: Uint32Array<ArrayBuffer>;
  readonly #rows = new Numbering<readonly number[]>();
  /** Pairs of classes that lead to each row. */
  readonly #pairs: number[] = [];
  readonly #seen: Uint32Array<ArrayBuffer>;
  #turn = 0;

  /** `number` is that of each combination in lists. */
  constructor(input: PartedInput, number: Uint32Array<ArrayBuffer>) {
    this.combinationBits = Math.ceil(Math.log2(Math.max(2, input.combinations)));
    this.#input = input;
    this.#number = number;
    this.#seen = new Uint32Array(input.combinations);
    this.row([], 0);
  }

  /** The number of the row of some entries, which ascend, to which so many pairs of classes lead. */
  row(entries: readonly number[], pairs: number): number {
    // An entry with the combination of an earlier one is never first.
    this.#turn++;
    const kept: number[] = [];
    for (const entry of entries) {
      const own = this.#input.combination[entry]!;
      if (this.#seen[own] === this.#turn) continue;
      this.#seen[own] = this.#turn;
      kept.push(entry);
    }
    const number = this.#rows.number(kept);
    this.#pairs[number] = (this.#pairs[number] ?? 0) + pairs;
    return number;
  }

  /** The rows that are tables; undefined if they would be too large. */
  #tables(): Set<number> | undefined {
    const rows = this.#rows.all, size = this.#input.app.length;
    const steps = (row: number) => (rows[row]!.length - 1) * this.#pairs[row]!;
    const several = [...rows.keys()].filter((row) => rows[row]!.length > 1);
    const near = several.sort((a, b) => steps(b) - steps(a) || a - b)
      .slice(0, Math.floor(NEAR_TABLES / size));
    for (const length of LONG) {
      const found = new Set([...near, ...several.filter((row) => rows[row]!.length > length)]);
      if (found.size * size <= MAX_TABLES) return found;
    }
    return undefined;
  }

  /** Lays out lists and tables; the place of each row. Undefined if they would be too large. */
  place() {
    const { combination, combinations, rule, app } = this.#input;
    const rows = this.#rows.all;
    const long = this.#tables();
    if (!long) return undefined;
    const classesOf = transpose(app, combinations);
    const numbering = new Numbering<Uint32Array<ArrayBuffer>>();
    const lists = [MISSING, LAST];
    const places = rows.map((row, i) => {
      if (row.length === 0) return 0;
      if (long.has(i)) {
        const table = new Uint32Array(app.length).fill(MISSING);
        for (const entry of row.toReversed()) {
          for (const cls of classesOf[combination[entry]!]!) table[cls] = rule[entry]!;
        }
        return BRANCH + numbering.number(table);
      }
      const one = row.length === 1 ? this.#one(row[0]!) : undefined;
      if (one !== undefined) return one;
      while (row.length <= LINE && lists.length / 2 % LINE + row.length > LINE) {
        lists.push(MISSING, LAST);
      }
      const place = lists.length / 2;
      for (const entry of row) lists.push(rule[entry]!, this.#number[combination[entry]!]!);
      lists[lists.length - 1]! += LAST;
      return place;
    });
    if (lists.length > 2 * MAX_LISTS) return undefined;
    const tables = new Uint32Array(numbering.all.length * app.length);
    for (const [i, table] of numbering.all.entries()) tables.set(table, i * app.length);
    return { places, lists: Uint32Array.from(lists), tables };
  }

  /** A row of one rule as a number, undefined if it has no room there. */
  #one(entry: number): number | undefined {
    const own = this.#input.rule[entry]! * 2 ** this.combinationBits;
    const row = own + this.#number[this.#input.combination[entry]!]!;
    return row < 2 ** ONE_BITS ? ONE + row : undefined;
  }
}

/** For each member of bit sets, the sets it is in. */
function transpose(sets: readonly Bits[], members: number): number[][] {
  const lists: number[][] = Array.from({ length: members }, () => []);
  for (const [i, bits] of sets.entries()) for (const member of onesOf(bits)) lists[member]!.push(i);
  return lists;
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

/** A map of pairs: a table where they are many of those that there could be, else buckets. */
function mapOf({ height, width, sources, destinations, rows }: Pairs): RowMap | undefined {
  if (height * width <= Math.max(1 << 10, 8 * rows.length)) {
    const table = new Uint32Array(height * width);
    for (const [i, row] of rows.entries()) table[sources[i]! * width + destinations[i]!] = row;
    return { width, rows: table };
  }
  const ways = Math.max(height, width) < 0xffff ? 8 : 4;
  const buckets = hashPairs(ways, sources, destinations, rows);
  return buckets && { buckets };
}

/**
 * Pairs into buckets of a cache line. A block of buckets has a multiplier of its own, the first by
 * which none of its buckets overflows: so they are filled well, and a pair has one place to be
 * (after hash and displace; Pagh, Hash and Displace, 1999).
 */
function hashPairs(
  ways: 4 | 8,
  source: readonly number[],
  destination: readonly number[],
  row: readonly number[],
): Buckets | undefined {
  const hashes = Uint32Array.from(source, (s, i) => hashOf(s, destination[i]!));
  let blocks = Math.max(1, Math.ceil(source.length / (BLOCK_BUCKETS * ways * FILL[ways])));
  for (; blocks <= MAX_BLOCKS; blocks = Math.ceil(blocks * 1.1)) {
    const multipliers = multipliersFor(hashes, blocks, ways);
    if (!multipliers) continue;
    const buckets = blocks * BLOCK_BUCKETS;
    const filled = new Uint8Array(buckets);
    const result = {
      source: new Uint32Array(buckets * ways).fill(NO_PAIR),
      destination: new Uint32Array(buckets * ways).fill(NO_PAIR),
      row: new Uint32Array(buckets * ways),
    };
    for (let i = 0; i < hashes.length; i++) {
      const block = blockOf(hashes[i]!, blocks);
      const bucket = bucketIn(hashes[i]!, block, multipliers[block]!);
      const at = bucket * ways + filled[bucket]!++;
      result.source[at] = source[i]!;
      result.destination[at] = destination[i]!;
      result.row[at] = row[i]!;
    }
    return { ways, multipliers, ...result };
  }
  return undefined;
}

/** The multiplier of each block; undefined if some block is too full for all that are tried. */
function multipliersFor(hashes: Uint32Array, blocks: number, ways: number) {
  const first = new Uint32Array(blocks + 1);
  for (const hash of hashes) first[blockOf(hash, blocks) + 1]!++;
  for (let b = 0; b < blocks; b++) first[b + 1]! += first[b]!;
  const sorted = new Uint32Array(hashes.length), next = first.slice();
  for (const hash of hashes) sorted[next[blockOf(hash, blocks)]!++] = hash;
  const multipliers = new Uint32Array(blocks);
  const filled = new Uint8Array(BLOCK_BUCKETS);
  const fits = (block: number, multiplier: number) => {
    filled.fill(0);
    for (let i = first[block]!; i < first[block + 1]!; i++) {
      if (filled[bucketIn(sorted[i]!, 0, multiplier)]!++ === ways) return false;
    }
    return true;
  };
  for (let block = 0; block < blocks; block++) {
    let tried = 0, multiplier = 1;
    while (!fits(block, multiplier)) {
      if (++tried === MOST_TRIED) return undefined;
      multiplier = (Math.imul(tried, 0x85ebca6b) | 1) >>> 0;
    }
    multipliers[block] = multiplier;
  }
  return multipliers;
}

function hashOf(source: number, destination: number): number {
  return Math.imul(Math.imul(source, PAIR_MIX) + destination, PAIR_SPREAD) >>> 0;
}

/** A hash as a fraction of all blocks, without a division (Lemire 2016). */
function blockOf(hash: number, blocks: number): number {
  return Math.floor(hash * blocks / 2 ** 32);
}

function bucketIn(hash: number, block: number, multiplier: number): number {
  return block * BLOCK_BUCKETS + (Math.imul(hash, multiplier) >>> 28);
}

/** The bucket of a pair, if there are so many blocks, of which each has a multiplier. */
export function bucketOf(
  source: number,
  destination: number,
  blocks: number,
  multiplier: (block: number) => number,
): number {
  const hash = hashOf(source, destination);
  const block = blockOf(hash, blocks);
  return bucketIn(hash, block, multiplier(block));
}
