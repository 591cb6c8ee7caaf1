/**
 * The engine's log: lines that its threads have written, as data.
 *
 * The threads never wait for us. What we do not take in time is taken away and counted in the
 * engine's totals as `logs_lost`.
 *
 * @module
 */
import { readRecord, RECORDS } from "../compiler/tables/layout.ts";
import { type Engine, LOG_LINE } from "./native.ts";

export interface LogLine {
  /** Number of the rule. */
  readonly rule: number;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly six: boolean;
  readonly source: bigint;
  readonly destination: bigint;
  readonly protocol: number;
  /** Undefined for packets without ports. */
  readonly ports: { readonly source: number; readonly destination: number } | undefined;
  /** Names of the interfaces, "" for none. */
  readonly in: string;
  readonly out: string;
  /** Bytes of the IP packet. */
  readonly length: number;
  /** Lines of this rule left out since its last one. */
  readonly suppressed: number;
  /** The packet's first bytes; none unless the rule asks for them. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const INTERVAL_MS = 50;
/** Lines taken at once. */
const ROOM = 256;

/** Where there are lines to take: an engine, or what is left of tables it no longer decides by. */
type LogSource = Pick<Engine, "readLog">;

/**
 * Hands on lines as they come, until stopped; stopping hands on the last ones, which are those of the
 * `last` source if the engine has other tables by then.
 */
export function followLog(
  engine: Engine,
  take: (lines: readonly LogLine[]) => void,
): { stop(last?: LogSource): void } {
  const drain = (from: LogSource) => {
    for (let lines; (lines = readLog(from)).length > 0;) take(lines);
  };
  const timer = setInterval(drain, INTERVAL_MS, engine);
  return {
    stop(last = engine) {
      clearInterval(timer);
      drain(last);
    },
  };
}

/** Takes some lines; none if there is none. */
export function readLog(from: LogSource): LogLine[] {
  const bytes = from.readLog(ROOM);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.length / LOG_LINE }, (_, i) => lineAt(view, i * LOG_LINE));
}

function lineAt(view: DataView<ArrayBuffer>, at: number): LogLine {
  const record = readRecord(view, at, RECORDS.log);
  const { fields, size } = RECORDS.log;
  const wide = (field: keyof typeof fields) => view.getBigUint64(at + fields[field].at, true);
  const name = (field: "in_0" | "out_0") => {
    const from = view.byteOffset + at + fields[field].at;
    const bytes = new Uint8Array(view.buffer, from, 16);
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  };
  return {
    rule: record.rule,
    timeNs: wide("time"),
    six: record.family === 1,
    source: wide("source_hi") << 64n | wide("source_lo"),
    destination: wide("destination_hi") << 64n | wide("destination_lo"),
    protocol: record.proto,
    ports: record.sport > 65535 ? undefined : { source: record.sport, destination: record.dport },
    in: name("in_0"),
    out: name("out_0"),
    length: record.length,
    suppressed: record.suppressed,
    bytes: new Uint8Array(view.buffer, view.byteOffset + at + size, record.captured),
  };
}
