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
import { UsageError, why } from "./report.ts";

/** A log that is being written. Stopping it writes the last lines, those of the past if there is one. */
export interface RunLog {
  stop(past?: Past): void;
}

/** Writes the log until stopped, to where the policy's options say; `heard` is told of each line. */
export function startLog(
  policy: Policy,
  engine: Engine,
  heard: (line: string) => void,
): RunLog {
  const { rules, options } = policy;
  if (!rules.some(({ log }) => log)) return { stop() {} };
  const file = options.log === "stderr" ? undefined : append(options.log);
  const captures = rules.some(({ log }) => log?.pcap);
  const capture = captures ? append(options.pcap, pcapngHeader()) : undefined;
  const log = followLog(engine, (lines) => {
    const texts = lines.map((line) => jsonLine(policy, line));
    if (file) writeAll(file, new TextEncoder().encode(texts.map((text) => `${text}\n`).join("")));
    else texts.forEach((text) => console.error(text)); // a record each, where telemetry collects them
    texts.forEach(heard);
    for (const { rule, bytes, length, timeNs } of lines) {
      if (!capture || !rules[rule]!.log!.pcap) continue;
      writeAll(capture, pcapngPacket(bytes, length, timeNs, rules[rule]!.name));
    }
  });
  return {
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

/** Opens a file to write behind what it holds; a new one begins with `header`. */
function append(path: string, header?: Uint8Array): Deno.FsFile {
  try {
    const file = Deno.openSync(path, { append: true, create: true });
    if (header && file.statSync().size === 0) writeAll(file, header);
    return file;
  } catch (error) {
    throw new UsageError(`cannot write ${path}: ${why(error)}`);
  }
}

function writeAll(to: { writeSync(bytes: Uint8Array): number }, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += to.writeSync(bytes.subarray(at));
}
