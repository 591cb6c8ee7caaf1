/**
 * The rows that the groups of the parted back end lead to, as positions: a packet goes through the
 * rules of a row one by one, and where it may stop depends on what they ask besides addresses.
 *
 * With one scalar axis a column, a class on it, leads to one position. With more it leads to one for
 * each rule whose combination it has, if the classes on the other axes have it, too.
 *
 * @module
 */
import { candidates, hasOther, longRowAt, otherOf, type ReadOf } from "./classify.ts";
import type { Ground } from "./ground.ts";
import { BRANCH, NO_RULE } from "./layout.ts";
import type { Scalars, Way } from "./verify_scalars.ts";

/** A row. */
export interface Place {
  readonly row: number;
  readonly pattern: number;
  /** By position; of a row that says rules by column none. */
  readonly rules: readonly number[];
}

/** What the rules of a row ask, by position. */
interface Pattern {
  readonly combinations: readonly number[];
  /** Of a long row: where the positions of each column begin, and behind them the number of all. */
  readonly starts?: readonly number[];
}

export class RowLists {
  readonly #ground: Ground;
  readonly #scalars: Scalars;
  /** The words of each column's bits. */
  readonly #bits: Uint32Array;
  readonly #words: number;
  readonly #patterns: Pattern[] = [RULES];
  readonly #byText = new Map<string, number>();

  constructor(ground: Ground, scalars: Scalars) {
    const { view, parted, axes } = ground.tables;
    const first = axes[2]!;
    this.#ground = ground;
    this.#scalars = scalars;
    this.#words = 2 * parted!.combination_words;
    this.#bits = Uint32Array.from(
      { length: first.classes * this.#words },
      (_, i) => view.getUint32(first.decide_at + 4 * i, true),
    );
  }

  place(row: number): Place {
    if (row >= BRANCH) return this.#scalars.several ? this.#long(row) : { row, ...NO_RULES };
    const found = candidates(this.#ground.tables, row);
    const combinations = found.map(({ combination }) => combination);
    const text = combinations.join();
    const pattern = this.#byText.get(text) ?? this.#patterns.push({ combinations }) - 1;
    this.#byText.set(text, pattern);
    return { row, pattern, rules: found.map(({ rule }) => rule) };
  }

  /** A row that says a row by column: the rules of all of them, one column after the other. */
  #long(row: number): Place {
    const { tables } = this.#ground;
    const found: ReadOf<"candidate">[] = [], starts = [0];
    for (let column = 0; column < tables.axes[2]!.classes; column++) {
      found.push(...candidates(tables, longRowAt(tables, row, column)));
      starts.push(found.length);
    }
    const combinations = found.map(({ combination }) => combination);
    const pattern = this.#patterns.push({ combinations, starts }) - 1;
    return { row, pattern, rules: found.map(({ rule }) => rule) };
  }

  /** The first position from some on where packets of a column may stop, -1 if there is none. */
  position(pattern: number, column: number, from = 0): number {
    if (pattern === 0) return column;
    const { combinations, starts } = this.#patterns[pattern]!;
    const end = starts ? starts[column + 1]! : combinations.length;
    for (let i = Math.max(from, starts?.[column] ?? 0); i < end; i++) {
      if (this.#has(column, combinations[i]!)) return i;
    }
    return -1;
  }

  /** The next one: with one scalar axis there is none. */
  next(pattern: number, column: number, position: number): number {
    return this.#scalars.several ? this.position(pattern, column, position + 1) : -1;
  }

  /** Whether packets of some columns that stop at a position are all an entry's by their fields. */
  within(
    pattern: number,
    position: number,
    columns: readonly number[],
    entry: number,
  ): boolean {
    const combination = this.#patterns[pattern]!.combinations[position]!;
    const { has } = this.#scalars.part(entry);
    return this.#scalars.several
      ? this.#scalars.within(combination, columns, entry)
      : columns.every(has);
  }

  /** The position that no packet of a column goes beyond that is an entry's by its fields. */
  last(pattern: number, column: number, entry: number): number {
    const { combinations } = this.#patterns[pattern]!;
    let position = this.position(pattern, column);
    while (
      this.#scalars.several && position >= 0 &&
      !this.#scalars.isOf(column, this.#scalars.covers(combinations[position]!, entry))
    ) position = this.next(pattern, column, position);
    return position;
  }

  rule({ row, pattern, rules }: Place, position: number): number {
    return pattern === 0
      ? longRowAt(this.#ground.tables, row, position)
      : rules[position] ?? NO_RULE;
  }

  /** The packets of a column that may stop at a position, as far as scalar fields go. */
  ways(pattern: number, column: number, position: number): Generator<Way> {
    const combination = this.#patterns[pattern]!.combinations[position]!;
    const { tables } = this.#ground;
    return this.#scalars.ways((axis, cls) =>
      axis === 0 ? cls === column : hasOther(tables, 2 + axis, cls, otherOf(tables, combination))
    );
  }

  #has(column: number, combination: number): boolean {
    const word = this.#bits[column * this.#words + (combination >>> 5)]!;
    return (word >>> (combination & 31) & 1) === 1;
  }
}

/** The pattern of a row that says a rule by column. */
const RULES: Pattern = { combinations: [] };
const NO_RULES = { pattern: 0, rules: [] };
