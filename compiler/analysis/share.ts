/**
 * What each rule really does: how much of its chain it decides, and who takes the rest of it.
 *
 * @module
 */
import type { Policy, Rule } from "../policy/policy.ts";
import { decides, partition, Ruleset } from "./ruleset.ts";

export interface RuleShare {
  readonly rule: Rule;
  /** Of its chain's packets, those that it decides (or, of a `match`, sees): 0 to 1. */
  readonly share: number | undefined;
  /** The earlier rules that take most of what it describes, largest first, at most three. */
  readonly blockers: readonly Rule[];
}

/** A row for each rule. A share is undefined where very many rules take the rule apart. */
export function ruleShares(policy: Policy): RuleShare[] {
  const rules = new Ruleset(policy);
  const { space } = rules;
  const chains = new Map<string, number>();
  for (const [i, rule] of policy.rules.entries()) {
    if (!rule.name.endsWith(":default")) continue;
    chains.set(rule.hook, rules.boxes[i]!.reduce((sum, box) => sum + space.weight(box), 0));
  }
  return policy.rules.map((rule, i) => {
    let share: number | undefined = 0;
    const taken = new Map<number, number>();
    for (const [b, above] of rules.above(i).entries()) {
      const parted = partition(space, rules.boxes[i]![b]!, above);
      if (!parted) return { rule, share: undefined, blockers: [] };
      for (const piece of parted.rest) share += space.weight(piece);
      for (const part of parted.parts) {
        taken.set(part.owner, (taken.get(part.owner) ?? 0) + space.weight(part));
      }
    }
    const blockers = [...taken].sort((a, b) => b[1] - a[1]).slice(0, 3)
      .map(([owner]) => policy.rules[owner]!).filter(decides);
    return { rule, share: Math.min(1, share / chains.get(rule.hook)!), blockers };
  });
}
