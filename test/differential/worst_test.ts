/** Policies that are the worst there is for one table or another: each keeps to its caps, and is exact. */
import { assertEquals } from "@std/assert";
import { DEFAULTS } from "../../compiler/policy/options.ts";
import { decide } from "../../compiler/policy/decide.ts";
import {
  DOMAIN,
  type Field,
  FIELDS,
  interfaceNumber,
  type Packet,
} from "../../compiler/policy/field.ts";
import { type IntervalSet, span } from "../../compiler/policy/interval.ts";
import type { Policy, Rule } from "../../compiler/policy/policy.ts";
import type { Region } from "../../compiler/policy/region.ts";
import { classify, openImage } from "../../compiler/tables/classify.ts";
import { image } from "../../compiler/tables/image.ts";
import { type BackEnd, plan } from "../../compiler/tables/plan.ts";
import { Engine } from "../../runtime/native.ts";
import { Random } from "../support/policy.ts";

const PACKETS = 400;
const HOST = span(0x0a000001);

function worst(
  name: string,
  count: number,
  backEnd: BackEnd,
  most: number,
  regions: (random: Random, i: number) => Region | readonly Region[],
): void {
  Deno.test(`${name}: ${backEnd} tables within ${most >> 20} MB, and exact`, async () => {
    const random = new Random(1);
    const policy = policyOf(Array.from({ length: count }, (_, i) => [regions(random, i)].flat()));
    const tables = plan(policy);
    const bytes = image(policy, tables);
    assertEquals(tables.backEnd, backEnd);
    assertEquals(bytes.length <= most, true, `${bytes.length} bytes`);
    await using _engine = new Engine(bytes); // which refuses an image that it finds fault with
    const opened = openImage(bytes);
    const numbers = new Map(policy.rules.map((rule, i) => [rule, i]));
    for (let i = 0; i < PACKETS; i++) {
      const packet = packetNear(random, policy);
      const expected = numbers.get(decide(policy, packet).rule!);
      assertEquals(classify(opened, packet).rule, expected, `packet ${i}`);
    }
  });
}

function policyOf(rules: readonly (readonly Region[])[]): Policy {
  const rule = (regions: readonly Region[], i: number): Rule => ({
    name: `input:${i + 1}`,
    hook: "input",
    verdict: { name: i % 2 ? "accept" : "drop" },
    regions: regions.map((region) => ({ hook: span(0), ...region })),
    span: { start: 0, end: 0 },
  });
  return {
    rules: [...rules, [{}]].map(rule),
    hooks: ["input"],
    markBits: 0xffffffff,
    literals: [],
    sets: [],
    options: DEFAULTS,
  };
}

/** In a random rule, or just outside one of its fields. */
function packetNear(random: Random, policy: Policy): Packet {
  const region = random.pick(random.pick(policy.rules).regions);
  const value = (field: Field): bigint => {
    const { lo, hi } = random.pick(region[field] ?? [ANY[field]]);
    const wide = hi - lo;
    const inside = lo + (wide > 0n ? BigInt(random.below(0x7fffffff)) % (wide + 1n) : 0n);
    const edge = random.pick([lo, hi, inside, inside, hi + 1n]);
    const most = field === "src" || field === "dst" ? ANY[field].hi : DOMAIN[field].at(-1)!.hi;
    return field !== "hook" && edge <= most ? edge : lo;
  };
  return Object.fromEntries(FIELDS.map((field) => [field, value(field)])) as Packet;
}

/** Where a field that a rule leaves open is looked at. */
const ANY = Object.fromEntries(FIELDS.map((field) => {
  const { lo, hi } = DOMAIN[field][0]!;
  return [field, field === "src" || field === "dst" ? { lo, hi: 0xffffffffn } : { lo, hi }];
})) as Record<Field, { lo: bigint; hi: bigint }>;

function range(random: Random, limit: number): IntervalSet {
  const [a, b] = [random.below(limit), random.below(limit)];
  return span(Math.min(a, b), Math.max(a, b));
}

function network(random: Random, longest: number): IntervalSet {
  const length = 1 + random.below(longest);
  const size = 2 ** (32 - length);
  const first = Math.floor(random.below(0xffffffff) / size) * size;
  return span(first, first + size - 1);
}

worst("many overlapping arbitrary port ranges", 2000, "sparse", 16 << 20, (random) => ({
  proto: span(6),
  sport: range(random, 65536),
  dport: range(random, 65536),
}));

worst("hundreds of nested prefixes", 2000, "parted", 16 << 20, (random, i) => ({
  src: span(i, 0xffffffff - i),
  dport: span(random.below(50)),
}));

worst("one host with two thousand rules", 2000, "parted", 16 << 20, (random, i) => ({
  src: HOST,
  dst: i % 2 ? HOST : network(random, 32),
  proto: span(random.pick([6, 17])),
  dport: span(i),
}));

worst("rules of several regions, some to each host", 2000, "parted", 16 << 20, (random, i) => [
  { src: span(0x0a000000 + i % 500), proto: span(6), dport: span(random.below(300)) },
  { src: span(0x0a000000 + i % 500), proto: span(17), dport: span(random.below(300)) },
]);

worst("all rules wide on both sides", 2000, "parted", 16 << 20, (random) => ({
  src: network(random, 6),
  dst: network(random, 6),
  dport: span(random.below(200)),
}));

worst("ten thousand marks", 10_000, "parted", 16 << 20, (_, i) => ({ mark: span(7 * i) }));

worst("ten thousand interfaces", 10_000, "parted", 16 << 20, (_, i) => ({
  in: span(interfaceNumber(`veth${i}`)),
}));

worst("arbitrary ranges of addresses on both sides", 3000, "sparse", 64 << 20, (random) => ({
  src: range(random, 0xffffffff),
  dst: range(random, 0xffffffff),
}));
