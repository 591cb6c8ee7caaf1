/**
 * Rows of bits, compared with the rules: in every shape of packets, a bit that some packet can get
 * from all axes, or some packet of its entry ought to, must be set exactly where the entry's sets
 * are. Axis by axis, so that no product of classes is gone through.
 *
 * Address rows are followed piece by piece: of a row only what may have changed is looked at.
 *
 * @module
 */
import { meet, type Ordinals } from "../analysis/ordinals.ts";
import { type Field } from "../policy/field.ts";
import { SHAPES } from "../policy/region.ts";
import { type ReadOf, type Tables } from "./classify.ts";
import { eachBit, type Ground, piecesOf, shapesOf, type State, WrongTables } from "./ground.ts";
import { LISTS, RECORDS } from "./layout.ts";
import type { Suspect } from "./verify.ts";

/** Bits of a chunk, the unit in which rows share. */
const CHUNK = 4096;
const WORDS = CHUNK / 32;

/** The rows of one axis: a row is a chunk for each 4096 bits. */
interface Rows {
  /** Puts the numbers of a row's chunks into `into`. */
  readonly row: (cls: number, into: Int32Array) => void;
  readonly chunk: (number: number) => Uint32Array;
}

/** What was seen of one axis, as bits. */
interface Seen {
  /** Bits that some row has, that some packet ought to have, and that are wrong somewhere. */
  readonly table: Uint32Array;
  readonly own: Uint32Array;
  readonly wrong: Uint32Array;
  /** Goes through the rows once more, for one bit and its entry. */
  readonly places: (bit: number, entry: number) => IteratorObject<Place>;
}

/** Some packets, by what is common to them. */
interface Place {
  readonly pieces: readonly { readonly field: Field; readonly piece: number }[];
  /** Whether they have the bit, and whether they ought to. */
  readonly table: boolean;
  readonly own: boolean;
}

/** The entries that a kind of rows gets wrong, each with packets that may show it. */
export function* checkRows(ground: Ground, kind: "decide" | "effect"): Generator<Suspect> {
  const { entries, tables } = ground;
  const bitOf = new Int32Array(entries.length).fill(-1);
  const entryOf: number[] = [];
  for (const [i, { effect }] of entries.entries()) {
    if (effect === (kind === "effect")) bitOf[i] = entryOf.push(i) - 1;
  }
  if (entryOf.length === 0) return;
  const reader = (axis: ReadOf<"axis"> | undefined) => rowsOf(tables, axis, kind, entryOf.length);
  // Shapes come to the same states of an axis where they differ in other fields.
  const known = new Map<readonly State[], Seen>();
  for (const family of [0, 1]) {
    const addresses = (["src", "dst"] as const).flatMap((field) => {
      const axis = tables.axes.find(({ kind }) =>
        LISTS.axis.names[kind] === (field === "src" ? "source" : "destination")
      );
      if (!axis && !ground.lines.has(field)) return [];
      const seen = followAddress(ground, field, family, reader(axis), bitOf, entryOf.length);
      return [seen];
    });
    for (const shape of shapesOf(family)) {
      const scalars = ground.scalars.map((axis) => {
        const states = ground.states(axis, shape);
        const seen = known.get(states) ??
          followStates(states, axis, reader(axis.axis), bitOf, entryOf.length);
        known.set(states, seen);
        return seen;
      });
      const axes = [...addresses, ...scalars];
      for (let w = 0; w < axes[0]!.wrong.length; w++) {
        const all = (of: "table" | "own") => axes.reduce((bits, seen) => bits & seen[of][w]!, -1);
        const matters = all("table") | all("own");
        const wrong = axes.reduce((bits, { wrong }) => bits | wrong[w]!, 0) & matters;
        for (let left = wrong; left !== 0; left &= left - 1) {
          const bit = 32 * w + 31 - Math.clz32(left & -left);
          const entry = entryOf[bit];
          if (entry === undefined) {
            const pieces = axes.flatMap(({ places }) => first(places(bit, -1)).pieces);
            throw new WrongTables(`a bit ${bit} of no region`, ground.packet(shape, pieces));
          }
          yield* suspectsOf(ground, shape, axes, bit, entry);
        }
      }
    }
  }
}

/** Places of one axis that are tried for one bit. */
const TRIED = 16;

/** Packets of a shape that may show what is wrong with a bit. */
function* suspectsOf(
  ground: Ground,
  shape: number,
  axes: readonly Seen[],
  bit: number,
  entry: number,
): Generator<Suspect> {
  const { space } = ground;
  const has = (bits: Uint32Array) => (bits[bit >>> 5]! >>> (bit & 31) & 1) === 1;
  const put = (sets: Ordinals[], { pieces }: Place) => {
    for (const { field, piece } of pieces) sets[space.fields.indexOf(field)] = [piece, piece];
  };
  const { dynamic } = ground.entries[entry]!.region;
  const own = ground.boxOf(entry, shape);
  const around = [...(own ?? space.whole(shape)).sets];
  // Where the entry has no packets, some get the bit all the same.
  if (!own) { for (const { places } of axes) put(around, first(places(bit, entry))); }
  for (const { wrong, places } of axes) {
    if (!has(wrong)) continue;
    for (const place of places(bit, entry).filter(({ table, own }) => table !== own).take(TRIED)) {
      const sets = [...around];
      put(sets, place);
      const { rule } = ground.entries[entry]!;
      yield { shape, sets, literals: dynamic, ...place.table ? { rule } : { entry } };
    }
  }
}

/** The first packets that have a bit. */
function first(places: IteratorObject<Place>): Place {
  return places.find(({ table }) => table)!;
}

function followAddress(
  ground: Ground,
  field: "src" | "dst",
  family: number,
  rows: Rows,
  bitOf: Int32Array,
  bits: number,
): Seen {
  const shape = SHAPES.findIndex((shape) => shape.family![0]!.lo === BigInt(family));
  const [from, to] = ground.space.whole(shape).sets[ground.space.fields.indexOf(field)] as [
    number,
    number,
  ];
  const classes = ground.addresses[field];
  const line = ground.lines.get(field);
  const members: number[][] = line ? line.sets.map(() => []) : [];
  if (line) {
    for (const [i, bit] of bitOf.entries()) {
      if (bit >= 0) members[line.of[i]!]!.push(bit);
    }
  }
  const tally = new Tally(rows, bits);
  if (!line) tally.all();
  for (let piece = 0; piece <= to; piece++) {
    for (const set of line?.toggles[piece] ?? []) tally.toggle(members[set]!);
    if (piece >= from) tally.look(classes ? classes[piece]! : 0);
  }
  return tally.seen(function* (bit, entry) {
    for (let piece = from; piece <= to; piece++) {
      yield {
        pieces: [{ field, piece }],
        table: tally.has(classes ? classes[piece]! : 0, bit),
        own: !line || meet([piece, piece], line.sets[line.of[entry]!]!),
      };
    }
  });
}

function followStates(
  states: readonly State[],
  axis: Ground["scalars"][number],
  rows: Rows,
  bitOf: Int32Array,
  bits: number,
): Seen {
  const members: number[][] = Array.from({ length: axis.combinations }, () => []);
  for (const [i, bit] of bitOf.entries()) if (bit >= 0) members[axis.of[i]!]!.push(bit);
  const tally = new Tally(rows, bits);
  let before: Uint32Array = new Uint32Array(axis.bits.words);
  const changed = new Uint32Array(axis.bits.words);
  for (const state of states) {
    const left = axis.bits.at(state.left);
    for (let w = 0; w < left.length; w++) changed[w] = left[w]! ^ before[w]!;
    eachBit(changed, (c) => tally.toggle(members[c]!));
    before = left;
    tally.look(state.cls);
  }
  return tally.seen(function* (bit, entry) {
    for (const state of states) {
      const left = axis.bits.at(state.left), c = axis.of[entry]!;
      yield {
        pieces: piecesOf(state),
        table: tally.has(state.cls, bit),
        own: (left[c >>> 5]! >>> (c & 31) & 1) === 1,
      };
    }
  });
}

/** Rows one after another, beside what they ought to be. */
class Tally {
  readonly #now: Uint32Array[];
  readonly #changed: Uint8Array;
  readonly #row: Int32Array;
  readonly #last: Int32Array;
  readonly #seen: Omit<Seen, "places">;

  constructor(private readonly rows: Rows, bits: number) {
    const chunks = Math.ceil(bits / CHUNK);
    const some = () => new Uint32Array(chunks * WORDS);
    const now = some();
    this.#now = Array.from({ length: chunks }, (_, i) => now.subarray(i * WORDS, (i + 1) * WORDS));
    this.#changed = new Uint8Array(chunks).fill(1);
    this.#row = new Int32Array(chunks);
    this.#last = new Int32Array(chunks).fill(-2);
    this.#seen = { table: some(), own: some(), wrong: some() };
  }

  /** Turns what some bits ought to be. */
  toggle(bits: readonly number[]): void {
    for (const bit of bits) {
      this.#now[bit >>> 12]![(bit & 4095) >>> 5]! ^= 1 << (bit & 31);
      this.#changed[bit >>> 12] = 1;
    }
  }

  /** Every bit ought to be there. */
  all(): void {
    for (const words of this.#now) words.fill(0xffffffff);
  }

  /** Compares the row of a class. */
  look(cls: number): void {
    const { table, own, wrong } = this.#seen;
    this.rows.row(cls, this.#row);
    for (let c = 0; c < this.#row.length; c++) {
      if (!this.#changed[c] && this.#row[c] === this.#last[c]) continue;
      this.#changed[c] = 0;
      this.#last[c] = this.#row[c]!;
      const now = this.#now[c]!, there = this.rows.chunk(this.#row[c]!);
      for (let w = 0, at = c * WORDS; w < WORDS; w++, at++) {
        table[at]! |= there[w]!;
        own[at]! |= now[w]!;
        wrong[at]! |= there[w]! ^ now[w]!;
      }
    }
  }

  /** Whether the row of a class has a bit. */
  has(cls: number, bit: number): boolean {
    this.rows.row(cls, this.#row);
    const words = this.rows.chunk(this.#row[bit >>> 12]!);
    return (words[(bit & 4095) >>> 5]! >>> (bit & 31) & 1) === 1;
  }

  seen(places: (bit: number, entry: number) => Generator<Place>): Seen {
    return { ...this.#seen, places };
  }
}

const NOTHING = new Uint32Array(WORDS);
const EVERYTHING = new Uint32Array(WORDS).fill(0xffffffff);

function rowsOf(
  tables: Tables,
  axis: ReadOf<"axis"> | undefined,
  kind: "decide" | "effect",
  bits: number,
): Rows {
  if (!axis) return { row: (_, into) => into.fill(0), chunk: () => EVERYTHING };
  const dense = kind === "decide" && LISTS.back_end.names[tables.header.back_end] === "dense";
  return dense ? denseRows(tables, axis, bits) : sparseRows(tables, axis[`${kind}_at`]);
}

function denseRows({ view }: Tables, axis: ReadOf<"axis">, bits: number): Rows {
  let words = bits <= 64 ? 2 : 8;
  while (32 * words < bits) words *= 2;
  const chunk = new Uint32Array(WORDS);
  return {
    row: (cls, into) => {
      for (let c = 0; c < into.length; c++) into[c] = cls * words + c * WORDS;
    },
    chunk: (number) => {
      const size = Math.min(WORDS, words - number % words);
      for (let w = 0; w < size; w++) {
        chunk[w] = view.getUint32(axis.decide_at + 4 * (number + w), true);
      }
      return chunk;
    },
  };
}

function sparseRows({ view, header }: Tables, at: number): Rows {
  const { row, block } = RECORDS;
  const chunks = new Map<number, Uint32Array>();
  return {
    row: (cls, into) => {
      const record = at + cls * row.size;
      const [low, high] = wordsAt(view, record + row.fields.top.at);
      let number = view.getUint32(record + row.fields.first.at, true);
      for (let c = 0; c < into.length; c++) {
        const there = (c < 32 ? low >>> c : high >>> (c - 32)) & 1;
        into[c] = there ? view.getUint32(header.numbers_at + 4 * number++, true) : -1;
      }
    },
    chunk: (number) => {
      if (number < 0) return NOTHING;
      const known = chunks.get(number);
      if (known) return known;
      const record = header.blocks_at + number * block.size;
      const halves = wordsAt(view, record + block.fields.bits.at);
      let word = header.words_at + 8 * view.getUint32(record + block.fields.first.at, true);
      const words = new Uint32Array(WORDS);
      for (let w = 0; w < 64; w++) {
        if ((halves[w >>> 5]! >>> (w & 31) & 1) === 0) continue;
        words[2 * w] = view.getUint32(word, true);
        words[2 * w + 1] = view.getUint32(word + 4, true);
        word += 8;
      }
      chunks.set(number, words);
      return words;
    },
  };
}

function wordsAt(view: DataView, at: number): [number, number] {
  return [view.getUint32(at, true), view.getUint32(at + 4, true)];
}
