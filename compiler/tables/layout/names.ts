/**
 * The small numbers that have names: fields, verdicts, kinds of things, and what is counted.
 *
 * @module
 */

/** Bounds of the histogram of batches: packets received and answered at once, at most. */
export const BATCH_BOUNDS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] as const;

/** Bounds of the histogram of the time from a packet's receipt to its verdict: below, in microseconds. */
export const VERDICT_BOUNDS = [
  ...([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768] as const),
  "more",
] as const;

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
