/**
 * The log of a run: a line of JSON for each packet that a rule logs, and captures of those with `pcap`.
 *
 * @module
 */
import { addressText, type Policy } from "../compiler/mod.ts";
import {
  type Engine,
  followLog,
  type LogLine,
  type Past,
  pcapngHeader,
  pcapngPacket,
} from "../runtime/mod.ts";
import { appendTo } from "./log_file.ts";

/** A log that is being written. Stopping it writes the last lines, those of the past if there is one. */
export interface RunLog {
  /** What of it cannot be written now, a sentence each. */
  readonly faults: readonly string[];
  stop(past?: Past): void;
}

/** Who is told of a log. */
export interface LogListener {
  /** Of each line. */
  heard(line: string): void;
  /** Of lines that could not be written. */
  lost(lines: number): void;
  /** In words, of what goes wrong. */
  alarm(text: string): void;
}

/** Writes the log until stopped, to where the policy's options say. */
export function startLog(
  policy: Policy,
  engine: Engine,
  { heard, lost, alarm }: LogListener,
): RunLog {
  const { rules, options } = policy;
  if (!rules.some(({ log }) => log)) return { faults: [], stop() {} };
  const file = options.log === "stderr" ? undefined : appendTo(options.log, alarm);
  const captures = rules.some(({ log }) => log?.pcap);
  const capture = captures ? appendTo(options.pcap, alarm, pcapngHeader()) : undefined;
  const log = followLog(engine, (lines) => {
    const texts = lines.map((line) => jsonLine(policy, line));
    if (!file) texts.forEach((text) => console.error(text)); // a record each, where telemetry collects them
    else if (!file.write(new TextEncoder().encode(`${texts.join("\n")}\n`))) lost(texts.length);
    texts.forEach(heard);
    for (const { rule, bytes, length, timeNs } of lines) {
      if (!capture || !rules[rule]!.log!.pcap) continue;
      capture.write(pcapngPacket(bytes, length, timeNs, rules[rule]!.name));
    }
  });
  return {
    get faults() {
      return [file?.fault ?? [], capture?.fault ?? []].flat();
    },
    stop(last) {
      log.stop(last);
      file?.close();
      capture?.close();
    },
  };
}

/** One line, without its end. */
export function jsonLine({ rules, options }: Policy, line: LogLine): string {
  const { name, hook, verdict, log } = rules[line.rule]!;
  const time = new Date(Number(line.timeNs / 1_000_000n)).toISOString();
  return JSON.stringify({
    time,
    chain: hook,
    verdict: verdict.name === "next" ? "match" : verdict.name,
    ...(options["dry-run"] && { "dry-run": true }),
    rule: name,
    ...(line.in && { in: line.in }),
    ...(line.out && { out: line.out }),
    src: addressText(line.six, line.source),
    dst: addressText(line.six, line.destination),
    proto: PROTOCOLS[line.protocol] ?? line.protocol,
    ...(line.ports && { sport: line.ports.source, dport: line.ports.destination }),
    length: line.length,
    prefix: log!.prefix,
    suppressed: line.suppressed,
  });
}

const PROTOCOLS: Readonly<Record<number, string>> = {
  1: "icmp",
  6: "tcp",
  17: "udp",
  58: "icmpv6",
  132: "sctp",
};
