import { assert, assertEquals } from "@std/assert";
import { exportIptables, importIptables, Incomparable } from "../../compiler/mod.ts";
import { randomCases } from "../support/policy.ts";
import { firstDifference, sayablePolicy } from "../support/port.ts";

Deno.test("what was exported for iptables and imported again decides alike", () => {
  const { seed, cases } = randomCases(80);
  let compared = 0;
  for (let i = seed; i < seed + cases; i++) {
    const policy = sayablePolicy(
      i,
      8,
      (policy) => {
        const { text, losses } = exportIptables(policy);
        // The language has no words for these.
        const odd = /(?<!!) -f .*--comment "([^"]+)"|! --[ug]id-owner.*--comment "([^"]+)"/g;
        const fragments = [...text.matchAll(odd)].map((m) => m[1] ?? m[2]!);
        return new Set([...losses.map(({ rule }) => rule.name), ...fragments]);
      },
    );
    if (!policy) continue;
    const { text, losses } = exportIptables(policy);
    assertEquals(losses, []);
    const back = importIptables([{ name: "saved", text }]);
    assertEquals(back.rows.filter(({ fidelity }) => fidelity !== "exact"), [], `seed ${i}`);
    try {
      assertEquals(firstDifference(policy, back.text), undefined, `seed ${i}\n${text}`);
      compared++;
    } catch (error) {
      // The marks of both are under the bits that each tests.
      if (!(error instanceof Incomparable)) throw error;
    }
  }
  assert(compared > cases / 2, `${compared} of ${cases} compared`);
});
