/**
 * Measures one case in a process of its own, so that nothing is warm when it is first asked: what
 * the user of a command pays. Arguments: name, sizes, seed, rounds. Prints a line of JSON.
 *
 * @module
 */
import { casesOf } from "./cases.ts";

/** As much time goes into rounds behind the first. */
const ENOUGH_MS = 4000;

/** What was measured, in milliseconds. */
export interface Measured {
  /** The first time. */
  readonly cold: number;
  /** The times behind it; none if that was long enough. */
  readonly warm: readonly number[];
  readonly found: string;
}

function measure([name, sizes, seed, rounds]: readonly string[]): Measured {
  const wanted = casesOf(sizes!.split(",").map(Number), Number(seed));
  const ask = wanted.find((one) => one.name === name)!.prepare();
  const timed = () => {
    const start = performance.now();
    const found = ask();
    return { found, ms: performance.now() - start };
  };
  const { found, ms: cold } = timed();
  const warm: number[] = [];
  for (let spent = cold; warm.length + 1 < Number(rounds) && spent < ENOUGH_MS;) {
    const { ms } = timed();
    warm.push(ms);
    spent += ms;
  }
  return { cold, warm, found };
}

if (import.meta.main) console.log(JSON.stringify(measure(Deno.args)));
