import { assert, assertEquals } from "@std/assert";
import { check, diff, fixed, Incomparable, lint, packetText } from "../../compiler/mod.ts";
import { Random, randomCases, randomRules } from "../support/policy.ts";

/** Rounds of fixes, as `lint --fix` has them. */
const ROUNDS = 8;

Deno.test("what lint --fix makes of random rules does the same to every packet", () => {
  const { seed, cases } = randomCases(60);
  let changed = 0;
  for (let i = seed; i < seed + cases; i++) {
    const text = randomRules(new Random(i), 12);
    const { policy } = check("random.fw", text);
    if (!policy) continue;
    let mended = text;
    for (let round = 0; round < ROUNDS; round++) {
      const { sources, diagnostics } = lint("random.fw", mended, { correlated: true });
      const [file] = fixed(sources, diagnostics);
      if (!file) break;
      mended = file.text;
    }
    const after = check("random.fw", mended).policy;
    assert(after, `seed ${i}:\n${mended}`);
    try {
      const [row] = diff(policy, after, { effects: true });
      assertEquals(row && packetText(row.packet), undefined, `seed ${i}:\n${text}\n${mended}`);
      if (mended !== text) changed++;
    } catch (error) {
      // The marks of both are under the bits that each tests.
      if (!(error instanceof Incomparable)) throw error;
    }
  }
  assert(changed > cases / 2 || cases < 60, `${changed} of ${cases} changed`);
});
