/**
 * What happens to packets besides their verdict, in one of two policies alone: marks and logs.
 *
 * @module
 */
import type { Rule } from "../policy/policy.ts";
import type { Compared } from "./diff.ts";
import { Layers } from "./layers.ts";
import { decides, OutOfBudget, partition, type Ruleset } from "./ruleset.ts";
import type { Box } from "./space.ts";
import { overlap } from "./uncovered.ts";

/** Packets that a rule of one side marks or logs, as nothing on the other side does. */
export interface SideEffect {
  readonly box: Box;
  readonly effect: string;
  readonly side: "before" | "after";
  /** The rule's number, and that of the rule that decides them on the other side. */
  readonly by: number;
  readonly decider: number | undefined;
}

/** Exact; throws OutOfBudget if rules overlap in too many ways. */
export function sideEffects(compared: Compared): SideEffect[] {
  const { before, after, changedBefore, changedAfter } = compared;
  const touched = [
    ...[...changedBefore].flatMap((i) => before.boxes[i]!),
    ...[...changedAfter].flatMap((i) => after.boxes[i]!),
  ];
  return [
    ...oneSided("before", before, after, touched),
    ...oneSided("after", after, before, touched),
  ];
}

/** What `one` does with packets that `other` does not; only where some rule is `touched`. */
function oneSided(
  side: SideEffect["side"],
  one: Ruleset,
  other: Ruleset,
  touched: readonly Box[],
): SideEffect[] {
  const { space } = one;
  const found: SideEffect[] = [];
  const layers = new Map<string, Layers>();
  for (const [by, rule] of one.policy.rules.entries()) {
    for (const effect of effectsOf(rule)) {
      // What the other side does with a packet until it decides: those with the effect end the search.
      const known = layers.get(effect) ?? new Layers(
        other.boxes.flatMap((boxes, i) => {
          const others = other.policy.rules[i]!;
          return decides(others) || effectsOf(others).includes(effect) ? boxes : [];
        }),
      );
      layers.set(effect, known);
      for (const box of one.boxes[by]!) {
        if (!touched.some((other) => overlap(box, other))) continue;
        const seen = partition(space, box, one.deciding.meeting(box, 0, by))?.rest;
        if (!seen) throw new OutOfBudget();
        for (const piece of seen) {
          const fate = partition(space, piece, known.meeting(piece));
          if (!fate) throw new OutOfBudget();
          for (const part of fate.parts) {
            if (effectsOf(other.policy.rules[part.owner]!).includes(effect)) continue;
            found.push({ box: part, effect, side, by, decider: part.owner });
          }
          for (const part of fate.rest) {
            found.push({ box: part, effect, side, by, decider: undefined });
          }
        }
      }
    }
  }
  return found;
}

/** What a rule does with a packet besides deciding it. */
function effectsOf({ mark, log }: Rule): string[] {
  const hex = (bits: number) => `0x${bits.toString(16)}`;
  const every = log && log.everyNs > 0n ? ` every ${Number(log.everyNs) / 1e9}s` : "";
  return [
    ...(mark ? [`marked ${hex(mark.value)}/${hex(mark.clear)}`] : []),
    ...(log
      ? [`logged ${JSON.stringify(log.prefix)}${every}${log.pcap ? " with its bytes" : ""}`]
      : []),
  ];
}
