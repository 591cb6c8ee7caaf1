/**
 * The contract between TypeScript and C: the table image, and the records that cross the FFI boundary.
 *
 * An image is a header followed by sections, each an array of one record type or of one scalar.
 * Integers are little-endian, records have no hidden padding, sections are aligned to 64 bytes,
 * and offsets (`*_at`) count bytes from the image's start. `native/layout.h` is generated from this
 * file (`deno task gen`); never edit it by hand.
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
function record<F extends string>(
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

/** Raised when a field keeps its name and place but changes its meaning. */
export const FORMAT = 9;

/** "FWB1" in file order. */
export const MAGIC = 0x31425746;

/** Bounds of the histogram of batches: packets received and answered at once, at most. */
export const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;

/** Bounds of the histogram of the time from a packet's receipt to its verdict: below, in microseconds. */
export const VERDICT_BOUNDS = [
  ...([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768] as const),
  "more",
] as const;

/** Every section starts at a multiple of this many bytes: a cache line. */
export const SECTION_ALIGN = 64;
/** How much memory more an image takes where it is to start with a huge page: the size of one. */
export const IMAGE_SLACK = 2 << 20;

/**
 * Small numbers with names, in one list a meaning: a value is its position. `native/layout.h`
 * has them as `enum fw_LIST { FW_LIST_NAME, ... }` and the number of them as `FW_LIST_COUNT`.
 */
export const LISTS = {
  hook: { doc: "Where the packet was seen.", names: ["input", "forward", "output"] },
  state: {
    doc: "Conntrack state. In the packet mark it stands plus one; nothing there is untracked.",
    names: ["new", "established", "related", "invalid", "untracked"],
  },
  verdict: {
    doc: "What a rule does. `next` never decides.",
    names: ["next", "accept", "drop", "reject"],
  },
  reject: {
    doc:
      "How to refuse. `auto` is tcp_reset for TCP, else icmp_port, and is settled before a verdict " +
      "leaves. In the packet mark a reject stands as FW_STATE_COUNT plus its number: 6 to 10.",
    names: ["auto", "tcp_reset", "icmp_port", "icmp_host", "icmp_net", "icmp_admin"],
  },
  field: {
    doc: "Scalar fields of a packet that a step can read; their values are given in packet.h.",
    names: [
      "hook",
      "family",
      "proto",
      "sport",
      "dport",
      "type",
      "code",
      "flags",
      "fragment",
      "state",
      "mark",
      "in",
      "out",
      "length",
      "ttl",
      "dscp",
      "exthdr",
      "mac",
      "uid",
      "gid",
    ],
  },
  literal: {
    doc: "What is true of a packet only for a time.",
    names: ["limit", "time", "until", "member"],
  },
  step: {
    doc: "How a step finds a field's class.",
    names: ["direct", "paged", "search", "identity"],
  },
  axis: { doc: "What an axis looks at.", names: ["scalar", "source", "destination"] },
  tree: {
    doc: "A tree's keys: of 32 bits, or of 64 in two halves of an address.",
    names: ["narrow", "wide"],
  },
  back_end: { doc: "How the first rule is found.", names: ["dense", "sparse", "parted"] },
  group: {
    doc: "Which side's addresses are narrow, in a group of the parted back end.",
    names: ["none", "source", "destination", "pair"],
  },
  malformed: {
    doc: "Why a packet could not be parsed.",
    names: ["none", "version", "ip_header", "ip_length", "extension", "transport", "cut"],
  },
  stat: {
    doc:
      "Engine-wide totals since the engine was made. `kernel` figures come from there; `flow` ones are " +
      "of packets that were looked for in the flow cache. Packets and " +
      "bytes by hook and verdict; batches by size; packets by the time from their receipt to their " +
      "verdict, and that time summed up over them. A packet that is queued again is received once.",
    names: [
      "received",
      "accepted",
      "dropped",
      "rejected",
      "batches",
      "sends",
      "bad_version",
      "bad_ip_header",
      "bad_ip_length",
      "bad_extension",
      "bad_transport",
      "bad_cut",
      "queued_again",
      "verdict_errors",
      "overruns",
      "kernel_queued",
      "kernel_waiting",
      "kernel_dropped",
      "user_dropped",
      "logs_lost",
      "flow_hits",
      "flow_misses",
      ...(["input", "forward", "output"] as const).flatMap((hook) =>
        (["accept", "drop", "reject"] as const).flatMap((verdict) =>
          [`${hook}_${verdict}_packets`, `${hook}_${verdict}_bytes`] as const
        )
      ),
      ...BATCH_BOUNDS.map((bound) => `batch_${bound}` as const),
      ...VERDICT_BOUNDS.map((bound) => `verdict_us_${bound}` as const),
      "verdict_ns",
    ],
  },
} as const;

export const RECORDS = {
  header: record("First bytes of every image.", {
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
  }),
  rule: record("What one rule does.", {
    verdict: ["u32", "enum fw_verdict"],
    reject: ["u32", "enum fw_reject, 0 unless the verdict is reject"],
    mark_value: ["u32", "bits of the packet mark to set, all of them in mark_clear"],
    mark_clear: ["u32", "bits of the packet mark to clear first, none of them ours"],
    log: ["u32", "whether it logs: 1, and with the packet's bytes: 2"],
    pad: ["u32", "0"],
    log_every: ["u64", "nanoseconds between two lines of its log; those between are counted"],
  }),
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
  need: record("The conditions behind a bit of an effect row, in the order they are tried.", {
    first: ["u32", "number of the first"],
    count: ["u32", ""],
  }),
  literal: record("What must be asked when a packet is there.", {
    interval: ["u64", "limit: nanoseconds a packet, at least 1"],
    kind: ["u32", "FW_LITERAL_..."],
    burst: ["u32", "limit: packets at once, at least 1"],
    keys: ["u32", "limit: one bucket a source 1, destination 2, source port 4, destination port 8"],
    source4: ["u8", "limit: leading bits of an IPv4 source that count"],
    source6: ["u8", ""],
    destination4: ["u8", ""],
    destination6: ["u8", ""],
    from: ["u16", "time: first minute of the day; later than `to` if it spans midnight"],
    to: ["u16", "time: the minute after the last, at most 1440"],
    days: ["u32", "time: bit 0 is Sunday; a span over midnight belongs to the day it begins"],
    until: ["u32", "until: the last day, as 20261231"],
    set: ["u32", "member: its number"],
    of: ["u32", "member: 0 the source, 1 the destination"],
    pad: ["u32", "0"],
  }),
  set: record("A set of addresses that changes at run time.", {
    timeout: ["u64", "nanoseconds that a member stays unless told otherwise, 0 for ever"],
    size: ["u32", "members it can hold, at least 1"],
    first: ["u32", "number of its first `member`"],
    count: ["u32", "those it holds at the start, at most `size`"],
    pad: ["u32", "0"],
  }),
  member: record("A prefix of addresses in a set; also FFI.", {
    hi: ["u64", "0 for IPv4"],
    lo: ["u64", "bits behind the prefix are 0"],
    family: ["u32", "0 IPv4, 1 IPv6"],
    length: ["u32", "0 to 32, or to 128"],
    left: ["u64", "FFI: nanoseconds that it stays, 0 for ever; 0 in an image"],
  }),
  log: record("FFI: one line of the log, followed by LOG_BYTES of the packet.", {
    time: ["u64", "nanoseconds since 1970"],
    source_hi: ["u64", ""],
    source_lo: ["u64", ""],
    destination_hi: ["u64", ""],
    destination_lo: ["u64", ""],
    in_0: ["u64", "name of the input interface, its bytes as they are, zero-padded"],
    in_1: ["u64", ""],
    out_0: ["u64", "name of the output interface"],
    out_1: ["u64", ""],
    rule: ["u32", ""],
    suppressed: ["u32", "lines of this rule left out since its last one"],
    length: ["u32", "IP bytes as on the wire"],
    captured: ["u32", "bytes of the packet that follow; 0 unless the rule logs them"],
    family: ["u32", ""],
    proto: ["u32", ""],
    sport: ["u32", "65536 for none"],
    dport: ["u32", ""],
    in: ["u32", "interface index"],
    out: ["u32", ""],
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
    lo: ["u64", "the lower half that is apart"],
    own: ["u32", "what that leads to"],
    other: ["u32", "what all others lead to"],
  }),
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
      "the part, and LONE if the class is in no bucket of pairs",
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
      destination_stride: ["u32", "the same for destinations; 0 if rows are in buckets"],
      rows_at: ["u32", "stride: u32 rows, maybe among those of a side's classes"],
      buckets_at: ["u32", "else: cache lines of bucket_ways keys and as many u32 rows, 16 a block"],
      block_count: ["u32", "at least 1; of hash = (source * PAIR_MIX + destination) * PAIR_SPREAD"],
      bucket_ways: ["u32", "8 keys: source << 16 | destination; or 4: u32 destination, source"],
      multipliers_at: [
        "u32",
        "u32 of each block = hash * block_count >> 32; its bucket = hash * multiplier >> 28",
      ],
    },
  ),
  wide: record("Values from `hi:lo` to the next record's start are in `class`.", {
    hi: ["u64", "high half; an address or an interface name is read as a big-endian number"],
    lo: ["u64", "low half; (hi, lo) ascending, the first is 0"],
    class: ["u32", ""],
    pad: ["u32", "0"],
  }),
  packet: record("FFI: one packet for fw_engine_replay.", {
    at: ["u32", "offset of the IP header in the byte buffer"],
    captured: ["u32", "bytes present from there"],
    length: ["u32", "bytes the packet had on the wire, >= captured"],
    mark: ["u32", "packet mark, with the state in the image's mark_mask"],
    hook: ["u32", "enum fw_hook"],
    in: ["u16", "index into the interface names; 0 is none"],
    out: ["u16", "index into the interface names; 0 is none"],
    uid: ["u32", "user of the sending socket, 2^32 - 1 for none"],
    gid: ["u32", "its group, 2^32 - 1 for none"],
    mac: ["u64", "source hardware address, 2^48 for none"],
    time: ["u64", "when it was seen, in nanoseconds since 1970"],
  }),
  decision: record("FFI: what became of it.", {
    rule: ["u32", "index of the deciding rule, NO_RULE if malformed"],
    verdict: ["u32", "enum fw_verdict: accept, drop or reject"],
    reject: ["u32", "enum fw_reject, never auto when the verdict is reject"],
    malformed: ["u32", "enum fw_malformed"],
    mark_value: ["u32", "bits of the packet mark that rules have set, all of them in mark_clear"],
    mark_clear: ["u32", "bits of the packet mark that rules have changed"],
  }),
  counter: record("FFI: one rule's hits.", {
    packets: ["u64", ""],
    bytes: ["u64", "IP bytes as on the wire"],
    last: ["u64", "when the last packet was seen, in nanoseconds since 1970; 0 for never"],
  }),
  queue: record("FFI: how a bound queue fares.", {
    received: ["u64", "packets since it was bound"],
    number: ["u32", ""],
    waiting: ["u32", "packets in the kernel without a verdict"],
    dropped: ["u32", "packets lost because the queue was full"],
    user_dropped: ["u32", "packets lost because our socket was full"],
  }),
} as const;

/** `decision.rule` of a packet that could not be parsed. */
export const NO_RULE = 0xffffffff;

/** Instead of a number of microseconds: let packets gather when that pays. */
export const COALESCE_AUTO = 0xffffffff;

/** Bytes of an interface name on its way to C, zero-padded (IFNAMSIZ). */
export const NAME_SIZE = 16;

/** Bytes of a packet that a line of the log can hold. */
export const LOG_BYTES = 256;

/** Flows that `option flow-cache` can ask for: 64 MB a queue. */
export const MAX_FLOWS = 1 << 20;

/** Limits that the loader (`native/image.c`) holds an image to. */
export const MAX_AXES = 16;
export const MAX_STEPS = 64;
export const MAX_FOLDS = 64;
export const MAX_TREES = 64;
/** A tree's node has so many separators and answers: a half or a whole cache line. */
export const SEPARATORS = 8;
export const WAYS = SEPARATORS + 1;
/** Levels of a tree, at most. */
export const MAX_LEVELS = 8;
/**
 * The checksum is FNV-1a of so many others, of 32 bits each: the i-th u32 goes into the one numbered i
 * modulo that. A processor has them all under way at once.
 */
export const CHECKSUM_LANES = 8;
/** Of FNV, 32 bits. */
export const FNV_BASIS = 0x811c9dc5;
export const FNV_PRIME = 0x01000193;
/** Bytes of a low node. */
export const LOW_NODE_SIZE = 128;
/** A low node's value that is the number of another, to go on with the same bits. */
export const BRANCH = 0x80000000;
/** A wide tree's value that is the number of a low node, to go on with the lower 64 bits. */
export const LOW = 0x40000000;

/** A row that is one rule. */
export const ONE = 0x40000000;
/** The last candidate of a row. */
export const LAST = 0x80000000;
/** A part's bit: the class is in no bucket of group `pair`. */
export const LONE = 0x80000000;
/** A way of a bucket without a pair. */
export const NO_PAIR = 0xffffffff;
/** Golden ratio times 2^32, odd (Knuth, The Art of Computer Programming, 6.4). */
export const PAIR_MIX = 0x9e3779b1;
/** Odd, of MurmurHash3's last steps (Appleby): so that neighbours are far apart. */
export const PAIR_SPREAD = 0xc2b2ae35;
/** Buckets of a block. */
export const BLOCK_BUCKETS = 16;

/** A class id in a direct or product table is a u16. */
export const MAX_CLASSES = 65536;

/** FNV-1a over the description itself: any change to a record changes it, so no version to forget. */
export const LAYOUT_HASH: number = fnv1a(
  new TextEncoder().encode(
    JSON.stringify([FORMAT, RECORDS, LISTS], (key, value) => key === "doc" ? undefined : value),
  ),
);

/** A header's `checksum` over what stands behind it; `size` is a multiple of four. */
export function checksumOf(image: Uint8Array<ArrayBuffer>, size: number): number {
  const from = image.byteOffset + RECORDS.header.fields.checksum.at + 4;
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
