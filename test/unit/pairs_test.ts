import { assert, assertEquals } from "@std/assert";
import { PAIR_MIX } from "../../compiler/tables/layout.ts";
import { type Hashed, hashPairs, slotOf } from "../../compiler/tables/pairs.ts";

type Pair = readonly [source: number, destination: number];

function hashed(width: 2 | 4, pairs: readonly Pair[]): Hashed {
  const [sources, destinations] = [pairs.map(([s]) => s), pairs.map(([, d]) => d)];
  const found = hashPairs(width, sources, destinations, [...pairs.keys()].map((i) => i + 1));
  assert(found);
  return found;
}

/** What stands in the slot of a pair. */
function wordsOf({ width, slots, multipliers }: Hashed, [s, d]: Pair): number[] {
  const slot = slotOf(s, d, multipliers.length, slots.length / width, (b) => multipliers[b]!);
  return [...slots.subarray(slot * width, (slot + 1) * width)];
}

for (const [width, most] of [[2, 2 ** 16], [4, 2 ** 20]] as const) {
  Deno.test(`each of many pairs below ${most} has a slot of its own, four of five being taken`, () => {
    const pairs: Pair[] = [];
    for (let i = 0; i < 20_000; i++) pairs.push([i * 7919 % most, i * i % most]);
    const table = hashed(width, pairs);
    assertEquals(table.slots.length / width, 25_000);
    for (const [i, [s, d]] of pairs.entries()) {
      const words = width === 2 ? [(s << 16 | d) >>> 0, i + 1] : [s, d, i + 1, 0];
      assertEquals(wordsOf(table, [s, d]), words);
    }
  });
}

Deno.test("pairs of one hash have slots of their own", () => {
  // A Fibonacci number times the golden ratio is nearly whole: so little further is the same hash.
  const source = 46368, apart = Math.imul(source, PAIR_MIX);
  const pairs: Pair[] = [];
  for (let d = 0; d < 1000; d++) {
    pairs.push([0, d + Math.max(apart, 0)], [source, d - Math.min(apart, 0)]);
  }
  const table = hashed(4, pairs);
  for (const [i, pair] of pairs.entries()) assertEquals(wordsOf(table, pair), [...pair, i + 1, 0]);
});

Deno.test("all pairs of small numbers have slots of their own, no more than others need", () => {
  const pairs: Pair[] = [];
  for (let s = 0; s < 100; s++) for (let d = 0; d < 100; d++) pairs.push([s, d]);
  const table = hashed(2, pairs);
  assertEquals(table.slots.length / 2, 12_500);
  for (const [i, [s, d]] of pairs.entries()) {
    assertEquals(wordsOf(table, [s, d]), [s << 16 | d, i + 1]);
  }
});

Deno.test("one pair has a table, too", () => {
  assertEquals([...hashed(2, [[3, 4]]).slots].filter((word) => word !== 0), [3 << 16 | 4, 1]);
});
