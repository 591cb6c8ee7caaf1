/**
 * What goes on when one policy takes the place of another: rules that keep their name, limits of such
 * rules that are still the same, and run-time sets that keep theirs.
 *
 * @module
 */
import type { Policy } from "./policy.ts";

/** For each literal, set and rule of the later policy, its number in the earlier one. */
export interface Carry {
  readonly literals: readonly (number | undefined)[];
  readonly sets: readonly (number | undefined)[];
  readonly rules: readonly (number | undefined)[];
}

/** What of `before` goes on in `after`; each part at most once. */
export function carry(before: Policy, after: Policy): Carry {
  return {
    literals: paired(limitNames(before), limitNames(after)),
    sets: paired(setNames(before), setNames(after)),
    rules: paired(ruleNames(before), ruleNames(after)),
  };
}

function ruleNames({ rules }: Policy): string[] {
  return rules.map(({ hook, name }) => `${hook} ${name}`);
}

/** The host's own addresses are asked for anew. */
function setNames({ sets }: Policy): (string | undefined)[] {
  return sets.map(({ name }) => name === "self" ? undefined : name);
}

/** A limit is known by all its figures and by the first rule that asks it. */
function limitNames({ rules, literals }: Policy): (string | undefined)[] {
  const askedBy = new Map<number, string>();
  for (const { hook, name, regions } of rules) {
    for (const { dynamic } of regions) {
      for (const [literal] of dynamic ?? []) {
        if (!askedBy.has(literal)) askedBy.set(literal, `${hook} ${name}`);
      }
    }
  }
  return literals.map((literal, i) => {
    const { kind } = literal;
    if (kind !== "limit" || !askedBy.has(i)) return undefined;
    const figures = JSON.stringify(
      literal,
      (_, value) => typeof value === "bigint" ? `${value}` : value,
    );
    return `${askedBy.get(i)} ${figures}`;
  });
}

/** For each of `names`, where in `earlier` the same name stands: the first to the first, and so on. */
function paired(
  earlier: readonly (string | undefined)[],
  names: readonly (string | undefined)[],
): (number | undefined)[] {
  const places = new Map<string, number[]>();
  for (const [i, name] of earlier.entries()) {
    if (name === undefined) continue;
    const known = places.get(name);
    if (known) known.push(i);
    else places.set(name, [i]);
  }
  return names.map((name) => name === undefined ? undefined : places.get(name)?.shift());
}
