import { assertEquals } from "@std/assert";
import { carry, check, compile, type Policy } from "../../compiler/mod.ts";
import { Engine, type Member } from "../../runtime/native.ts";
import { Random, randomCases, randomPacket } from "../support/policy.ts";
import { decisionsOf } from "../support/replay.ts";

const START_NS = BigInt(Date.UTC(2026, 6, 1)) * 1_000_000n;
const PACKETS = 600;
const FLOWS = 40;

const CLAUSES = [
  ...["", "", "tcp", "udp dport 0-3", "ipv6", "ipv4", "from 10.0.0.0/31", "to ! fd00::1"],
  ...["ttl 0-63", "length 0-80", "in on eth0", "in on { eth*, lo }", "! fragment", "mark 1"],
  ...["limit 1/second burst 1", "limit 2/second burst 1 per source", "limit over 3/minute"],
  ...["time 00:00-00:20", "until 2026-07-01", "from @bad", "to ! @bad", "from { @bad, 10.0.0.1 }"],
];

Deno.test("behind a flow cache every packet is decided as without, also across reloads", async () => {
  const { seed, cases } = randomCases(150);
  let hits = 0n, misses = 0n;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const texts = [randomFile(random), randomFile(random)];
    const flows = random.pick([1, 2, 7, 64, 4096]);
    const plain = texts.flatMap((text) => policyOf(text, 0) ?? []);
    if (plain.length < texts.length) continue; // clauses that contradict are refused
    const cached = texts.map((text) => policyOf(text, flows)!);
    const where = `seed ${s}, ${flows} flows\n${texts.join("\n")}`;
    const stats = await compare(random, plain, cached, where);
    hits += stats.flow_hits;
    misses += stats.flow_misses;
  }
  // Those of a cache too small for the flows, and of one that is not.
  assertEquals(
    hits > 100n * BigInt(cases) && misses > 100n * BigInt(cases),
    true,
    `${hits}, ${misses}`,
  );
});

/** The same packets of few flows, set members and reloads for an engine without a cache and one with. */
async function compare(
  random: Random,
  plain: readonly Policy[],
  cached: readonly Policy[],
  where: string,
) {
  await using without = new Engine(imageOf(plain[0]!));
  await using behind = new Engine(imageOf(cached[0]!));
  const flows = Array.from({ length: FLOWS }, () => randomPacket(random, ["input"]));
  let time = START_NS;
  for (let turn = 0; turn < 6; turn++) {
    const packets = Array.from({ length: PACKETS }, () => {
      time += BigInt(random.pick([0, 0, 1, 200, 5000])) * 1_000_000n;
      return { packet: random.pick(flows), time };
    });
    const [one, other] = [without, behind].map((engine) => decisionsOf(engine, packets).buffer);
    assertEquals(new Uint8Array(other!), new Uint8Array(one!), where);
    assertEquals(behind.counters(), without.counters(), where);
    // What the cache knows by now stays, but for a reload, in every other turn.
    const member = randomMember(random);
    const from = turn >> 1 & 1;
    for (const [engine, policies] of [[without, plain], [behind, cached]] as const) {
      if (policies[from]!.sets.length > 0) engine.addMember(0, member);
      if (turn % 2 === 0) continue;
      const [old, next] = [policies[from]!, policies[1 - from]!];
      engine.swap(imageOf(next), carry(old, next))[Symbol.dispose]();
    }
  }
  const { flow_hits, flow_misses } = without.stats();
  assertEquals([flow_hits, flow_misses], [0n, 0n], where);
  return behind.stats();
}

function randomFile(random: Random): string {
  const clauses = () => `${random.pick(CLAUSES)} ${random.chance(2) ? random.pick(CLAUSES) : ""}`;
  const verb = () => random.pick(["accept", "drop", "reject", "match", "match set mark 2"]);
  const rules = Array.from({ length: 1 + random.below(12) }, () => `  ${verb()} ${clauses()}`);
  return "set bad : addr size 40 = { 10.0.0.2/31, fd00::1 }\n" +
    `chain input default drop {\n${rules.join("\n")}\n}\n`;
}

function randomMember(random: Random): Member {
  const host = BigInt(random.below(4));
  return random.chance(2)
    ? { six: false, bits: 0x0a000000n + host, length: 32, stayNs: 0n }
    : { six: true, bits: (0xfd00n << 112n) + host, length: 128, stayNs: 0n };
}

/** Undefined if the file is refused. */
function policyOf(text: string, flows: number): Policy | undefined {
  return check("flows.fw", text, { "flow-cache": flows }).policy;
}

function imageOf(policy: Policy): Uint8Array<ArrayBuffer> {
  const image = compile(policy);
  if (!(image instanceof Uint8Array)) throw new Error(image.message);
  return image;
}
