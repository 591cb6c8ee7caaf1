import { assertEquals } from "@std/assert";
import { check, type Policy, usesState } from "../../compiler/mod.ts";
import { decide, type Decision } from "../../compiler/policy/decide.ts";
import { HOOKS, IPV4, type Packet, V6_BASE } from "../../compiler/policy/field.ts";
import { valueText } from "../../compiler/policy/text.ts";
import { classify, openImage } from "../../compiler/tables/classify.ts";
import { image } from "../../compiler/tables/image.ts";
import { LISTS, NO_RULE } from "../../compiler/tables/layout.ts";
import { plan } from "../../compiler/tables/plan.ts";
import { verify } from "../../compiler/tables/verify.ts";
import { Engine, type Packets } from "../../runtime/native.ts";
import { outcome } from "../../runtime/replay.ts";
import { Random, randomCases, randomPacket, randomRules } from "../support/policy.ts";
import { asBytes, evaluatorsOf } from "../support/replay.ts";

const PACKETS = 1500;

Deno.test("the tables, in TypeScript and in C, decide as the rules do by definition", async () => {
  const { seed, cases } = randomCases(500);
  let packets = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const text = randomRules(random, 12);
    const { policy, diagnostics } = check("random.fw", text);
    const where = `seed ${s}\n${text}`;
    // A random rule may ask for what no packet can be; the file is then refused, and tried without.
    if (!policy) {
      assertEquals(
        diagnostics.every((d) => d.code === "FW302" || d.code === "FW215" || d.code === "FW213"),
        true,
        where,
      );
      continue;
    }
    const markBits = BigInt(policy.markBits);
    const sample = Array.from({ length: PACKETS }, () => {
      const packet = randomPacket(random, policy.hooks);
      return { ...packet, mark: packet.mark & markBits };
    });
    await compare(policy, sample, where);
    packets += sample.length;
  }
  console.log(`${packets} packets`);
});

Deno.test("thousands of rules, some of which ask for rare fields, decide as they do by definition", async () => {
  const { seed, cases } = randomCases(2);
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const text = manyRules(random);
    const { policy } = check("random.fw", text);
    const tables = plan(policy!);
    assertEquals([tables.backEnd, tables.axes.length > 3], ["parted", true], `seed ${s}\n${text}`);
    const sample = Array.from({ length: 4 * PACKETS }, () => {
      const packet = randomPacket(random, policy!.hooks);
      const addresses = random.chance(8) ? {} : hosts(random, packet.family === IPV4);
      return { ...packet, ...addresses, mark: packet.mark & BigInt(policy!.markBits) };
    });
    const bytes = image(policy!, tables);
    verify(policy!, bytes);
    assertEquals(image(policy!, plan(policy!)), bytes, `seed ${s}: other bytes`);
    const byDefinition = sample.map((packet) => decide(policy!, packet));
    assertEquals(
      new Set(byDefinition.map(({ rule }) => rule)).size > 200,
      true,
      "they meet few rules",
    );
    await compareImage(policy!, bytes, sample, byDefinition, `seed ${s}\n${text}`);
  }
});

const RARE = [
  ...[
    "ttl 64",
    "ttl 0-63",
    "dscp ef",
    "length 28-40",
    "length ! 41",
    "state new",
    "state established",
  ],
  ...["mark 1/0x3", "mark 4/0x4", "in on eth0", "in on w*", "mac 02:00:00:00:00:01", "fragment"],
  ...["tcp flags syn", "tcp flags syn/syn,ack"],
];

/** Rules about pairs of hosts and networks; every tenth asks for something rare besides. */
function manyRules(random: Random): string {
  const side = (six: boolean, net: number) => {
    const host = `${six ? "fd00::" : `10.0.${net}.`}${random.below(HOSTS)}`;
    return random.pick(["", host, host, host, six ? "fd00::/124" : `10.0.${net}.0/28`]);
  };
  const ports = ["1", "2", "3", "1-3", "80", "80-65535"];
  const lines = Array.from({ length: 1500 }, () => {
    const six = random.chance(3);
    const [from, to] = [side(six, 0), side(six, 1)];
    const rare = random.chance(10) && random.pick(RARE);
    const clauses = [
      !rare || !rare.startsWith("tcp") ? random.pick(["tcp", "udp"]) : "",
      from && `from ${from}`,
      to && `to ${to}`,
      random.pick([`dport ${random.pick(ports)}`, `sport ${random.pick(ports)}`, ""]),
      rare,
    ];
    const verb = random.pick(["accept", "drop", "reject", "match"]);
    return `  ${verb} ${clauses.filter(Boolean).join(" ")}\n`;
  });
  // The more that a rule asks, the earlier it stands.
  const asked = (line: string) => line.match(/:|\.|sport|dport/g)?.length ?? 0;
  lines.sort((a, b) => asked(b) - asked(a));
  return `chain input default drop {\n${lines.join("")}}\n`;
}

const HOSTS = 40;

/** Addresses that those rules are about. */
function hosts(random: Random, v4: boolean) {
  const base = (net: number) => v4 ? BigInt((10 << 24) + (net << 8)) : V6_BASE + (0xfd00n << 112n);
  const host = (net: number) => base(net) + BigInt(random.below(HOSTS));
  return { src: host(0), dst: host(1) };
}

/** By every back end, whichever the compiler would choose for so few rules; and with rare fields apart. */
async function compare(policy: Policy, sample: readonly Packet[], where: string): Promise<void> {
  const byDefinition = sample.map((packet) => decide(policy, packet));
  const ways = [
    ...LISTS.back_end.names.map((name) => [name, undefined] as const),
    ["parted", 1] as const,
  ];
  for (const [backEnd, nearClasses] of ways) {
    const tables = plan(policy, backEnd, nearClasses);
    assertEquals(tables.backEnd, backEnd, where);
    const how = `${backEnd} of ${tables.axes.length} axes, ${where}`;
    await compareImage(policy, image(policy, tables), sample, byDefinition, how);
  }
}

async function compareImage(
  policy: Policy,
  bytes: Uint8Array<ArrayBuffer>,
  sample: readonly Packet[],
  byDefinition: readonly Decision[],
  where: string,
): Promise<void> {
  const tables = openImage(bytes);
  const numberOf = new Map(policy.rules.map((rule, i) => [rule, i]));
  for (const [i, packet] of sample.entries()) {
    const { rule, passed } = classify(tables, packet);
    const by = byDefinition[i]!;
    const expected = by.rule ? numberOf.get(by.rule)! : NO_RULE;
    if (rule !== expected || passed.join() !== by.passed.map((r) => numberOf.get(r)!).join()) {
      throw new Error(
        `the tables differ on ${describe(packet)}: ${rule}, not ${expected}\n${where}`,
      );
    }
  }

  await using engine = new Engine(bytes);
  const packets = packetsFor(policy, sample);
  const hits = policy.rules.map(() => 0n);
  for (const evaluator of evaluatorsOf(engine)) {
    const decisions = new DataView(engine.replay(packets).buffer);
    for (const [i, packet] of sample.entries()) {
      const by = byDefinition[i]!;
      const actual = outcome(decisions, i);
      const expected = by.rule && numberOf.get(by.rule)!;
      if (actual.rule !== expected || actual.verdict !== by.rule?.verdict.name) {
        throw new Error(
          `the engine (${evaluator}) differs on ${describe(packet)}: ` +
            `${actual.rule}, not ${expected}\n${where}`,
        );
      }
      for (const rule of [...by.passed, by.rule!]) hits[numberOf.get(rule)!]!++;
    }
    assertEquals(
      engine.counters().map((counter) => counter.packets),
      hits,
      `${evaluator}, ${where}`,
    );
  }
}

/** The sample as bytes, for the native parser and classifier. */
function packetsFor(policy: Policy, sample: readonly Packet[]): Packets {
  const mask = policy.options["mark-mask"];
  return asBytes(sample.map((packet) => {
    const state = usesState(policy) ? (Number(packet.state) + 1) * ((mask & -mask) >>> 0) : 0;
    // A bit that no rule tests must not matter.
    const mark = state + Number(packet.mark) + (policy.markBits & 0x100 ? 0 : 0x100);
    return { packet, time: 0n, mark };
  }));
}

function describe(packet: Packet): string {
  const fields = Object.entries(packet) as [keyof Packet, bigint][];
  const text = fields.map(([field, value]) => `${field} ${valueText(field, value)}`).join(", ");
  return `${HOOKS[Number(packet.hook)]} (${text})`;
}
