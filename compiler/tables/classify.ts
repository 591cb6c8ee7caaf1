/**
 * Reads an image back and decides packets with it, in TypeScript.
 *
 * It does from the bytes what `native/classify.c` does, and is the reference that both the tests
 * and `compile --print` use. It trusts the image, which only this compiler made.
 *
 * @module
 */
import { type Packet, V6_BASE } from "../policy/field.ts";
import { type Layout, LISTS, NO_RULE, readRecord, RECORDS } from "./layout.ts";
import { rowWords } from "./plan.ts";

type Read<L> = L extends Layout<infer F> ? Record<F, number> : never;

/** An image's header, axes and steps as objects; the tables themselves stay bytes. */
export interface Tables {
  readonly view: DataView;
  readonly header: Read<typeof RECORDS.header>;
  readonly axes: readonly Read<typeof RECORDS.axis>[];
  readonly steps: readonly Read<typeof RECORDS.step>[];
}

/** Opens an image that `image()` made. */
export function openImage(bytes: Uint8Array<ArrayBuffer>): Tables {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = readRecord(view, 0, RECORDS.header);
  return {
    view,
    header,
    axes: readRecords(view, header.axes_at, header.axis_count, RECORDS.axis),
    steps: readRecords(view, header.steps_at, header.step_count, RECORDS.step),
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
  const first = matches(tables, classes, "decide_at", header.decide_count).next();
  const rule = first.done ? NO_RULE : view.getUint32(header.decide_at + 4 * first.value, true);
  const known = new Map<number, boolean>();
  const passed: number[] = [];
  for (const bit of matches(tables, classes, "effect_at", header.effect_count)) {
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

/** The bits that the rows of all axes have in common, ascending. */
function* matches(
  { view, axes }: Tables,
  classes: readonly number[],
  rows: "decide_at" | "effect_at",
  bits: number,
): Generator<number> {
  const words = rowWords(bits);
  for (let w = 0; w < words; w++) {
    let word = 0xffffffff;
    for (const [i, axis] of axes.entries()) {
      word &= view.getUint32(axis[rows] + 4 * (classes[i]! * words + w), true);
    }
    for (; word !== 0; word &= word - 1) yield 32 * w + 31 - Math.clz32(word & -word);
  }
}

function classOf(tables: Tables, axis: Read<typeof RECORDS.axis>, packet: Packet): number {
  switch (LISTS.axis.names[axis.kind]) {
    case "source":
      return addressClass(tables, axis, packet.src);
    case "destination":
      return addressClass(tables, axis, packet.dst);
    default: {
      let cls = 0;
      for (let i = 0; i < axis.step_count; i++) {
        const step = tables.steps[axis.first_step + i]!;
        const own = stepClass(tables, step, packet);
        cls = i === 0
          ? own
          : tables.view.getUint16(step.product_at + 2 * (cls * step.classes + own), true);
      }
      return cls;
    }
  }
}

function addressClass(tables: Tables, axis: Read<typeof RECORDS.axis>, address: bigint): number {
  return address < V6_BASE
    ? searchNarrow(tables, axis.v4_at, axis.v4_count, address)
    : searchWide(tables, axis.v6_at, axis.v6_count, address - V6_BASE);
}

function stepClass(tables: Tables, step: Read<typeof RECORDS.step>, packet: Packet): number {
  const field = LISTS.field.names[step.field]!;
  const value = packet[field];
  switch (LISTS.step.names[step.kind]) {
    case "direct": {
      const index = Math.min(Number(value), step.table_count - 1);
      return tables.view.getUint16(step.table_at + 2 * index, true);
    }
    case "search":
      return searchNarrow(tables, step.table_at, step.table_count, value);
    default: {
      const { header } = tables;
      if (field === "mac") return searchWide(tables, header.macs_at, header.mac_count, value);
      return field === "in"
        ? searchWide(tables, header.in_names_at, header.in_name_count, value)
        : searchWide(tables, header.out_names_at, header.out_name_count, value);
    }
  }
}

function searchNarrow({ view }: Tables, at: number, count: number, value: bigint): number {
  const { start, class: cls } = RECORDS.narrow.fields;
  const startOf = (i: number) =>
    BigInt(view.getUint32(at + i * RECORDS.narrow.size + start.at, true));
  return view.getUint32(at + last(count, startOf, value) * RECORDS.narrow.size + cls.at, true);
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
