/**
 * Candidates made ready on a thread of their own. For thousands of rules that takes seconds, in which
 * the thread that looks after a run goes on to write the log, to answer who asks, and to feed the
 * watchdog.
 *
 * @module
 */
import type { Candidate, Refused, Wanted } from "./candidate.ts";
import type { Arguments } from "./command.ts";

/** What the thread is asked for, and what it answers. */
export interface Asked {
  readonly args: Arguments;
  readonly file: string;
  readonly wanted: Wanted;
}
export type Made = Candidate | Refused | { readonly thrown: string };

/**
 * As candidate() does. Rejects, too, with the signal's reason when that aborts.
 *
 * The thread is for this one candidate. It starts in an eighth of a second, and all its memory goes
 * with it: one that stayed would keep what V8 has not collected, 200 MB after an hour of reloads.
 */
export async function prepare(
  args: Arguments,
  file: string,
  wanted: Wanted,
  signal: AbortSignal,
): Promise<Candidate | Refused> {
  const worker = new Worker(new URL("./prepare_worker.ts", import.meta.url), { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<Made>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  try {
    const asked: Asked = { args, file, wanted };
    worker.postMessage(asked);
    const made = await promise;
    if ("thrown" in made) throw new Error(made.thrown);
    return made;
  } finally {
    signal.removeEventListener("abort", abort);
    worker.terminate();
  }
}
