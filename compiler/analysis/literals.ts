/**
 * Dynamic literals: what a rule asks that is not about the packet (a limit, a time of day, a set
 * that changes). Each holds or does not, whatever the packet is.
 *
 * A file may have thousands, each asked by few rules, so a box lists those that it asks about, and
 * they are no fields. Most questions can do without: if all that ask a literal want it to hold, then
 * where it does not none of them has a packet.
 *
 * @module
 */
import type { Ordinals } from "./ordinals.ts";
import type { Box } from "./space.ts";
import type { Budget } from "./uncovered.ts";

/** Whether each of some literals holds. */
export type Literals = ReadonlyMap<number, boolean>;

/** Whether what two boxes ask of literals can be so at once. */
export function agree(a: Box, b: Box): boolean {
  if (!a.literals && !b.literals) return true;
  const differ = (a: Box, b: Box) =>
    a.literals?.entries().some(([n, holds]) => asked(b, n) === !holds) ?? false;
  return !differ(a, b) && !differ(b, a);
}

/** Whether all that `b` asks of literals is so wherever what `a` asks is. */
export function implies(a: Box, b: Box): boolean {
  return !b.literals || b.literals.entries().every(([n, holds]) => asked(a, n) === holds);
}

/** The literals of two boxes that agree. */
export function together(a: Box, b: Box): Literals | undefined {
  return a.literals && b.literals
    ? new Map([...a.literals, ...b.literals])
    : a.literals ?? b.literals;
}

/** What `b` asks and `a` leaves open. */
export function openTo(a: Box, b: Box): readonly (readonly [number, boolean])[] {
  return b.literals ? [...b.literals].filter(([n]) => asked(a, n) === undefined) : [];
}

/** Whether two ask the same. */
export function sameLiterals(a: Literals = NONE, b: Literals = NONE): boolean {
  return a.size === b.size && a.entries().every(([n, holds]) => b.get(n) === holds);
}

const NONE: Literals = new Map();

function asked({ literals, isPoint }: Box, n: number): boolean | undefined {
  return literals?.get(n) ?? (isPoint ? false : undefined);
}

/** The values of a literal that is made a field. */
const EITHER: Ordinals = [0, 1];

/** A question without literals. */
export interface Plain {
  /** The sets of the box, and behind them those of the literals that had to become fields. */
  readonly sets: readonly Ordinals[];
  readonly cover: readonly Box[];
  /** What boxes that are asked by another copy were given as. */
  readonly given: ReadonlyMap<Box, Box>;
  /** The literals of a packet with such sets that escapes. */
  readonly literals: (sets: readonly Ordinals[]) => Literals | undefined;
}

/** The same question without literals: does some packet of a box escape those that agree with it? */
export function withoutLiterals(box: Box, cover: readonly Box[], budget: Budget): Plain {
  const chosen = new Map(box.literals);
  const asks = new Map<Box, readonly (readonly [number, boolean])[]>();
  for (const other of cover) {
    const open = openTo(box, other);
    if (open.length > 0) asks.set(other, open);
  }
  let left = cover;
  /** Those that some want to hold, and others not to. */
  let split: number[] = [];
  while (asks.size > 0 && budget.left >= 0) {
    budget.left -= asks.size;
    const wanted = new Map<number, boolean | undefined>();
    for (const open of asks.values()) {
      for (const [n, holds] of open) {
        wanted.set(n, !wanted.has(n) || wanted.get(n) === holds ? holds : undefined);
      }
    }
    const alike = [...wanted].filter(([, holds]) => holds !== undefined);
    split = [...wanted.keys()];
    if (alike.length === 0) break;
    for (const [n, holds] of alike) chosen.set(n, !holds);
    const gone = new Set(
      [...asks].filter(([, open]) => open.some(([n]) => chosen.has(n)))
        .map(([other]) => other),
    );
    for (const other of gone) asks.delete(other);
    left = left.filter((other) => !gone.has(other));
  }
  if (asks.size === 0) split = [];
  const first = box.sets.length;
  const given = new Map<Box, Box>();
  return {
    sets: [...box.sets, ...split.map(() => EITHER)],
    cover: split.length === 0 ? left : left.map((other) => {
      const sets = [...other.sets.slice(0, first), ...split.map(() => EITHER)];
      const narrow = [...other.narrow];
      for (const [n, holds] of asks.get(other) ?? []) {
        const f = first + split.indexOf(n);
        sets[f] = holds ? [1, 1] : [0, 0];
        narrow.push(f);
      }
      const copy = { ...other, sets, narrow };
      given.set(copy, other);
      return copy;
    }),
    given,
    literals: (sets) => {
      const values = split.map((n, k) => [n, sets[first + k]![0] === 1] as const);
      const all = new Map([...chosen, ...values]);
      return all.size > 0 ? all : undefined;
    },
  };
}
