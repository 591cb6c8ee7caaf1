/**
 * What a rule file means: an ordered list of rules, each an exact union of regions and a verdict.
 *
 * @module
 */
import type { Span } from "../source.ts";
import type { Hook } from "./field.ts";
import type { Region } from "./region.ts";
import type { Options } from "./options.ts";
import type { LISTS } from "../tables/layout.ts";

export type VerdictName = (typeof LISTS.verdict.names)[number];
export type RejectKind = (typeof LISTS.reject.names)[number];

/** `next` is what `match` does: count, and go on. `reject` is there with the verdict of that name. */
export interface Verdict {
  readonly name: VerdictName;
  readonly reject?: RejectKind;
}

/** What `set mark` does: the bits in `clear` become those of `value`. */
export interface MarkChange {
  readonly value: number;
  readonly clear: number;
}

export interface Rule {
  /**
   * Its label, else `chain:line`; a chain's default is `chain:default`. A rule of a subroutine is
   * here once a jump that leads to it, each time under the same name.
   */
  readonly name: string;
  readonly hook: Hook;
  readonly verdict: Verdict;
  /**
   * The packets it matches: those of any region. Each includes the hook; they may overlap. None if
   * the rule can no longer be reached where its subroutine is called.
   */
  readonly regions: readonly Region[];
  /** How it changes the mark of a packet that it matches. Rules test marks as packets came. */
  readonly mark?: MarkChange;
  readonly span: Span;
}

export interface Policy {
  /** Hook chains in the order of HOOKS, each in file order with its default last. */
  readonly rules: readonly Rule[];
  /** The hooks that have a chain. */
  readonly hooks: readonly Hook[];
  /** Bits of the packet mark that some rule tests. */
  readonly markBits: number;
  readonly options: Options;
}

/** Whether some rule asks for the conntrack state. */
export function usesState(policy: Policy): boolean {
  return policy.rules.some((rule) => rule.regions.some((region) => region.state));
}

/** The ways of rejecting that the rules use. */
export function rejectsOf(policy: Policy): ReadonlySet<RejectKind> {
  return new Set(policy.rules.flatMap((rule) => rule.verdict.reject ?? []));
}
