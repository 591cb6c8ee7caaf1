/**
 * What the kernel has to do before and after the queue, whichever tool tells it so.
 *
 * Before: carry out the rules that are pushed down to it, put the conntrack state into the packet
 * mark, then queue. After: refuse the packets whose mark says so, because the kernel knows no such
 * verdict. Only the bits of `markMask` are ours; the others are left as they are.
 *
 * @module
 */
import { LISTS } from "../../compiler/tables/layout.ts";

export type Hook = (typeof LISTS.hook.names)[number];
export const FAMILIES = ["ipv4", "ipv6"] as const;
export type Family = (typeof FAMILIES)[number];
export type State = (typeof LISTS.state.names)[number];
/** A way to refuse that the kernel can carry out: `auto` is settled before a packet gets here. */
export type RejectKind = Exclude<(typeof LISTS.reject.names)[number], "auto">;

export interface HookPlan {
  /** The hooks whose packets are queued, each at most once. */
  readonly hooks: readonly Hook[];
  /** Queue numbers, both ends included. */
  readonly queues: { readonly first: number; readonly last: number };
  /** Packets spread over the queues by the core that received them, not by their addresses. */
  readonly byCore: boolean;
  /** Accept packets while nobody listens to the queue; else they are dropped. */
  readonly bypass: boolean;
  /** Put the conntrack state of each packet into its mark. */
  readonly state: boolean;
  /** The ways to refuse that verdicts ask for, each once. */
  readonly rejects: readonly Refusal[];
  /** What the kernel does by itself with packets that would else be queued, in order. */
  readonly pushed: readonly PushedRule[];
  /** Contiguous mark bits, 4 or more; 0 will do for a plan without states and rejects. */
  readonly markMask: number;
}

/** A way to refuse, in the words of each tool. */
export interface Refusal {
  readonly kind: RejectKind;
  readonly words: Readonly<Record<"nft" | Family, string>>;
}

/** A rule in front of the queue. What none of them ends is queued. */
export interface PushedRule {
  readonly hook: Hook;
  /**
   * Its packets in the words of each tool, each text the matches of one kernel rule: none if the
   * tool or the family has no such packet, one empty text for all packets. No packet matches two.
   */
  readonly match: Readonly<Record<"nft" | Family, readonly string[]>>;
  /** `queue`: at once, by-passing the rules that follow. `count`: only count, and go on. */
  readonly does: "queue" | "count" | "accept" | "drop" | RejectKind;
  /** The bits of the packet mark in `clear` become those of `value`. None of them is ours. */
  readonly mark?: { readonly value: number; readonly clear: number };
  /** A number of the caller's that its packets are counted under; undefined for none. */
  readonly counts?: number;
}

export interface PushedCount {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** One kernel rule, whichever tool writes it. */
export interface Line {
  readonly match: string;
  /** What becomes of the mark. */
  readonly mark?: { readonly value: number; readonly clear: number };
  /** What becomes of the packet; undefined to go on with the next rule. */
  readonly then?: "queue" | "accept" | "drop";
  readonly counts?: number;
}

/** What the kernel does in front of the queue of a hook, line by line; none if nothing is pushed. */
export function pushedLines(
  { pushed, state, rejects, markMask }: HookPlan,
  hook: Hook,
  tool: keyof PushedRule["match"],
): Line[] {
  const rules = pushed.filter((rule) => rule.hook === hook);
  if (rules.length === 0) return [];
  // A mark that came from elsewhere must not read as a reject once the packet is accepted.
  const ours = state || rejects.length > 0;
  const clean: Line[] = ours ? [{ match: "", mark: { value: 0, clear: markMask } }] : [];
  return [
    ...clean,
    ...rules.flatMap((rule) => rule.match[tool].map((m) => lineOf(rule, m, markMask))),
  ];
}

/** Adds what the kernel has counted at a line to what its packets are counted under. */
export function addCount(
  totals: Map<number, PushedCount>,
  { counts }: Line,
  counter: PushedCount | undefined,
): void {
  if (counts === undefined || !counter) return;
  const { packets, bytes } = totals.get(counts) ?? { packets: 0n, bytes: 0n };
  totals.set(counts, { packets: packets + counter.packets, bytes: bytes + counter.bytes });
}

function lineOf({ does, mark, counts }: PushedRule, match: string, mask: number): Line {
  const counted = counts === undefined ? {} : { counts };
  const marked = mark ? { mark } : {};
  switch (does) {
    case "count":
      return { match, ...marked, ...counted };
    case "queue":
    case "accept":
    case "drop":
      return { match, ...marked, then: does, ...counted };
    default: {
      const value = ((mark?.value ?? 0) | rejectMark(does, mask)) >>> 0;
      const clear = ((mark?.clear ?? 0) | mask) >>> 0;
      return { match, mark: { value, clear }, then: "accept", ...counted };
    }
  }
}

/** How a state stands in the packet mark. Throws RangeError if `mask` has no room for it. */
export function stateMark(state: State, mask: number): number {
  return placed(LISTS.state.names.indexOf(state) + 1, mask);
}

/** How a way to refuse stands in the packet mark. Throws RangeError if `mask` has no room for it. */
export function rejectMark(kind: RejectKind, mask: number): number {
  return placed(LISTS.state.names.length + LISTS.reject.names.indexOf(kind), mask);
}

/** `code` moved to the lowest bit of `mask`. */
function placed(code: number, mask: number): number {
  const lowest = (mask & -mask) >>> 0;
  const value = code * lowest;
  if (value === 0 || value > mask || (value & ~mask) !== 0) {
    throw new RangeError(`Cannot put code ${code} into mark mask ${hex(mask)}`);
  }
  return value;
}

/** A mark as every tool reads and prints it. */
export function hex(mark: number): string {
  return `0x${mark.toString(16)}`;
}
