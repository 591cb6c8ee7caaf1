/**
 * What entries ask for in several fields at once, in small numbers.
 *
 * @module
 */
import type { IntervalSet } from "../policy/interval.ts";

/** The distinct sets that entries compare a field with, and the set of each entry. */
export interface FieldSets {
  readonly sets: readonly IntervalSet[];
  readonly of: Uint32Array<ArrayBuffer>;
}

/** A number for each entry, or for each combination, out of so many. */
export interface Numbers {
  readonly of: Uint32Array<ArrayBuffer>;
  readonly count: number;
}

/** What entries ask for in several fields: few combinations, where rules are many. */
export interface Combined extends Numbers {
  /** Of each field: by combination, the number of its set. */
  readonly setOf: readonly Uint32Array<ArrayBuffer>[];
}

/** Entries that agree in every field are one combination. */
export function combine(fields: readonly FieldSets[], entries: number): Combined {
  let of = new Uint32Array(entries);
  let count = 1;
  for (const field of fields) {
    const numbers = new Map<number, number>();
    of = of.map((combination, entry) => {
      const key = combination * field.sets.length + field.of[entry]!;
      const number = numbers.get(key) ?? numbers.size;
      numbers.set(key, number);
      return number;
    });
    count = numbers.size;
  }
  const setOf = fields.map((field) => {
    const sets = new Uint32Array(count);
    for (let entry = 0; entry < entries; entry++) sets[of[entry]!] = field.of[entry]!;
    return sets;
  });
  return { of, count, setOf };
}

/** The same combinations, those of the most entries first. */
export function byFrequency({ of, count, setOf }: Combined): Combined {
  const entries = new Uint32Array(count);
  for (const own of of) entries[own]!++;
  const order = Uint32Array.from(entries.keys()).sort((a, b) => entries[b]! - entries[a]! || a - b);
  const number = new Uint32Array(count);
  for (const [i, own] of order.entries()) number[own] = i;
  return {
    of: of.map((own) => number[own]!),
    count,
    setOf: setOf.map((sets) => order.map((own) => sets[own]!)),
  };
}
