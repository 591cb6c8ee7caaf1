/**
 * How a record lies in memory: fields in order, little-endian, without hidden padding.
 *
 * @module
 */

const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;
export type Scalar = keyof typeof WIDTH;

/** A fixed-size record: each field's byte offset, and the size in bytes. */
export interface Layout<F extends string = string> {
  readonly doc: string;
  readonly size: number;
  readonly fields: Readonly<
    Record<F, { readonly type: Scalar; readonly at: number; readonly doc: string }>
  >;
}

/** Lays fields out in order. Throws if a field would need padding: reorder, or add a `pad` field. */
export function record<F extends string>(
  doc: string,
  spec: Record<F, readonly [Scalar, string]>,
): Layout<F> {
  let at = 0;
  let align = 1;
  const fields = {} as Record<F, { type: Scalar; at: number; doc: string }>;
  for (const name in spec) {
    const [type, fieldDoc] = spec[name];
    if (at % WIDTH[type] !== 0) {
      throw new Error(`Cannot place "${name}" at ${at}: not ${WIDTH[type]}-aligned`);
    }
    fields[name] = { type, at, doc: fieldDoc };
    at += WIDTH[type];
    align = Math.max(align, WIDTH[type]);
  }
  if (at % align !== 0) throw new Error(`Cannot end a record at ${at}: not ${align}-aligned`);
  return { doc, size: at, fields };
}

/** Writes one record, little-endian. */
export function writeRecord<F extends string>(
  view: DataView,
  at: number,
  layout: Layout<F>,
  values: Readonly<Record<F, number | bigint>>,
): void {
  for (const name in layout.fields) {
    const field = layout.fields[name];
    WRITE[field.type](view, at + field.at, values[name]);
  }
}

const WRITE: Readonly<
  Record<Scalar, (view: DataView, at: number, value: number | bigint) => void>
> = {
  u8: (view, at, value) => view.setUint8(at, Number(value)),
  u16: (view, at, value) => view.setUint16(at, Number(value), true),
  u32: (view, at, value) => view.setUint32(at, Number(value), true),
  u64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
};

const READ: Readonly<Record<Scalar, (view: DataView, at: number) => number>> = {
  u8: (view, at) => view.getUint8(at),
  u16: (view, at) => view.getUint16(at, true),
  u32: (view, at) => view.getUint32(at, true),
  u64: (view, at) => Number(view.getBigUint64(at, true)),
};

/** Reads one record, little-endian; a u64 comes as a number. */
export function readRecord<F extends string>(
  view: DataView,
  at: number,
  layout: Layout<F>,
): Record<F, number> {
  const record = {} as Record<F, number>;
  for (const name in layout.fields) {
    const field = layout.fields[name];
    record[name] = READ[field.type](view, at + field.at);
  }
  return record;
}
