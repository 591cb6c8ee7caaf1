/**
 * The front end: sections that turn a packet into a class an axis, by trees, steps and folds.
 *
 * @module
 */
import { record } from "./record.ts";

/** Limits that the loader (`native/image_front.c`) holds an image to. */
export const MAX_AXES = 16;
export const MAX_STEPS = 64;
export const MAX_FOLDS = 64;
export const MAX_TREES = 64;
/** Levels of a tree, at most. */
export const MAX_LEVELS = 8;
/** A class id in a direct or product table is a u16. */
export const MAX_CLASSES = 65536;

/** A tree's node has so many separators and answers: a half or a whole cache line. */
export const SEPARATORS = 8;
export const WAYS = SEPARATORS + 1;
/** Bytes of a low node. */
export const LOW_NODE_SIZE = 128;
/** A low node's value that is the number of another, to go on with the same bits. */
export const BRANCH = 0x80000000;
/** A wide tree's value that is the number of a low node, to go on with the lower 64 bits. */
export const LOW = 0x40000000;

export const FRONT = {
  axis: record("One way of putting a packet into a class.", {
    kind: ["u32", "enum fw_axis"],
    classes: ["u32", "classes of this axis, at least 1"],
    first_fold: ["u32", "scalar: its first fold"],
    fold_count: ["u32", "scalar: its number of folds, at least 1"],
    v4_tree: ["u32", "address: a tree that is not wide"],
    v6_tree: ["u32", "address: a wide tree"],
    decide_at: [
      "u32",
      "dense: u64 words, one row a class; sparse: one `row` a class; parted: of the first scalar axis " +
      "combination_words u64 a class with a bit for each combination that it leaves, of those behind " +
      "it other_words with a bit for each number in `others`",
    ],
    effect_at: ["u32", "one `row` a class, or 0"],
  }),
  fold: record("Classes of some fields become one class.", {
    first_step: ["u32", ""],
    step_count: ["u32", "at least 1"],
    classes: ["u32", "classes after this fold"],
    product_at: ["u32", "u16 class of each index"],
    product_count: ["u32", "indices: the sum of class times stride is always below"],
    pad: ["u32", "0"],
  }),
  step: record("One field's class. The class of the fold before has the stride 1.", {
    field: ["u32", "enum fw_field"],
    kind: ["u32", "enum fw_step"],
    classes: ["u32", "classes of this field, at least 1"],
    stride: ["u32", "what a class counts in the fold's index"],
    table_at: ["u32", "direct, paged: u16 class of each value; a page has 256"],
    table_count: ["u32", "direct: all values of the field; paged: a multiple of 256"],
    pages_at: ["u32", "paged: u16 page of each value's upper bits"],
    page_count: ["u32", "entries of `pages`: all values of the field"],
    tree: ["u32", "search: narrow or wide"],
    pad: ["u32", "0"],
  }),
  tree: record("A search tree; see tree.ts.", {
    kind: ["u32", "enum fw_tree"],
    classes: ["u32", "values that are not LOW or BRANCH are below"],
    keys_at: ["u32", "nodes of SEPARATORS i32 or i64: each 2^31 or 2^63 less than it is"],
    key_count: ["u32", "separators of all levels, the root first"],
    values_at: ["u32", "narrow: u32 class of each answer of the last level; wide: `leaf` records"],
    value_count: ["u32", "WAYS for each node of the last level, at least those"],
    lows_at: [
      "u32",
      "wide: low nodes: SEPARATORS i64 as above, WAYS u32 values, 0 up to LOW_NODE_SIZE",
    ],
    low_count: ["u32", "those a value leads to stand behind its own"],
  }),
  leaf: record("What the upper half of a wide key leads to: a class, or LOW and a low node.", {
    own: ["u32", "what the lower half that is apart leads to"],
    other: ["u32", "what all others lead to"],
    lo: ["u64", "that lower half: where an address has its own"],
  }),
  wide: record("Values from `hi:lo` to the next record's start are in `class`.", {
    hi: ["u64", "high half; an address or an interface name is read as a big-endian number"],
    lo: ["u64", "low half; (hi, lo) ascending, the first is 0"],
    class: ["u32", ""],
    pad: ["u32", "0"],
  }),
} as const;
