/**
 * How the rules of a policy stand to each other: which can never decide, which need not, which
 * contradict. Exact over unions of rules, for every packet there can be.
 *
 * @module
 */
import type { Code, Diagnostic } from "../diagnostic.ts";
import { DOMAIN, HOOKS, interfaceNumber, V4_ADDRESSES, V6_BASE } from "../policy/field.ts";
import { span, subtract } from "../policy/interval.ts";
import { packetText } from "../policy/packet.ts";
import type { Policy, Rule } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { valueText } from "../policy/text.ts";
import { anyOf } from "./hunt.ts";
import { Layers } from "./layers.ts";
import type { Literals } from "./literals.ts";
import { carve, decides, Ruleset, sameEffect, spaceOf } from "./ruleset.ts";
import type { Box } from "./space.ts";
import { type Answer, BUDGET, type Budget, uncovered } from "./uncovered.ts";
import { percent, verdictText } from "./verdict.ts";

export interface Wanted {
  /** Also every pair of rules that overlap in part and decide differently (FW106): noisy. */
  readonly correlated?: boolean;
  /** Comparisons that a rule may cost before it is FW199. */
  readonly budget?: number;
  /** Told now and then which part of the work is done, from 0 to 1. */
  readonly progress?: (part: number) => void;
}

/** Packets of a rule tried before it is looked at as a whole. */
const TRIES = 16;
const FIRST_TRIES = 3;
/** Takers that a finding names. */
const NAMED = 4;
/** Rules of a cover beyond which it is not made smaller. */
const MINIMISED = 32;
/** Parts that a rule may fall into. */
const PARTS = 4096;
/** A smaller part lost to other verdicts is not worth a word. */
const PARTLY = 0.01;
const NEARLY_ALL = 0.99;

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

/** What is odd about the rules of a policy, in their order. */
export function checkRelations(policy: Policy, wanted: Wanted = {}): Diagnostic[] {
  return new Relations(policy, wanted).all();
}

class Relations {
  readonly #rules: Ruleset;
  readonly #forMatch: Allowance;
  readonly #forTakers = new Allowance(ALLOWED.takers);
  readonly #forPartly = new Allowance(ALLOWED.partly);
  readonly #correlated: boolean;
  readonly #progress: Wanted["progress"];
  /** The first rule of each hook that takes all that is left. */
  readonly #catchAll = new Map<string, number>();
  readonly #offLoopback: readonly Box[];
  /**
   * The boxes of the deciding rules so far, but for those that can never decide: whatever these
   * have, the others have.
   */
  readonly #taking: Layers;
  /** Some packets that each rule decides, if there are any. */
  readonly #decides = new Map<number, Box>();

  constructor(
    readonly policy: Policy,
    { correlated = false, budget = BUDGET, progress }: Wanted,
  ) {
    this.#rules = new Ruleset(policy, spaceOf([policy], OFF_LOOPBACK));
    this.#taking = new Layers(this.#rules.deciding);
    this.#offLoopback = OFF_LOOPBACK.flatMap((region) => this.#rules.space.boxes(region));
    this.#forMatch = new Allowance({ ...ALLOWED.match, most: budget });
    this.#correlated = correlated;
    this.#progress = progress;
  }

  all(): Diagnostic[] {
    const { rules } = this.policy;
    const found: Diagnostic[] = [];
    const dead = new Map<number, Diagnostic>();
    const never = new Set<number>(), unneeded = new Set<number>();
    // A rule of a subroutine is there once a jump: what is said of it must be true of every one.
    const copies = Map.groupBy(rules.keys(), (i) => rules[i]!.span);
    for (const [i, rule] of rules.entries()) {
      this.#progress?.(i / rules.length / 2);
      const finding = this.#dead(i);
      if (finding) dead.set(i, finding);
      if (finding && !POSSIBLE.has(finding.code)) never.add(i);
      else if (decides(rule)) this.#taking.add(this.#rules.boxes[i]!);
      const all = copies.get(rule.span)!;
      if (i === all.at(-1) && all.every((copy) => dead.has(copy))) {
        const telling = all.find((copy) => rules[copy]!.regions.length > 0) ?? i;
        found.push(dead.get(telling)!);
        // A chain keeps its default, whether anything comes to it or not.
        if (!isDefault(rule) && all.every((copy) => never.has(copy))) {
          for (const copy of all) unneeded.add(copy);
        }
      }
      if (!finding && all.length === 1) found.push(...this.#alive(i));
      if (!finding && this.#isCatchAll(i) && !this.#catchAll.has(rule.hook)) {
        this.#catchAll.set(rule.hook, i);
      }
    }
    for (const i of [...rules.keys()].reverse()) {
      this.#progress?.(1 - i / rules.length / 2);
      if (dead.has(i) || copies.get(rules[i]!.span)!.length > 1) continue;
      const finding = this.#redundantDownward(i, unneeded);
      if (finding) {
        unneeded.add(i);
        found.push(finding);
      }
    }
    return [...found, ...mergeable(rules, new Set(dead.keys()))]
      .sort((a, b) => a.span.start - b.span.start);
  }

  /** Why a rule can never decide; undefined if it can. */
  #dead(i: number): Diagnostic | undefined {
    const { policy: { rules } } = this;
    const rule = rules[i]!, boxes = this.#rules.boxes[i]!;
    if (rule.regions.length === 0) {
      return this.#finding("FW108", rule, "no packet gets to this rule", {
        note: "what comes to its chain returns from it before, or cannot match",
      });
    }
    if (boxes.length === 0) {
      return this.#finding("FW107", rule, "no packet can match this rule");
    }
    if (boxes.every((box) => uncovered(box, this.#offLoopback).kind === "covered")) {
      return this.#finding("FW113", rule, "no packet with these addresses gets here", {
        note:
          "the kernel drops 127.0.0.0/8 and ::1 anywhere but on lo, unless route_localnet is set",
      });
    }
    const results = boxes.map((box) => this.#escaping(box));
    const escaped = results.find((result) => result.kind === "escapes");
    if (escaped) {
      this.#decides.set(i, escaped.witness);
      return undefined;
    }
    if (results.some(({ kind }) => kind === "undecided")) return this.#undecided(rule);

    const catchAll = this.#catchAll.get(rule.hook);
    const used = results.flatMap((result) => result.kind === "covered" ? result.by : []);
    if (!isDefault(rule) && catchAll !== undefined) {
      return this.#finding("FW108", rule, "no packet gets to this rule", {
        related: [this.#related(catchAll, "takes every packet that comes this far")],
      });
    }
    const takers = this.#takers(i, used);
    const otherwise = takers.filter(({ owner }) => !sameEffect(rule, rules[owner]!));
    const related = named(takers, otherwise[0]).map(({ owner, share }) =>
      this.#related(owner, `${shareText(share)}${verdictText(rules[owner]!)}`)
    );
    if (isDefault(rule)) {
      return this.#finding("FW109", rule, "the rules leave nothing for the default", { related });
    }
    if (otherwise.length === 0) {
      const twin = takers.find(({ owner }) => sameBoxes(this.#rules.boxes[owner]!, boxes));
      if (twin) {
        return this.#finding("FW110", rule, `this rule repeats \`${rules[twin.owner]!.name}\``, {
          related: [this.#related(twin.owner, "first here")],
          help: "remove it",
        });
      }
      return this.#finding("FW102", rule, "this rule is not needed", {
        label: "every packet it describes is decided earlier, in the same way",
        related,
        help: "remove it",
      });
    }
    const worst = otherwise[0]!;
    const by = rules[worst.owner]!;
    const packet = packetText(this.#rules.space.packet(worst.part));
    return this.#finding("FW101", rule, "this rule can never match", {
      label: "every packet it describes is decided earlier",
      related,
      note: `\`${packet}\` ${meets(by)} by \`${by.name}\`, not ${done(rule)}`,
      help: `move it above \`${by.name}\`, or remove it`,
    });
  }

  /** What of a box the rules so far leave. */
  #escaping(box: Box): Answer {
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

  #alive(i: number): Diagnostic[] {
    const rule = this.policy.rules[i]!;
    if (isDefault(rule)) return [];
    return [
      ...this.#partly(i),
      ...(this.#correlated && decides(rule) ? this.#overlaps(i) : []),
    ];
  }

  /** FW104: how much of the rule others take first and treat otherwise. */
  #partly(i: number): Diagnostic[] {
    const { space, boxes, effects } = this.#rules;
    const { rules } = this.policy;
    const rule = rules[i]!;
    const whole = sum(boxes[i]!.map((box) => space.weight(box)));
    // Cheap first: no more can be lost than what overlaps.
    let overlap = 0;
    const much = boxes[i]!.some((box) => {
      const weightOf = space.weightWithin(box);
      return this.#taking.first(box, 0, i, (other) => {
        if (effects[other.owner] !== effects[i]) overlap += weightOf(other);
        return overlap >= PARTLY * whole;
      });
    });
    if (!much) return [];
    const { takers, whole: all } = this.#first(i, this.#forPartly);
    const lost = takers.filter(({ owner }) => !sameEffect(rules[owner]!, rule));
    const share = sum(lost.map((taker) => taker.share ?? 0));
    // `drop state invalid` at the top takes its part of every rule, and is meant to: of interest
    // is who takes packets of a rule by what the rule itself names, or takes nearly all.
    const named = (region: Region) => Object.keys(region).filter((field) => field !== "hook");
    const own = new Set(rule.regions.flatMap(named));
    const alike = ({ owner }: Taker) =>
      rules[owner]!.regions.flatMap(named).some((field) => own.has(field));
    const largest = share > NEARLY_ALL ? lost[0] : lost.find(alike);
    if (!largest || share < PARTLY) return [];
    const by = rules[largest.owner]!;
    const packet = packetText(space.packet(largest.part));
    return [{
      ...this.#finding(
        "FW104",
        rule,
        `${all ? "" : "at least "}${percent(share)} of its packets are decided otherwise`,
        {
          related: [this.#related(largest.owner, `${shareText(largest.share)}${verdictText(by)}`)],
          note: `\`${packet}\` ${meets(by)} by \`${by.name}\`, not ${done(rule)}`,
        },
      ),
      ...(share > NEARLY_ALL && { severity: "warning" as const }),
    }];
  }

  /**
   * FW103: without the rule, later ones would do the same with all that it decides; also once
   * those in `unneeded` are gone, so that all findings can be followed together.
   */
  #redundantDownward(i: number, unneeded: ReadonlySet<number>): Diagnostic | undefined {
    const { space, boxes, deciding, effects } = this.#rules;
    const rule = this.policy.rules[i]!;
    if (!decides(rule) || isDefault(rule)) return undefined;
    const isLeft = ({ owner }: Box) => !unneeded.has(owner);
    // Most rules are needed, and one packet of theirs shows it.
    const packet = this.#decides.get(i)!;
    const next = deciding.first(space.point(packet), i + 1, Infinity, isLeft);
    if (next && effects[next.owner] !== effects[i]) return undefined;
    // The first packets that it decides and some later rule would treat otherwise.
    const missed = boxes[i]!.some((box) =>
      deciding.first(box, i + 1, Infinity, (later) => {
        if (effects[later.owner] === effects[i] || !isLeft(later)) return false;
        const part = space.both(box, later)!;
        const cover = [
          ...this.#taking.meeting(part, 0, i),
          ...deciding.meeting(part, i + 1, later.owner).filter(isLeft),
        ];
        return this.#forMatch.spend((budget) => uncovered(part, cover, budget)).kind !== "covered";
      })
    );
    if (missed) return undefined;
    return this.#finding("FW103", rule, "later rules would do the same without this one", {
      related: next ? [this.#related(next.owner, "takes packets of it then")] : [],
      help: "remove it, unless it counts or stands for a reader",
    });
  }

  /** FW106: the largest rule that overlaps in part and decides differently. */
  #overlaps(i: number): Diagnostic[] {
    const { space, boxes } = this.#rules;
    const { rules } = this.policy;
    const rule = rules[i]!;
    const pairs = new Map<number, Box>();
    for (const [b, above] of this.#rules.above(i).entries()) {
      const box = boxes[i]![b]!;
      for (const other of above) {
        if (sameEffect(rules[other.owner]!, rule)) continue;
        if (!pairs.has(other.owner)) pairs.set(other.owner, space.both(box, other)!);
      }
    }
    return [...pairs].filter(([owner]) => !this.#nested(owner, i) && !this.#nested(i, owner))
      .map(([owner, part]) =>
        this.#finding("FW106", rule, `overlaps \`${rules[owner]!.name}\`, which comes first`, {
          related: [this.#related(owner, verdictText(rules[owner]!))],
          note: `both match \`${packetText(space.packet(part))}\``,
        })
      );
  }

  /** Whether all packets of rule `a` are in rule `b`. */
  #nested(a: number, b: number): boolean {
    const { boxes } = this.#rules;
    return boxes[a]!.every((box) => uncovered(box, boxes[b]!).kind === "covered");
  }

  /**
   * Which rules really take the packets of rule `i` first: those that matter for `cover`, the
   * largest first, and always the largest that decides otherwise.
   */
  #takers(i: number, cover: readonly Box[]): Taker[] {
    const { takers: all, whole } = this.#first(i, this.#forTakers);
    if (!whole) return this.#coverOnly(i, cover);
    const rule = this.policy.rules[i]!;
    const other = all.find(({ owner }) => !sameEffect(this.policy.rules[owner]!, rule));
    const needed = this.#minimal(i, new Set(all.map(({ owner }) => owner)));
    return all.filter((taker) => taker === other || needed.has(taker.owner));
  }

  /** Which rules take packets of rule `i` first, the largest first; not `whole` if that is too much work. */
  #first(i: number, allowance: Allowance): { readonly takers: Taker[]; readonly whole: boolean } {
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

  #isCatchAll(i: number): boolean {
    const rule = this.policy.rules[i]!, boxes = this.#rules.boxes[i]!;
    if (!decides(rule)) return false;
    // A rule of several regions may be one all the same.
    if (boxes.every(({ narrow }) => narrow.length > 0) && rule.regions.length === 1) return false;
    const whole = this.#rules.space.boxes({ hook: span(HOOKS.indexOf(rule.hook)) });
    return whole.every(({ shape }) => boxes.some((box) => box.shape === shape)) &&
      whole.every((box) => uncovered(box, boxes).kind === "covered");
  }

  #undecided(rule: Rule): Diagnostic {
    return this.#finding("FW199", rule, `whether \`${rule.name}\` can match was not found out`, {
      note: "that would take longer than lint allows itself; nothing is known against the rule",
    });
  }

  #related(owner: number, message: string): { span: Diagnostic["span"]; message: string } {
    return { span: this.policy.rules[owner]!.span, message };
  }

  #finding(
    code: Code,
    rule: Rule,
    message: string,
    more: Omit<Diagnostic, "code" | "message" | "span"> = {},
  ): Diagnostic {
    return { code, message, span: rule.span, ...more };
  }
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

function isDefault(rule: Rule): boolean {
  return rule.name === `${rule.hook}:default`;
}

/** What is said of rules that may decide all the same. */
const POSSIBLE: ReadonlySet<Code> = new Set(["FW113", "FW199"]);

interface Taker {
  readonly owner: number;
  /** Of the rule's packets, 0 to 1; undefined if that was too much to work out. */
  readonly share: number | undefined;
  /** Some packets that it takes. */
  readonly part: Box;
}

/** The first few, and the one that must be there. */
function named(takers: readonly Taker[], must: Taker | undefined): readonly Taker[] {
  const first = takers.slice(0, NAMED);
  return !must || first.includes(must) ? first : [...first.slice(0, -1), must];
}

/** FW111: neighbours that differ in one field and could be one rule with a list. */
function mergeable(rules: readonly Rule[], dead: ReadonlySet<number>): Diagnostic[] {
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

function sameBoxes(a: readonly Box[], b: readonly Box[]): boolean {
  return a.length === b.length &&
    a.every((box, i) =>
      box.shape === b[i]!.shape && sameLiterals(box.literals, b[i]!.literals) &&
      box.sets.every((set, f) =>
        set === b[i]!.sets[f] ||
        set.length === b[i]!.sets[f]!.length && set.every((n, k) => n === b[i]!.sets[f]![k])
      )
    );
}

function sameLiterals(a: Literals = new Map(), b: Literals = new Map()): boolean {
  return a.size === b.size && a.entries().every(([n, holds]) => b.get(n) === holds);
}

/** Loopback addresses anywhere but on `lo`. */
const OFF_LOOPBACK: readonly Region[] = (() => {
  const names = span(1n, DOMAIN.in.at(-1)!.hi);
  const other = subtract(names, span(interfaceNumber("lo")));
  const v4 = span(V4_ADDRESSES[0]!.lo + (127n << 24n), (128n << 24n) - 1n);
  const loopback = [...v4, ...span(V6_BASE + 1n)];
  return (["src", "dst"] as const).flatMap((side) =>
    (["in", "out"] as const).map((way) => ({ [side]: loopback, [way]: other }))
  );
})();

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, n) => total + n, 0);
}

function shareText(share: number | undefined): string {
  return share === undefined ? "" : `${percent(share)} `;
}

const DONE = { accept: "accepted", drop: "dropped", reject: "rejected", next: "counted" } as const;

function done(rule: Rule): string {
  return DONE[rule.verdict.name];
}

function meets(rule: Rule): string {
  return `is ${done(rule)}`;
}
