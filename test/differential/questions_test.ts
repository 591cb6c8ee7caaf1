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

Deno.test("diff has a row for a pair of rules exactly when they decide a packet differently", () => {
  const { seed, cases } = randomCases(400);
  let rows = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const { policy: before } = smallPolicy(random, 6);
    const after = changed(random, before);
    const found = diff(before, after).map((row) => {
      assertEquals(decide(before, row.packet).rule, row.before, `seed ${s}`);
      assertEquals(decide(after, row.packet).rule, row.after, `seed ${s}`);
      assert(hasPacket(row.region, row.packet), `seed ${s}: the packet is not in its region`);
      return `${row.before!.name} ${row.after!.name}`;
    });
    const pairs = new Set<string>();
    for (const packet of packetsOf(before, after)) {
      const x = decide(before, packet).rule!, y = decide(after, packet).rule!;
      const same = x.verdict.name === y.verdict.name && x.verdict.reject === y.verdict.reject;
      if (!same) pairs.add(`${x.name} ${y.name}`);
    }
    assertEquals(found.sort(), [...pairs].sort(), `seed ${s}`);
    rows += found.length;
  }
  console.log(`${rows} rows`);
});

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
