/**
 * Decision tables to bytes. The same policy gives the same bytes.
 *
 * @module
 */
import { prefixesOf } from "../policy/address.ts";
import { DOMAIN, V6_BASE } from "../policy/field.ts";
import { type Literal, type Policy, rejectsOf, usesState } from "../policy/policy.ts";
import type { Classes, Piece } from "./classes.ts";
import {
  checksumOf,
  type Layout,
  LAYOUT_HASH,
  LISTS,
  LONE,
  LOW_NODE_SIZE,
  MAGIC,
  NO_RULE,
  RECORDS,
  SECTION_ALIGN,
  SEPARATORS,
  writeRecord,
} from "./layout.ts";
import type { Parted, Records, RowMap } from "./parted.ts";
import type { Axis, Plan } from "./plan.ts";
import type { SparseRow } from "./rows.ts";
import type { Fold, Step } from "./scalar.ts";
import { type LowNode, narrowTree, type Tree, wideTree } from "./tree.ts";

/** Memory for an image of so many bytes, all zero. */
export type Memory = (size: number) => Uint8Array<ArrayBuffer>;

/** The image of a policy's tables, ready for the engine, in memory that is asked for once. */
export function image(
  policy: Policy,
  tables: Plan,
  memory: Memory = (size) => new Uint8Array(size),
): Uint8Array<ArrayBuffer> {
  const out = new Writer(RECORDS.header.size);
  const trees: Values<keyof typeof RECORDS.tree.fields>[] = [];
  const tree = (shape: Tree, classes: number) => trees.push(treeRecord(out, shape, classes)) - 1;
  const folds = tables.axes.flatMap((axis) => axis.folds);
  const steps = folds.flatMap((fold) => fold.steps);
  const names = (field: "in" | "out" | "mac") =>
    steps.find((step) => step.field === field)?.classes.pieces ?? [];
  const { accept, drop } = VERDICT;

  const rules = out.records(
    RECORDS.rule,
    policy.rules.map(({ verdict, mark, log }) => ({
      verdict: VERDICT[verdict.name]!,
      reject: LISTS.reject.names.indexOf(verdict.reject ?? "auto"),
      mark_value: mark?.value ?? 0,
      mark_clear: mark?.clear ?? 0,
      log: log ? (log.pcap ? 2 : 1) : 0,
      pad: 0,
      log_every: log?.everyNs ?? 0n,
    })),
  );
  const stepRecords = steps.map((step) => stepRecord(out, step, tree));
  const foldRecords = folds.map((fold) => ({
    first_step: steps.indexOf(fold.steps[0]!),
    step_count: fold.steps.length,
    classes: fold.classes,
    product_at: out.array(fold.product),
    product_count: fold.product.length,
    pad: 0,
  }));
  const axisRecords = tables.axes.map((axis) => axisRecord(out, axis, folds, tree));
  const { numbers, blocks, words } = tables.rows;
  const header = {
    magic: MAGIC,
    layout_hash: LAYOUT_HASH,
    rules_at: rules,
    rule_count: policy.rules.length,
    back_end: LISTS.back_end.names.indexOf(tables.backEnd),
    axes_at: out.records(RECORDS.axis, axisRecords),
    axis_count: axisRecords.length,
    folds_at: out.records(RECORDS.fold, foldRecords),
    fold_count: foldRecords.length,
    steps_at: out.records(RECORDS.step, stepRecords),
    step_count: stepRecords.length,
    trees_at: out.records(RECORDS.tree, trees),
    tree_count: trees.length,
    parted_at: tables.parted ? partedRecord(out, tables.parted, tables.axes) : 0,
    numbers_at: out.array(Uint32Array.from(numbers)),
    number_count: numbers.length,
    blocks_at: out.records(RECORDS.block, blocks.map((block) => ({ ...block, pad: 0 }))),
    block_count: blocks.length,
    words_at: out.array(Uint32Array.from(words)),
    word_count: words.length / 2,
    decide_at: out.array(Uint32Array.from(tables.decide)),
    decide_count: tables.decide.length,
    effect_at: out.array(Uint32Array.from(tables.effect)),
    effect_count: tables.effect.length,
    ...dynamicSections(out, policy, tables),
    in_names_at: out.records(RECORDS.wide, names("in").map(wide)),
    in_name_count: names("in").length,
    out_names_at: out.records(RECORDS.wide, names("out").map(wide)),
    out_name_count: names("out").length,
    macs_at: out.records(RECORDS.wide, names("mac").map(wide)),
    mac_count: names("mac").length,
    mark_mask: needsMark(policy) ? policy.options["mark-mask"] : 0,
    mark_bits: policy.markBits,
    malformed: policy.options.malformed === "accept" ? accept! : drop!,
    dry_run: Number(policy.options["dry-run"]),
    flow_cache: policy.options["flow-cache"],
  };
  return out.finish(header, memory);
}

/** What must be asked when a packet is there: literals, the conditions on them, and sets. */
function dynamicSections(out: Writer, { literals, sets }: Policy, { needs }: Plan) {
  const conditions = needs.flat();
  let first = 0;
  const needRecords = needs.map(({ length: count }) => {
    const need = { first, count };
    first += count;
    return need;
  });
  const members = sets.map((set) => prefixesOf(set.members));
  const memberRecords = members.flat().map(({ six, bits, length }) => ({
    hi: bits >> 64n,
    lo: bits & 0xffffffffffffffffn,
    family: six ? 1 : 0,
    length,
    left: 0n,
  }));
  let firstMember = 0;
  const setRecords = sets.map(({ timeoutNs, size }, i) => {
    const count = members[i]!.length;
    const record = { timeout: timeoutNs, size, first: firstMember, count, pad: 0 };
    firstMember += count;
    return record;
  });
  const self = sets.findIndex(({ name }) => name === "self");
  return {
    needs_at: out.records(RECORDS.need, needRecords),
    conditions_at: out.array(Uint32Array.from(conditions, ([n, value]) => 2 * n + Number(value))),
    condition_count: conditions.length,
    literals_at: out.records(RECORDS.literal, literals.map(literalRecord)),
    literal_count: literals.length,
    sets_at: out.records(RECORDS.set, setRecords),
    set_count: sets.length,
    members_at: out.records(RECORDS.member, memberRecords),
    member_count: memberRecords.length,
    self_set: self < 0 ? NO_RULE : self,
  };
}

const NO_LITERAL = Object.fromEntries(
  Object.keys(RECORDS.literal.fields).map((name) => [name, 0]),
) as Record<keyof typeof RECORDS.literal.fields, number | bigint>;

function literalRecord(literal: Literal): Values<keyof typeof RECORDS.literal.fields> {
  const kind = LISTS.literal.names.indexOf(literal.kind);
  switch (literal.kind) {
    case "limit": {
      const { intervalNs: interval, burst, source, destination, sport, dport } = literal;
      return {
        ...NO_LITERAL,
        kind,
        interval,
        burst,
        keys: (source ? 1 : 0) | (destination ? 2 : 0) | (sport ? 4 : 0) | (dport ? 8 : 0),
        source4: source?.v4 ?? 0,
        source6: source?.v6 ?? 0,
        destination4: destination?.v4 ?? 0,
        destination6: destination?.v6 ?? 0,
      };
    }
    case "time": {
      const days = literal.days.reduce((bits, day) => bits | 1 << day, 0);
      return { ...NO_LITERAL, kind, from: literal.from, to: literal.to, days };
    }
    case "until":
      return { ...NO_LITERAL, kind, until: literal.day };
    case "member":
      return { ...NO_LITERAL, kind, set: literal.set, of: literal.of === "src" ? 0 : 1 };
  }
}

const VERDICT: Readonly<Record<string, number>> = Object.fromEntries(
  LISTS.verdict.names.map((name, i) => [name, i]),
);

/** Whether the packet mark carries something between the kernel's rules and the engine. */
function needsMark(policy: Policy): boolean {
  return usesState(policy) || rejectsOf(policy).size > 0;
}

/** Adds a tree; its number. */
type AddTree = (shape: Tree, classes: number) => number;

function axisRecord(out: Writer, axis: Axis, folds: readonly Fold[], tree: AddTree) {
  const { addresses } = axis;
  const rows = (list: readonly SparseRow[]) =>
    out.records(RECORDS.row, list.map((row) => ({ ...row, pad: 0 })));
  return {
    kind: LISTS.axis.names.indexOf(axis.kind),
    classes: axis.classes,
    first_fold: axis.folds.length > 0 ? folds.indexOf(axis.folds[0]!) : 0,
    fold_count: axis.folds.length,
    v4_tree: addresses ? tree(narrowTree(v4Pieces(addresses)), axis.classes) : 0,
    v6_tree: addresses ? tree(wideTree(v6Pieces(addresses)), axis.classes) : 0,
    decide_at: axis.dense ? out.array(axis.dense) : axis.sparse ? rows(axis.sparse) : 0,
    effect_at: axis.effects ? rows(axis.effects) : 0,
  };
}

function v4Pieces({ pieces }: Classes): readonly Piece[] {
  return pieces.filter(({ start }) => start < 1n << 32n);
}

function v6Pieces({ pieces }: Classes): readonly Piece[] {
  const first = pieces.findLast(({ start }) => start <= V6_BASE)!;
  const rest = pieces.filter(({ start }) => start > V6_BASE);
  return [
    { start: 0n, cls: first.cls },
    ...rest.map(({ start, cls }) => ({ start: start - V6_BASE, cls })),
  ];
}

/** Fields with values up to here have a table with an entry each; up to the next, pages of 256. */
const DIRECT_MOST = 1023n;
const PAGED_MOST = 0xfffffn;

function stepRecord(out: Writer, { field, classes, stride }: Step, tree: AddTree) {
  const { pieces, count } = classes;
  const most = DOMAIN[field].at(-1)!.hi;
  const record = {
    field: LISTS.field.names.indexOf(field),
    classes: count,
    stride,
    ...{ table_at: 0, table_count: 0, pages_at: 0, page_count: 0, tree: 0, pad: 0 },
  };
  const kind = (name: (typeof LISTS.step.names)[number]) => LISTS.step.names.indexOf(name);
  if (field === "in" || field === "out" || field === "mac") {
    return { ...record, kind: kind("identity") };
  }
  if (most <= DIRECT_MOST) {
    const table = directTable(pieces, Number(most) + 1);
    return {
      ...record,
      kind: kind("direct"),
      table_at: out.array(table),
      table_count: table.length,
    };
  }
  if (most <= PAGED_MOST) {
    const { pages, table } = pagedTable(directTable(pieces, Number(most) + 1));
    return {
      ...record,
      kind: kind("paged"),
      table_at: out.array(table),
      table_count: table.length,
      pages_at: out.array(pages),
      page_count: pages.length,
    };
  }
  const shape: Tree = most <= 0xffffffffn ? narrowTree(pieces) : wideTree(pieces);
  return { ...record, kind: kind("search"), tree: tree(shape, count) };
}

/** The class of each of a field's values. */
function directTable(pieces: readonly Piece[], values: number): Uint16Array<ArrayBuffer> {
  const table = new Uint16Array(values);
  for (const [i, { start, cls }] of pieces.entries()) {
    table.fill(cls, Number(start), Number(pieces[i + 1]?.start ?? values));
  }
  return table;
}

/** The same by pages of 256 values, equal ones once. */
function pagedTable(direct: Uint16Array<ArrayBuffer>) {
  const pages: number[] = [];
  const table: number[] = [];
  const numbers = new Map<string, number>();
  for (let at = 0; at < direct.length; at += 256) {
    const page = new Uint16Array(256).fill(direct.at(-1)!);
    page.set(direct.subarray(at, at + 256));
    const key = page.join();
    const number = numbers.get(key) ?? numbers.size;
    if (number === numbers.size) table.push(...page);
    numbers.set(key, number);
    pages.push(number);
  }
  return { pages: Uint16Array.from(pages), table: Uint16Array.from(table) };
}

function treeRecord(out: Writer, tree: Tree, classes: number) {
  const { kind, keys, values } = tree;
  const key = kind === "narrow" ? 4 : 8;
  const lows = kind === "narrow" ? [] : tree.lows;
  const view = new DataView(new ArrayBuffer(keys.length * key));
  for (const [i, k] of keys.entries()) writeKey(view, i * key, key, k);
  return {
    kind: LISTS.tree.names.indexOf(kind),
    classes,
    keys_at: out.bytes(new Uint8Array(view.buffer)),
    key_count: keys.length,
    values_at: kind === "narrow"
      ? out.array(Uint32Array.from(tree.values))
      : out.records(RECORDS.leaf, tree.values),
    value_count: values.length,
    lows_at: lows.length > 0 ? out.bytes(lowBytes(lows)) : 0,
    low_count: lows.length,
  };
}

/** As a signed number, so that it can be compared as one. */
function writeKey(view: DataView, at: number, size: 4 | 8, key: bigint): void {
  if (size === 8) view.setBigUint64(at, key ^ 1n << 63n, true);
  else view.setUint32(at, (Number(key) ^ 0x80000000) >>> 0, true);
}

function lowBytes(nodes: readonly LowNode[]): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(nodes.length * LOW_NODE_SIZE));
  for (const [n, { keys, values }] of nodes.entries()) {
    const at = n * LOW_NODE_SIZE;
    for (const [i, key] of keys.entries()) writeKey(view, at + 8 * i, 8, key);
    for (const [i, value] of values.entries()) {
      view.setUint32(at + 8 * SEPARATORS + 4 * i, value, true);
    }
  }
  return new Uint8Array(view.buffer);
}

function partedRecord(out: Writer, tables: Parted, axes: readonly Axis[]): number {
  const { sources, destinations, lists, groups, combinationBits } = tables;
  const [first, second] = axes.filter(({ kind }) => kind === "scalar") as [Axis, Axis?];
  const wordsOf = ({ dense, classes }: Axis) => dense!.length / 2 / classes;
  const others = new Uint32Array(second ? 64 * wordsOf(first) : 0);
  others.set(tables.others);
  const at = { source: out.array(sources.words), destination: out.array(destinations.words) };
  const none = { source_stride: 0, destination_stride: 0, rows_at: 0 };
  const unhashed = {
    slots_at: 0,
    slot_count: 0,
    slot_width: 0,
    multipliers_at: 0,
    block_count: 0,
  };
  const mapRecord = (map: RowMap) => {
    if ("hashed" in map) {
      const { width, slots, multipliers } = map.hashed;
      return {
        ...none,
        slots_at: out.array(slots),
        slot_count: slots.length / width,
        slot_width: width,
        multipliers_at: out.array(multipliers),
        block_count: multipliers.length,
      };
    }
    if ("rows" in map) {
      const rows_at = out.array(map.rows);
      return { ...unhashed, source_stride: map.width, destination_stride: 1, rows_at };
    }
    const [source_stride, destination_stride] = map.side === "source"
      ? [sources.width, 1]
      : [1, destinations.width];
    return { ...unhashed, source_stride, destination_stride, rows_at: at[map.side] };
  };
  const groupRecords = groups.map(({ kind, map }) => ({
    kind: LISTS.group.names.indexOf(kind),
    ...mapRecord(map),
  }));
  return out.records(RECORDS.parted, [{
    sources_at: at.source,
    destinations_at: at.destination,
    source_width: sources.width,
    destination_width: destinations.width,
    source_parts: parts(sources),
    destination_parts: parts(destinations),
    groups_at: out.records(RECORDS.group, groupRecords),
    group_count: groups.length,
    combination_words: wordsOf(first),
    others_at: out.array(others),
    other_words: second ? wordsOf(second) : 0,
    lists_at: out.array(lists),
    list_count: lists.length / 2,
    tables_at: out.array(tables.tables),
    table_count: tables.tables.length / first.classes,
    combination_bits: combinationBits,
  }]);
}

function parts({ width, words }: Records): number {
  let most = 0;
  for (let i = width - 1; i < words.length; i += width) most = Math.max(most, words[i]! % LONE);
  return most + 1;
}

function wide({ start, cls }: Piece) {
  return { hi: start >> 64n, lo: start & 0xffffffffffffffffn, class: cls, pad: 0 };
}

type Values<F extends string> = Readonly<Record<F, number | bigint>>;

/** Lays sections one after another, each aligned, behind room for the header. */
class Writer {
  readonly #sections: { readonly at: number; readonly bytes: Uint8Array<ArrayBuffer> }[] = [];
  #size: number;

  constructor(headerSize: number) {
    this.#size = headerSize;
  }

  /** Adds records as a section; its offset. */
  records<F extends string>(layout: Layout<F>, rows: readonly Values<F>[]): number {
    const view = new DataView(new ArrayBuffer(rows.length * layout.size));
    for (const [i, row] of rows.entries()) writeRecord(view, i * layout.size, layout, row);
    return this.bytes(new Uint8Array(view.buffer));
  }

  /** Adds an array of numbers as a section; its offset. */
  array(numbers: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): number {
    return this.bytes(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
  }

  /** Adds bytes, which must not change any more, as a section; its offset. */
  bytes(bytes: Uint8Array<ArrayBuffer>): number {
    const at = aligned(this.#size);
    this.#size = at + bytes.length;
    this.#sections.push({ at, bytes });
    return at;
  }

  /** The whole image, with its header. */
  finish(
    header: Omit<Values<keyof typeof RECORDS.header.fields>, "size" | "checksum">,
    memory: Memory,
  ): Uint8Array<ArrayBuffer> {
    const size = aligned(this.#size);
    const image = memory(size);
    for (const { at, bytes } of this.#sections) image.set(bytes, at);
    const view = new DataView(image.buffer, image.byteOffset);
    writeRecord(view, 0, RECORDS.header, { ...header, size, checksum: 0 });
    view.setUint32(RECORDS.header.fields.checksum.at, checksumOf(image, size), true);
    return image;
  }
}

/** Where a section may begin, behind so many bytes. */
function aligned(size: number): number {
  return Math.ceil(size / SECTION_ALIGN) * SECTION_ALIGN;
}
