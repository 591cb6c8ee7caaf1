/**
 * The contract between TypeScript and C: the table image, and the records that cross the FFI boundary.
 *
 * An image is a header followed by sections, each an array of one record type or of one scalar.
 * Integers are little-endian, records have no hidden padding, sections are aligned to 64 bytes,
 * and offsets (`*_at`) count bytes from the image's start. Each part of it is described in a file of
 * `layout/`, and used by way of this one. `native/layout.h` is generated from them (`deno task gen`);
 * never edit it by hand.
 *
 * How a packet is decided:
 *
 * 1. Each *axis* turns the packet into one small class id. The source and the destination axis
 *    search the address in a `tree`. A scalar axis runs its *folds*: each sums up the classes of a
 *    few fields, found by its *steps*, each times a stride, and looks the sum up in a product table.
 * 2. The *back end* finds the first rule, in file order, that all classes leave possible:
 *    - `dense`: a class has a row of bits an axis; they are ANDed, and the first bit left is the
 *      rule's, whose number stands in `decide`;
 *    - `sparse`: the same, with rows of three levels that leave out what is zero (`row`);
 *    - `parted`: up to four groups (`group`), each a map from the addresses' classes to a short list
 *      of rules, of which the first is its own whose combination, what it asks besides addresses, all
 *      scalar classes have; the smallest number of the four decides.
 * 3. Rules that never decide (`match`) have sparse rows of their own (`effects`); those that match
 *    before the deciding rule are counted.
 *
 * Every hook chain ends in its default, a rule without clauses, so step 2 always finds a rule.
 *
 * @module
 */
import { BACK } from "./layout/back.ts";
import { CALLS } from "./layout/calls.ts";
import { FRONT } from "./layout/front.ts";
import { fnv1a, HEADER } from "./layout/header.ts";
import { LISTS } from "./layout/names.ts";
import { RULES } from "./layout/rules.ts";

export * from "./layout/back.ts";
export * from "./layout/calls.ts";
export * from "./layout/front.ts";
export * from "./layout/header.ts";
export * from "./layout/names.ts";
export * from "./layout/rules.ts";
export { type Layout, readRecord, type Scalar, writeRecord } from "./layout/record.ts";

/** Raised when a field keeps its name and place but changes its meaning. */
const FORMAT = 12;

/** All records, in the order in which `native/layout.h` has them. */
export const RECORDS = {
  header: HEADER,
  rule: RULES.rule,
  axis: FRONT.axis,
  need: RULES.need,
  literal: RULES.literal,
  set: RULES.set,
  member: RULES.member,
  log: CALLS.log,
  fold: FRONT.fold,
  step: FRONT.step,
  tree: FRONT.tree,
  leaf: FRONT.leaf,
  row: BACK.row,
  block: BACK.block,
  parted: BACK.parted,
  candidate: BACK.candidate,
  group: BACK.group,
  wide: FRONT.wide,
  packet: CALLS.packet,
  decision: CALLS.decision,
  counter: CALLS.counter,
  queue: CALLS.queue,
} as const;

/** FNV-1a over the description itself: any change to a record changes it, so no version to forget. */
export const LAYOUT_HASH: number = fnv1a(
  new TextEncoder().encode(
    JSON.stringify([FORMAT, RECORDS, LISTS], (key, value) => key === "doc" ? undefined : value),
  ),
);
