/**
 * The back end: sections that find the first rule that all classes leave possible, by rows of bits or
 * by partitions.
 *
 * @module
 */
import { record } from "./record.ts";

/** A row that is one rule. */
export const ONE = 0x40000000;
/** The last candidate of a row. */
export const LAST = 0x80000000;
/** A part's bit: the class is in no pair of group `pair`. */
export const LONE = 0x80000000;
/** Golden ratio times 2^32, odd (Knuth, The Art of Computer Programming, 6.4). */
export const PAIR_MIX = 0x9e3779b1;
/** Odd, of MurmurHash3's last steps (Appleby): so that neighbours are far apart. */
export const PAIR_SPREAD = 0xc2b2ae35;

export const BACK = {
  row: record("A sparse row: a bit a block of 4096, and the blocks in order.", {
    top: ["u64", ""],
    first: ["u32", "position in `numbers` of the first block's"],
    pad: ["u32", "0"],
  }),
  block: record("A bit for each 64 of 4096 bits, and their words in order.", {
    bits: ["u64", ""],
    first: ["u32", "position in `words` of the first"],
    pad: ["u32", "0"],
  }),
  parted: record("The partitions; see parted.ts.", {
    sources_at: [
      "u32",
      "source_width u32 for each class of the source axis: rows, if its group has them there; last " +
      "the part, and LONE if the class is in no slot of pairs",
    ],
    destinations_at: ["u32", "the same of the destination axis"],
    source_width: ["u32", "at least 1"],
    destination_width: ["u32", "at least 1"],
    source_parts: ["u32", "1 to the classes"],
    destination_parts: ["u32", "1 to the classes"],
    groups_at: ["u32", "`group` records"],
    group_count: ["u32", "1 to 4, each kind at most once"],
    combination_words: ["u32", "u64 words of a class of the first scalar axis, at least 1"],
    others_at: [
      "u32",
      "where there are more scalar axes: u32 of each combination_words * 64 combinations, what it asks " +
      "of those behind the first",
    ],
    other_words: ["u32", "u64 words of a class of those"],
    lists_at: ["u32", "`candidate` records: short rows; the first is empty, and is NO_RULE"],
    list_count: ["u32", "at least 1"],
    tables_at: [
      "u32",
      "u32 [long row][class of the first scalar axis]: a rule, or NO_RULE; where there are more scalar " +
      "axes a row that is not long",
    ],
    table_count: ["u32", "long rows"],
    combination_bits: ["u32", "of a row of one rule, at most 30"],
  }),
  candidate: record("A rule of a short row, if the packet's scalar classes have the combination.", {
    rule: ["u32", ""],
    combination: ["u32", "and LAST if the row ends here"],
  }),
  group: record(
    "Rows of pairs: a place in `lists`; BRANCH and the number of a long row; or ONE, a rule times " +
      "2^combination_bits, and the combination that it asks.",
    {
      kind: ["u32", "enum fw_group: a narrow side's number is its class, else its part"],
      source_stride: ["u32", "if there is a row for each pair: u32 from one source to the next"],
      destination_stride: ["u32", "the same for destinations; 0 if pairs are hashed"],
      rows_at: ["u32", "stride: u32 rows, maybe among those of a side's classes"],
      slots_at: ["u32", "else: slot_width u32 for each slot, 0 where there is no pair"],
      slot_count: [
        "u32",
        "at least 1; slot = ((hash | 1) * multiplier + source * PAIR_MIX) * slot_count >> 32",
      ],
      slot_width: ["u32", "2: source << 16 | destination, row; or 4: source, destination, row, 0"],
      multipliers_at: ["u32", "u32 for each block = hash * block_count >> 32"],
      block_count: ["u32", "at least 1; of hash = (source * PAIR_MIX + destination) * PAIR_SPREAD"],
    },
  ),
} as const;
