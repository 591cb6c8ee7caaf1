/**
 * The first bytes of an image: where its sections lie, and what holds of it as a whole.
 *
 * @module
 */
import { record } from "./record.ts";

/** "FWB1" in file order. */
export const MAGIC = 0x31425746;

/** Every section starts at a multiple of this many bytes: a cache line. */
export const SECTION_ALIGN = 64;

/** How much memory more an image takes where it is to start with a huge page: the size of one. */
export const IMAGE_SLACK = 2 << 20;

/** Flows that `option flow-cache` can ask for: 64 MB a queue. */
export const MAX_FLOWS = 1 << 20;

export const HEADER = record("First bytes of every image.", {
  magic: ["u32", '0x31425746, "FWB1" in file order'],
  layout_hash: ["u32", "LAYOUT_HASH; the engine refuses any other value"],
  size: ["u32", "bytes in the whole image, a multiple of 4"],
  checksum: ["u32", "of every u32 after this field, see CHECKSUM_LANES"],
  rules_at: ["u32", "`rule` records in file order, chain after chain"],
  rule_count: ["u32", "at least 1"],
  back_end: ["u32", "enum fw_back_end"],
  axes_at: ["u32", "`axis` records"],
  axis_count: ["u32", "1 to 16; parted: source, destination, and one scalar or more"],
  folds_at: ["u32", "`fold` records of all scalar axes"],
  fold_count: ["u32", "0 to 64"],
  steps_at: ["u32", "`step` records of all folds"],
  step_count: ["u32", "0 to 64"],
  trees_at: ["u32", "`tree` records"],
  tree_count: ["u32", "0 to 64"],
  parted_at: ["u32", "one `parted` record if that is the back end, else 0"],
  numbers_at: ["u32", "u32 block of each bit in the rows' tops"],
  number_count: ["u32", ""],
  blocks_at: ["u32", "`block` records"],
  block_count: ["u32", ""],
  words_at: ["u32", "u64 words of the blocks"],
  word_count: ["u32", ""],
  decide_at: [
    "u32",
    "u32 rule number of each bit of a decide row, ascending: one bit a region of a rule",
  ],
  decide_count: [
    "u32",
    "bits in a decide row; a dense row has 64 if that suffices, else 256 times a power of 2",
  ],
  effect_at: [
    "u32",
    "u32 rule number of each bit of an effect row, ascending: one bit a region of a rule",
  ],
  effect_count: ["u32", "bits in an effect row, 0 if no rule is `match` or has a literal"],
  needs_at: ["u32", "`need` records, one a bit of an effect row"],
  conditions_at: ["u32", "u32 conditions: a literal's number times 2, plus 1 if it must be true"],
  condition_count: ["u32", ""],
  literals_at: ["u32", "`literal` records"],
  literal_count: ["u32", ""],
  sets_at: ["u32", "`set` records: those that change at run time"],
  set_count: ["u32", ""],
  members_at: ["u32", "`member` records: what the sets hold at the start"],
  member_count: ["u32", ""],
  self_set: ["u32", "number of the set of the host's own addresses, NO_RULE if none"],
  in_names_at: ["u32", "`wide` records: class of an input interface, by name"],
  in_name_count: ["u32", "at least 1 when a step reads `in`"],
  out_names_at: ["u32", "`wide` records: class of an output interface, by name"],
  out_name_count: ["u32", "at least 1 when a step reads `out`"],
  macs_at: ["u32", "`wide` records: class of a source hardware address"],
  mac_count: ["u32", "at least 1 when a step reads `mac`"],
  mark_mask: [
    "u32",
    "contiguous packet-mark bits that are ours (state in, reject out), 4 or more, or 0",
  ],
  mark_bits: ["u32", "bits of the packet mark that some rule tests"],
  malformed: ["u32", "verdict for packets that cannot be parsed: accept or drop"],
  dry_run: ["u32", "1 if a queue is to accept all its packets, whatever is decided of them"],
  flow_cache: ["u32", "flows that a queue remembers, at most MAX_FLOWS; 0 for none"],
});

/**
 * The checksum is FNV-1a of so many others, of 32 bits each: the i-th u32 goes into the one numbered i
 * modulo that. A processor has them all under way at once.
 */
export const CHECKSUM_LANES = 8;

/** Of FNV, 32 bits. */
export const FNV_BASIS = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;

/** A header's `checksum` over what stands behind it; `size` is a multiple of four. */
export function checksumOf(image: Uint8Array<ArrayBuffer>, size: number): number {
  const from = image.byteOffset + HEADER.fields.checksum.at + 4;
  const words = new Uint32Array(image.buffer, from, (image.byteOffset + size - from) / 4);
  const lanes = new Uint32Array(CHECKSUM_LANES).fill(FNV_BASIS);
  for (let i = 0; i < words.length; i++) {
    const lane = i % CHECKSUM_LANES;
    lanes[lane] = Math.imul(lanes[lane]! ^ words[i]!, FNV_PRIME);
  }
  return fnv1a(lanes);
}

/** FNV-1a, 32 bits, over bytes or words (Fowler, Noll, Vo; draft-eastlake-fnv). */
export function fnv1a(numbers: Uint8Array | Uint32Array): number {
  let hash = FNV_BASIS;
  for (let i = 0; i < numbers.length; i++) hash = Math.imul(hash ^ numbers[i]!, FNV_PRIME);
  return hash >>> 0;
}
