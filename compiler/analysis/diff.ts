/**
 * What two policies decide differently, for every packet.
 *
 * Where neither policy's deciding rule is new, moved or gone, both decide alike: rules that both
 * have in the same order come in that order to every packet. So only pairs with a changed rule in
 * them are looked at, and two large files that differ little cost little.
 *
 * @module
 */
import type { Packet } from "../policy/field.ts";
import type { Policy, Rule } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { decides, OutOfBudget, partition, Ruleset, sameEffect, spaceOf } from "./ruleset.ts";
import type { Box } from "./space.ts";
import { uncovered } from "./uncovered.ts";

export interface Difference {
  readonly packet: Packet;
  /** The rule that decides each packet of the region; undefined where there is no such chain. */
  readonly before: Rule | undefined;
  readonly after: Rule | undefined;
  /** Of its chain's packets, 0 to 1; undefined if that was too much to work out. */
  readonly share: number | undefined;
  /** The largest product of sets of the region that the packet is in. */
  readonly region: Region;
}

/**
 * A row for each pair of rules that decide some packets differently, the largest first; none if
 * the policies decide every packet alike. Exact; throws OutOfBudget if that takes too long, and
 * Incomparable if they test marks under different masks.
 */
export function diff(before: Policy, after: Policy): Difference[] {
  if (before.markBits && after.markBits && before.markBits !== after.markBits) {
    throw new Incomparable();
  }
  const space = spaceOf([before, after]);
  const [a, b] = [new Ruleset(before, space), new Ruleset(after, space)];
  const [changedA, changedB] = changed(before.rules, after.rules);
  const pairs = new Map<string, { a: number; b: number; boxes: Box[] }>();
  const consider = (x: Box, y: Box) => {
    if (sameEffect(before.rules[x.owner]!, after.rules[y.owner]!)) return;
    const key = `${x.owner} ${y.owner}`;
    const pair = pairs.get(key) ?? { a: x.owner, b: y.owner, boxes: [] };
    pairs.set(key, pair);
    pair.boxes.push(space.both(x, y)!);
  };
  for (const i of changedA) {
    if (!decides(before.rules[i]!)) continue;
    for (const x of a.boxes[i]!) for (const y of b.deciding.meeting(x)) consider(x, y);
  }
  for (const j of changedB) {
    if (!decides(after.rules[j]!)) continue;
    for (const y of b.boxes[j]!) {
      for (const x of a.deciding.meeting(y)) if (!changedA.has(x.owner)) consider(x, y);
    }
  }

  const rows: Difference[] = [];
  for (const pair of pairs.values()) {
    let largest: Box | undefined, share: number | undefined = 0, packet: Packet | undefined;
    for (const box of pair.boxes) {
      const above = [...a.deciding.meeting(box, 0, pair.a), ...b.deciding.meeting(box, 0, pair.b)];
      const result = uncovered(box, above);
      if (result.kind === "undecided") throw new OutOfBudget();
      if (result.kind === "covered") continue;
      packet ??= space.packet(result.witness);
      const rest = partition(space, box, above)?.rest;
      if (!rest) share = undefined;
      for (const piece of rest ?? [result.witness]) {
        if (share !== undefined) share += space.weight(piece);
        if (!largest || space.weight(piece) > space.weight(largest)) largest = piece;
      }
    }
    if (!packet || !largest) continue;
    rows.push({
      packet: space.packet(largest),
      before: before.rules[pair.a]!,
      after: after.rules[pair.b]!,
      share: share === undefined ? undefined : share / CHAIN_WEIGHT,
      region: space.region(largest),
    });
  }
  return [...rows, ...chainsOfOne(before, after)]
    .sort((x, y) => (y.share ?? 1) - (x.share ?? 1));
}

/** Policies whose marks stand for different bits of a packet's. */
export class Incomparable extends Error {
  override name = "Incomparable";
  override message = "the policies test different bits of the mark, so their marks do not compare";
}

/** Weight of all packets of a hook: four kinds of protocol and fragments, of two families. */
const CHAIN_WEIGHT = 2 * (4 + 0.01);

/** Hooks that only one of the policies filters. */
function chainsOfOne(before: Policy, after: Policy): Difference[] {
  return ([[before, after], [after, before]] as const).flatMap(([one, other], side) =>
    one.hooks.filter((hook) => !other.hooks.includes(hook)).map((hook) => {
      const rule = one.rules.findLast((rule) => rule.hook === hook)!;
      const space = spaceOf([one]);
      const box = space.boxes(rule.regions[0]!)[0]!;
      return {
        packet: space.packet(box),
        before: side === 0 ? rule : undefined,
        after: side === 1 ? rule : undefined,
        share: 1,
        region: rule.regions[0]!,
      };
    })
  );
}

/** The numbers of the rules of each list that are not common to both in the same order. */
function changed(a: readonly Rule[], b: readonly Rule[]): [Set<number>, Set<number>] {
  const places = new Map<string, number[]>();
  for (const [j, rule] of b.entries()) {
    const key = meaning(rule);
    const list = places.get(key);
    if (list) list.push(j);
    else places.set(key, [j]);
  }
  for (const list of places.values()) list.reverse();
  const pairs = a.flatMap((rule, i) => {
    const j = places.get(meaning(rule))?.pop();
    return j === undefined ? [] : [{ i, j }];
  });
  const kept = longestAscending(pairs);
  const keptA = new Set(kept.map(({ i }) => i)), keptB = new Set(kept.map(({ j }) => j));
  const others = (rules: readonly Rule[], kept: ReadonlySet<number>) =>
    new Set(rules.keys().filter((i) => !kept.has(i)));
  return [others(a, keptA), others(b, keptB)];
}

function meaning({ verdict, regions }: Rule): string {
  return JSON.stringify(
    [verdict, regions],
    (_, value) => typeof value === "bigint" ? `${value}` : value,
  );
}

/** The longest run of pairs in which `j` ascends as `i` does (patience sorting). */
function longestAscending<P extends { readonly j: number }>(pairs: readonly P[]): P[] {
  const tails: number[] = [];
  const previous: number[] = [];
  for (const [k, { j }] of pairs.entries()) {
    let lo = 0, hi = tails.length;
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if (pairs[tails[middle]!]!.j < j) lo = middle + 1;
      else hi = middle;
    }
    previous[k] = lo > 0 ? tails[lo - 1]! : -1;
    tails[lo] = k;
  }
  const kept: P[] = [];
  for (let k = tails.at(-1) ?? -1; k >= 0; k = previous[k]!) kept.push(pairs[k]!);
  return kept.reverse();
}
