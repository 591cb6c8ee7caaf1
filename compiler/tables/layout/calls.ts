/**
 * What crosses the FFI boundary besides an image: packets and decisions, counters, queues, the log.
 *
 * @module
 */
import { record } from "./record.ts";

/** Instead of a number of microseconds: let packets gather when that pays. */
export const COALESCE_AUTO = 0xffffffff;

/** Bytes of an interface name on its way to C, zero-padded (IFNAMSIZ). */
export const NAME_SIZE = 16;

/** Bytes of a packet that a line of the log can hold. */
export const LOG_BYTES = 256;

export const CALLS = {
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
