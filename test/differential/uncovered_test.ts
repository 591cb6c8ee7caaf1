import { assert, assertEquals } from "@std/assert";
import { hasPacket } from "../../compiler/policy/region.ts";
import { span } from "../../compiler/policy/interval.ts";
import type { Region } from "../../compiler/policy/region.ts";
import { Space } from "../../compiler/analysis/space.ts";
import { uncovered } from "../../compiler/analysis/uncovered.ts";
import { Random, randomCases } from "../support/policy.ts";
import { smallPolicy } from "../support/small_policy.ts";
import { Bdd } from "../support/bdd.ts";

Deno.test("a region is covered exactly when a decision diagram over its bits says so", () => {
  const { seed, cases } = randomCases(200);
  let bdd = new Bdd();
  let covered = 0;
  for (let s = seed; s < seed + cases; s++) {
    // Its tables only grow.
    if ((s - seed) % 200 === 199) bdd = new Bdd();
    const random = new Random(s);
    const { policy } = smallPolicy(random, 8);
    // Which bytes are a name, and which marks there are, is not said in bits.
    const regions = policy.rules.flatMap((rule) => rule.regions)
      .map(({ in: _in, out: _out, mark: _mark, ...region }): Region => region);
    const [target, ...others] = regions as [Region, ...Region[]];
    const space = new Space(regions, 0);
    const cover = others.flatMap((region, i) => space.boxes(region, i));
    const ours = space.boxes(target).map((box) => uncovered(box, cover));

    const left = others.map((region) => bdd.region(region))
      .reduce((rest, region) => bdd.without(rest, region), bdd.packets(bdd.region(target)));
    assertEquals(ours.every(({ kind }) => kind === "covered"), left === bdd.nothing, `seed ${s}`);
    for (const result of ours) {
      if (result.kind !== "escapes") {
        covered++;
        continue;
      }
      const packet = space.packet(result.witness);
      assert(hasPacket(target, packet), `seed ${s}: the witness is outside`);
      assert(!others.some((other) => hasPacket(other, packet)), `seed ${s}: it does not escape`);
    }
  }
  console.log(`${covered} boxes were covered`);
});

Deno.test("a rule covered by a shuffled grid of others is found dead, and live without one cell", () => {
  const side = 100;
  const random = new Random(1);
  const grid: Region[] = Array.from({ length: side * side }, (_, i) => ({
    sport: span(10 * (i % side), 10 * (i % side) + 9),
    dport: span(10 * Math.floor(i / side), 10 * Math.floor(i / side) + 9),
  }));
  for (let i = grid.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [grid[i], grid[j]] = [grid[j]!, grid[i]!];
  }
  const whole: Region = {
    hook: span(0),
    family: span(0),
    proto: span(6),
    sport: span(0, 10 * side - 1),
    dport: span(0, 10 * side - 1),
  };
  const space = new Space([whole, ...grid], 0);
  const [box] = space.boxes(whole);
  const cover = grid.flatMap((region, i) => space.boxes(region, i));
  assertEquals(uncovered(box!, cover).kind, "covered");
  const missing = grid[4321]!;
  const result = uncovered(box!, cover.filter(({ owner }) => owner !== 4321));
  assert(result.kind === "escapes");
  assert(hasPacket(missing, space.packet(result.witness)));
});

Deno.test("a literal that is not about the packet covers nothing outside itself", () => {
  const limited = (held: number): Region => ({
    dport: span(22),
    dynamic: new Map([[0, held === 1]]),
  });
  const plain: Region = { hook: span(0), dport: span(22) };
  const space = new Space([plain, limited(0), limited(1)], 0);
  const covers = (...regions: Region[]) =>
    space.boxes(plain).every((box) =>
      uncovered(box, regions.flatMap((region) => space.boxes(region))).kind === "covered"
    );
  assertEquals(covers(limited(1)), false);
  assertEquals(covers(limited(1), limited(0)), true);
});

Deno.test("a box is covered, literals and all, exactly when it is whichever of them hold", () => {
  const { seed, cases } = randomCases(2000);
  const seen = { covered: 0, escapes: 0 };
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const literals = random.below(5);
    const some = (): Region => {
      const dynamic = Array.from({ length: literals }, (_, n) => [n, random.chance(2)] as const)
        .filter(() => random.chance(3));
      const from = random.below(4);
      return {
        ...TCP,
        ...(random.chance(2) && { sport: span(from, from + random.below(4)) }),
        ...(random.chance(2) && { dport: span(from, from + random.below(4)) }),
        ...(dynamic.length > 0 && { dynamic: new Map(dynamic) }),
      };
    };
    const target = { ...some(), sport: span(0, 7), dport: span(0, 7) };
    const others = Array.from({ length: random.below(12) }, some);
    const space = new Space([target, ...others], 0);
    const boxesOf = (regions: readonly Region[]) => regions.flatMap((one) => space.boxes(one));
    const [box] = boxesOf([target]);
    const result = uncovered(box!, boxesOf(others));
    const holds = ({ dynamic }: Region, held: number) =>
      dynamic?.entries().every(([n, wanted]) => wanted === (held >> n & 1) > 0) ?? true;
    const ever = Array.from({ length: 1 << literals }, (_, held) => held)
      .filter((held) => holds(target, held));
    const plain = ({ dynamic: _, ...region }: Region): Region => region;
    const covered = ever.every((held) => {
      const cover = others.filter((other) => holds(other, held)).map(plain);
      return uncovered(boxesOf([plain(target)])[0]!, boxesOf(cover)).kind === "covered";
    });
    assertEquals(result.kind, covered ? "covered" : "escapes", `seed ${s}`);
    seen[covered ? "covered" : "escapes"]++;
    if (result.kind !== "escapes") continue;
    const packet = space.packet(result.witness);
    const held = ever.find((held) =>
      Array.from({ length: literals }, (_, n) => n).every((n) =>
        space.holds(result.witness, n) === (held >> n & 1) > 0
      )
    );
    assert(held !== undefined && hasPacket(target, packet), `seed ${s}: the witness is outside`);
    const takers = others.filter((other) => holds(other, held) && hasPacket(plain(other), packet));
    assertEquals(takers, [], `seed ${s}: it does not escape`);
  }
  assert(seen.covered > 0 && seen.escapes > 0, "one of the two never came");
});

const TCP: Region = { hook: span(0), family: span(0), proto: span(6) };

Deno.test("a question that costs too much is given up, not guessed", () => {
  const random = new Random(7);
  const fields = ["sport", "dport", "src", "dst"] as const;
  const regions: Region[] = Array.from(
    { length: 400 },
    () =>
      Object.fromEntries(fields.map((field) => {
        const from = random.below(60000);
        return [field, span(from, from + 40000 > 65535 ? 65535 : from + 40000)];
      })),
  );
  const target: Region = { hook: span(0), family: span(0), proto: span(6), flags: span(2) };
  const space = new Space([target, ...regions], 0);
  const cover = regions.flatMap((region) => space.boxes(region));
  assertEquals(uncovered(space.boxes(target)[0]!, cover, { left: 100 }).kind, "undecided");
});
