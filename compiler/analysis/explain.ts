/**
 * Why a packet meets the verdict it meets: the rules it passes, and what in it each asks otherwise.
 *
 * @module
 */
import { type Field, FIELDS, HOOKS, type Packet } from "../policy/field.ts";
import { contains } from "../policy/interval.ts";
import { packetText } from "../policy/packet.ts";
import type { Policy, Rule } from "../policy/policy.ts";
import { hasPacket, type Region } from "../policy/region.ts";
import { valueText } from "../policy/text.ts";
import { classify, openImage } from "../tables/classify.ts";

export interface Explanation {
  /** Undefined if the packet's hook has no chain. */
  readonly rule: Rule | undefined;
  /** The rules of the chain down to the one that decides. */
  readonly walk: readonly Step[];
}

export interface Step {
  readonly rule: Rule;
  readonly matches: boolean;
  /** The first thing about the packet that the rule does not match. */
  readonly fails?: { readonly field: Field; readonly value: string };
}

/**
 * What becomes of a packet, by the compiled tables, and why, by the rules. Throws if the two
 * differ, which would be a bug of the compiler.
 */
export function explain(
  policy: Policy,
  image: Uint8Array<ArrayBuffer>,
  packet: Packet,
): Explanation {
  const walk: Step[] = [];
  let decider: Rule | undefined;
  // A rule sees only the bits of the mark that some rule tests.
  const seen = { ...packet, mark: packet.mark & BigInt(policy.markBits) };
  for (const rule of policy.rules) {
    if (HOOKS[Number(packet.hook)] !== rule.hook) continue;
    const step = walkStep(rule, seen);
    walk.push(step);
    if (!step.matches || rule.verdict.name === "next") continue;
    decider = rule;
    break;
  }
  const { rule: number } = classify(openImage(image), seen);
  if (policy.rules[number] !== decider) {
    throw new Error(
      `The tables decide \`${packetText(packet)}\` by ${
        policy.rules[number]?.name ?? "no rule"
      }, ` +
        `the rules by ${decider?.name ?? "no rule"}`,
    );
  }
  return { rule: decider, walk };
}

function walkStep(rule: Rule, packet: Packet): Step {
  if (rule.regions.some((region) => hasPacket(region, packet))) return { rule, matches: true };
  // Of several regions the one that the packet is nearest to: it fails latest.
  const failing = rule.regions.map((region) => firstFailure(region, packet));
  const field = failing.toSorted((a, b) => FIELDS.indexOf(b) - FIELDS.indexOf(a))[0];
  if (!field) return { rule, matches: false };
  return { rule, matches: false, fails: { field, value: valueText(field, packet[field]) } };
}

function firstFailure(region: Region, packet: Packet): Field {
  return FIELDS.find((field) => region[field] && !contains(region[field], packet[field]))!;
}
