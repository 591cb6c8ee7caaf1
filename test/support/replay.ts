/**
 * A policy's packets through the native engine: as bytes, and back as decisions.
 *
 * @module
 */
import type { Packet } from "../../compiler/policy/field.ts";
import { valueText } from "../../compiler/policy/text.ts";
import { RECORDS, writeRecord } from "../../compiler/tables/layout.ts";
import type { Engine } from "../../runtime/native.ts";
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
  const decisions = engine.replay({ records, bytes, names: interfaceNames(texts) });
  return new DataView(decisions.buffer);
}
