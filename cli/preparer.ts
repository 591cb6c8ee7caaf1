/**
 * Candidates made ready on a thread of their own. For thousands of rules that takes seconds, in which
 * the thread that looks after a run goes on to write the log, to answer who asks, and to feed the
 * watchdog.
 *
 * @module
 */
import type { Candidate, Refused, Wanted } from "./candidate.ts";
import type { Arguments } from "./command.ts";

export interface Preparer {
  /** As candidate() does. One at a time. Rejects, too, when it is stopped meanwhile. */
  prepare(args: Arguments, file: string, wanted: Wanted): Promise<Candidate | Refused>;
  stop(): void;
}

/** What the thread is asked for, and what it answers. */
export interface Asked {
  readonly args: Arguments;
  readonly file: string;
  readonly wanted: Wanted;
}
export type Made = Candidate | Refused | { readonly thrown: string };

/** So long the thread stays, warm, for another change; then its memory is given back. */
const IDLE_MS = 10_000;

/** Starts its thread when it is first needed. */
export function startPreparer(): Preparer {
  let worker: Worker | undefined;
  let idle: ReturnType<typeof setTimeout> | undefined;
  let fail = (_: Error) => {};
  const end = () => {
    clearTimeout(idle);
    worker?.terminate();
    worker = undefined;
  };
  return {
    async prepare(args, file, wanted) {
      clearTimeout(idle);
      const thread = worker ??= new Worker(new URL("./preparer_worker.ts", import.meta.url), {
        type: "module",
      });
      const { promise, resolve, reject } = Promise.withResolvers<Made>();
      fail = reject;
      thread.onmessage = ({ data }) => resolve(data);
      thread.onerror = (event) => {
        event.preventDefault();
        end();
        reject(new Error(event.message));
      };
      const asked: Asked = { args, file, wanted };
      thread.postMessage(asked);
      const made = await promise;
      idle = setTimeout(end, IDLE_MS);
      if ("thrown" in made) throw new Error(made.thrown);
      return made;
    },
    stop() {
      end();
      fail(new Error("it is about to end"));
    },
  };
}
