import { assertEquals } from "@std/assert";
import { check } from "../../compiler/mod.ts";
import { type Case, casesOf, cubesOf, namesOf, type Tests } from "../../compiler/kernel/cases.ts";
import {
  FRAGMENT,
  HOOKS,
  ICMPV6_BASE,
  interfaceNumber,
  IPV4,
  NO_TYPE,
  type Packet,
  V6_BASE,
} from "../../compiler/policy/field.ts";
import { contains, setOf, span, subtract } from "../../compiler/policy/interval.ts";
import { hasPacket } from "../../compiler/policy/region.ts";
import { Random, randomCases, randomPacket, randomRules } from "../support/policy.ts";

/** As the kernel does: what is asked of a header that is not there is false. */
function hasCase({ family, tests }: Case, packet: Packet): boolean {
  if (family !== "both" && (family === "ipv4") !== (packet.family === IPV4)) return false;
  return (Object.keys(tests) as (keyof Tests)[]).every((field) =>
    contains(tests[field]!, kernelValue(packet, field))
  );
}

function kernelValue(packet: Packet, field: keyof Tests): bigint {
  const value = packet[field];
  const missing = -1n;
  if (["sport", "dport", "type", "code", "flags"].includes(field)) {
    if (packet.fragment === FRAGMENT.later) return missing;
    if (field === "type" || field === "code") {
      return value === NO_TYPE ? missing : value % ICMPV6_BASE;
    }
  }
  return (field === "src" || field === "dst") && value >= V6_BASE ? value - V6_BASE : value;
}

Deno.test("the cases of a rule hold its packets, once each if it does not decide", () => {
  const { seed, cases } = randomCases(300);
  let compared = 0;
  for (let i = seed; i < seed + cases; i++) {
    const random = new Random(i);
    const { policy } = check("random.fw", randomRules(random, 8));
    const packets = Array.from({ length: 200 }, () => randomPacket(random, policy?.hooks));
    for (const rule of policy?.rules ?? []) {
      const of = casesOf(rule);
      if ("why" in of) throw new Error(of.why);
      for (const packet of packets) {
        if (HOOKS[Number(packet.hook)] !== rule.hook) continue;
        const matched = rule.regions.some((region) => hasPacket(region, packet));
        const times = of.filter((one) => hasCase(one, packet)).length;
        assertEquals(times > 0, matched, `seed ${i}, rule ${rule.name}`);
        if (rule.verdict.name === "next") assertEquals(times, matched ? 1 : 0, `seed ${i}`);
        compared++;
      }
    }
  }
  assertEquals(compared > 10 * cases, true);
});

Deno.test("cubes hold the values of a set under the bits that count, once each", () => {
  const random = new Random(1);
  for (let i = 0; i < 300; i++) {
    const bits = BigInt(random.pick([0xff, 0x0f, 0xa5, 0x81, 0x1f]));
    const set = setOf(Array.from({ length: 1 + random.below(4) }, () => {
      const [a, b] = [random.below(256), random.below(256)];
      return { lo: BigInt(Math.min(a, b)), hi: BigInt(Math.max(a, b)) };
    }));
    for (let value = 0n; value < 256n; value++) {
      if ((value & ~bits) !== 0n) continue;
      const held = cubesOf(set, bits).filter((cube) => (value & cube.mask) === cube.value).length;
      assertEquals(held, contains(set, value) ? 1 : 0, `${value} in ${JSON.stringify(held)}`);
    }
  }
});

Deno.test("interface names are said by prefix, or by what is left out", () => {
  const all = span(1n, (1n << 128n) - 1n);
  const eth = { lo: interfaceNumber("eth"), hi: interfaceNumber("eth") + (1n << 104n) - 1n };
  const eth0 = span(interfaceNumber("eth0"));
  assertEquals(namesOf([eth]), { any: ["eth*"], except: [] });
  assertEquals(namesOf(subtract(all, eth0)), { any: [], except: ["eth0"] });
  assertEquals(namesOf(subtract([eth], eth0)), { any: ["eth*"], except: ["eth0"] });
});
