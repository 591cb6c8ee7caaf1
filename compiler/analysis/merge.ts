/**
 * Neighbouring rules that could be one with a list.
 *
 * @module
 */
import type { Diagnostic } from "../diagnostic.ts";
import type { Rule } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { valueText } from "../policy/text.ts";
import { sameLiterals } from "./literals.ts";
import { sameEffect } from "./ruleset.ts";

/** FW111: neighbours that differ in one field and could be one rule with a list. */
export function mergeable(rules: readonly Rule[], dead: ReadonlySet<number>): Diagnostic[] {
  const found: Diagnostic[] = [];
  for (let i = 0; i + 1 < rules.length;) {
    let end = i + 1;
    const field = dead.has(i) ? undefined : onlyDifference(rules[i]!, rules[end]!);
    while (
      field && rules[end] && !dead.has(end) && onlyDifference(rules[i]!, rules[end]!) === field
    ) end++;
    if (field && end > i + 1) {
      const others = rules.slice(i + 1, end);
      found.push({
        code: "FW111",
        message: `this rule and the next ${
          others.length === 1 ? "" : `${others.length} `
        }differ in ${FIELD_WORDS[field] ?? field} only`,
        span: rules[i]!.span,
        related: [{ span: others[0]!.span, message: "would fit into the rule above" }],
        help: `write one rule with a list: { ${
          [rules[i]!, ...others].slice(0, 6).map((rule) => setText(rule, field)).join(", ")
        }${others.length > 5 ? ", …" : ""} }`,
      });
    }
    i = end;
  }
  return found;
}

type Sets = Omit<Region, "dynamic">;
type FieldName = keyof Sets;

const FIELD_WORDS: Readonly<Record<string, string>> = {
  src: "`from`",
  dst: "`to`",
  sport: "`sport`",
  dport: "`dport`",
  proto: "`proto`",
  in: "`in on`",
  out: "`out on`",
  type: "`type`",
  code: "`code`",
  state: "`state`",
};

/** The one field in which two unlabelled rules of one effect differ, if a list can join them. */
function onlyDifference(a: Rule, b: Rule): FieldName | undefined {
  const given = (rule: Rule) => new RegExp(`^${rule.hook}:\\d+$`).test(rule.name);
  if (a.hook !== b.hook || !sameEffect(a, b) || !given(a) || !given(b)) return undefined;
  if (a.regions.length !== 1 || b.regions.length !== 1) return undefined;
  const [{ dynamic, ...x }, { dynamic: other, ...y }] = [a.regions[0]!, b.regions[0]!];
  if (!sameLiterals(dynamic, other)) return undefined;
  const fields = Object.keys(x) as FieldName[];
  if (fields.length !== Object.keys(y).length || !fields.every((f) => y[f])) return undefined;
  const differ = fields.filter((f) => !sameSet(x, y, f));
  return differ.length === 1 && Object.hasOwn(FIELD_WORDS, differ[0]!) ? differ[0] : undefined;
}

function sameSet(a: Sets, b: Sets, field: FieldName): boolean {
  const [x, y] = [a[field]!, b[field]!];
  return x.length === y.length && x.every(({ lo, hi }, i) => lo === y[i]!.lo && hi === y[i]!.hi);
}

function setText(rule: Rule, field: FieldName): string {
  const { lo, hi } = rule.regions[0]![field]![0]!;
  return lo === hi ? valueText(field, lo) : `${valueText(field, lo)}-${valueText(field, hi)}`;
}
