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
import { idleJumps } from "./jump.ts";
import { mergeable } from "./merge.ts";
import { decides, Ruleset, sameEffect, spaceOf } from "./ruleset.ts";
import type { Box } from "./space.ts";
import { sum, type Taker, Takers } from "./takers.ts";
import { BUDGET, uncovered } from "./uncovered.ts";
import { percent, verdictText } from "./verdict.ts";

export interface Wanted {
  /** Also every pair of rules that overlap in part and decide differently (FW106): noisy. */
  readonly correlated?: boolean;
  /** Comparisons that a rule may cost before it is FW199. */
  readonly budget?: number;
  /** Told now and then which part of the work is done, from 0 to 1. */
  readonly progress?: (part: number) => void;
}

/** Takers that a finding names. */
const NAMED = 4;
/** A smaller part lost to other verdicts is not worth a word. */
const PARTLY = 0.01;
const NEARLY_ALL = 0.99;

/** What is odd about the rules of a policy, in their order. */
export function checkRelations(policy: Policy, wanted: Wanted = {}): Diagnostic[] {
  return new Relations(policy, wanted).all();
}

class Relations {
  readonly #rules: Ruleset;
  readonly #takers: Takers;
  readonly #correlated: boolean;
  readonly #progress: Wanted["progress"];
  /** The first rule of each hook that takes all that is left. */
  readonly #catchAll = new Map<string, number>();
  readonly #offLoopback: readonly Box[];
  /** Some packets that each rule decides, if there are any. */
  readonly #decides = new Map<number, Box>();

  constructor(
    readonly policy: Policy,
    { correlated = false, budget = BUDGET, progress }: Wanted,
  ) {
    this.#rules = new Ruleset(policy, spaceOf([policy], OFF_LOOPBACK));
    this.#takers = new Takers(this.#rules, budget);
    this.#offLoopback = OFF_LOOPBACK.flatMap((region) => this.#rules.space.boxes(region));
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
      else if (decides(rule)) this.#takers.add(i);
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
    const mended = new Set(found.flatMap(({ fix, span }) => fix ? copies.get(span)! : []));
    for (const i of [...rules.keys()].reverse()) {
      this.#progress?.(1 - i / rules.length / 2);
      if (dead.has(i) || copies.get(rules[i]!.span)!.length > 1) continue;
      const finding = this.#redundantDownward(i, unneeded, mended);
      if (!finding) continue;
      unneeded.add(i);
      if (finding.fix) mended.add(i);
      found.push(finding);
    }
    return [...found, ...idleJumps(rules, never), ...mergeable(rules, new Set(dead.keys()))]
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
    const results = boxes.map((box) => this.#takers.escaping(box));
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
    const takers = this.#takers.all(i, used);
    const otherwise = takers.filter(({ owner }) => !sameEffect(rule, rules[owner]!));
    const related = named(takers, otherwise[0]).map(({ owner, share }) =>
      this.#related(owner, `${shareText(share)}${verdictText(rules[owner]!)}`)
    );
    if (isDefault(rule)) {
      const last = catchAll === undefined ? undefined : rules[catchAll]!;
      const says = last && !last.mark && !last.via ? verdictText(last) : undefined;
      return this.#finding("FW109", rule, "the rules leave nothing for the default", {
        related,
        ...(says && { help: `let \`default ${says}\` say what \`${last!.name}\` does` }),
      });
    }
    const twin = this.#takers.twin(i);
    if (twin !== undefined) {
      return this.#finding("FW110", rule, `this rule repeats \`${rules[twin]!.name}\``, {
        related: [this.#related(twin, "first here")],
        help: "remove it",
        ...this.#removal(rule),
      });
    }
    if (otherwise.length === 0) {
      return this.#finding("FW102", rule, "this rule is not needed", {
        label: "every packet it describes is decided earlier, in the same way",
        related,
        help: "remove it",
        ...this.#removal(rule),
      });
    }
    const worst = otherwise[0]!;
    const by = rules[worst.owner]!;
    const packet = packetText(this.#rules.space.packet(worst.part));
    return this.#finding("FW101", rule, "this rule can never match", {
      label: "every packet it describes is decided earlier",
      related,
      note: `\`${packet}\` ${meets(by)} by \`${by.name}\`, not ${done(rule)}`,
      help: this.#takers.isRepeated(i)
        ? `remove it: what \`${by.name}\` leaves of it, other rules decide in the same way`
        : `move it above \`${by.name}\`, or remove it`,
    });
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
    const { rules } = this.policy;
    const rule = rules[i]!;
    const found = this.#takers.some(i, PARTLY);
    if (!found) return [];
    const { takers, whole: all } = found;
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
    const packet = packetText(this.#rules.space.packet(largest.part));
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
   * those in `unneeded` are gone, so that all findings can be followed together. Its fix goes only
   * with those in `mended`: what can never match as long as this rule stands may take its place.
   */
  #redundantDownward(
    i: number,
    unneeded: ReadonlySet<number>,
    mended: ReadonlySet<number>,
  ): Diagnostic | undefined {
    const rule = this.policy.rules[i]!;
    if (!decides(rule) || isDefault(rule)) return undefined;
    // Most rules are needed, and one packet of theirs shows it.
    const { space, deciding } = this.#rules;
    const packet = space.point(this.#decides.get(i)!);
    const next = deciding.first(packet, i + 1, Infinity, ({ owner }) => !unneeded.has(owner));
    if (next && !this.#rules.sameEffect(next.owner, i)) return undefined;
    if (this.#takers.isMissed(i, unneeded)) return undefined;
    return this.#finding("FW103", rule, "later rules would do the same without this one", {
      related: next ? [this.#related(next.owner, "takes packets of it then")] : [],
      help: "remove it, unless it counts or stands for a reader",
      ...(!isLabelled(rule) && !rule.log && !this.#takers.isMissed(i, mended) &&
        this.#removal(rule)),
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

  /** The edit that takes out a rule which decides nothing by itself, unless a test names it. */
  #removal({ name, span }: Rule): Pick<Diagnostic, "fix"> {
    const isNamed = this.policy.expectations?.some(({ by }) => by === name);
    return isNamed ? {} : { fix: [{ span, text: "" }] };
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

/** Whether a rule has a name of its own, and not that of its place: `chain:line`. */
function isLabelled({ name }: Rule): boolean {
  return !/:\d+$/.test(name);
}

function isDefault(rule: Rule): boolean {
  return rule.name === `${rule.hook}:default`;
}

/** What is said of rules that may decide all the same. */
const POSSIBLE: ReadonlySet<Code> = new Set(["FW113", "FW199"]);

/** The first few, and the one that must be there. */
function named(takers: readonly Taker[], must: Taker | undefined): readonly Taker[] {
  const first = takers.slice(0, NAMED);
  return !must || first.includes(must) ? first : [...first.slice(0, -1), must];
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
