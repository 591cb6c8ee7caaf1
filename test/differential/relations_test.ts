import { assert, assertEquals } from "@std/assert";
import { checkRelations } from "../../compiler/analysis/shadow.ts";
import type { Diagnostic } from "../../compiler/diagnostic.ts";
import type { Rule } from "../../compiler/policy/policy.ts";
import { decide } from "../../compiler/policy/decide.ts";
import { readPacket } from "../../compiler/policy/packet.ts";
import { Random, randomCases } from "../support/policy.ts";
import { type SmallPolicy, smallPolicy } from "../support/small_policy.ts";

const EXACT = ["FW101", "FW102", "FW103", "FW106", "FW107", "FW108", "FW109"];

Deno.test("what lint says of rules is what trying every packet says", () => {
  const { seed, cases } = randomCases(100_000);
  const seen = new Map<string, number>();
  for (let s = seed; s < seed + cases; s++) {
    const small = smallPolicy(new Random(s), 6);
    const found = checkRelations(small.policy, { correlated: true });
    // Of a repeated rule it is not said who else takes its packets.
    const repeated = found.filter(({ code }) => code === "FW110").map((d) => d.span.start / 100);
    for (const i of repeated) assert(isRepeated(small, i), `seed ${s}: rule ${i} repeats none`);
    const exact = found.filter(({ code }) => EXACT.includes(code))
      .map(({ code, span }) => `${span.start / 100} ${code}`)
      .concat(repeated.map((i) => `${i} FW101`));
    const tried = byTrying(small).map((text) =>
      repeated.some((i) => text === `${i} FW102`) ? text.replace("FW102", "FW101") : text
    );
    assertEquals(exact.sort(), tried.sort(), `seed ${s}`);
    assert(isMended(small, found), `seed ${s}: the fixes change what is decided`);
    for (const d of found) {
      seen.set(d.code, (seen.get(d.code) ?? 0) + 1);
      checkExample(small, d, `seed ${s}, ${d.code}`);
    }
  }
  console.log([...seen].sort().map(([code, n]) => `${code} ${n}`).join(", "));
});

/** Whether an earlier rule does the same with the same packets. */
function isRepeated({ policy: { rules }, matched }: SmallPolicy, i: number): boolean {
  const own = matched[i]!;
  return rules.slice(0, i).some((rule, j) =>
    alike(rule, rules[i]!) && own.symmetricDifference(matched[j]!).size === 0
  );
}

/** Whether without the rules that the fixes take out every packet is decided as with them. */
function isMended({ policy: { rules }, matched, packets }: SmallPolicy, found: Diagnostic[]) {
  const out = new Set(found.flatMap(({ fix = [] }) => fix.map(({ span }) => span.start / 100)));
  if (out.size === 0) return true;
  const deciding = [...rules.keys()].filter((i) => rules[i]!.verdict.name !== "next");
  const left = deciding.filter((i) => !out.has(i));
  return packets.keys().every((p) => {
    const [before, after] = [deciding, left].map((own) => own.find((i) => matched[i]!.has(p)));
    return alike(rules[before!]!, rules[after!] ?? NONE);
  });
}

/** The findings, by looking at what happens to every packet. */
function byTrying({ policy: { rules }, packets, matched }: SmallPolicy): string[] {
  const found: string[] = [];
  const decided = new Map<number, number>();
  /** The rules that decide something, and what. */
  const needed = new Map<number, readonly number[]>();
  let catchAll = false;
  for (const [i, rule] of rules.entries()) {
    const own = matched[i]!;
    const left = [...own].filter((p) => !decided.has(p));
    const isDefault = i === rules.length - 1;
    if (own.size === 0) found.push(`${i} FW107`);
    else if (left.length === 0 && isDefault) found.push(`${i} FW109`);
    else if (left.length === 0 && catchAll) found.push(`${i} FW108`);
    else if (left.length === 0) {
      const same = [...own].every((p) => alike(rule, rules[decided.get(p)!]!));
      found.push(`${i} ${same ? "FW102" : "FW101"}`);
    } else if (!isDefault && rule.verdict.name !== "next") {
      needed.set(i, left);
      for (let j = 0; j < i; j++) {
        if (rules[j]!.verdict.name === "next" || alike(rule, rules[j]!)) continue;
        const common = [...own].filter((p) => matched[j]!.has(p)).length;
        if (common > 0 && common < own.size && common < matched[j]!.size) found.push(`${i} FW106`);
      }
    }
    if (rule.verdict.name === "next") continue;
    if (left.length > 0 && own.size === packets.length) catchAll = true;
    for (const p of left) decided.set(p, i);
    if (isDefault) needed.set(i, left);
  }
  // From below, each with those gone that were not needed.
  for (const [i, own] of [...needed].reverse()) {
    const next = (p: number) =>
      rules.findIndex((_, j) => j > i && needed.has(j) && matched[j]!.has(p));
    if (i === rules.length - 1 || !own.every((p) => alike(rules[i]!, rules[next(p)] ?? NONE))) {
      continue;
    }
    found.push(`${i} FW103`);
    needed.delete(i);
  }
  return found;
}

/** What a packet meets behind the last rule that is left: nothing like any other. */
const NONE = { verdict: { name: "none" } };

function alike(
  a: Pick<Rule, "verdict">,
  b: { verdict: { name: string; reject?: string } },
): boolean {
  return a.verdict.name === b.verdict.name && a.verdict.reject === b.verdict.reject;
}

/** The packet that a finding shows meets what the finding says. */
function checkExample({ policy }: SmallPolicy, { code, note, span }: Diagnostic, where: string) {
  const [, text, , by] = /`([^`]* > [^`]*)`( is \w+ by `([^`]*)`)?/.exec(note ?? "") ?? [];
  if (text === undefined) return;
  const packet = readPacket(text);
  const rule = policy.rules[span.start / 100]!;
  const without = { ...policy, rules: policy.rules.slice(policy.rules.indexOf(rule)) };
  const { rule: later, passed } = decide(without, packet);
  assertEquals(later === rule || passed.includes(rule), true, `${where}: ${text}`);
  if (code !== "FW106") assertEquals(decide(policy, packet).rule?.name, by, `${where}: ${text}`);
}
