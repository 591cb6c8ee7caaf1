/**
 * A policy as a person reads it: what is left of a rule file when every `when`, `jump`, `return` and
 * set has been carried out.
 *
 * @module
 */
import { HOOKS } from "./field.ts";
import { conditionsOf, type Literal, type Policy, type Rule } from "./policy.ts";
import type { Region } from "./region.ts";
import { regionText } from "./text.ts";

/** Values of one field before the rest is only counted. */
const MOST_VALUES = 8;
/** Regions of one rule before the rest is only counted. */
const MOST_REGIONS = 8;

/** Every rule with the packets it matches, a line a region; alternatives of a rule follow `or`. */
export function printRules(policy: Policy): string[] {
  return HOOKS.filter((hook) => policy.hooks.includes(hook)).flatMap((hook) => [
    `chain ${hook}`,
    ...policy.rules.flatMap((rule, number) =>
      rule.hook === hook ? ruleLines(policy, rule, number) : []
    ),
  ]);
}

function ruleLines(policy: Policy, rule: Rule, number: number): string[] {
  const { verdict, name, mark, log } = rule;
  const how = verdict.reject && verdict.reject !== "auto"
    ? ` with ${verdict.reject.replace("_", "-")}`
    : "";
  const does = [
    ...(mark ? [`set mark 0x${mark.value.toString(16)}/0x${mark.clear.toString(16)}`] : []),
    ...(log ? [`log ${JSON.stringify(log.prefix)}`] : []),
    `label ${name}`,
  ].join(" ");
  const verb = (verdict.name === "next" ? "match" : verdict.name) + how;
  const regions = rule.regions.slice(0, MOST_REGIONS).map((region) => askedText(policy, region));
  const more = rule.regions.length - regions.length;
  const head = `  ${String(number).padStart(5)}  ${verb}`;
  if (regions.length === 0) return [`${head} nothing: no packet gets here  ${does}`];
  return [
    `${head} ${regions[0]}  ${does}`,
    ...regions.slice(1).map((text) => `           or ${text}`),
    ...(more > 0 ? [`           or … ${more} more`] : []),
  ];
}

/** What a region asks of a packet, and of the time; its hook is the chain it stands in. */
function askedText(policy: Policy, { hook: _, ...region }: Region): string {
  const conditions = conditionsOf(policy, region).map(([literal, wanted]) =>
    literalText(policy, policy.literals[literal]!, wanted)
  );
  const clauses = regionText(region, MOST_VALUES);
  if (conditions.length === 0) return clauses;
  return [...clauses === "any" ? [] : [clauses], ...conditions].join(" ");
}

/** What a rule asks by a literal, as it would be written. */
export function literalText({ sets }: Policy, literal: Literal, wanted: boolean): string {
  const not = wanted ? "" : "! ";
  switch (literal.kind) {
    case "limit": {
      const { source, destination, sport, dport } = literal;
      const keys = [
        ...(source ? [`source/${source.v4}|${source.v6}`] : []),
        ...(destination ? [`dest/${destination.v4}|${destination.v6}`] : []),
        ...(sport ? ["sport"] : []),
        ...(dport ? ["dport"] : []),
      ];
      const over = wanted ? "" : "over ";
      const each = Number(literal.intervalNs) / 1e9;
      return `limit ${over}1/${each}s burst ${literal.burst}` +
        (keys.length > 0 ? ` per ${keys.join(",")}` : "");
    }
    case "time": {
      const clock = (minute: number) =>
        [Math.floor(minute / 60), minute % 60].map((n) => String(n).padStart(2, "0")).join(":");
      const days = literal.days.map((day) => DAY_NAMES[day]).join(",");
      const on = literal.days.length === 7 ? "" : ` days ${days}`;
      return `${not}time ${clock(literal.from)}-${clock(literal.to)}${on}`;
    }
    case "until":
      return `${not}until ${String(literal.day).replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3")}`;
    case "member": {
      const { name } = sets[literal.set]!;
      const side = literal.of === "src" ? "from" : "to";
      return `${side} ${not}${name === "self" ? "self" : `@${name}`}`;
    }
  }
}

const DAY_NAMES = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
