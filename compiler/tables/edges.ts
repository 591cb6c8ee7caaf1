/**
 * Where the classes that an image finds may change: the values of a field at which some piece of
 * its tables begins. Between two of them the class is the same.
 *
 * @module
 */
import { DOMAIN, type Field, V6_BASE } from "../policy/field.ts";
import type { IntervalSet } from "../policy/interval.ts";
import { leafAt, type ReadOf, searchLevels, separatorAt, type Tables } from "./classify.ts";
import { BRANCH, LISTS, LOW, LOW_NODE_SIZE, RECORDS, SEPARATORS, WAYS } from "./layout.ts";

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

/** What leads on begins behind a separator, or is what is behind everything. */
function treeEdges({ view, trees }: Tables, number: number): bigint[] {
  const tree = trees[number]!;
  const wide = LISTS.tree.names[tree.kind] === "wide";
  const size = wide ? 8 : 4;
  const edges = Array.from(
    { length: tree.key_count },
    (_, i) => separatorAt(view, tree.keys_at + i * size, size) + 1n,
  );
  if (!wide) return edges;
  return [0n, ...edges].flatMap((upper) => {
    if (upper === 1n << 64n) return [upper << 64n];
    const position = searchLevels(view, tree, upper);
    const low = leafEdges(view, tree, position);
    // A leaf that asks for the lower half is of one upper half only, or the tree is wrong; the next
    // shows it.
    const next = upper + 1n;
    const again = low.length > 0 && next < 1n << 64n && searchLevels(view, tree, next) === position;
    return (again ? [upper, next] : [upper]).flatMap((half) =>
      [0n, ...low].map((edge) => (half << 64n) + edge)
    );
  });
}

/** The edges in the lower half of an address, none if the leaf does not look at it. */
function leafEdges(view: DataView, tree: ReadOf<"tree">, position: number): bigint[] {
  const { lo, own, other } = leafAt(view, tree, position);
  if (own === other && other < LOW) return [];
  const nodes = [...new Set([own, other])].filter((value) => value >= LOW);
  const low = nodes.flatMap((value) => lowEdges(view, tree, value - LOW));
  return [lo, lo + 1n, 1n << 64n, ...low];
}

function lowEdges(view: DataView, tree: ReadOf<"tree">, root: number): bigint[] {
  const edges: bigint[] = [];
  const open = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const at = tree.lows_at + node * LOW_NODE_SIZE;
    for (let i = 0; i < SEPARATORS; i++) edges.push(separatorAt(view, at + 8 * i, 8) + 1n);
    for (let i = 0; i < WAYS; i++) {
      const next = view.getUint32(at + 8 * SEPARATORS + 4 * i, true);
      if (next > BRANCH + node) open.push(next - BRANCH);
    }
  }
  return edges;
}
