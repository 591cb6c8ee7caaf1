/**
 * What rules do, and what they ask that no class can answer: how often, when, and of sets that change.
 *
 * @module
 */
import { record } from "./record.ts";

/** `decision.rule` of a packet that could not be parsed. */
export const NO_RULE = 0xffffffff;

export const RULES = {
  rule: record("What one rule does.", {
    verdict: ["u32", "enum fw_verdict"],
    reject: ["u32", "enum fw_reject, 0 unless the verdict is reject"],
    mark_value: ["u32", "bits of the packet mark to set, all of them in mark_clear"],
    mark_clear: ["u32", "bits of the packet mark to clear first, none of them ours"],
    log: ["u32", "whether it logs: 1, and with the packet's bytes: 2"],
    pad: ["u32", "0"],
    log_every: ["u64", "nanoseconds between two lines of its log; those between are counted"],
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
} as const;
