/**
 * One side of the parted back end, its sources or its destinations, in one family: which addresses
 * its classes and parts have, and what the sets of entries have of those.
 *
 * @module
 */
import type { Ground } from "./ground.ts";

/** What an entry has of some small numbers. */
export interface Part {
  /** Those of which it has something. */
  readonly touched: readonly number[];
  /** Whether it has all of one. */
  readonly has: (n: number) => boolean;
}

/** One side's addresses of one family. */
export interface Side {
  readonly classes: readonly number[];
  readonly parts: readonly number[];
  /** Whether the class is said to be in no pair. */
  readonly lone: (cls: number) => boolean;
  /** Undefined if there is no such class. */
  readonly piecesOf: (cls: number) => number[] | undefined;
  readonly classesOfPart: (part: number) => readonly number[];
  /** Of an entry. */
  readonly set: (entry: number) => number;
  readonly partOf: (set: number) => Part;
  readonly ofParts: (set: number) => Part;
  /** Whether the set has all of each part that it has something of. */
  readonly exact: (set: number) => boolean;
}

/** The side of a field, in the family of a shape; `records` are those of its axis's classes. */
export function side(
  { space, lines, addresses, entries }: Ground,
  field: "src" | "dst",
  shape: number,
  records: readonly { readonly part: number; readonly lone: boolean }[],
): Side {
  const partOfClass = records.map(({ part }) => part);
  const [from, to] = space.whole(shape).sets[space.fields.indexOf(field)] as [number, number];
  const classes = addresses[field]!;
  const pieces: number[][] = partOfClass.map(() => []);
  for (let piece = from; piece <= to; piece++) pieces[classes[piece]!]!.push(piece);
  const present = [...partOfClass.keys()].filter((cls) => pieces[cls]!.length > 0);
  const byPart = Map.groupBy(present, (cls) => partOfClass[cls]!);
  const line = lines.get(field) ?? { sets: [[from, to]], of: new Uint32Array(entries.length) };
  const classPart = memo((set) => {
    const counts = new Map<number, number>();
    for (let i = 0; i < line.sets[set]!.length; i += 2) {
      const [first, last] = [line.sets[set]![i]!, line.sets[set]![i + 1]!];
      for (let piece = Math.max(first, from); piece <= Math.min(last, to); piece++) {
        counts.set(classes[piece]!, (counts.get(classes[piece]!) ?? 0) + 1);
      }
    }
    return partOf(counts, (cls) => pieces[cls]!.length, partOfClass.length);
  });
  const ofParts = memo((set) => grouped(classPart(set), byPart, (cls) => partOfClass[cls]!));
  return {
    classes: present,
    parts: [...byPart.keys()],
    lone: (cls) => records[cls]!.lone,
    piecesOf: (cls) => pieces[cls],
    classesOfPart: (part) => byPart.get(part) ?? [],
    set: (entry) => line.of[entry]!,
    partOf: classPart,
    ofParts,
    exact: memo((set) => {
      const { touched, has } = ofParts(set);
      return touched.every(has);
    }),
  };
}

/** A side's classes, or its parts, as the numbers of a group. */
export function numbersOf(
  side: Side,
  byClass: boolean,
): Pick<Side, "partOf"> & {
  readonly all: readonly number[];
  readonly classesOf: (number: number) => readonly number[];
} {
  const none: readonly number[] = [];
  return byClass
    ? {
      all: side.classes,
      partOf: side.partOf,
      classesOf: (cls: number) => side.piecesOf(cls)?.length ? [cls] : none,
    }
    : { all: side.parts, partOf: side.ofParts, classesOf: side.classesOfPart };
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

/** The part that has what is counted, all of those (out of about `size`) where the count is whole. */
export function partOf(
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

/** Does the work for a number once. */
export function memo<T>(work: (n: number) => T): (n: number) => T {
  const known = new Map<number, T>();
  return (n) => {
    let result = known.get(n);
    if (result === undefined) known.set(n, result = work(n));
    return result;
  };
}
