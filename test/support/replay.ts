/**
 * A policy's packets through the native engine: as bytes, and back as decisions.
 *
 * @module
 */
import type { Packet } from "../../compiler/policy/field.ts";
import { valueText } from "../../compiler/policy/text.ts";
import { RECORDS, writeRecord } from "../../compiler/tables/layout.ts";
import { type Engine, EVALUATORS, type Packets } from "../../runtime/native.ts";
import { interfaceNames } from "../../runtime/replay.ts";
import { packetBytes } from "./packet.ts";

/** A packet, when it is seen, and its mark if that is not the packet's own. */
export interface Timed {
  readonly packet: Packet;
  readonly time: bigint;
  readonly mark?: number;
}

/** The records of what the engine decides, to be read with `outcome()`. */
export function decisionsOf(engine: Engine, packets: readonly Timed[]): DataView {
  return new DataView(engine.replay(asBytes(packets)).buffer);
}

/** Packets as an engine replays them, once or several times. */
export function asBytes(packets: readonly Timed[]): Packets {
  const indexes = new Map<bigint, number>([[0n, 0]]);
  const indexOf = (name: bigint) => {
    return indexes.get(name) ?? indexes.set(name, indexes.size).get(name)!;
  };
  const parts = packets.map(({ packet }) => packetBytes(packet));
  const bytes = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  const records = new Uint8Array(packets.length * RECORDS.packet.size);
  const view = new DataView(records.buffer);
  let at = 0;
  for (const [i, { packet, time, mark }] of packets.entries()) {
    const { length } = parts[i]!;
    bytes.set(parts[i]!, at);
    writeRecord(view, i * RECORDS.packet.size, RECORDS.packet, {
      at,
      captured: length,
      length,
      mark: mark ?? Number(packet.mark),
      hook: Number(packet.hook),
      in: indexOf(packet.in),
      out: indexOf(packet.out),
      uid: Number(packet.uid),
      gid: Number(packet.gid),
      mac: packet.mac,
      time,
    });
    at += length;
  }
  const texts = [...indexes.keys()].filter((name) => name !== 0n)
    .map((name) => valueText("in", name));
  return { records, bytes, names: interfaceNames(texts) };
}

const said = new Set<string>();

/** Lets the engine decide by each that this processor has; of the others it is said, once. */
export function* evaluatorsOf(engine: Engine): Generator<typeof EVALUATORS[number]> {
  for (const evaluator of EVALUATORS) {
    if (engine.evaluateBy(evaluator)) yield evaluator;
    else if (!said.has(evaluator)) console.log(`not tried, for want of a processor: ${evaluator}`);
    said.add(evaluator);
  }
}
