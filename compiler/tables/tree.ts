/**
 * Search trees: the pieces of a field as nodes of sixteen keys, a node a cache line or few.
 *
 * A node's answer is its last value whose key is not above the one sought. A value is a class, or
 * says where to go on. Unused places repeat the last value under the greatest key.
 *
 * @module
 */
import type { Piece } from "./classes.ts";
import { BRANCH, LOW } from "./layout.ts";

export type Tree =
  /** Keys of 32 bits from the root, node 0. */
  | { readonly kind: "narrow"; readonly nodes: readonly Node[] }
  /** `roots` has a node for each value of the upper 16 bits; keys are the lower 16. */
  | {
    readonly kind: "trie16" | "trie32";
    readonly nodes: readonly Node[];
    readonly roots: Uint32Array<ArrayBuffer>;
  }
  /** Keys of 64 bits: the upper half from the root, node 0; a LOW value leads to the lower half's. */
  | { readonly kind: "wide"; readonly nodes: readonly Node[] };

export interface Node {
  /** At most 16, ascending; the first is 0. */
  readonly keys: readonly bigint[];
  readonly values: readonly number[];
}

/** Branches of a node. */
const WAYS = 16;
/** As many pieces are found in two steps from the root. */
const FEW = WAYS * WAYS;
/** Half of what a 16-bit value can be: the other half are nodes. */
const MAX_16 = 0x8000;

/** The quickest tree for values of 32 bits. `classes` is how many there are. */
export function narrowTree(pieces: readonly Piece[], classes: number): Tree {
  if (pieces.length <= FEW) {
    const builder = new Builder();
    builder.root(pieces);
    return { kind: "narrow", nodes: builder.nodes };
  }
  const builder = new Builder();
  const roots = new Uint32Array(1 << 16);
  const leafOf = new Map<number, number>();
  let from = 0;
  for (let top = 0; top < roots.length; top++) {
    const start = BigInt(top) << 16n;
    while (from + 1 < pieces.length && pieces[from + 1]!.start <= start) from++;
    let to = from + 1;
    while (to < pieces.length && pieces[to]!.start >> 16n === BigInt(top)) to++;
    const { cls } = pieces[from]!;
    const leaf = to === from + 1 ? leafOf.get(cls) : undefined;
    if (leaf !== undefined) {
      roots[top] = leaf;
      continue;
    }
    const within = pieces.slice(from, to).map(({ start, cls }) => ({
      start: start >> 16n === BigInt(top) ? start & 0xffffn : 0n,
      cls,
    }));
    roots[top] = builder.root(within);
    if (to === from + 1) leafOf.set(cls, roots[top]!);
    from = to - 1;
  }
  const small = classes <= MAX_16 && builder.nodes.length <= MAX_16;
  return { kind: small ? "trie16" : "trie32", nodes: builder.nodes, roots };
}

/** A tree for values of up to 128 bits. */
export function wideTree(pieces: readonly Piece[]): Tree {
  const low = 0xffffffffffffffffn;
  const builder = new Builder();
  const upper: Piece[] = [];
  const pending: { readonly at: number; readonly pieces: readonly Piece[] }[] = [];
  for (let i = 0; i < pieces.length;) {
    const hi = pieces[i]!.start >> 64n;
    let end = i;
    while (end < pieces.length && pieces[end]!.start >> 64n === hi) end++;
    const within = pieces.slice(i, end).map(({ start, cls }) => ({ start: start & low, cls }));
    if (within[0]!.start !== 0n) within.unshift({ start: 0n, cls: pieces[i - 1]!.cls });
    if (within.length === 1) upper.push({ start: hi, cls: within[0]!.cls });
    else {
      pending.push({ at: upper.length, pieces: within });
      upper.push({ start: hi, cls: -1 });
      // The values above this half are the last piece's, unless a piece starts right there.
      const next = pieces[end];
      const after = pieces[end - 1]!.cls;
      const follows = next !== undefined && next.start >> 64n === hi + 1n;
      if (!follows && hi < low) upper.push({ start: hi + 1n, cls: after });
    }
    i = end;
  }
  builder.root(
    upper.map((piece, i) => piece.cls < 0 ? { start: piece.start, cls: LOW + i } : piece),
  );
  for (const { at, pieces: within } of pending) {
    const node = builder.root(within);
    builder.replace(LOW + at, LOW + node);
  }
  return { kind: "wide", nodes: builder.nodes };
}

/** Lays out balanced trees, each node before its children. */
class Builder {
  readonly nodes: { keys: bigint[]; values: number[] }[] = [];
  readonly #placeholders = new Map<number, { values: number[]; at: number }>();

  /** The number of a tree's root. */
  root(pieces: readonly Piece[]): number {
    const number = this.nodes.length;
    const node = { keys: [] as bigint[], values: [] as number[] };
    this.nodes.push(node);
    let share = 1;
    while (share * WAYS < pieces.length) share *= WAYS;
    for (let i = 0; i < pieces.length; i += share) {
      const part = pieces.slice(i, i + share);
      node.keys.push(i === 0 ? 0n : part[0]!.start);
      if (share > 1) {
        node.values.push(BRANCH + this.root(part));
        continue;
      }
      const { cls } = part[0]!;
      if (cls >= LOW) this.#placeholders.set(cls, { values: node.values, at: node.values.length });
      node.values.push(cls);
    }
    return number;
  }

  /** Puts in a value that was not known when its node was laid out. */
  replace(placeholder: number, value: number): void {
    const { values, at } = this.#placeholders.get(placeholder)!;
    values[at] = value;
  }
}
