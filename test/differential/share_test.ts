import { assertEquals } from "@std/assert";
import { check, compile } from "../../compiler/mod.ts";
import { RECORDS, writeRecord } from "../../compiler/tables/layout.ts";
import { Engine, type Packets } from "../../runtime/native.ts";
import { interfaceNames } from "../../runtime/replay.ts";
import { Random, randomCases } from "../support/policy.ts";
import { evaluatorsOf } from "../support/replay.ts";

const RULES = 3000, PACKETS = 100_000, PACKET_SIZE = 28;

/** Rules over few addresses and ports, so that several match a packet and order matters. */
function manyRules(random: Random): string {
  const address = () => `10.${random.below(4)}.${random.below(8)}.${random.below(256)}`;
  const prefix = () => random.chance(3) ? `10.${random.below(4)}.0.0/16` : address();
  const rules = Array.from({ length: RULES }, () => {
    const first = random.below(300);
    const verdict = random.pick(["accept", "drop", "reject"]);
    return `${verdict} udp from ${prefix()} to ${prefix()} dport ${first}-${
      first + random.below(40)
    }`;
  });
  return `chain input default drop {\n${rules.join("\n")}\n}\n`;
}

function udpPackets(random: Random): Packets {
  const bytes = new Uint8Array(PACKETS * PACKET_SIZE);
  const records = new Uint8Array(PACKETS * RECORDS.packet.size);
  const header = new DataView(bytes.buffer), view = new DataView(records.buffer);
  const size = { captured: PACKET_SIZE, length: PACKET_SIZE };
  const scene = { mark: 0, hook: 0, in: 0, out: 0 };
  for (let i = 0; i < PACKETS; i++) {
    const at = i * PACKET_SIZE;
    const address = () => [10, random.below(4), random.below(8), random.below(256)];
    bytes.set([0x45, 0, 0, PACKET_SIZE, 0, 0, 0, 0, 64, 17, 0, 0, ...address(), ...address()], at);
    header.setUint16(at + 22, random.below(340));
    header.setUint16(at + 24, 8);
    const record = { at, ...size, ...scene, uid: 0, gid: 0, mac: 0n, time: 0n };
    writeRecord(view, i * RECORDS.packet.size, RECORDS.packet, record);
  }
  return { records, bytes, names: interfaceNames([]) };
}

Deno.test("any number of workers, split either way, decides and counts as one thread does", async () => {
  const { seed, cases } = randomCases(2);
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const image = compile(check("many.fw", manyRules(random)).policy!);
    if (!(image instanceof Uint8Array)) throw new Error(image.message);
    const packets = udpPackets(random);
    await using alone = new Engine(image);
    const expected = alone.replay(packets), once = alone.counters();
    for (const split of ["packets", "rules"] as const) {
      for (const workers of [0, 1, 2, 3, 4]) {
        await using engine = new Engine(image);
        engine.share({ workers, split });
        let rounds = 0n;
        for (const evaluator of evaluatorsOf(engine)) {
          const where = `seed ${s}, ${workers} workers, split by ${split}, ${evaluator}`;
          const differs = engine.replay(packets).findIndex((byte, i) => byte !== expected[i]);
          assertEquals(differs, -1, where);
          rounds++;
          const hits = once.map(({ packets, bytes, lastNs }) => ({
            packets: packets * rounds,
            bytes: bytes * rounds,
            lastNs,
          }));
          assertEquals(engine.counters(), hits, where);
        }
      }
    }
  }
});
