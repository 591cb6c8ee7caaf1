import { assertEquals } from "@std/assert";
import { check, compile, type Policy } from "../../compiler/mod.ts";
import { decide } from "../../compiler/policy/decide.ts";
import { type Packet, V6_BASE } from "../../compiler/policy/field.ts";
import { contains } from "../../compiler/policy/interval.ts";
import type { Limit } from "../../compiler/policy/policy.ts";
import { classify, openImage } from "../../compiler/tables/classify.ts";
import { Engine } from "../../runtime/native.ts";
import { outcome } from "../../runtime/replay.ts";
import { Random, randomCases, randomPacket } from "../support/policy.ts";
import { decisionsOf, type Timed } from "../support/replay.ts";

/** 2026-07-01 00:00 UTC, a Wednesday, when the tests' packets begin to come. */
const START_NS = BigInt(Date.UTC(2026, 6, 1)) * 1_000_000n;

const DYNAMIC = [
  ...[
    "limit 1/second burst 1",
    "limit over 2/second burst 3 per source",
    "limit 3/minute per dest",
  ],
  ...["limit 1/second burst 2 per source/31,dport", "limit 2/second burst 1 per source/127"],
  ...["time 00:00-00:20", "time 23:50-00:10", "time 12:00-13:00", "time 00:00-24:00 days wed, sun"],
  ...["time 22:00-06:00 days tue", "until 2026-07-01", "until 2026-06-30"],
  ...["from @bad", "from ! @bad", "to { @bad, 10.0.0.1 }", "to ! { @bad, 10.0.0.0/31 }"],
];
const STATIC = ["", "tcp", "from 10.0.0.0/31", "ipv6", "dport 0-3", "to ! fd00::1"];

Deno.test("rates, hours and sets decide as by definition, in TypeScript and in C", async () => {
  const { seed, cases } = randomCases(150);
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const text = randomFile(random);
    const { policy } = check("random.fw", text);
    if (!policy) continue; // clauses that contradict are refused
    const packets: Timed[] = [];
    let time = START_NS;
    for (let i = 0; i < 300; i++) {
      time += BigInt(random.pick([0, 0, 1, 200, 1000, 60_000])) * 1_000_000n;
      const nowhere = {
        mark: 0n,
        in: 0n,
        out: 0n,
        mac: 1n << 48n,
        uid: 0xffffffffn,
        gid: 0xffffffffn,
      };
      packets.push({ packet: { ...randomPacket(random, policy.hooks), ...nowhere }, time });
    }
    await compare(policy, packets, `seed ${s}\n${text}`);
  }
});

function randomFile(random: Random): string {
  const statement = (depth: number): string => {
    const clauses = `${random.pick(STATIC)} ${random.chance(2) ? random.pick(DYNAMIC) : ""}`;
    const verb = random.pick(["accept", "drop", "match", "match set mark 1", "return", "when"]);
    if (verb !== "when") return `${verb} ${clauses}\n`;
    if (depth === 0) return `jump sub ${clauses}\n`;
    return `when ${random.pick(DYNAMIC)} {\n${statement(depth - 1)}${statement(depth - 1)}}\n`;
  };
  const body = (size: number, depth: number) =>
    Array.from({ length: random.below(size) }, () => statement(depth)).join("");
  // A subroutine jumps nowhere.
  const sub = body(5, 0).replace(/jump sub/g, "accept");
  return "set bad : addr size 10 = { 10.0.0.2/31, fd00::1, 192.168.0.1 }\n" +
    `chain sub {\n${sub}}\nchain input default drop {\n${body(9, 1)}}\n`;
}

async function compare(
  policy: Policy,
  packets: readonly Timed[],
  where: string,
): Promise<void> {
  const image = compile(policy);
  if (!(image instanceof Uint8Array)) throw new Error(image.message);
  const numberOf = new Map(policy.rules.map((rule, i) => [rule, i]));
  const definition = new Oracle(policy), reference = new Oracle(policy);
  const tables = openImage(image);
  const expected = packets.map(({ packet, time }) => {
    const by = decide(policy, packet, (literal) => definition.truth(literal, packet, time));
    const passed = by.passed.map((rule) => numberOf.get(rule)!);
    const made = classify(tables, packet, (literal) => reference.truth(literal, packet, time));
    assertEquals(made, { rule: numberOf.get(by.rule!)!, passed }, where);
    return made;
  });
  await using engine = new Engine(image);
  const decisions = decisionsOf(engine, packets);
  const hits = policy.rules.map(() => 0n);
  for (const [i, { rule, passed }] of expected.entries()) {
    assertEquals(outcome(decisions, i).rule, rule, `packet ${i}, ${where}`);
    for (const n of [...passed, rule]) hits[n]!++;
  }
  assertEquals(engine.counters().map((counter) => counter.packets), hits, where);
}

/** What literals are, worked out the plain way: buckets that are filled, dates of `Date`. */
class Oracle {
  readonly #buckets = new Map<string, { tokens: number; at: bigint }>();
  constructor(private readonly policy: Policy) {}

  truth(literal: number, packet: Packet, time: bigint): boolean {
    const l = this.policy.literals[literal]!;
    const date = new Date(Number(time / 1_000_000n));
    const minute = 60 * date.getHours() + date.getMinutes();
    const today = l.kind === "time" && l.days.includes(date.getDay());
    const yesterday = l.kind === "time" && l.days.includes((date.getDay() + 6) % 7);
    switch (l.kind) {
      case "limit":
        return this.#take(`${literal} ${keyOf(l, packet)}`, l, time);
      case "time":
        if (l.from < l.to) return today && minute >= l.from && minute < l.to;
        return (today && minute >= l.from) || (yesterday && minute < l.to);
      case "until":
        return l.day >=
          10000 * date.getFullYear() + 100 * (date.getMonth() + 1) + date.getDate();
      case "member":
        return contains(this.policy.sets[l.set]!.members, packet[l.of]);
    }
  }

  #take(key: string, { intervalNs, burst }: Limit, time: bigint): boolean {
    const bucket = this.#buckets.get(key) ?? { tokens: burst, at: time };
    this.#buckets.set(key, bucket);
    const gained = Number(time - bucket.at) / Number(intervalNs);
    bucket.tokens = Math.min(burst, bucket.tokens + gained);
    bucket.at = time;
    if (bucket.tokens < 1 - 1e-9) return false;
    bucket.tokens--;
    return true;
  }
}

function keyOf({ source, destination, sport, dport }: Limit, packet: Packet): string {
  const network = (address: bigint, { v4, v6 }: { v4: number; v6: number }) =>
    address < V6_BASE ? address >> BigInt(32 - v4) : V6_BASE + (address >> BigInt(128 - v6));
  return [
    source && network(packet.src, source),
    destination && network(packet.dst, destination),
    sport && packet.sport,
    dport && packet.dport,
  ].join();
}
