/**
 * Push-down: the longest prefix of a hook's chain that the kernel can carry out by itself, in front
 * of the queue.
 *
 * A prefix of a first-match list decides alone: what it decides, the whole would decide alike.
 * What makes the kernel's part exact (`split.ts` says what that means, and proves it):
 *
 * - Before a rule that would do with a malformed packet anything but what `option malformed` says,
 *   or that looks at headers which such a packet may lack, the packets that could be malformed are
 *   sent to the queue: those of the states invalid and untracked. That takes a policy which asks for
 *   the state, so that the kernel tracks connections, and has put fragments together by then.
 * - A rule that only counts is counted in the kernel for what is decided there: it stands before
 *   each deciding rule, for the packets that match both. The engine counts it for the rest.
 *
 * @module
 */
import type { Hook } from "../policy/field.ts";
import { type Policy, type Rule, usesState } from "../policy/policy.ts";
import { both, emptyField, isPossible, type Region, without } from "../policy/region.ts";
import { decides } from "./ruleset.ts";
import { type Box, Space } from "./space.ts";
import {
  endsMalformed,
  engineOnly,
  isDeep,
  packetsOf,
  shallow,
  type Step,
  TCP_HEADER,
  UNREAD,
} from "./split.ts";
import { uncovered } from "./uncovered.ts";

export interface Prefix {
  readonly hook: Hook;
  readonly steps: readonly Step[];
  /** The rules that the kernel decides by, or counts, in file order. */
  readonly rules: readonly number[];
  /** The first rule that is left to the queue, and why; undefined if none is. */
  readonly end: { readonly rule: number; readonly why: string } | undefined;
}

/** How many kernel rules a region takes, or why the kernel cannot say it. */
export type Express = (region: Region) => { readonly size: number } | { readonly why: string };

/** The longest prefix of each hook's chain that takes at most `most` kernel rules. */
export function prefixes(policy: Policy, express: Express, most: number): Prefix[] {
  return policy.hooks.map((hook) => new Builder(policy, hook, express, most).build());
}

/** To track connections for this alone would change what packets look like: fragments become whole. */
const NEEDS_STATE = "only conntrack could find the malformed packets, and no rule asks for a state";

class Builder {
  readonly #rules: readonly number[];
  readonly #space: Space;
  readonly #steps: Step[] = [];
  /** The packets of the steps so far that end a packet's way. */
  readonly #ended: Box[] = [];
  /** Those among them that a malformed packet ends in as well, and rightly. */
  readonly #sound: Box[] = [];
  readonly #counting: number[] = [];
  #size = 0;

  constructor(
    private readonly policy: Policy,
    private readonly hook: Hook,
    private readonly express: Express,
    private readonly most: number,
  ) {
    const all = [...policy.rules.keys()].filter((i) => policy.rules[i]!.hook === hook);
    this.#rules = all;
    // A rule takes one kernel rule at least.
    const near = all.slice(0, 4 * most).flatMap((i) => policy.rules[i]!.regions.map(packetsOf));
    this.#space = new Space([...near, UNREAD, TCP_HEADER], policy.markBits);
  }

  build(): Prefix {
    const rules: number[] = [];
    const done = (rule: number, why: string) => this.#prefix(rules, { rule, why });
    for (const [place, number] of this.#rules.entries()) {
      const rule = this.policy.rules[number]!;
      const why = place >= 4 * this.most ? this.#tooMany() : engineOnly(this.policy, rule);
      if (why) return done(number, why);
      if (!decides(rule)) {
        this.#counting.push(number);
        continue;
      }
      const refused = this.#push(number, rule);
      if (refused) return done(number, refused);
      rules.push(number);
    }
    return this.#prefix(rules, undefined);
  }

  #prefix(decided: readonly number[], end: Prefix["end"]): Prefix {
    const last = decided.at(-1) ?? -1;
    const rules = [...decided, ...this.#counting.filter((rule) => rule < last)];
    return { hook: this.hook, steps: this.#steps, rules: rules.toSorted((a, b) => a - b), end };
  }

  #tooMany(): string {
    return `the kernel tries one rule after another, and gets ${this.most} at most`;
  }

  /** Adds the steps of one deciding rule, or none; then it says why. */
  #push(number: number, rule: Rule): string | undefined {
    const before = {
      steps: this.#steps.length,
      ended: this.#ended.length,
      sound: this.#sound.length,
    };
    const size = this.#size;
    for (const region of rule.regions) {
      const why = this.#pushRegion(number, rule, region);
      if (!why) continue;
      this.#steps.length = before.steps;
      this.#ended.length = before.ended;
      this.#sound.length = before.sound;
      this.#size = size;
      return why;
    }
    return undefined;
  }

  #pushRegion(number: number, rule: Rule, region: Region): string | undefined {
    if (this.#covers(this.#ended, region)) return undefined; // no packet gets here
    const counted = this.#counting.flatMap((other) =>
      disjoint(region, this.policy.rules[other]!.regions)
        .map((region): Step => ({ region, does: "count", rule: other }))
    );
    const looksDeep = [region, ...counted.map((step) => step.region)].some(isDeep);
    if (looksDeep || rule.verdict.name !== this.policy.options.malformed) {
      const why = this.#guard(number, looksDeep ? { hook: region.hook! } : shallow(region));
      if (why) return why;
    }
    for (const step of [...counted, ...deciding(number, rule, region)]) {
      if (this.#covers(this.#ended, step.region)) continue;
      const why = this.#add(step);
      if (why) return why;
    }
    return undefined;
  }

  /**
   * Leaves to the queue what may be malformed among the packets of a region: one guard for a whole
   * hook will do for all rules that look deep, and for another rule no more than its packets.
   */
  #guard(rule: number, region: Region): string | undefined {
    const unread = both(region, UNREAD);
    if (emptyField(unread) || this.#covers(this.#sound, unread)) return undefined;
    if (!usesState(this.policy)) return NEEDS_STATE;
    return this.#add({ region: unread, does: "queue", rule });
  }

  #covers(boxes: readonly Box[], region: Region): boolean {
    return !isPossible(region) ||
      this.#space.boxes(region).every((box) => uncovered(box, boxes).kind === "covered");
  }

  #add(step: Step): string | undefined {
    const expressed = this.express(step.region);
    if ("why" in expressed) return expressed.why;
    this.#size += expressed.size;
    if (this.#size > this.most) return this.#tooMany();
    this.#steps.push(step);
    if (step.does === "count") return undefined;
    const boxes = this.#space.boxes(step.region);
    this.#ended.push(...boxes);
    if (endsMalformed(this.policy, step)) this.#sound.push(...boxes);
    return undefined;
  }
}

/** What a region has in common with others, each packet once. */
function disjoint(region: Region, others: readonly Region[]): Region[] {
  return others.flatMap((other, i) =>
    others.slice(0, i).reduce(
      (rest, earlier) => rest.flatMap((piece) => without(piece, earlier)),
      [both(region, other)],
    )
  ).filter((piece) => !emptyField(piece));
}

/** The steps of a region whose packets a rule decides. */
function deciding(number: number, { verdict }: Rule, region: Region): Step[] {
  const step = (region: Region, does: Step["does"]) => ({ region, does, rule: number });
  switch (verdict.name) {
    case "accept":
    case "drop":
      return [step(region, verdict.name)];
    case "reject":
      // As the engine settles it: by a reset where there is a TCP header.
      return verdict.reject === "auto"
        ? [step(both(region, TCP_HEADER), "tcp_reset"), step(region, "icmp_port")]
        : [step(region, verdict.reject!)];
    case "next":
      throw new Error(`Cannot push rule ${number} as one that decides`);
  }
}
