/**
 * A hook's chain split between the kernel and the engine, and the proof that this changes nothing.
 *
 * The kernel takes a list of steps, in order; what none of them ends goes to the queue, where the
 * engine decides by the whole policy. So the queue is always a right answer, and what is to be
 * shown is about the steps alone: whatever one of them ends, the policy would have ended alike, by
 * the same rule, after counting the same rules on the way.
 *
 * Kernel and engine could see a packet differently if it is malformed: the engine then gives it
 * what `option malformed` says, whatever the rules are. Conntrack has read the headers of all that
 * it calls new, established or related; a malformed packet is of state invalid or untracked, and
 * nothing else is known of it than what every packet has.
 *
 * @module
 */
import { type Field, FRAGMENT, PROTO, STATES } from "../policy/field.ts";
import { setOf, span } from "../policy/interval.ts";
import type { Hook } from "../policy/field.ts";
import { type Policy, type RejectKind, type Rule, usesState } from "../policy/policy.ts";
import { both, type Region } from "../policy/region.ts";
import { decides } from "./ruleset.ts";
import { type Box, Space } from "./space.ts";
import { uncovered } from "./uncovered.ts";

/** What the kernel does with the packets of a region that came so far. */
export interface Step {
  readonly region: Region;
  /** `queue`: the engine decides. `count`: counts, changes the mark, and goes on. */
  readonly does: "queue" | "count" | "accept" | "drop" | Exclude<RejectKind, "auto">;
  /** The rule that it carries out, by number; of `queue`, the one that makes it necessary. */
  readonly rule: number;
}

/** Packets whose headers conntrack has not read, or could not. */
export const UNREAD: Region = {
  state: setOf(
    ["invalid", "untracked"].flatMap((name) => span(STATES.findIndex((state) => state === name))),
  ),
};

/** What a reset can answer. */
export const TCP_HEADER: Region = {
  proto: span(PROTO.tcp),
  fragment: span(FRAGMENT.whole, FRAGMENT.first),
};

/** Fields that a malformed packet may not have, or that the kernel may read otherwise then. */
const DEEP: ReadonlySet<Field> = new Set([
  ...["proto", "sport", "dport", "type", "code", "flags", "fragment", "exthdr"] as const,
]);

/** Whether a region looks at more than what every packet has, malformed or not. */
export function isDeep(region: Region): boolean {
  return Object.keys(region).some((name) => DEEP.has(name as Field));
}

/** The packets that may be of a region, for all that a malformed packet says of itself. */
export function shallow(region: Region): Region {
  return Object.fromEntries(
    Object.entries(region).filter(([name]) => !DEEP.has(name as Field)),
  );
}

/** Whether every malformed packet of its region ends at a step, and as the engine would end it. */
export function endsMalformed({ options }: Policy, { region, does }: Step): boolean {
  return (does === "queue" || does === options.malformed) && !isDeep(region);
}

/** A region's packets, whatever literals it asks. */
export function packetsOf({ dynamic: _, ...region }: Region): Region {
  return region;
}

/** What only the engine can do for a rule; undefined if there is no such thing. */
export function engineOnly(policy: Policy, { regions, log, mark }: Rule): string | undefined {
  for (const literal of regions.flatMap(({ dynamic }) => [...dynamic?.keys() ?? []])) {
    switch (policy.literals[literal]!.kind) {
      case "limit":
        return "it has a limit, whose buckets the engine keeps";
      case "time":
      case "until":
        return "it depends on the time";
      case "member":
        return "it asks a set that changes at run time";
    }
  }
  if (log) return "it writes to the log";
  // The kernel may take two rules for it, the first of which changes the mark.
  if (mark && (mark.clear & policy.markBits) !== 0 && regions.some((region) => region.mark)) {
    return "it sets bits of the mark, and tests them";
  }
  return undefined;
}

/** Where the split is not equal to the whole. */
export interface Flaw {
  readonly step: Step;
  readonly what: string;
  /** Packets that show it; undefined where the proof took too long. */
  readonly witness: Box | undefined;
}

/**
 * Proves that with the steps in front no packet gets another outcome than by the policy alone, nor
 * is counted otherwise. Undefined if that is so. Takes nothing from how the steps were found.
 */
export function flawOf(policy: Policy, hook: Hook, steps: readonly Step[]): Flaw | undefined {
  const proof = new Proof(policy, hook, steps);
  for (const step of steps) {
    const flaw = proof.next(step);
    if (flaw) return flaw;
  }
  return proof.finish();
}

const AGAIN = "counts a packet that it leaves to the engine";

class Proof {
  readonly #space: Space;
  readonly #boxes: ReadonlyMap<number, readonly Box[]>;
  readonly #headers: readonly Box[];
  /** What the steps so far have ended. */
  readonly #ended: Box[] = [];
  /** What they have ended rightly even if it was malformed. */
  readonly #sound: Box[] = [];
  /** What they have counted and may not have ended yet. */
  readonly #counted: { readonly step: Step; readonly boxes: readonly Box[] }[] = [];

  constructor(private readonly policy: Policy, hook: Hook, steps: readonly Step[]) {
    const last = steps.reduce((most, { rule }) => Math.max(most, rule), -1);
    const rules = policy.rules.slice(0, last + 1)
      .map((rule, i) => [i, rule] as const).filter(([, rule]) => rule.hook === hook);
    this.#space = new Space([
      ...rules.flatMap(([, rule]) => rule.regions.map(packetsOf)),
      ...steps.flatMap(({ region }) => [region, shallow(region)]),
      UNREAD,
      TCP_HEADER,
    ], policy.markBits);
    this.#boxes = new Map(
      rules.map(([i, rule]) => [i, rule.regions.flatMap((r) => this.#space.boxes(packetsOf(r)))]),
    );
    this.#headers = this.#space.boxes(TCP_HEADER);
  }

  next(step: Step): Flaw | undefined {
    const boxes = this.#space.boxes(step.region);
    const wrong = step.region.state && !usesState(this.policy)
      ? this.#ifReached(step, boxes, "asks conntrack, which the policy does without")
      : undefined;
    if (wrong) return wrong;
    if (step.does === "count") {
      const flaw = this.#ofCount(step, boxes);
      this.#counted.push({ step, boxes });
      return flaw;
    }
    const flaw = step.does === "queue"
      ? this.#ofQueue(boxes) ?? this.#ofMalformed(step)
      : this.#ofDecision(step, boxes);
    this.#ended.push(...boxes);
    if (endsMalformed(this.policy, step)) this.#sound.push(...boxes);
    return flaw;
  }

  /** What is counted, and ended by no step, the engine counts again. */
  finish(): Flaw | undefined {
    return this.#first(this.#counted, ({ step, boxes }) => this.#ifReached(step, boxes, AGAIN));
  }

  #ofQueue(boxes: readonly Box[]): Flaw | undefined {
    return this.#first(
      this.#counted,
      (counted) =>
        this.#first(
          counted.boxes,
          (other) =>
            this.#first(boxes, (box) => this.#meeting(counted.step, other, box, [], AGAIN)),
        ),
    );
  }

  #ofCount(step: Step, boxes: readonly Box[]): Flaw | undefined {
    const rule = this.policy.rules[step.rule]!;
    const wrong = decides(rule)
      ? this.#ifReached(step, boxes, "only counts, where its rule decides")
      : undefined;
    return wrong ?? this.#ofRule(step, boxes) ??
      this.#first(
        boxes,
        (box) =>
          this.#first(
            this.#countedBy(step.rule),
            (other) => this.#meeting(step, box, other, [], "counts a packet twice"),
          ),
      );
  }

  #ofDecision(step: Step, boxes: readonly Box[]): Flaw | undefined {
    const { verdict } = this.policy.rules[step.rule]!;
    const settled = verdict.reject ?? verdict.name;
    const right = settled === "auto"
      ? step.does === "tcp_reset" || step.does === "icmp_port"
      : step.does === settled;
    const wrong = right
      ? undefined
      : this.#ifReached(step, boxes, "does not do what its rule says");
    return wrong ?? this.#ofRule(step, boxes) ??
      this.#first(
        boxes,
        (box) =>
          (settled === "auto" ? this.#ofAnswer(step, box) : undefined) ??
            this.#ofOthers(step, box),
      );
  }

  /** Of any step that carries out a rule. */
  #ofRule(step: Step, boxes: readonly Box[]): Flaw | undefined {
    const why = engineOnly(this.policy, this.policy.rules[step.rule]!);
    const wrong = why && this.#ifReached(step, boxes, `cannot carry out its rule: ${why}`);
    if (wrong) return wrong;
    const own = this.#boxes.get(step.rule) ?? [];
    return this.#first(boxes, (box) =>
      this.#escaping(
        step,
        box,
        [...this.#ended, ...own],
        "takes a packet that its rule does not match",
      )) ?? this.#ofMalformed(step);
  }

  /** TCP is reset, and all else answered by ICMP. */
  #ofAnswer(step: Step, box: Box): Flaw | undefined {
    if (step.does === "tcp_reset") {
      const tcp = [...this.#ended, ...this.#headers];
      return this.#escaping(step, box, tcp, "resets what is not TCP");
    }
    return this.#first(
      this.#headers,
      (header) => this.#meeting(step, box, header, [], "answers TCP by ICMP"),
    );
  }

  /** No rule before decides what comes so far, all that count it have, and no rule behind has. */
  #ofOthers(step: Step, box: Box): Flaw | undefined {
    const early = this.#counted.filter(({ step: { rule } }) => rule > step.rule);
    for (const other of early.flatMap(({ boxes }) => boxes)) {
      const flaw = this.#meeting(step, box, other, [], "decides what a rule behind has counted");
      if (flaw) return flaw;
    }
    return this.#first([...this.#boxes].filter(([i]) => i < step.rule), ([i, boxes]) => {
      const { name, ...rule } = this.policy.rules[i]!;
      const [done, what] = decides({ name, ...rule })
        ? [[], `decides a packet that ${name} decides`] as const
        : [this.#countedBy(i), `decides a packet that ${name} has not counted`] as const;
      return this.#first(boxes, (other) => this.#meeting(step, box, other, done, what));
    });
  }

  #ofMalformed(step: Step): Flaw | undefined {
    // Some steps do it no harm: only that the kernel must not look too deep.
    const harmless = ["queue", "count", this.policy.options.malformed].includes(step.does);
    if (harmless && !isDeep(step.region)) return undefined;
    const boxes = this.#space.boxes(both(shallow(step.region), UNREAD));
    const what = "takes a packet that may be malformed";
    return this.#first(boxes, (box) => this.#escaping(step, box, this.#sound, what));
  }

  #countedBy(rule: number): Box[] {
    return this.#counted.filter(({ step }) => step.rule === rule).flatMap(({ boxes }) => boxes);
  }

  /** A flaw unless what is in both boxes, and not ended yet, is in `cover`. */
  #meeting(step: Step, a: Box, b: Box, cover: readonly Box[], what: string): Flaw | undefined {
    const common = this.#space.both(a, b);
    return common && this.#escaping(step, common, [...this.#ended, ...cover], what);
  }

  #escaping(step: Step, box: Box, cover: readonly Box[], what: string): Flaw | undefined {
    const result = uncovered(box, cover);
    if (result.kind === "covered") return undefined;
    return { step, what, witness: result.kind === "escapes" ? result.witness : undefined };
  }

  /** A flaw if any packet comes so far. */
  #ifReached(step: Step, boxes: readonly Box[], what: string): Flaw | undefined {
    return this.#first(boxes, (box) => this.#escaping(step, box, this.#ended, what));
  }

  #first<T>(list: readonly T[], flawOf: (item: T) => Flaw | undefined): Flaw | undefined {
    for (const item of list) {
      const flaw = flawOf(item);
      if (flaw) return flaw;
    }
    return undefined;
  }
}
