import { assertEquals } from "@std/assert";
import { check, type Policy, usesState } from "../../compiler/mod.ts";
import { decide, type Decision } from "../../compiler/policy/decide.ts";
import { HOOKS, type Packet } from "../../compiler/policy/field.ts";
import { valueText } from "../../compiler/policy/text.ts";
import { classify, openImage } from "../../compiler/tables/classify.ts";
import { image } from "../../compiler/tables/image.ts";
import { LISTS, NO_RULE } from "../../compiler/tables/layout.ts";
import { plan } from "../../compiler/tables/plan.ts";
import { Engine } from "../../runtime/native.ts";
import { outcome } from "../../runtime/replay.ts";
import { Random, randomCases, randomPacket, randomRules } from "../support/policy.ts";
import { decisionsOf } from "../support/replay.ts";

const PACKETS = 1500;

Deno.test("the tables, in TypeScript and in C, decide as the rules do by definition", async () => {
  const { seed, cases } = randomCases(620);
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

/** By every back end, whichever the compiler would choose for so few rules. */
async function compare(policy: Policy, sample: readonly Packet[], where: string): Promise<void> {
  const byDefinition = sample.map((packet) => decide(policy, packet));
  for (const backEnd of LISTS.back_end.names) {
    const tables = plan(policy, backEnd);
    assertEquals(tables.backEnd, backEnd, where);
    await compareImage(policy, image(policy, tables), sample, byDefinition, `${backEnd}, ${where}`);
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
  const decisions = replayAll(engine, policy, sample);
  const hits = policy.rules.map(() => 0n);
  for (const [i, packet] of sample.entries()) {
    const by = byDefinition[i]!;
    const actual = outcome(decisions, i);
    const expected = by.rule && numberOf.get(by.rule)!;
    if (actual.rule !== expected || actual.verdict !== by.rule?.verdict.name) {
      throw new Error(
        `the engine differs on ${describe(packet)}: ${actual.rule}, not ${expected}\n${where}`,
      );
    }
    for (const rule of [...by.passed, by.rule!]) hits[numberOf.get(rule)!]!++;
  }
  assertEquals(engine.counters().map((counter) => counter.packets), hits, where);
}

/** The sample through the native parser and classifier, as bytes. */
function replayAll(engine: Engine, policy: Policy, sample: readonly Packet[]): DataView {
  const mask = policy.options["mark-mask"];
  return decisionsOf(
    engine,
    sample.map((packet) => {
      const state = usesState(policy) ? (Number(packet.state) + 1) * ((mask & -mask) >>> 0) : 0;
      // A bit that no rule tests must not matter.
      const mark = state + Number(packet.mark) + (policy.markBits & 0x100 ? 0 : 0x100);
      return { packet, time: 0n, mark };
    }),
  );
}

function describe(packet: Packet): string {
  const fields = Object.entries(packet) as [keyof Packet, bigint][];
  const text = fields.map(([field, value]) => `${field} ${valueText(field, value)}`).join(", ");
  return `${HOOKS[Number(packet.hook)]} (${text})`;
}
