/**
 * What a rule file means: an ordered list of rules, each an exact union of regions and a verdict.
 *
 * @module
 */
import type { Span } from "../source.ts";
import type { Hook } from "./field.ts";
import type { IntervalSet } from "./interval.ts";
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

/** What `log` asks for. */
export interface Log {
  readonly prefix: string;
  /** Time between two lines, 0 for every packet. */
  readonly everyNs: bigint;
  /** Whether the packet is kept, too. */
  readonly pcap: boolean;
}

/** What is true of a packet only for a time: a further field of it, of the values true and false. */
export type Literal = Limit | Time | Until | Member;

/** True while the bucket of the packet's key has a token, which it takes. */
export interface Limit {
  readonly kind: "limit";
  /** Time in which one token comes. */
  readonly intervalNs: bigint;
  readonly burst: number;
  /** What a bucket is kept for. Address lengths in bits, undefined where the address does not count. */
  readonly source: PrefixLengths | undefined;
  readonly destination: PrefixLengths | undefined;
  readonly sport: boolean;
  readonly dport: boolean;
}

export interface PrefixLengths {
  readonly v4: number;
  readonly v6: number;
}

/** True in some hours of some days, local time. */
export interface Time {
  readonly kind: "time";
  /** Minutes of the day: `from` included, `to` not. A span over midnight has `from` after `to`. */
  readonly from: number;
  readonly to: number;
  /** 0 is Sunday. A span over midnight belongs to the day it begins. */
  readonly days: readonly number[];
}

/** True to the end of a day, local time. */
export interface Until {
  readonly kind: "until";
  /** As 20261231. */
  readonly day: number;
}

/** True if an address of the packet is in a set that changes at run time. */
export interface Member {
  readonly kind: "member";
  /** Position in `Policy.sets`. */
  readonly set: number;
  readonly of: "src" | "dst";
}

/** A set of addresses that changes at run time. */
export interface RuntimeSet {
  /** "self" is the host's own addresses, which nobody else changes. */
  readonly name: string;
  /** How long a member stays unless told otherwise, 0 for ever. */
  readonly timeoutNs: bigint;
  /** Members it can hold. */
  readonly size: number;
  /** Members at the start, on the address line. */
  readonly members: IntervalSet;
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
   * the rule can no longer be reached where its subroutine is called. Those that ask fewer literals
   * come first.
   */
  readonly regions: readonly Region[];
  /** The jumps that lead to it, the outermost first; absent in a hook's own chain. */
  readonly via?: readonly Span[];
  /** How it changes the mark of a packet that it matches. Rules test marks as packets came. */
  readonly mark?: MarkChange;
  readonly log?: Log;
  readonly span: Span;
}

/** What a `test` block asserts of the packets of some regions. */
export interface Expectation {
  /** Of the test it stands in. */
  readonly test: string;
  readonly hook: Hook;
  /** Of some packet, not of every one. */
  readonly some: boolean;
  /** What may become of them; any kind of reject if none is named. */
  readonly verdicts: readonly (Omit<Verdict, "reject"> & { readonly reject?: RejectKind })[];
  /** The label of the rule that must decide. */
  readonly by?: string;
  /** A packet of any of them is meant. */
  readonly regions: readonly Region[];
  readonly span: Span;
}

export interface Policy {
  /** Hook chains in the order of HOOKS, each in file order with its default last. */
  readonly rules: readonly Rule[];
  /** The hooks that have a chain. */
  readonly hooks: readonly Hook[];
  /** Bits of the packet mark that some rule tests. */
  readonly markBits: number;
  /** What `dynamic` of a region counts. */
  readonly literals: readonly Literal[];
  readonly sets: readonly RuntimeSet[];
  readonly options: Options;
  /** In file order. */
  readonly expectations?: readonly Expectation[];
}

/** Whether some rule asks for the conntrack state. */
export function usesState(policy: Policy): boolean {
  return policy.rules.some((rule) => rule.regions.some((region) => region.state));
}

/** The ways of rejecting that the rules use. */
export function rejectsOf(policy: Policy): ReadonlySet<RejectKind> {
  return new Set(policy.rules.flatMap((rule) => rule.verdict.reject ?? []));
}

/**
 * What a region asks of literals, in the order they are tried: limits come last, so that a token is
 * taken only for a packet that has all else.
 */
export function conditionsOf(policy: Policy, region: Region): (readonly [number, boolean])[] {
  const late = (literal: number) => policy.literals[literal]!.kind === "limit" ? 1 : 0;
  return [...region.dynamic ?? []].toSorted(([a], [b]) => late(a) - late(b) || a - b);
}
