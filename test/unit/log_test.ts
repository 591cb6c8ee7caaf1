import { assertEquals } from "@std/assert";
import { check, compile } from "../../compiler/mod.ts";
import { RECORDS, writeRecord } from "../../compiler/tables/layout.ts";
import { readLog } from "../../runtime/log.ts";
import { Engine } from "../../runtime/native.ts";
import { interfaceNames } from "../../runtime/replay.ts";
import { packetOf } from "../support/capture.ts";
import { packetBytes } from "../support/packet.ts";

const SECOND_NS = 1_000_000_000n;

/** An engine for one input chain, and a way to show it a UDP packet at each of some times. */
function engineFor(body: string): { engine: Engine; show(timesNs: bigint[]): void } {
  const { policy } = check("log.fw", `chain input default drop {\n${body}\n}`);
  const image = compile(policy!);
  if (!(image instanceof Uint8Array)) throw new Error(image.message);
  const engine = new Engine(image);
  const bytes = packetBytes(packetOf({ proto: "udp", dport: 53 }));
  const show = (timesNs: bigint[]) => {
    const records = new Uint8Array(timesNs.length * RECORDS.packet.size);
    const view = new DataView(records.buffer);
    for (const [i, time] of timesNs.entries()) {
      const nobody = { uid: 0xffffffff, gid: 0xffffffff, mac: 1n << 48n };
      const place = { at: 0, captured: bytes.length, length: bytes.length, mark: 0, hook: 0 };
      writeRecord(view, i * RECORDS.packet.size, RECORDS.packet, {
        ...place,
        ...nobody,
        in: 0,
        out: 0,
        time,
      });
    }
    engine.replay({ records, bytes, names: interfaceNames([]) });
  };
  return { engine, show };
}

function readAll(engine: Engine): ReturnType<typeof readLog> {
  const lines = [];
  for (let some; (some = readLog(engine)).length > 0;) lines.push(...some);
  return lines;
}

Deno.test("`log every` leaves lines out, and says how many with the next", async () => {
  const { engine, show } = engineFor("accept udp log every 5s");
  await using _ = engine;
  show([10n, 10n, 12n, 15n, 16n, 30n].map((s) => s * SECOND_NS));
  const lines = readAll(engine);
  assertEquals(lines.map(({ timeNs }) => timeNs / SECOND_NS), [10n, 15n, 30n]);
  assertEquals(lines.map(({ suppressed }) => suppressed), [0, 2, 1]);
});

Deno.test("a clock that is set back does not keep a log silent, nor a bucket empty", async () => {
  const { engine, show } = engineFor(
    "match udp log every 5s label noted\naccept udp limit 1/second burst 1 label let",
  );
  await using _ = engine;
  show([1000n, 10n, 12n].map((s) => s * SECOND_NS));
  assertEquals(readAll(engine).map(({ timeNs }) => timeNs / SECOND_NS), [1000n, 10n]);
  assertEquals(engine.counters()[1]!.packets, 2n);
});

Deno.test("a log that nobody reads keeps the newest lines, and counts the others", async () => {
  const { engine, show } = engineFor("accept udp log");
  await using _ = engine;
  show(Array.from({ length: 3000 }, (_, i) => BigInt(i)));
  const times = readAll(engine).map(({ timeNs }) => Number(timeNs));
  assertEquals(times, Array.from({ length: 1024 }, (_, i) => 3000 - 1024 + i));
  assertEquals(engine.stats().logs_lost, 3000n - 1024n);
});

Deno.test("a line holds the packet's bytes only if the rule keeps them", async () => {
  const { engine, show } = engineFor('match udp log "a"\naccept udp log "b" pcap');
  await using _ = engine;
  show([1n]);
  const bytes = packetBytes(packetOf({ proto: "udp", dport: 53 }));
  const lines = readAll(engine);
  assertEquals(lines.map((line) => line.bytes.length), [0, bytes.length]);
  assertEquals(lines[1]!.bytes, bytes);
  assertEquals(lines[1]!.ports, { source: 40000, destination: 53 });
});

Deno.test("a limit lets its burst through at once, then one packet an interval", async () => {
  const { engine, show } = engineFor("accept udp limit 2/second burst 2");
  await using _ = engine;
  show([0n, 0n, 0n, SECOND_NS / 2n, SECOND_NS / 2n, 2n * SECOND_NS, 2n * SECOND_NS]);
  assertEquals(engine.counters()[0]!.packets, 5n);
});
