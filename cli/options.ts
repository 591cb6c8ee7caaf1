/**
 * Options that several commands have.
 *
 * @module
 */
import type { OptionSpec } from "./command.ts";

export const SHARING: readonly OptionSpec[] = [
  { name: "workers", value: "auto|N", summary: "threads that work on one queue" },
  { name: "split", value: "packets|rules", summary: "what each of them gets a part of" },
];

/** Options that stand for `option`s of the rule file, and win over them. */
export const POLICY_OPTIONS: readonly OptionSpec[] = [
  { name: "queue", value: "N", summary: "kernel queue, or queues as N-M" },
  { name: "spread", value: "flows|cores", summary: "what chooses the queue of a packet" },
  { name: "batch", value: "N", summary: "packets answered at once, 1 to 1024" },
  ...SHARING,
  { name: "copy", value: "BYTES", summary: "bytes of each packet to look at first, 64 to 65535" },
  { name: "coalesce", value: "auto|off|US", summary: "let packets gather under load" },
  { name: "gro", value: "on|off", summary: "let the kernel put datagrams of a flow together" },
  { name: "flow-cache", value: "off|N", summary: "flows that each queue remembers" },
  { name: "fail", value: "open|closed", summary: "what passes when packets get no verdict" },
  { name: "fail-listener", value: "open|closed", summary: "the same, when nobody answers" },
  { name: "fail-overflow", value: "open|closed", summary: "the same, when the queue is full" },
  { name: "fail-error", value: "open|closed", summary: "the same, when the engine has failed" },
  { name: "fail-hang", value: "open|closed", summary: "the same, while the engine hangs" },
  { name: "malformed", value: "drop|accept", summary: "packets that cannot be read" },
  { name: "push-down", value: "on|off|N", summary: "kernel rules in front of the queue" },
  { name: "mark-mask", value: "BITS", summary: "bits of the packet mark, as 0xff000000" },
  { name: "hooks-lost", value: "mend|alarm", summary: "when others change our kernel rules" },
  { name: "log", value: "stderr|FILE", summary: "where lines of the log go" },
  { name: "pcap", value: "FILE", summary: "where packets of `log pcap` go" },
];

/** Of a run: where it is asked. */
export const CONTROL_SOCKET: OptionSpec = {
  name: "control",
  value: "PATH",
  summary: "the socket to be asked by, or `off`",
};
/** Of who asks it. */
export const CONTROL: OptionSpec = {
  name: "control",
  value: "PATH",
  summary: "the service's socket (`option control`)",
};
export const METRICS: OptionSpec = {
  name: "metrics",
  value: "ADDR:PORT",
  summary: "serve metrics and a live page there",
};
export const FORCE: OptionSpec = { name: "force", summary: "though it locks out this SSH session" };

/** Where the packets of a capture are taken to have been seen. */
export const SCENE: readonly OptionSpec[] = [
  { name: "chain", value: "NAME", summary: "input, forward or output" },
  { name: "in-dev", value: "IF", summary: "interface the packets came in by" },
  { name: "out-dev", value: "IF", summary: "interface the packets leave by" },
  { name: "state", value: "NAME", summary: "conntrack state of every packet (default new)" },
];

/** Of what makes tables and then uses them. */
export const NO_VERIFY: OptionSpec = {
  name: "no-verify",
  summary: "trust the tables without comparing them with the rules",
};
