/**
 * The rows that pairs of addresses lead to: which rules they leave possible, in order, and where that
 * stands. A row of one rule stands where the pair does, a short one in a list, a long one is a table
 * by the class on the first scalar axis.
 *
 * A table says the rule at once where there is one scalar axis. Where there are more, it says a row
 * that is not long: what the first axis leaves, up to the first rule that asks nothing of the others.
 *
 * @module
 */
import { type Bits, Numbering, onesOf } from "./classes.ts";
import { BRANCH, LAST, ONE, RECORDS, SECTION_ALIGN } from "./layout.ts";
import type { Others } from "./scalar.ts";

/** What entries ask for besides addresses. */
export interface Asked {
  /** For each class of the first scalar axis, the combinations that it can still be. */
  readonly first: readonly Bits[];
  /** What each combination asks of the other scalar axes; undefined if there are none. */
  readonly others: Others | undefined;
  readonly combinations: number;
  /** By entry; ascending rules. */
  readonly combination: Uint32Array<ArrayBuffer>;
  readonly rule: Uint32Array<ArrayBuffer>;
}

/** Where the rules of all rows stand. */
export interface Placed {
  /** Of each row: a position in `lists`, BRANCH and the number of a table, or ONE and a rule. */
  readonly places: readonly number[];
  readonly lists: Uint32Array<ArrayBuffer>;
  /** One after the other, a number for each class of the first axis. */
  readonly tables: Uint32Array<ArrayBuffer>;
}

/** No rule. */
export const MISSING = 0xffffffff;

/** Numbers in the tables of rows that most classes lead to: they stay near the processor. */
const NEAR_TABLES = 1 << 15;
/** Rows of more rules than that are tables as well, within a larger cap; of the first if they can be. */
const LONG = [8, 64];
/** Rules of a row that a table leads to. */
const MOST_LEFT = 64;
const MAX_TABLES = 1 << 22;
/** Rules of a list in a cache line. */
const LINE = SECTION_ALIGN / RECORDS.candidate.size;
/** Bits of a row that is ONE. */
const ONE_BITS = 30;
/** Rules of all short rows. */
const MAX_LISTS = 1 << 22;

/** All rows, each once; the first is empty. */
export class Rows {
  readonly combinationBits: number;
  readonly #asked: Asked;
  readonly #rows = new Numbering<readonly number[]>();
  /** Pairs of classes that lead to each row. */
  readonly #pairs: number[] = [];
  readonly #seen: Uint32Array<ArrayBuffer>;
  #turn = 0;

  constructor(asked: Asked) {
    this.combinationBits = Math.ceil(Math.log2(Math.max(2, asked.combinations)));
    this.#asked = asked;
    this.#seen = new Uint32Array(asked.combinations);
    this.row([], 0);
  }

  /** The number of the row of some entries, which ascend, to which so many pairs of classes lead. */
  row(entries: readonly number[], pairs: number): number {
    // An entry with the combination of an earlier one is never first.
    this.#turn++;
    const kept: number[] = [];
    for (const entry of entries) {
      const own = this.#asked.combination[entry]!;
      if (this.#seen[own] === this.#turn) continue;
      this.#seen[own] = this.#turn;
      kept.push(entry);
    }
    const number = this.#rows.number(kept);
    this.#pairs[number] = (this.#pairs[number] ?? 0) + pairs;
    return number;
  }

  /** Lays out lists and tables. Undefined if they would be too large. */
  place(): Placed | undefined {
    const { first, others } = this.#asked;
    const long = this.#long();
    if (!long) return undefined;
    const numbering = new Numbering<Uint32Array<ArrayBuffer>>();
    const left = new Numbering<readonly number[]>();
    const tableOf = new Map<number, number>();
    const classesOf = transpose(first, this.#asked.combinations);
    for (const row of long) {
      const table = others
        ? this.#tableOfRows(row, classesOf, others, left)
        : this.#table(row, classesOf);
      if (!table) return undefined;
      tableOf.set(row, numbering.number(table));
    }
    const lists = [MISSING, LAST];
    const places = this.#rows.all.map((row, i) => {
      const table = tableOf.get(i);
      return table === undefined ? this.#place(row, lists) : BRANCH + table;
    });
    const leftPlaces = left.all.map((row) => this.#place(row, lists));
    if (lists.length > 2 * MAX_LISTS) return undefined;
    const tables = new Uint32Array(numbering.all.length * first.length);
    for (const [i, table] of numbering.all.entries()) {
      tables.set(others ? table.map((row) => leftPlaces[row]!) : table, i * first.length);
    }
    return { places, lists: Uint32Array.from(lists), tables };
  }

  /** The rows that are tables, ascending; undefined if they would be too large. */
  #long(): number[] | undefined {
    const rows = this.#rows.all, size = this.#asked.first.length;
    const steps = (row: number) => (rows[row]!.length - 1) * this.#pairs[row]!;
    const several = [...rows.keys()].filter((row) => rows[row]!.length > 1);
    const near = several.sort((a, b) => steps(b) - steps(a) || a - b)
      .slice(0, Math.floor(NEAR_TABLES / size));
    for (const length of LONG) {
      const found = new Set([...near, ...several.filter((row) => rows[row]!.length > length)]);
      if (found.size * size <= MAX_TABLES) return [...found].sort((a, b) => a - b);
    }
    return undefined;
  }

  /** A long row: the rule of each class. */
  #table(row: number, classesOf: readonly (readonly number[])[]): Uint32Array<ArrayBuffer> {
    const { combination, rule, first } = this.#asked;
    const table = new Uint32Array(first.length).fill(MISSING);
    for (const entry of this.#rows.all[row]!.toReversed()) {
      for (const cls of classesOf[combination[entry]!]!) table[cls] = rule[entry]!;
    }
    return table;
  }

  /** A long row: the number in `left` of the row of each class. Undefined if one is too long. */
  #tableOfRows(
    row: number,
    classesOf: readonly (readonly number[])[],
    { of, nothing }: Others,
    left: Numbering<readonly number[]>,
  ): Uint32Array<ArrayBuffer> | undefined {
    const { combination, first } = this.#asked;
    const rows: number[][] = first.map(() => []);
    for (const entry of this.#rows.all[row]!) {
      const own = of[combination[entry]!]!;
      // An earlier rule that asks nothing else, or the same, leaves nothing to this one.
      const taken = (earlier: number) => {
        const asked = of[combination[earlier]!]!;
        return asked === nothing || asked === own;
      };
      for (const cls of classesOf[combination[entry]!]!) {
        if (rows[cls]!.some(taken)) continue;
        if (rows[cls]!.push(entry) > MOST_LEFT) return undefined;
      }
    }
    return Uint32Array.from(rows, (entries) => left.number(entries));
  }

  /** The place of a row that is not long; `lists` grows if it is no single rule. */
  #place(row: readonly number[], lists: number[]): number {
    const { combination, rule } = this.#asked;
    if (row.length === 0) return 0;
    const one = row.length === 1 ? this.#one(row[0]!) : undefined;
    if (one !== undefined) return one;
    while (row.length <= LINE && lists.length / 2 % LINE + row.length > LINE) {
      lists.push(MISSING, LAST);
    }
    const place = lists.length / 2;
    for (const entry of row) lists.push(rule[entry]!, combination[entry]!);
    lists[lists.length - 1]! += LAST;
    return place;
  }

  /** A row of one rule as a number, undefined if it has no room there. */
  #one(entry: number): number | undefined {
    const { rule, combination } = this.#asked;
    const row = rule[entry]! * 2 ** this.combinationBits + combination[entry]!;
    return row < 2 ** ONE_BITS ? ONE + row : undefined;
  }
}

/** For each member of bit sets, the sets it is in. */
function transpose(sets: readonly Bits[], members: number): number[][] {
  const lists: number[][] = Array.from({ length: members }, () => []);
  for (const [i, bits] of sets.entries()) for (const member of onesOf(bits)) lists[member]!.push(i);
  return lists;
}
