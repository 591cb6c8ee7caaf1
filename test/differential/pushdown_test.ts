import { assert, assertEquals } from "@std/assert";
import { prefixes } from "../../compiler/analysis/pushdown.ts";
import {
  flawOf,
  isDeep,
  packetsOf,
  shallow,
  type Step,
  TCP_HEADER,
  UNREAD,
} from "../../compiler/analysis/split.ts";
import { decide } from "../../compiler/policy/decide.ts";
import type { Packet } from "../../compiler/policy/field.ts";
import { type Policy, type Rule, usesState } from "../../compiler/policy/policy.ts";
import { span } from "../../compiler/policy/interval.ts";
import { hasPacket } from "../../compiler/policy/region.ts";
import { Random, randomCases } from "../support/policy.ts";
import { smallPolicy } from "../support/small_policy.ts";
import { everyPacket } from "../support/space.ts";

/** A random policy of one hook, some of whose rules only the engine can carry out. */
function randomPolicy(random: Random): Policy {
  const { policy } = smallPolicy(random, 6);
  const rules = policy.rules.map((rule, i): Rule => ({
    ...rule,
    ...(random.chance(6) && { log: { prefix: "", everyNs: 0n, pcap: false } }),
    ...(random.chance(6) && { mark: { value: 1, clear: random.pick([1, 2]) } }),
    regions: rule.regions.map((region) =>
      random.chance(12) && i + 1 < policy.rules.length
        ? { ...region, dynamic: new Map([[0, true]]) }
        : region
    ),
  }));
  // A policy without a rule that asks for the state hardly gets anything pushed down.
  if (!random.chance(4)) {
    const { hook } = rules.at(-1)!.regions[0]!;
    const lo = random.below(4);
    const asking = { ...policy.rules[0]!, regions: [{ hook: hook!, state: span(lo, lo + 1) }] };
    rules.splice(random.below(rules.length), 0, { ...asking, name: "asking" });
  }
  const options = { ...policy.options, malformed: random.pick(["drop", "accept"] as const) };
  return { ...policy, rules, options, literals: [{ kind: "until", day: 20300101 }] };
}

/** Where a packet ends among the steps, and the rules that count it on the way. */
function walk(steps: readonly Step[], packet: Packet) {
  const met = steps.filter(({ region }) => hasPacket(region, packet));
  const end = met.findIndex(({ does }) => does !== "count");
  const passed = end < 0 ? met : met.slice(0, end);
  return { end: met[end], passed };
}

/** What the steps do otherwise than the policy, tried packet by packet. */
function difference(policy: Policy, steps: readonly Step[], packets: readonly Packet[]) {
  const stateful = usesState(policy);
  for (const packet of packets) {
    const { end, passed } = walk(steps, packet);
    if (!stateful && [...passed, ...(end ? [end] : [])].some(({ region }) => region.state)) {
      return { packet, why: "it is not tracked" };
    }
    for (const held of [false, true]) {
      const whole = decide(policy, packet, () => held);
      const literal = [...whole.passed, whole.rule!];
      if (!end || end.does === "queue") {
        if (passed.length > 0) return { packet, why: "the engine counts it again" };
      } else {
        const { verdict } = whole.rule!;
        const auto = hasPacket(TCP_HEADER, packet) ? "tcp_reset" : "icmp_port";
        const does = verdict.reject === "auto" ? auto : verdict.reject ?? verdict.name;
        const counted = [...passed.map(({ rule }) => rule), end.rule];
        const wanted = literal.map((rule) => policy.rules.indexOf(rule));
        counted.sort((a, b) => a - b);
        if (does !== end.does || counted.join() !== wanted.join()) {
          return { packet, why: `${end.does} by ${counted}, not ${does} by ${wanted}` };
        }
        if (literal.some(({ log }) => log)) return { packet, why: "nobody logs it" };
      }
    }
    // The same packet, were it malformed: what it says of its headers may then be anything, so a
    // step that looks at them may take it or not.
    if (!hasPacket(UNREAD, packet)) continue;
    const asked = steps.filter(({ region }) => hasPacket(shallow(region), packet));
    const ended = asked.findIndex(({ region, does }) => does !== "count" || isDeep(region));
    const { region, does } = asked[ended] ?? { region: {}, does: "queue" };
    if (does === "queue" ? isDeep(region) : isDeep(region) || does !== policy.options.malformed) {
      return { packet, why: "it may be malformed" };
    }
  }
  return undefined;
}

function packetsFor(policy: Policy, steps: readonly Step[]): Packet[] {
  const regions = policy.rules.flatMap((rule) => rule.regions.map(packetsOf));
  const more = [...regions, ...steps.map(({ region }) => region), UNREAD, TCP_HEADER];
  return everyPacket(policy.hooks[0]!, more, policy.markBits);
}

Deno.test("the pushed prefix and the whole behind it decide and count as the whole does", () => {
  const { seed, cases } = randomCases(250);
  const does = new Map<string, number>();
  for (let s = seed; s < seed + cases; s++) {
    const policy = randomPolicy(new Random(s));
    const [prefix] = prefixes(policy, () => ({ size: 1 }), 64);
    const { steps, hook, end } = prefix!;
    assertEquals(difference(policy, steps, packetsFor(policy, steps))?.why, undefined, `seed ${s}`);
    const flaw = flawOf(policy, hook, steps);
    assertEquals(flaw?.what, undefined, `seed ${s}`);
    for (const step of steps) does.set(step.does, (does.get(step.does) ?? 0) + 1);
    // Nothing that could be pushed is left: the prefix ends at a rule that only the engine can do.
    if (!end) continue;
    const { log, mark, regions } = policy.rules[end.rule]!;
    const stateless = !usesState(policy) && end.why.includes("conntrack");
    const only = log || mark || regions.some(({ dynamic }) => dynamic) || stateless;
    assert(only, `seed ${s}: ${end.why}`);
  }
  console.log([...does].map(([word, n]) => `${word} ${n}`).join(", "));
  for (const word of ["queue", "count", "accept", "drop", "tcp_reset", "icmp_port"]) {
    assert(does.get(word)! >= 5, `${word}: ${does.get(word)}`);
  }
});

/** The steps with one mistake in them. */
function spoilt(random: Random, policy: Policy, steps: readonly Step[]): Step[] {
  const at = random.below(steps.length), step = steps[at]!;
  const others = steps.toSpliced(at, 1);
  switch (random.below(5)) {
    case 0:
      return others;
    case 1:
      return others.toSpliced(random.below(steps.length), 0, step);
    case 2:
      return steps.with(at, { ...step, does: random.pick(["accept", "drop", "queue", "count"]) });
    case 3: {
      const rule = random.below(policy.rules.length);
      return steps.with(at, { ...step, rule, region: packetsOf(policy.rules[rule]!.regions[0]!) });
    }
    default: {
      const { hook, ...rest } = step.region;
      const kept = Object.entries(rest).filter(() => random.chance(2));
      return steps.with(at, { ...step, region: { hook: hook!, ...Object.fromEntries(kept) } });
    }
  }
}

Deno.test("a wrong split is found exactly when packets tell it from the whole", () => {
  const { seed, cases } = randomCases(400);
  let wrong = 0, harmless = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s + 7000);
    const policy = randomPolicy(random);
    const [{ steps, hook }] = prefixes(policy, () => ({ size: 1 }), 64) as [
      ReturnType<typeof prefixes>[0],
    ];
    if (steps.length === 0) continue;
    const bad = spoilt(random, policy, steps);
    const packets = packetsFor(policy, bad);
    const found = difference(policy, bad, packets);
    const flaw = flawOf(policy, hook, bad);
    assertEquals(
      flaw === undefined,
      found === undefined,
      `seed ${s}: ${flaw?.what}, ${found?.why}`,
    );
    if (found) wrong++;
    else harmless++;
  }
  console.log(`${wrong} wrong, ${harmless} harmless`);
  assert(wrong > cases / 5);
});
