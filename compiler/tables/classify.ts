/**
 * Reads an image back and decides packets with it, in TypeScript.
 *
 * It does from the bytes what `native/classify.c` does, and is the reference that both the tests
 * and `compile --print` use. It trusts the image, which only this compiler made.
 *
 * @module
 */
import { type Packet, V6_BASE } from "../policy/field.ts";
import {
  BRANCH,
  LAST,
  type Layout,
  LISTS,
  LONE,
  LOW,
  LOW_NODE_SIZE,
  NO_RULE,
  ONE,
  readRecord,
  RECORDS,
  SEPARATORS,
  WAYS,
} from "./layout.ts";
import { slotOf } from "./pairs.ts";
import { denseWords } from "./rows.ts";
import type { Leaf } from "./tree.ts";

type Read<L> = L extends Layout<infer F> ? Record<F, number> : never;
export type ReadOf<K extends keyof typeof RECORDS> = Read<(typeof RECORDS)[K]>;

/** An image's header and the records that lead to its tables; the tables themselves stay bytes. */
export interface Tables {
  readonly view: DataView;
  readonly header: ReadOf<"header">;
  readonly axes: readonly ReadOf<"axis">[];
  readonly folds: readonly ReadOf<"fold">[];
  readonly steps: readonly ReadOf<"step">[];
  readonly trees: readonly ReadOf<"tree">[];
  readonly parted: ReadOf<"parted"> | undefined;
  readonly groups: readonly ReadOf<"group">[];
}

/** Opens an image that `image()` made. */
export function openImage(bytes: Uint8Array<ArrayBuffer>): Tables {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readRecord(view, 0, RECORDS.header);
  const parted = header.parted_at === 0
    ? undefined
    : readRecord(view, header.parted_at, RECORDS.parted);
  return {
    view,
    header,
    axes: readRecords(view, header.axes_at, header.axis_count, RECORDS.axis),
    folds: readRecords(view, header.folds_at, header.fold_count, RECORDS.fold),
    steps: readRecords(view, header.steps_at, header.step_count, RECORDS.step),
    trees: readRecords(view, header.trees_at, header.tree_count, RECORDS.tree),
    parted,
    groups: parted ? readRecords(view, parted.groups_at, parted.group_count, RECORDS.group) : [],
  };
}

/**
 * The deciding rule's number (NO_RULE if none), and those of the `match` rules before it. `truth`
 * says what is true of the packet for now; a literal is asked for once at most.
 */
export function classify(
  tables: Tables,
  packet: Packet,
  truth: (literal: number) => boolean = () => false,
): { rule: number; passed: number[] } {
  const { view, header } = tables;
  const classes = tables.axes.map((axis) => classOf(tables, axis, packet));
  const rule = ruleOf(tables, classes);
  const known = new Map<number, boolean>();
  const passed: number[] = [];
  for (const bit of header.effect_count > 0 ? sparseBits(tables, classes, "effect_at") : []) {
    const number = view.getUint32(header.effect_at + 4 * bit, true);
    if (number >= rule) break;
    if (number === passed.at(-1) || !holds(tables, bit, known, truth)) continue;
    const verdict = view.getUint32(header.rules_at + RECORDS.rule.size * number, true);
    if (LISTS.verdict.names[verdict] !== "next") return { rule: number, passed };
    passed.push(number);
  }
  return { rule, passed };
}

/** Whether the literals behind a bit of an effect row are as it needs them. */
function holds(
  { view, header }: Tables,
  bit: number,
  known: Map<number, boolean>,
  truth: (literal: number) => boolean,
): boolean {
  const need = readRecord(view, header.needs_at + RECORDS.need.size * bit, RECORDS.need);
  for (let i = need.first; i < need.first + need.count; i++) {
    const condition = view.getUint32(header.conditions_at + 4 * i, true);
    const literal = condition >>> 1;
    const value = known.get(literal) ?? truth(literal);
    known.set(literal, value);
    if (value !== ((condition & 1) === 1)) return false;
  }
  return true;
}

/** The first rule that decides by itself: NO_RULE if none. */
export function ruleOf(tables: Tables, classes: readonly number[]): number {
  const { view, header } = tables;
  switch (LISTS.back_end.names[header.back_end]!) {
    case "parted":
      return Math.min(...tables.groups.map((group) => groupRule(tables, group, classes)));
    case "dense":
    case "sparse": {
      const dense = LISTS.back_end.names[header.back_end] === "dense";
      const bits = dense ? denseBits(tables, classes) : sparseBits(tables, classes, "decide_at");
      const first = bits.next();
      return first.done ? NO_RULE : view.getUint32(header.decide_at + 4 * first.value, true);
    }
  }
}

/** The bits that the dense rows of all axes have in common, ascending. */
function* denseBits({ view, axes, header }: Tables, classes: readonly number[]): Generator<number> {
  const words = denseWords(header.decide_count);
  for (let w = 0; w < words; w++) {
    let word = 0xffffffff;
    for (const [i, axis] of axes.entries()) {
      word &= view.getUint32(axis.decide_at + 4 * (classes[i]! * words + w), true);
    }
    for (; word !== 0; word &= word - 1) yield 32 * w + 31 - Math.clz32(word & -word);
  }
}

/** The same of sparse rows. */
function* sparseBits(
  { view, axes, header }: Tables,
  classes: readonly number[],
  rows: "decide_at" | "effect_at",
): Generator<number> {
  const all = axes.map((axis, i) => {
    const bits = new Map<number, bigint>();
    const { row: rowLayout, block: blockLayout } = RECORDS;
    const at = axis[rows] + classes[i]! * rowLayout.size;
    const { top, first } = rowLayout.fields;
    let number = view.getUint32(at + first.at, true);
    for (const b of ones(view.getBigUint64(at + top.at, true))) {
      const block = header.blocks_at +
        view.getUint32(header.numbers_at + 4 * number++, true) * blockLayout.size;
      let word = view.getUint32(block + blockLayout.fields.first.at, true);
      for (const w of ones(view.getBigUint64(block + blockLayout.fields.bits.at, true))) {
        bits.set(64 * b + w, view.getBigUint64(header.words_at + 8 * word++, true));
      }
    }
    return bits;
  });
  const [one, ...others] = all as [Map<number, bigint>, ...Map<number, bigint>[]];
  for (const [w, word] of one) {
    const common = others.reduce((bits, other) => bits & (other.get(w) ?? 0n), word);
    for (const bit of ones(common)) yield 64 * w + bit;
  }
}

function* ones(bits: bigint): Generator<number> {
  for (const half of [0, 1]) {
    let word = Number(BigInt.asUintN(32, bits >> BigInt(32 * half)));
    for (; word !== 0; word &= word - 1) yield 32 * half + 31 - Math.clz32(word & -word);
  }
}

/** The first rule of one group. */
function groupRule(tables: Tables, group: ReadOf<"group">, classes: readonly number[]): number {
  const { view, axes } = tables;
  const parted = tables.parted!;
  const [s, d, first] = classes as [number, number, number];
  const kind = LISTS.group.names[group.kind]!;
  const source = partOf(view, parted.sources_at, parted.source_width, s);
  const destination = partOf(view, parted.destinations_at, parted.destination_width, d);
  if (skips(group) && (source.lone || destination.lone)) return NO_RULE;
  const byClass = (side: "source" | "destination") => kind === "pair" || kind === side;
  let row = rowOf(
    view,
    group,
    byClass("source") ? s : source.part,
    byClass("destination") ? d : destination.part,
  );
  if (row >= BRANCH) {
    const said = longRowAt(tables, row, first);
    if (axes.length === 3) return said;
    row = said;
  }
  const found = candidates(tables, row).find(({ combination }) =>
    classes.every((cls, axis) => axis < 2 || hasCombination(tables, axis, cls, combination))
  );
  return found?.rule ?? NO_RULE;
}

/** What a long row says of a class of the first scalar axis: a rule, or a row if there are more axes. */
export function longRowAt({ view, axes, parted }: Tables, row: number, first: number): number {
  return view.getUint32(
    parted!.tables_at + 4 * ((row - BRANCH) * axes[2]!.classes + first),
    true,
  );
}

/** Whether a class of a scalar axis of the partitions leaves a combination possible. */
function hasCombination(tables: Tables, axis: number, cls: number, combination: number): boolean {
  const [bit, words] = axis > 2
    ? [otherOf(tables, combination), tables.parted!.other_words]
    : [combination, tables.parted!.combination_words];
  return hasBit(tables, axis, cls * words, bit);
}

/** What a combination asks of the scalar axes behind the first. */
export function otherOf({ view, parted }: Tables, combination: number): number {
  return view.getUint32(parted!.others_at + 4 * combination, true);
}

/** Whether a class of a scalar axis behind the first leaves possible what combinations ask of it. */
export function hasOther(tables: Tables, axis: number, cls: number, other: number): boolean {
  return hasBit(tables, axis, cls * tables.parted!.other_words, other);
}

/** A bit behind some words of 64 bits of a scalar axis. */
function hasBit({ view, axes }: Tables, axis: number, words: number, bit: number): boolean {
  const word = view.getUint32(axes[axis]!.decide_at + 8 * words + 4 * (bit >>> 5), true);
  return (word >>> (bit & 31) & 1) === 1;
}

/** Whether classes that are lone are not looked for in a group. */
export function skips(group: ReadOf<"group">): boolean {
  return group.destination_stride === 0 && LISTS.group.names[group.kind] === "pair";
}

/** The part of a class, and whether no pair has it. */
export function partOf(
  view: DataView,
  at: number,
  width: number,
  cls: number,
): { readonly part: number; readonly lone: boolean } {
  const word = view.getUint32(at + 4 * ((cls + 1) * width - 1), true);
  return { part: word % LONE, lone: word >= LONE };
}

/** The row of a pair of numbers. */
export function rowOf(view: DataView, group: ReadOf<"group">, s: number, d: number): number {
  const { source_stride, destination_stride, rows_at } = group;
  return destination_stride > 0
    ? view.getUint32(rows_at + 4 * (s * source_stride + d * destination_stride), true)
    : hashedRow(view, group, s, d);
}

/** The rules of a row that is not long, and what each asks. */
export function candidates({ view, parted }: Tables, row: number): ReadOf<"candidate">[] {
  if (row === 0) return [];
  if (row >= ONE) {
    const most = 2 ** parted!.combination_bits;
    return [{ rule: Math.floor((row - ONE) / most), combination: row % most }];
  }
  const { candidate } = RECORDS;
  const found: ReadOf<"candidate">[] = [];
  for (let at = parted!.lists_at + row * candidate.size;; at += candidate.size) {
    const { rule, combination } = readRecord(view, at, candidate);
    found.push({ rule, combination: combination % LAST });
    if (combination >= LAST) return found;
  }
}

/** The row of a pair in its slot, the empty one if it is not there. */
function hashedRow(view: DataView, group: ReadOf<"group">, s: number, d: number): number {
  const multiplier = (block: number) => view.getUint32(group.multipliers_at + 4 * block, true);
  const slot = slotOf(s, d, group.block_count, group.slot_count, multiplier);
  const { source, destination, row } = pairIn(view, group, slot);
  return source === s && destination === d ? row : 0;
}

/** What a slot holds: a pair and its row, 0 if none. */
export function pairIn(
  view: DataView,
  { slots_at, slot_width }: ReadOf<"group">,
  slot: number,
): { readonly source: number; readonly destination: number; readonly row: number } {
  const word = (i: number) => view.getUint32(slots_at + 4 * (slot_width * slot + i), true);
  return slot_width === 2
    ? { source: word(0) >>> 16, destination: word(0) & 0xffff, row: word(1) }
    : { source: word(0), destination: word(1), row: word(2) };
}

function classOf(tables: Tables, axis: ReadOf<"axis">, packet: Packet): number {
  switch (LISTS.axis.names[axis.kind]!) {
    case "source":
      return addressClass(tables, axis, packet.src);
    case "destination":
      return addressClass(tables, axis, packet.dst);
    case "scalar": {
      let cls = 0;
      for (let f = axis.first_fold; f < axis.first_fold + axis.fold_count; f++) {
        const fold = tables.folds[f]!;
        let index = cls;
        for (let i = fold.first_step; i < fold.first_step + fold.step_count; i++) {
          const step = tables.steps[i]!;
          index += step.stride * stepClass(tables, step, packet);
        }
        cls = tables.view.getUint16(fold.product_at + 2 * index, true);
      }
      return cls;
    }
  }
}

export function addressClass(tables: Tables, axis: ReadOf<"axis">, address: bigint): number {
  return address < V6_BASE
    ? searchTree(tables, axis.v4_tree, address)
    : searchTree(tables, axis.v6_tree, address - V6_BASE);
}

export function stepClass(tables: Tables, step: ReadOf<"step">, packet: Packet): number {
  const { view, header } = tables;
  const field = LISTS.field.names[step.field]!;
  const value = packet[field];
  const entry = (index: number) => view.getUint16(step.table_at + 2 * index, true);
  switch (LISTS.step.names[step.kind]!) {
    case "direct":
      return entry(Number(value));
    case "paged": {
      const page = view.getUint16(step.pages_at + 2 * (Number(value) >>> 8), true);
      return entry(page * 256 + (Number(value) & 255));
    }
    case "search":
      return searchTree(tables, step.tree, value);
    case "identity":
      if (field === "mac") return searchWide(tables, header.macs_at, header.mac_count, value);
      return field === "in"
        ? searchWide(tables, header.in_names_at, header.in_name_count, value)
        : searchWide(tables, header.out_names_at, header.out_name_count, value);
  }
}

function searchTree({ view, trees }: Tables, number: number, value: bigint): number {
  const tree = trees[number]!;
  if (LISTS.tree.names[tree.kind] === "narrow") {
    return view.getUint32(tree.values_at + 4 * searchLevels(view, tree, value), true);
  }
  const lo = value & 0xffffffffffffffffn;
  const leaf = leafAt(view, tree, searchLevels(view, tree, value >> 64n));
  let found = lo === leaf.lo ? leaf.own : leaf.other;
  if (found < LOW) return found;
  for (found -= LOW;; found -= BRANCH) {
    const node = tree.lows_at + found * LOW_NODE_SIZE;
    const low = answer(view, node, 8, lo);
    found = view.getUint32(node + 8 * SEPARATORS + 4 * low, true);
    if (found < BRANCH) return found;
  }
}

/** The leaf at a position of a wide tree. */
export function leafAt(view: DataView, tree: ReadOf<"tree">, position: number): Leaf {
  const { size, fields: { lo, own, other } } = RECORDS.leaf;
  const at = tree.values_at + size * position;
  return {
    lo: view.getBigUint64(at + lo.at, true),
    own: view.getUint32(at + own.at, true),
    other: view.getUint32(at + other.at, true),
  };
}

/** The position that the levels of a tree lead to: of a wide one by the upper half. */
export function searchLevels(view: DataView, tree: ReadOf<"tree">, key: bigint): number {
  const size = LISTS.tree.names[tree.kind] === "wide" ? 8 : 4;
  let nodes = [tree.value_count / WAYS];
  while (nodes[0]! > 1) nodes = [Math.ceil(nodes[0]! / WAYS), ...nodes];
  let at = tree.keys_at, position = 0;
  for (const count of nodes) {
    position = position * WAYS + answer(view, at + position * SEPARATORS * size, size, key);
    at += count * SEPARATORS * size;
  }
  return position;
}

/** How many of a node's separators are below a key. */
function answer(view: DataView, node: number, size: 4 | 8, key: bigint): number {
  let below = 0;
  for (let i = 0; i < SEPARATORS; i++) {
    if (separatorAt(view, node + size * i, size) < key) below++;
  }
  return below;
}

export function separatorAt(view: DataView, at: number, size: 4 | 8): bigint {
  return size === 8
    ? view.getBigUint64(at, true) ^ 1n << 63n
    : BigInt((view.getUint32(at, true) ^ 0x80000000) >>> 0);
}

function searchWide({ view }: Tables, at: number, count: number, value: bigint): number {
  const { hi, lo, class: cls } = RECORDS.wide.fields;
  const startOf = (i: number) => {
    const record = at + i * RECORDS.wide.size;
    return view.getBigUint64(record + hi.at, true) << 64n | view.getBigUint64(record + lo.at, true);
  };
  return view.getUint32(at + last(count, startOf, value) * RECORDS.wide.size + cls.at, true);
}

/** The last index whose start is not above the value. */
function last(count: number, startOf: (i: number) => bigint, value: bigint): number {
  let [lo, hi] = [0, count];
  while (hi - lo > 1) {
    const middle = (lo + hi) >>> 1;
    if (startOf(middle) <= value) lo = middle;
    else hi = middle;
  }
  return lo;
}

function readRecords<F extends string>(
  view: DataView,
  at: number,
  count: number,
  layout: Layout<F>,
): Record<F, number>[] {
  return Array.from({ length: count }, (_, i) => readRecord(view, at + i * layout.size, layout));
}
