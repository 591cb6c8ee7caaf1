/**
 * Random policies that a kernel tool can say, and the comparison of what came back.
 *
 * @module
 */
import { check, diff, packetText, type Policy, type Rule, settled } from "../../compiler/mod.ts";
import { HOOKS } from "../../compiler/policy/field.ts";
import { span } from "../../compiler/policy/interval.ts";
import { Random, randomRules } from "./policy.ts";

/** A random policy, without the rules that `lost` names: those that the tool cannot say. */
export function sayablePolicy(
  seed: number,
  rules: number,
  lost: (policy: Policy) => ReadonlySet<string>,
): Policy | undefined {
  const text = randomRules(new Random(seed), rules);
  // Fragments come to the rules only where nobody asks for states.
  const stateless = text.replaceAll("when state new, invalid", "when ttl 64")
    .replaceAll(/ state (! )?\w+, \w+/g, "");
  const { policy } = check("random.fw", seed % 2 === 0 ? stateless : text);
  if (!policy) return undefined;
  const without = lost(policy);
  return { ...policy, rules: policy.rules.filter((rule) => !without.has(rule.name)) };
}

/** What a policy and its way there and back decide differently, in words; undefined if nothing. */
export function firstDifference(policy: Policy, text: string): string | undefined {
  const { policy: back, diagnostics } = check("back.fw", text);
  if (!back) return `${diagnostics[0]!.message}\n${text}`;
  const [row] = diff(
    filteringAll({ ...policy, rules: policy.rules.flatMap(settled) }),
    filteringAll({ ...back, markBits: back.markBits || policy.markBits }),
  );
  if (!row) return undefined;
  const by = (rule: typeof row.before) => rule ? `${rule.verdict.name} by ${rule.name}` : "nobody";
  return `${packetText(row.packet)}: ${by(row.before)}, now ${by(row.after)}`;
}

/** The same with a chain for every hook: one that accepts everything needs none. */
function filteringAll(policy: Policy): Policy {
  const open = HOOKS.filter((hook) => !policy.hooks.includes(hook)).map((hook): Rule => {
    const regions = [{ hook: span(HOOKS.indexOf(hook)) }];
    return { name: hook, hook, verdict: { name: "accept" }, regions, span: { start: 0, end: 0 } };
  });
  return { ...policy, hooks: HOOKS, rules: [...policy.rules, ...open] };
}
