/**
 * Where the classes that an image finds may change: the values of a field at which some piece of
 * its tables begins. Between two of them the class is the same.
 *
 * @module
 */
import { DOMAIN, type Field, V6_BASE } from "../policy/field.ts";
import type { IntervalSet } from "../policy/interval.ts";
import { keyAt, type ReadOf, type Tables } from "./classify.ts";
import { BRANCH, BRANCH16, LISTS, LOW, RECORDS } from "./layout.ts";

/** A field's domain cut at the edges of all its tables, as intervals side by side. */
export function cut(tables: Tables, field: Field): IntervalSet {
  const { lo, hi } = DOMAIN[field][0]!;
  const sorted = [lo, ...edges(tables, field)].filter((edge) => lo <= edge && edge <= hi)
    .sort((a, b) => a < b ? -1 : a > b ? 1 : 0);
  const starts = sorted.filter((start, i) => start !== sorted[i - 1]);
  return starts.map((start, i) => ({ lo: start, hi: (starts[i + 1] ?? hi + 1n) - 1n }));
}

function edges(tables: Tables, field: Field): bigint[] {
  if (field === "src" || field === "dst") {
    const kind = LISTS.axis.names.indexOf(field === "src" ? "source" : "destination");
    const own = tables.axes.filter((axis) => axis.kind === kind);
    return own.flatMap((axis) => [
      V6_BASE,
      ...treeEdges(tables, axis.v4_tree),
      ...treeEdges(tables, axis.v6_tree).map((edge) => V6_BASE + edge),
    ]);
  }
  const number = LISTS.field.names.indexOf(field);
  return tables.steps.filter((step) => step.field === number)
    .flatMap((step) => stepEdges(tables, step));
}

function stepEdges(tables: Tables, step: ReadOf<"step">): bigint[] {
  const { view, header } = tables;
  const entry = (i: number) => view.getUint16(step.table_at + 2 * i, true);
  switch (LISTS.step.names[step.kind]!) {
    case "direct":
      return changes(step.table_count, entry);
    case "paged": {
      const page = (top: number) => view.getUint16(step.pages_at + 2 * top, true);
      return changes(256 * step.page_count, (i) => entry(256 * page(i >>> 8) + (i & 255)));
    }
    case "search":
      return treeEdges(tables, step.tree);
    case "identity":
      switch (LISTS.field.names[step.field]) {
        case "mac":
          return wideEdges(view, header.macs_at, header.mac_count);
        case "in":
          return wideEdges(view, header.in_names_at, header.in_name_count);
        default:
          return wideEdges(view, header.out_names_at, header.out_name_count);
      }
  }
}

/** The numbers below `count` at which what `at` says changes. */
function changes(count: number, at: (i: number) => number): bigint[] {
  const found: bigint[] = [];
  for (let i = 1, last = at(0); i < count; i++) {
    const next = at(i);
    if (next !== last) found.push(BigInt(i));
    last = next;
  }
  return found;
}

function wideEdges(view: DataView, at: number, count: number): bigint[] {
  const { hi, lo } = RECORDS.wide.fields;
  return Array.from({ length: count }, (_, i) => {
    const record = at + i * RECORDS.wide.size;
    return view.getBigUint64(record + hi.at, true) << 64n | view.getBigUint64(record + lo.at, true);
  });
}

function treeEdges({ view, trees }: Tables, number: number): bigint[] {
  const tree = trees[number]!;
  const kind = LISTS.tree.names[tree.kind]!;
  const [keySize, valueSize] = { narrow: [4, 4], trie16: [2, 2], trie32: [2, 4], wide: [8, 4] }[
    kind
  ] as [number, number];
  const branch = valueSize === 2 ? BRANCH16 : BRANCH;
  const found: bigint[] = [];
  const visit = (node: number, edgeOf: (key: bigint) => bigint, upper: boolean) => {
    const at = tree.nodes_at + node * 16 * (keySize + valueSize);
    const value = (way: number) =>
      valueSize === 2
        ? view.getUint16(at + 16 * keySize + 2 * way, true)
        : view.getUint32(at + 16 * keySize + 4 * way, true);
    for (let way = 0; way < 16; way++) {
      const next = value(way);
      // Unused places repeat the last value.
      if (way > 0 && next === value(way - 1)) continue;
      const key = keyAt(view, at + way * keySize, keySize);
      found.push(edgeOf(key));
      if (next >= branch) visit(next - branch, edgeOf, upper);
      else if (upper && next >= LOW) {
        // Of one upper half only, or the tree is wrong; then the next shows it.
        for (const high of [key, key + 1n]) {
          visit(next - LOW, (low) => high << 64n | low, false);
          found.push(high + 1n << 64n);
        }
      }
    }
  };
  if (kind === "wide") visit(0, (key) => key << 64n, true);
  else if (kind === "narrow") visit(0, (key) => key, false);
  else {
    const root = (top: number) => view.getUint32(tree.roots_at + 4 * top, true);
    for (let top = 0; top < 1 << 16; top++) {
      const before = found.length, start = BigInt(top) << 16n;
      visit(root(top), (key) => start | key, false);
      // A node of one piece after itself: the piece goes on.
      const again = top > 0 && root(top) === root(top - 1);
      if (again && found.length === before + 1) found.pop();
    }
  }
  return found;
}
