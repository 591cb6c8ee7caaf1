/**
 * What two policies decide differently, for every packet.
 *
 * Where neither policy's deciding rule is new, moved or gone, both decide alike: rules that both
 * have in the same order come in that order to every packet. So only pairs with a changed rule in
 * them are looked at, and two large files that differ little cost little.
 *
 * @module
 */
import { type Packet, PROTO } from "../policy/field.ts";
import { span, within } from "../policy/interval.ts";
import type { Literal, Policy, Rule } from "../policy/policy.ts";
import { type Region, SHAPES } from "../policy/region.ts";
import { sideEffects } from "./effects.ts";
import { difference, meet, type Ordinals } from "./ordinals.ts";
import { agree } from "./literals.ts";
import { decides, OutOfBudget, partition, Ruleset, sameVerdict, spaceOf } from "./ruleset.ts";
import type { Box, Space } from "./space.ts";
import { uncovered } from "./uncovered.ts";

export interface Difference {
  readonly packet: Packet;
  /** The rule that decides each packet of the region; undefined where there is no such chain. */
  readonly before: Rule | undefined;
  readonly after: Rule | undefined;
  /** Of its chain's packets, 0 to 1; undefined if that was too much to work out. */
  readonly share: number | undefined;
  /** A product of sets, as large as it can be. */
  readonly region: Region;
  /** What happens to these packets besides on one side alone, if it is not the verdict that differs. */
  readonly effect?: { readonly text: string; readonly side: "before" | "after"; readonly by: Rule };
}

/** Two policies on common ground. */
export interface Compared {
  readonly space: Space;
  readonly before: Ruleset;
  readonly after: Ruleset;
  /** The numbers of the rules that not both have in the same order. */
  readonly changedBefore: ReadonlySet<number>;
  readonly changedAfter: ReadonlySet<number>;
}

/**
 * A row for each region in which two rules decide differently, the largest first; regions of a pair
 * of rules may overlap. None if the policies decide every packet alike. With `effects` also where
 * packets are marked or logged on one side alone. Exact; throws OutOfBudget if that takes too long,
 * and Incomparable if they test marks under different masks.
 */
export function diff(
  before: Policy,
  after: Policy,
  { effects = false }: { effects?: boolean } = {},
): Difference[] {
  if (before.markBits && after.markBits && before.markBits !== after.markBits) {
    throw new Incomparable();
  }
  after = withLiteralsOf(before, after);
  const space = spaceOf([before, after]);
  const [changedBefore, changedAfter] = changed(before.rules, after.rules);
  const compared: Compared = {
    space,
    before: new Ruleset(before, space),
    after: new Ruleset(after, space),
    changedBefore,
    changedAfter,
  };
  return [
    ...verdicts(compared),
    ...chainsOfOne(before, after),
    ...(effects ? sideEffects(compared).map((found) => rowOf(compared, found)) : []),
  ].sort((x, y) => (y.share ?? 1) - (x.share ?? 1));
}

/** Where the verdicts differ. */
function verdicts({ space, before, after, changedBefore, changedAfter }: Compared): Difference[] {
  const pairs = new Map<string, { a: number; b: number; boxes: Box[] }>();
  const [a, b] = [before, after];
  const consider = (x: Box, y: Box) => {
    const [one, other] = [a.policy.rules[x.owner]!, b.policy.rules[y.owner]!];
    if (sameVerdict(settled(one, x.shape), settled(other, y.shape))) return;
    const key = `${x.owner} ${y.owner}`;
    const pair = pairs.get(key) ?? { a: x.owner, b: y.owner, boxes: [] };
    pairs.set(key, pair);
    pair.boxes.push(space.both(x, y)!);
  };
  for (const i of changedBefore) {
    if (!decides(a.policy.rules[i]!)) continue;
    for (const x of a.boxes[i]!) for (const y of b.deciding.meeting(x)) consider(x, y);
  }
  for (const j of changedAfter) {
    if (!decides(b.policy.rules[j]!)) continue;
    for (const y of b.boxes[j]!) {
      for (const x of a.deciding.meeting(y)) if (!changedBefore.has(x.owner)) consider(x, y);
    }
  }
  const rows: Difference[] = [];
  for (const pair of pairs.values()) {
    for (const box of pair.boxes) {
      const above = [...a.deciding.meeting(box, 0, pair.a), ...b.deciding.meeting(box, 0, pair.b)];
      const result = uncovered(box, above);
      if (result.kind === "undecided") throw new OutOfBudget();
      if (result.kind === "covered") continue;
      const rest = partition(space, box, above)?.rest;
      for (const region of largest(space, box, rest ?? [result.witness], above)) {
        rows.push({
          packet: space.packet(region),
          before: a.policy.rules[pair.a]!,
          after: b.policy.rules[pair.b]!,
          share: rest && space.weight(region) / CHAIN_WEIGHT,
          region: space.region(region),
        });
      }
    }
  }
  return rows;
}

/** A rule for packets of one shape, of which a plain `reject` is carried out in one way. */
function settled(rule: Rule, shape: number): Pick<Rule, "verdict"> {
  if (rule.verdict.reject !== "auto") return rule;
  const headed = within(SHAPES[shape]!.proto!, span(PROTO.tcp));
  return { verdict: { name: "reject", reject: headed ? "tcp_reset" : "icmp_port" } };
}

/** The largest boxes around some pieces that stay within a box and meet nothing above it. */
function largest(
  space: Space,
  box: Box,
  pieces: readonly Box[],
  above: readonly Box[],
): Box[] {
  const found: Box[] = [];
  const byWeight = pieces.map((piece) => ({ piece, weight: space.weight(piece) }))
    .sort((a, b) => b.weight - a.weight);
  for (const { piece } of byWeight) {
    if (!found.some((region) => space.inside(piece, region))) found.push(grown(box, piece, above));
  }
  return found;
}

/** A piece, one field after the other as wide as what is above it allows. */
function grown(box: Box, piece: Box, above: readonly Box[]): Box {
  let near = above.filter((other) => agree(piece, other));
  const sets = [...piece.sets];
  for (const f of sets.keys()) {
    const beside = near.filter((other) =>
      other.narrow.every((g) => g === f || meet(other.sets[g]!, sets[g]!))
    );
    const wide = beside.reduce<Ordinals>(
      (set, { sets }) => difference(set, sets[f]!),
      box.sets[f]!,
    );
    if (wide.length > 0) sets[f] = wide;
    near = near.filter((other) => !other.narrow.includes(f) || meet(other.sets[f]!, sets[f]!));
  }
  return { ...piece, sets, narrow: sets.map((_, f) => f) };
}

function rowOf(
  { space, before, after }: Compared,
  { box, effect, side, by, decider }: ReturnType<typeof sideEffects>[number],
): Difference {
  const point = space.point(box);
  const decided = ({ deciding, policy }: Ruleset) => {
    const [first] = deciding.meeting(point);
    return first && policy.rules[first.owner];
  };
  const other = side === "before" ? after : before;
  const own = side === "before" ? before : after;
  const rules = {
    own: decided(own),
    other: decider === undefined ? undefined : other.policy.rules[decider],
  };
  return {
    packet: space.packet(point),
    before: side === "before" ? rules.own : rules.other,
    after: side === "before" ? rules.other : rules.own,
    share: space.weight(box) / CHAIN_WEIGHT,
    region: space.region(box),
    effect: { text: effect, side, by: own.policy.rules[by]! },
  };
}

/**
 * A policy whose literals have the numbers that the same literals have in another; those that the
 * other has not come behind.
 */
function withLiteralsOf(other: Policy, policy: Policy): Policy {
  const text = ({ sets }: Policy, literal: Literal) =>
    JSON.stringify(
      literal.kind === "member" ? { ...literal, set: sets[literal.set] } : literal,
      (_, value) => typeof value === "bigint" ? `${value}` : value,
    );
  const literals = [...other.literals];
  const known = new Map(literals.map((literal, n) => [text(other, literal), n]));
  const numbers = policy.literals.map((literal) => {
    const key = text(policy, literal);
    const number = known.get(key) ?? literals.push(literal) - 1;
    known.set(key, number);
    return number;
  });
  const rules = policy.rules.map((rule) => ({
    ...rule,
    regions: rule.regions.map((region) =>
      region.dynamic
        ? {
          ...region,
          dynamic: new Map([...region.dynamic].map(([n, holds]) => [numbers[n]!, holds])),
        }
        : region
    ),
  }));
  return { ...policy, rules, literals };
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

function meaning({ verdict, regions, mark, log }: Rule): string {
  return JSON.stringify(
    [verdict, regions, mark, log],
    (_, value) =>
      typeof value === "bigint" ? `${value}` : value instanceof Map ? [...value] : value,
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
