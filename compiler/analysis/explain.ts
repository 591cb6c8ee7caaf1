/**
 * Why a packet meets the verdict it meets: the rules it passes, and what in it each asks otherwise.
 *
 * @module
 */
import type { Truth } from "../policy/decide.ts";
import { type Field, FIELDS, HOOKS, type Packet } from "../policy/field.ts";
import { contains } from "../policy/interval.ts";
import { packetText } from "../policy/packet.ts";
import {
  conditionsOf,
  type Literal,
  type MarkChange,
  type Policy,
  type Rule,
} from "../policy/policy.ts";
import { literalText } from "../policy/print.ts";
import { hasPacket, type Region } from "../policy/region.ts";
import { fieldWord, valueText } from "../policy/text.ts";
import { classify, openImage } from "../tables/classify.ts";

export interface Explanation {
  /** Undefined if the packet's hook has no chain. */
  readonly rule: Rule | undefined;
  /** The rules of the chain down to the one that decides. */
  readonly walk: readonly Step[];
  /** How the rules that match change the mark of the packet, together. */
  readonly mark: MarkChange | undefined;
}

export interface Step {
  readonly rule: Rule;
  readonly matches: boolean;
  /** The first thing about the packet that the rule does not match. */
  readonly fails?: Failure;
}

export interface Failure {
  /** A field, or a kind of what is true only for a time. */
  readonly what: Field | Literal["kind"];
  /** Its value, or what the rule asks that is not so. */
  readonly value: string;
  /** The same as a sentence. */
  readonly text: string;
}

/**
 * What becomes of a packet, by the compiled tables, and why, by the rules. `truth` says what is true
 * of it for now. Throws if the two differ, which would be a bug of the compiler.
 */
export function explain(
  policy: Policy,
  image: Uint8Array<ArrayBuffer>,
  packet: Packet,
  truth: Truth = () => false,
): Explanation {
  const walk: Step[] = [];
  let decider: Rule | undefined;
  let mark: MarkChange | undefined;
  // A rule sees only the bits of the mark that some rule tests.
  const seen = { ...packet, mark: packet.mark & BigInt(policy.markBits) };
  for (const rule of policy.rules) {
    if (HOOKS[Number(packet.hook)] !== rule.hook) continue;
    const step = walkStep(policy, rule, seen, truth);
    walk.push(step);
    if (!step.matches) continue;
    mark = after(mark, rule.mark);
    if (rule.verdict.name === "next") continue;
    decider = rule;
    break;
  }
  const { rule: number, passed } = classify(openImage(image), seen, truth);
  const counted = walk.filter(({ rule, matches }) => matches && rule !== decider);
  const same = policy.rules[number] === decider &&
    passed.map((n) => policy.rules[n]).every((rule, i) => rule === counted[i]?.rule) &&
    passed.length === counted.length;
  if (!same) {
    const names = (rules: readonly (Rule | undefined)[]) =>
      rules.map((rule) => rule?.name ?? "no rule").join(", ");
    throw new Error(
      `Of \`${packetText(packet)}\` the tables say ` +
        `${names([...passed, number].map((n) => policy.rules[n]))}, ` +
        `the rules ${names([...counted.map(({ rule }) => rule), decider])}`,
    );
  }
  return { rule: decider, walk, mark };
}

/** Two changes of a mark, one after the other. */
function after(
  first: MarkChange | undefined,
  then: MarkChange | undefined,
): MarkChange | undefined {
  if (!first || !then) return first ?? then;
  return {
    value: ((first.value & ~then.clear) | then.value) >>> 0,
    clear: (first.clear | then.clear) >>> 0,
  };
}

function walkStep(policy: Policy, rule: Rule, packet: Packet, truth: Truth): Step {
  const failures: Failure[] = [];
  for (const region of rule.regions) {
    const failure = failureOf(policy, region, packet, truth);
    if (!failure) return { rule, matches: true };
    failures.push(failure);
  }
  // Of several regions the one that the packet is nearest to: it fails latest.
  const place = ({ what }: Failure) => {
    const field = FIELDS.findIndex((field) => field === what);
    return field < 0 ? FIELDS.length : field;
  };
  const [fails] = failures.toSorted((a, b) => place(b) - place(a));
  return { rule, matches: false, ...(fails && { fails }) };
}

/** The first thing about a packet that a region does not have. */
function failureOf(
  policy: Policy,
  region: Region,
  packet: Packet,
  truth: Truth,
): Failure | undefined {
  if (!hasPacket(region, packet)) {
    const what = FIELDS.find((field) => region[field] && !contains(region[field], packet[field]))!;
    const value = valueText(what, packet[what]);
    return { what, value, text: `${fieldWord(what)} is ${value}` };
  }
  for (const [number, wanted] of conditionsOf(policy, region)) {
    if (truth(number) === wanted) continue;
    const literal = policy.literals[number]!;
    const value = literalText(policy, literal, wanted);
    return { what: literal.kind, value, text: `\`${value}\` is not so` };
  }
  return undefined;
}
