/**
 * FW112: a jump by which nothing is ever decided, to a subroutine that other jumps have use for.
 *
 * @module
 */
import type { Diagnostic } from "../diagnostic.ts";
import type { Rule } from "../policy/policy.ts";
import type { Span } from "../source.ts";

/** The jumps by which all rules are dead that are not so by others. `dead` is of rules' numbers. */
export function idleJumps(rules: readonly Rule[], dead: ReadonlySet<number>): Diagnostic[] {
  const alive = new Set(rules.filter((_, i) => !dead.has(i)).map(({ span }) => span));
  /** The rules that each jump leads to; of nested jumps each has them. */
  const led = new Map<Span, number[]>();
  for (const [i, { via = [] }] of rules.entries()) {
    for (const jump of via) {
      const own = led.get(jump);
      if (own) own.push(i);
      else led.set(jump, [i]);
    }
  }
  const idle = [...led].filter(([, all]) =>
    all.every((i) => dead.has(i)) && all.some((i) => alive.has(rules[i]!.span))
  );
  // Of nested jumps the outermost says it.
  const inner = new Set(
    idle.flatMap(([jump, all]) =>
      all.flatMap((i) => rules[i]!.via!.slice(rules[i]!.via!.indexOf(jump) + 1))
    ),
  );
  return idle.filter(([jump]) => !inner.has(jump)).map(([span]) => ({
    code: "FW112",
    message: "nothing is ever decided by this jump",
    span,
    note: "earlier rules decide all its packets that the rules of the subroutine match",
    help: "remove it, or move it up",
  }));
}
