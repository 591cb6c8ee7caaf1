/**
 * What the kernel has to do before and after the queue, whichever tool tells it so.
 *
 * Before: put the conntrack state into the packet mark, then queue. After: refuse the packets
 * whose mark says so, because the kernel knows no such verdict. Only the bits of `markMask` are
 * ours; the others are left as they are.
 *
 * @module
 */
import { LISTS } from "../../compiler/tables/layout.ts";

export type Hook = (typeof LISTS.hook.names)[number];
export type State = (typeof LISTS.state.names)[number];
/** A way to refuse that the kernel can carry out: `auto` is settled before a packet gets here. */
export type RejectKind = Exclude<(typeof LISTS.reject.names)[number], "auto">;

export interface HookPlan {
  /** The hooks whose packets are queued, each at most once. */
  readonly hooks: readonly Hook[];
  /** Queue numbers, both ends included. Packets spread over them by their pair of addresses. */
  readonly queues: { readonly first: number; readonly last: number };
  /** Accept packets while nobody listens to the queue; else they are dropped. */
  readonly bypass: boolean;
  /** Put the conntrack state of each packet into its mark. */
  readonly state: boolean;
  readonly rejects: readonly RejectKind[];
  /** Contiguous mark bits, 4 or more; 0 will do for a plan without states and rejects. */
  readonly markMask: number;
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
