/**
 * Decision tables to bytes. The same policy gives the same bytes.
 *
 * @module
 */
import { V6_BASE } from "../policy/field.ts";
import { prefixesOf } from "../policy/address.ts";
import { type Literal, type Policy, rejectsOf, usesState } from "../policy/policy.ts";
import type { Piece } from "./classes.ts";
import {
  fnv1a,
  type Layout,
  LAYOUT_HASH,
  LISTS,
  MAGIC,
  NO_RULE,
  RECORDS,
  SECTION_ALIGN,
  writeRecord,
} from "./layout.ts";
import type { Axis, Plan, ScalarField, Step } from "./plan.ts";

/** The image of a policy's tables, ready for the engine. */
export function image(policy: Policy, tables: Plan): Uint8Array<ArrayBuffer> {
  const out = new Writer(RECORDS.header.size);
  const names = (field: "in" | "out" | "mac") =>
    tables.axes.flatMap((axis) => axis.steps).find((step) => step.field === field)?.pieces ?? [];
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
  const steps = tables.axes.flatMap((axis) => axis.steps);
  const stepRecords = steps.map((step) => stepRecord(out, step));
  const axisRecords = tables.axes.map((axis) => axisRecord(out, axis, steps));
  const header = {
    magic: MAGIC,
    layout_hash: LAYOUT_HASH,
    rules_at: rules,
    rule_count: policy.rules.length,
    axes_at: out.records(RECORDS.axis, axisRecords),
    axis_count: axisRecords.length,
    steps_at: out.records(RECORDS.step, stepRecords),
    step_count: stepRecords.length,
    decide_at: out.array(Uint32Array.from(tables.decide)),
    decide_count: tables.decide.length,
    effect_at: out.array(Uint32Array.from(tables.effect)),
    effect_count: tables.effect.length,
    ...dynamicSections(out, policy, tables),
    in_names_at: out.records(RECORDS.wide, names("in").map((piece) => wide(piece))),
    in_name_count: names("in").length,
    out_names_at: out.records(RECORDS.wide, names("out").map((piece) => wide(piece))),
    out_name_count: names("out").length,
    macs_at: out.records(RECORDS.wide, names("mac").map((piece) => wide(piece))),
    mac_count: names("mac").length,
    mark_mask: needsMark(policy) ? policy.options["mark-mask"] : 0,
    mark_bits: policy.markBits,
    malformed: policy.options.malformed === "accept" ? accept! : drop!,
    pad: 0,
  };
  return out.finish(header);
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
export function needsMark(policy: Policy): boolean {
  return usesState(policy) || rejectsOf(policy).size > 0;
}

function axisRecord(out: Writer, axis: Axis, steps: readonly Step[]) {
  const scalar = axis.kind === "scalar";
  const v4 = axis.pieces.filter((piece) => piece.start < 1n << 32n).map(narrow);
  const v6 = axis.pieces.filter((piece) => piece.start > V6_BASE);
  const firstV6 = axis.pieces.findLast((piece) => piece.start <= V6_BASE);
  const v6Records = firstV6
    ? [{ ...firstV6, start: V6_BASE }, ...v6].map((p) => wide(p, V6_BASE))
    : [];
  return {
    kind: LISTS.axis.names.indexOf(axis.kind),
    classes: axis.classes,
    first_step: scalar ? steps.indexOf(axis.steps[0]!) : 0,
    step_count: axis.steps.length,
    v4_at: out.records(RECORDS.narrow, v4),
    v4_count: v4.length,
    v6_at: out.records(RECORDS.wide, v6Records),
    v6_count: v6Records.length,
    decide_at: out.array(axis.decideRows),
    effect_at: out.array(axis.effectRows),
  };
}

/** How the fields of large domains find their class. */
const KIND: Readonly<Partial<Record<ScalarField, "search" | "identity">>> = {
  ...{ mark: "search", uid: "search", gid: "search" },
  ...{ in: "identity", out: "identity", mac: "identity" },
};

function stepRecord(out: Writer, step: Step) {
  const kind = KIND[step.field] ?? "direct";
  const direct = kind === "direct" ? directTable(step) : undefined;
  const searched = kind === "search" ? step.pieces.map(narrow) : [];
  return {
    field: LISTS.field.names.indexOf(step.field),
    kind: LISTS.step.names.indexOf(kind),
    classes: step.classes,
    table_at: direct ? out.array(direct) : out.records(RECORDS.narrow, searched),
    table_count: direct?.length ?? searched.length,
    product_at: step.product ? out.array(step.product) : 0,
    product_classes: step.productClasses,
    pad: 0,
  };
}

/** A class a value, up to the last value at which the class changes. */
function directTable({ pieces }: Step): Uint16Array<ArrayBuffer> {
  const table = new Uint16Array(Number(pieces.at(-1)!.start) + 1);
  for (const [i, { start, cls }] of pieces.entries()) {
    table.fill(cls, Number(start), Number(pieces[i + 1]?.start ?? table.length));
  }
  return table;
}

function narrow({ start, cls }: Piece) {
  return { start: Number(start), class: cls };
}

function wide({ start, cls }: Piece, base = 0n) {
  const bits = start - base;
  return { hi: bits >> 64n, lo: bits & 0xffffffffffffffffn, class: cls, pad: 0 };
}

type Values<F extends string> = Readonly<Record<F, number | bigint>>;

/** Lays sections one after another, each aligned, behind room for the header. */
class Writer {
  #bytes = new Uint8Array(1 << 16);
  #size = 0;

  constructor(headerSize: number) {
    this.#reserve(headerSize);
  }

  /** Writes records as a section; its offset. */
  records<F extends string>(layout: Layout<F>, rows: readonly Values<F>[]): number {
    const at = this.#reserve(rows.length * layout.size);
    const view = this.#view();
    for (const [i, row] of rows.entries()) writeRecord(view, at + i * layout.size, layout, row);
    return at;
  }

  /** Writes an array of numbers as a section; its offset. */
  array(numbers: Uint16Array<ArrayBuffer> | Uint32Array<ArrayBuffer>): number {
    const at = this.#reserve(numbers.byteLength);
    this.#bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), at);
    return at;
  }

  /** Writes the header, with size and checksum; the whole image. */
  finish(
    header: Omit<Values<keyof typeof RECORDS.header.fields>, "size" | "checksum">,
  ): Uint8Array<ArrayBuffer> {
    const size = this.#reserve(0);
    writeRecord(this.#view(), 0, RECORDS.header, { ...header, size, checksum: 0 });
    const { checksum } = RECORDS.header.fields;
    const sum = fnv1a(this.#bytes.subarray(checksum.at + 4, size));
    this.#view().setUint32(checksum.at, sum, true);
    return this.#bytes.slice(0, size);
  }

  #view(): DataView {
    return new DataView(this.#bytes.buffer);
  }

  #reserve(size: number): number {
    const at = Math.ceil(this.#size / SECTION_ALIGN) * SECTION_ALIGN;
    this.#size = at + size;
    if (this.#size > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#size, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    return at;
  }
}
