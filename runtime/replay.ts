/**
 * A capture through the engine: the same tables and the same native code as on the kernel's queue.
 *
 * @module
 */
import {
  LISTS,
  NAME_SIZE,
  NO_RULE,
  readRecord,
  RECORDS,
  writeRecord,
} from "../compiler/tables/layout.ts";
import type { Frame } from "./capture.ts";
import type { Engine, Packets } from "./native.ts";

/** Where all packets of a capture are taken to have been seen. */
export interface Scene {
  readonly hook: (typeof LISTS.hook.names)[number];
  readonly in: string;
  readonly out: string;
  readonly mark: number;
  /** When, in nanoseconds since 1970. */
  readonly time: bigint;
}

/** What became of one packet. */
export interface Outcome {
  readonly verdict: "accept" | "drop" | "reject";
  /** Number of the deciding rule; undefined if the packet could not be parsed. */
  readonly rule: number | undefined;
  /** Why it could not be parsed. */
  readonly malformed: (typeof LISTS.malformed.names)[number] | undefined;
}

/** A capture does not say whose packets they are. */
const NOBODY = { uid: 0xffffffff, gid: 0xffffffff, mac: 1n << 48n } as const;

/** Packets that go to the engine at once. */
const BATCH = 4096;

/** Decides the frames of a capture file; undefined for those that are not IP. Counts them, too. */
export function* replay(
  engine: Engine,
  file: Uint8Array<ArrayBuffer>,
  frames: readonly Frame[],
  scene: Scene,
): Generator<Outcome | undefined> {
  for (let from = 0; from < frames.length; from += BATCH) {
    const batch = frames.slice(from, from + BATCH);
    const decisions = new DataView(engine.replay(packetsOf(file, batch, scene)).buffer);
    let next = 0;
    for (const { ip } of batch) yield ip && outcome(decisions, next++);
  }
}

/** The IP packets among the frames of a capture file, as an engine takes them. */
export function packetsOf(
  file: Uint8Array<ArrayBuffer>,
  frames: readonly Frame[],
  scene: Scene,
): Packets {
  const place = {
    mark: scene.mark,
    ...NOBODY,
    time: scene.time,
    hook: LISTS.hook.names.indexOf(scene.hook),
    in: scene.in === "" ? 0 : 1,
    out: scene.out === "" ? 0 : 2,
  };
  const packets = frames.flatMap(({ ip }) => ip ?? []);
  const records = new Uint8Array(packets.length * RECORDS.packet.size);
  const view = new DataView(records.buffer);
  for (const [i, packet] of packets.entries()) {
    writeRecord(view, i * RECORDS.packet.size, RECORDS.packet, { ...packet, ...place });
  }
  return { records, bytes: file, names: interfaceNames([scene.in, scene.out]) };
}

/** Interface names as the engine takes them: "none" first, then each padded with zeros. */
export function interfaceNames(names: readonly string[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array((names.length + 1) * NAME_SIZE);
  for (const [i, name] of names.entries()) {
    bytes.set(new TextEncoder().encode(name).subarray(0, NAME_SIZE - 1), (i + 1) * NAME_SIZE);
  }
  return bytes;
}

/** One decision record as data. */
export function outcome(decisions: DataView, index: number): Outcome {
  const record = readRecord(decisions, index * RECORDS.decision.size, RECORDS.decision);
  const verdict = LISTS.verdict.names[record.verdict]!;
  if (verdict === "next") throw new Error("The engine left a packet without a verdict");
  const malformed = record.malformed === 0 ? undefined : LISTS.malformed.names[record.malformed];
  return { verdict, rule: record.rule === NO_RULE ? undefined : record.rule, malformed };
}
