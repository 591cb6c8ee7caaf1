import { assert, assertEquals, assertThrows } from "@std/assert";
import { diff } from "../../compiler/analysis/diff.ts";
import { runTests } from "../../compiler/analysis/expect.ts";
import { explain } from "../../compiler/analysis/explain.ts";
import { reach } from "../../compiler/analysis/reach.ts";
import { compile } from "../../compiler/mod.ts";
import { decide } from "../../compiler/policy/decide.ts";
import { HOOKS, interfaceNumber, type Packet } from "../../compiler/policy/field.ts";
import { packetText, readPacket } from "../../compiler/policy/packet.ts";
import type { Policy, Rule } from "../../compiler/policy/policy.ts";
import { hasPacket } from "../../compiler/policy/region.ts";
import { Random, randomCases, randomPacket } from "../support/policy.ts";
import { smallPolicy } from "../support/small_policy.ts";
import { everyPacket } from "../support/space.ts";

Deno.test("the regions of diff hold every packet that is decided otherwise, and no other", () => {
  const { seed, cases } = randomCases(400);
  let rows = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const { policy: before } = smallPolicy(random, 6);
    const after = changed(random, before);
    const found = diff(before, after);
    for (const row of found) {
      assertEquals(decide(before, row.packet).rule, row.before, `seed ${s}`);
      assertEquals(decide(after, row.packet).rule, row.after, `seed ${s}`);
      assert(hasPacket(row.region, row.packet), `seed ${s}: the packet is not in its region`);
    }
    for (const packet of packetsOf(before, after)) {
      const x = decide(before, packet).rule!, y = decide(after, packet).rule!;
      const same = x.verdict.name === y.verdict.name && x.verdict.reject === y.verdict.reject;
      const about = found.filter(({ region }) => hasPacket(region, packet));
      assertEquals(about.length === 0, same, `seed ${s}: ${packetText(packet)}`);
      for (const row of about) assertEquals([row.before, row.after], [x, y], `seed ${s}`);
    }
    rows += found.length;
  }
  console.log(`${rows} rows`);
});

Deno.test("diff --effects has a row for a mark or a log exactly where one side alone has it", () => {
  const { seed, cases } = randomCases(300);
  let rows = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const before = withEffects(random, smallPolicy(random, 6).policy);
    const after = withEffects(random, changed(random, before), 4);
    const found = diff(before, after, { effects: true }).filter(({ effect }) => effect);
    for (const packet of packetsOf(before, after)) {
      const [x, y] = [effectsOn(before, packet), effectsOn(after, packet)];
      const expected = [
        ...[...x].filter((effect) => !y.has(effect)).map((effect) => `before ${effect}`),
        ...[...y].filter((effect) => !x.has(effect)).map((effect) => `after ${effect}`),
      ];
      const told = found.filter(({ region }) => hasPacket(region, packet))
        .map(({ effect }) => `${effect!.side} ${effect!.text}`);
      assertEquals([...new Set(told)].sort(), expected.sort(), `seed ${s}: ${packetText(packet)}`);
    }
    rows += found.length;
  }
  console.log(`${rows} rows`);
});

/** The policy with marks and logs on some rules: one in `often`. */
function withEffects(random: Random, policy: Policy, often = 2): Policy {
  const rules = policy.rules.map((rule): Rule => ({
    ...rule,
    ...random.chance(often) && { mark: { value: random.below(2), clear: 1 } },
    ...random.chance(often) &&
      { log: { prefix: random.pick(["a", "b"]), everyNs: 0n, pcap: false } },
  }));
  return { ...policy, rules };
}

/** The marks and logs that a packet meets. */
function effectsOn(policy: Policy, packet: Packet): Set<string> {
  const { rule, passed } = decide(policy, packet);
  return new Set([...passed, rule!].flatMap(({ mark, log }) => [
    ...(mark ? [`marked 0x${mark.value}/0x${mark.clear}`] : []),
    ...(log ? [`logged "${log.prefix}"`] : []),
  ]));
}

Deno.test("reach names the rules that some packet of the region meets", () => {
  const { seed, cases } = randomCases(400);
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const { policy, packets } = smallPolicy(random, 6);
    const region = random.pick(policy.rules).regions[0]!;
    const ways = reach(policy, [region], "accept");
    for (const { rule, packet } of ways) {
      assert(hasPacket(region, packet), `seed ${s}`);
      assertEquals(decide(policy, packet).rule, rule, `seed ${s}`);
    }
    const tried = packets.filter((packet) => hasPacket(region, packet))
      .map((packet) => decide(policy, packet).rule!)
      .filter((rule) => rule.verdict.name === "accept");
    assertEquals(
      new Set(ways.map(({ rule }) => rule.name)),
      new Set(tried.map(({ name }) => name)),
      `seed ${s}`,
    );
  }
});

Deno.test("an expectation holds exactly when every packet, or some, is decided as it says", () => {
  const { seed, cases } = randomCases(400);
  const outcomes = { holds: 0, fails: 0, empty: 0 };
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const { policy, packets } = smallPolicy(random, 6);
    const region = random.pick(policy.rules).regions[0]!;
    const verdict = random.pick(["accept", "drop", "reject"] as const);
    const expectation = {
      test: "random",
      hook: policy.hooks[0]!,
      some: random.chance(3),
      verdicts: [{ name: verdict }],
      ...(random.chance(4) && { by: random.pick(policy.rules).name }),
      regions: [region],
      span: { start: 0, end: 1 },
    };
    const tests = { ...policy, expectations: [expectation] };
    const { finding } = runTests(tests).tested[0]!;
    const lo = interfaceNumber("lo");
    const meant = packetsOf(tests).filter((packet) =>
      hasPacket(region, packet) && (region.state || packet.state === 0n) &&
      (region.fragment || packet.fragment === 0n) && (region.in || packet.in !== lo) &&
      (region.out || packet.out !== lo) &&
      (region.flags || region.state || packet.flags === 2n || packet.flags === 256n)
    );
    const good = (packet: Packet) => {
      const { rule } = decide(policy, packet);
      return rule!.verdict.name === verdict && (expectation.by ?? rule!.name) === rule!.name;
    };
    const expected = meant.length === 0
      ? "FW802"
      : (expectation.some ? meant.some(good) : meant.every(good))
      ? undefined
      : "FW801";
    assertEquals(finding?.code, expected, `seed ${s}`);
    outcomes[expected === undefined ? "holds" : expected === "FW801" ? "fails" : "empty"]++;
    if (finding?.code === "FW801") {
      const packet = readPacket(/`([^`]*)`/.exec(finding.note!)![1]!);
      assert(hasPacket(region, packet) && !good(packet), `seed ${s}: ${finding.note}`);
    }
    assert(packets.length > 0);
  }
  console.log(JSON.stringify(outcomes));
});

Deno.test("explain names the rule that decides, and refuses tables that say otherwise", () => {
  const { seed, cases } = randomCases(100);
  for (let s = seed; s < seed + cases; s++) {
    const { policy, packets } = smallPolicy(new Random(s), 6);
    const image = compile(policy);
    assert(image instanceof Uint8Array);
    for (const packet of packets.slice(0, 50)) {
      const { rule, walk } = explain(policy, image, packet);
      assertEquals(rule, decide(policy, packet).rule, `seed ${s}`);
      assertEquals(walk.at(-1)!.rule, rule, `seed ${s}`);
      for (const { rule, matches, fails } of walk) {
        assertEquals(rule.regions.some((r) => hasPacket(r, packet)), matches, `seed ${s}`);
        assertEquals(fails === undefined, matches, `seed ${s}`);
      }
    }
    const last = policy.rules.length - 1;
    const other: Policy = { ...policy, rules: [policy.rules[last]!] };
    const packet = packets.find((p) => decide(policy, p).rule === policy.rules[last]);
    if (packet && last > 0) assertThrows(() => explain(other, image, packet));
  }
});

Deno.test("a packet as text is read back as the same packet", () => {
  const { seed, cases } = randomCases(3000);
  for (let s = seed; s < seed + cases; s++) {
    const packet = randomPacket(new Random(s), HOOKS);
    assertEquals(readPacket(packetText(packet)), packet, `seed ${s}: ${packetText(packet)}`);
  }
});

/** The policy with a rule or two taken out, moved or decided otherwise. */
function changed(random: Random, policy: Policy): Policy {
  const rules = [...policy.rules];
  for (let n = random.below(3); n > 0; n--) {
    const at = random.below(rules.length);
    const rule: Rule = rules[at]!;
    if (at === rules.length - 1 || random.chance(2)) {
      const name = rule.verdict.name === "accept" ? "drop" : "accept";
      rules[at] = { ...rule, verdict: { name } };
    } else {
      rules.splice(at, 1);
      if (random.chance(2)) rules.splice(random.below(rules.length), 0, rule);
    }
  }
  return { ...policy, rules };
}

/** Every packet that any of the policies, with its expectations, tells apart. */
function packetsOf(...policies: readonly Policy[]): Packet[] {
  const regions = policies.flatMap((
    { rules, expectations = [] },
  ) => [
    ...rules.flatMap((rule) => rule.regions),
    ...expectations.flatMap(({ regions }) => regions),
  ]);
  const silent = policies.some(({ expectations }) => expectations)
    ? [{
      state: [{ lo: 0n, hi: 0n }],
      flags: [{ lo: 2n, hi: 2n }],
      in: [{ lo: interfaceNumber("lo"), hi: interfaceNumber("lo") }],
      out: [{ lo: interfaceNumber("lo"), hi: interfaceNumber("lo") }],
    }]
    : [];
  return everyPacket(policies[0]!.hooks[0]!, [...regions, ...silent], policies[0]!.markBits);
}
