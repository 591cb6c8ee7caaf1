/**
 * Who takes which packets first, as the rules of a policy come one after the other.
 *
 * @module
 */
import { anyOf } from "./hunt.ts";
import { Layers } from "./layers.ts";
import { sameLiterals } from "./literals.ts";
import { carve, type Ruleset } from "./ruleset.ts";
import type { Box } from "./space.ts";
import { type Answer, BUDGET, type Budget, uncovered } from "./uncovered.ts";

/** Packets of a rule tried before it is looked at as a whole. */
const TRIES = 16;
const FIRST_TRIES = 3;
/** Rules of a cover beyond which it is not made smaller. */
const MINIMISED = 32;
/** Parts that a rule may fall into. */
const PARTS = 4096;
/**
 * Comparisons for three kinds of question: what one may cost at most, and many of a file each. What
 * some save, those behind them may use; `start` is there from the beginning.
 */
const ALLOWED = {
  /** Whether it can match. A comparison is about 50 ns. */
  match: { start: 5 * BUDGET, each: 10_000, most: BUDGET },
  /** Who takes the packets of one that cannot: pieces of boxes, ten times as dear. */
  takers: { start: 500_000, each: 500, most: 20_000 },
  /** How much others take of one that can. */
  partly: { start: 10_000, each: 150, most: 1000 },
};

export interface Taker {
  readonly owner: number;
  /** Of the rule's packets, 0 to 1; undefined if that was too much to work out. */
  readonly share: number | undefined;
  /** Some packets that it takes. */
  readonly part: Box;
}

interface Found {
  readonly takers: readonly Taker[];
  /** Whether they are all. */
  readonly whole: boolean;
}

export class Takers {
  readonly #rules: Ruleset;
  readonly #forMatch: Allowance;
  readonly #forTakers = new Allowance(ALLOWED.takers);
  readonly #forPartly = new Allowance(ALLOWED.partly);
  /**
   * The boxes of the deciding rules so far, but for those that can never decide: whatever these
   * have, the others have.
   */
  readonly #taking: Layers;
  /** The rules of each outline. */
  readonly #known = new Map<string, number[]>();

  /** No rule has come yet. `budget`: comparisons that the question whether one can match may cost. */
  constructor(rules: Ruleset, budget: number) {
    this.#rules = rules;
    this.#taking = new Layers(rules.deciding);
    this.#forMatch = new Allowance({ ...ALLOWED.match, most: budget });
  }

  /** Rule `i` comes, and decides. */
  add(i: number): void {
    this.#taking.add(this.#rules.boxes[i]!);
    const outline = this.#outline(i), known = this.#known.get(outline);
    if (known) known.push(i);
    else this.#known.set(outline, [i]);
  }

  /** What of a box the rules so far leave. */
  escaping(box: Box): Answer {
    const { space } = this.#rules;
    // Most rules have packets left, as the first few tell, and most of the others are in one rule.
    for (let n = 0; n < TRIES; n++) {
      const packet = anyOf(box, n);
      if (!this.#taking.first(packet)) return { kind: "escapes", witness: packet };
      const around = n === FIRST_TRIES
        ? this.#taking.first(box, 0, Infinity, (other) => space.inside(box, other))
        : undefined;
      if (around) return { kind: "covered", by: [around] };
    }
    return this.#forMatch.spend((budget) => uncovered(box, this.#taking.meeting(box), budget));
  }

  /**
   * Which rules really take the packets of rule `i` first: those that matter for `cover`, the
   * largest first, and always the largest that decides otherwise.
   */
  all(i: number, cover: readonly Box[]): Taker[] {
    const { takers: all, whole } = this.#first(i, this.#forTakers);
    if (!whole) return this.#coverOnly(i, cover);
    const other = all.find(({ owner }) => !this.#rules.sameEffect(owner, i));
    const needed = this.#minimal(i, new Set(all.map(({ owner }) => owner)));
    return all.filter((taker) => taker === other || needed.has(taker.owner));
  }

  /**
   * Which rules take packets of rule `i`, which has some left, the largest first, and whether these are
   * all. Undefined if less than `part` of it can be taken by rules of another effect.
   */
  some(i: number, part: number): Found | undefined {
    const { space, boxes } = this.#rules;
    const whole = sum(boxes[i]!.map((box) => space.weight(box)));
    // Cheap first: no more can be taken than what overlaps.
    let overlap = 0;
    const much = boxes[i]!.some((box) => {
      const weightOf = space.weightWithin(box);
      return this.#taking.first(box, 0, i, (other) => {
        if (!this.#rules.sameEffect(other.owner, i)) overlap += weightOf(other);
        return overlap >= part * whole;
      });
    });
    return much ? this.#first(i, this.#forPartly) : undefined;
  }

  /** The first of the rules so far with the effect and the packets of rule `i`; if there is one. */
  twin(i: number): number | undefined {
    const { boxes } = this.#rules;
    return this.#known.get(this.#outline(i))?.find((other) => sameBoxes(boxes[i]!, boxes[other]!));
  }

  /** Whether rules of the same effect have all packets of rule `i`, whoever takes these first. */
  isRepeated(i: number): boolean {
    const alike = ({ owner }: Box) => this.#rules.sameEffect(owner, i);
    return this.#forMatch.spend((budget) =>
      this.#rules.boxes[i]!.every((box) =>
        uncovered(box, this.#taking.meeting(box, 0, i).filter(alike), budget).kind === "covered"
      )
    );
  }

  /** A short text, the same for rules that do the same with the same packets. */
  #outline(i: number): string {
    const boxes = this.#rules.boxes[i]!.map((
      { shape, narrow, sets },
    ) => [
      shape,
      ...narrow.map((f) => `${f} ${sets[f]!.length} ${sets[f]![0]} ${sets[f]!.at(-1)}`),
    ]);
    return [this.#rules.effects[i], ...boxes].join(";");
  }

  /** Whether some packet that rule `i` decides would meet another effect without it and the `unneeded`. */
  isMissed(i: number, unneeded: ReadonlySet<number>): boolean {
    const { space, boxes, deciding } = this.#rules;
    return boxes[i]!.some((box) =>
      deciding.first(box, i + 1, Infinity, (later) => {
        if (this.#rules.sameEffect(later.owner, i) || unneeded.has(later.owner)) return false;
        const part = space.both(box, later)!;
        const between = deciding.meeting(part, i + 1, later.owner)
          .filter(({ owner }) => !unneeded.has(owner));
        const cover = [...this.#taking.meeting(part, 0, i), ...between];
        return this.#forMatch.spend((budget) => uncovered(part, cover, budget)).kind !== "covered";
      })
    );
  }

  /** Which rules take packets of rule `i` first, the largest first: as many as are allowed. */
  #first(i: number, allowance: Allowance): Found {
    const { space, boxes } = this.#rules;
    const weight = sum(boxes[i]!.map((box) => space.weight(box)));
    const takers = new Map<number, { share: number; part: Box; largest: number }>();
    const take = (part: Box) => {
      const share = space.weight(part) / weight;
      const known = takers.get(part.owner);
      if (!known) takers.set(part.owner, { share, part, largest: share });
      else {
        known.share += share;
        if (share > known.largest) [known.part, known.largest] = [part, share];
      }
    };
    const all = allowance.spend((budget) =>
      boxes[i]!.every((box) =>
        carve(space, box, this.#taking.meeting(box, 0, i), PARTS, budget, take).whole
      )
    );
    const list = [...takers].map(([owner, { share, part }]) => ({ owner, share, part }))
      .sort((a, b) => b.share - a.share);
    return { takers: list, whole: all };
  }

  /** The same without shares, for a rule that very many others take apart. */
  #coverOnly(i: number, cover: readonly Box[]): Taker[] {
    const { space, boxes } = this.#rules;
    const parts = cover.flatMap((taker) =>
      boxes[i]!.flatMap((box) => {
        const part = space.both(box, taker);
        return part ? [{ ...part, owner: taker.owner }] : [];
      })
    );
    // Who decides a packet is the first that has it, so each is an example of that one's.
    const first = parts.map((part) => this.#taking.first(space.point(part))!);
    const byOwner = new Map(first.map(({ owner }, p) => [owner, space.point(parts[p]!)]));
    return [...byOwner].map(([owner, part]) => ({ owner, share: undefined, part }));
  }

  /** The takers of rule `i` without which some of its packets would be left, given the others. */
  #minimal(i: number, takers: ReadonlySet<number>): ReadonlySet<number> {
    const needed = new Set(takers);
    if (takers.size > MINIMISED) return needed;
    const { boxes } = this.#rules;
    const covers = (rest: readonly Box[]) =>
      this.#forMatch.spend((budget) =>
        boxes[i]!.every((box) => uncovered(box, rest, budget).kind === "covered")
      );
    for (const taker of takers) {
      needed.delete(taker);
      const rest = [...needed].flatMap((owner) => boxes[owner]!);
      if (!covers(rest)) needed.add(taker);
    }
    return needed;
  }
}

function sameBoxes(a: readonly Box[], b: readonly Box[]): boolean {
  return a.every((box, k) =>
    sameLiterals(box.literals, b[k]!.literals) &&
    box.narrow.every((f) => box.sets[f]!.every((n, at) => n === b[k]!.sets[f]![at]))
  );
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

/** Comparisons that the questions about a file may cost, one after the other. */
class Allowance {
  readonly #each: number;
  readonly #most: number;
  #saved: number;

  constructor({ start, each, most }: { start: number; each: number; most: number }) {
    this.#saved = start;
    this.#each = each;
    this.#most = most;
  }

  /** Asks a question, on its budget. */
  spend<T>(ask: (budget: Budget) => T): T {
    this.#saved += this.#each;
    const given = Math.min(this.#most, this.#saved);
    const budget = { left: given };
    const answer = ask(budget);
    this.#saved -= given - Math.max(0, budget.left);
    return answer;
  }
}
