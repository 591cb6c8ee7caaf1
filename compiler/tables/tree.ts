/**
 * Search trees: the pieces of a field as levels of nodes, each of eight separators.
 *
 * A node's answer is the number of its separators that are below what is sought, which a processor
 * counts at once. Node `i` of a level and answer `a` lead to node `9 i + a` of the next, and those
 * of the last level to value `9 i + a`, so that every search takes the same steps and no node says
 * where the next one is (an implicit static B-tree: Slotin, Algorithms for Modern Hardware).
 *
 * The upper 64 bits of an IPv6 address are sought first. They lead to a leaf, which sets one lower
 * half apart from all others: in most networks that a policy names a host of, it names one. Where
 * that does not suffice, the leaf names a node for the lower 64, of those that say where to go on.
 *
 * @module
 */
import type { Piece } from "./classes.ts";
import { BRANCH, LOW, SEPARATORS, WAYS } from "./layout.ts";

/** A tree for values of 32 bits, or of 128 in two halves. */
export type Tree = NarrowTree | WideTree;

export interface NarrowTree extends Levels<number> {
  readonly kind: "narrow";
}

export interface WideTree extends Levels<Leaf> {
  readonly kind: "wide";
  readonly lows: readonly LowNode[];
}

interface Levels<V> {
  /** Separators, each the value before the start of what it leads to; level after level. */
  readonly keys: readonly bigint[];
  /** What the answers of the last level lead to: of a narrow tree, classes. */
  readonly values: readonly V[];
}

/** What one lower half leads to, and what all others do: a class, or LOW and a node of `lows`. */
export interface Leaf {
  readonly lo: bigint;
  readonly own: number;
  readonly other: number;
}

/** A node for the lower half: a value is a class, or BRANCH and a later node. */
export interface LowNode {
  readonly keys: readonly bigint[];
  readonly values: readonly number[];
}

const HALF = 0xffffffffffffffffn;

/** A tree for values of 32 bits. */
export function narrowTree(pieces: readonly Piece[]): NarrowTree {
  const starts = pieces.map(({ start }) => start);
  return { kind: "narrow", ...levels(starts, pieces.map(({ cls }) => cls), 0xffffffffn) };
}

/** A tree for values of up to 128 bits. */
export function wideTree(pieces: readonly Piece[]): WideTree {
  const lows: { keys: bigint[]; values: number[] }[] = [];
  const starts: bigint[] = [];
  const leaves: Leaf[] = [];
  const add = (start: bigint, leaf: Leaf) => {
    starts.push(start);
    leaves.push(leaf);
  };
  for (let i = 0; i < pieces.length;) {
    const hi = pieces[i]!.start >> 64n;
    let end = i;
    while (end < pieces.length && pieces[end]!.start >> 64n === hi) end++;
    const within = pieces.slice(i, end).map(({ start, cls }) => ({ start: start & HALF, cls }));
    if (within[0]!.start !== 0n) within.unshift({ start: 0n, cls: pieces[i - 1]!.cls });
    if (within.length === 1) add(hi, plain(within[0]!.cls));
    else {
      const leaf = apart(within) ?? plain(LOW + lows.length);
      add(hi, leaf);
      if (leaf.other >= LOW) lowTree(within, lows);
      // The values above this half are the last piece's, unless a piece starts right there.
      const next = pieces[end];
      const after = pieces[end - 1]!.cls;
      const follows = next !== undefined && next.start >> 64n === hi + 1n;
      if (!follows && hi < HALF) add(hi + 1n, plain(after));
    }
    i = end;
  }
  return { kind: "wide", ...levels(starts, leaves, HALF), lows };
}

/** A leaf that does not look at the lower half. */
function plain(value: number): Leaf {
  return { lo: 0n, own: value, other: value };
}

/** The leaf for pieces of the lower half that are one value and all the others, if they are. */
function apart(pieces: readonly Piece[]): Leaf | undefined {
  if (pieces.length > 3) return undefined;
  for (const [i, { start, cls }] of pieces.entries()) {
    const end = pieces[i + 1]?.start ?? HALF + 1n;
    const [first, ...others] = pieces.filter((_, other) => other !== i);
    if (end - start === 1n && others.every((other) => other.cls === first!.cls)) {
      return { lo: start, own: cls, other: first!.cls };
    }
  }
  return undefined;
}

/**
 * The levels over what begins at some starts, the root first; separators that lead nowhere are
 * `most`.
 */
function levels<V>(all: readonly bigint[], leadTo: readonly V[], most: bigint): Levels<V> {
  let starts = all;
  let keys: bigint[] = [];
  do {
    const level: bigint[] = [];
    const above: bigint[] = [];
    for (let i = 0; i < starts.length; i += WAYS) {
      above.push(starts[i]!);
      level.push(...separators(starts.slice(i, i + WAYS), most));
    }
    keys = [...level, ...keys];
    starts = above;
  } while (starts.length > 1);
  const values = [...leadTo];
  while (values.length % WAYS !== 0) values.push(values.at(-1)!);
  return { keys, values };
}

function separators(starts: readonly bigint[], most: bigint): bigint[] {
  return Array.from({ length: SEPARATORS }, (_, i) => {
    const start = starts[i + 1];
    return start === undefined ? most : start - 1n;
  });
}

/** Adds a balanced tree of nodes for the lower half, each before what it leads to. */
function lowTree(pieces: readonly Piece[], lows: { keys: bigint[]; values: number[] }[]): void {
  let share = 1;
  while (share * WAYS < pieces.length) share *= WAYS;
  const parts: (readonly Piece[])[] = [];
  for (let i = 0; i < pieces.length; i += share) parts.push(pieces.slice(i, i + share));
  const node = {
    keys: separators(parts.map((part) => part[0]!.start), HALF),
    values: [] as number[],
  };
  lows.push(node);
  for (const part of parts) {
    node.values.push(share > 1 ? BRANCH + lows.length : part[0]!.cls);
    if (share > 1) lowTree(part, lows);
  }
  while (node.values.length < WAYS) node.values.push(node.values.at(-1)!);
}
