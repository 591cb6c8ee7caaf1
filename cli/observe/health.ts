/**
 * Whether a run does its work: packets that wait are answered, and what was said to be in force is.
 *
 * @module
 */
import type { QueueState, Service } from "../../runtime/mod.ts";

export interface Health {
  readonly ok: boolean;
  /** What is wrong, a sentence each. */
  readonly faults: readonly string[];
}

/** How far a queue had come, and since when packets have waited without that changing. */
export interface Progress {
  readonly received: number;
  readonly sinceMs: number;
}

/** Packets that wait this long without one being received are not being evaluated. */
export const PATIENCE_MS = 2000;
/** How often that is looked at. */
const INTERVAL_MS = 500;

/** The progress of queues at a time, given what it was earlier. */
export function progressOf(
  before: ReadonlyMap<number, Progress>,
  queues: readonly QueueState[],
  nowMs: number,
): Map<number, Progress> {
  return new Map(queues.map(({ number, received, waiting }) => {
    const known = before.get(number);
    const stands = waiting > 0 && known?.received === received;
    return [number, { received, sinceMs: stands ? known.sinceMs : nowMs }];
  }));
}

/** What is wrong with queues that have come so far. */
export function faultsOf(progress: ReadonlyMap<number, Progress>, nowMs: number): string[] {
  return [...progress].filter(([, { sinceMs }]) => nowMs - sinceMs >= PATIENCE_MS)
    .map(([number, { sinceMs }]) =>
      `packets wait in queue ${number}, and for ${
        Math.floor((nowMs - sinceMs) / 1000)
      } s none has been evaluated`
    );
}

/** Watches a service until stopped. `health()` says how it fares now. */
export function watchService(
  { engine, fault }: Service,
): { health(): Health; stop(): void } {
  let progress = progressOf(new Map(), engine.queues(), performance.now());
  const look = () => progress = progressOf(progress, engine.queues(), performance.now());
  const timer = setInterval(look, INTERVAL_MS);
  return {
    health() {
      const faults = [...faultsOf(look(), performance.now()), fault() ?? []].flat();
      return { ok: faults.length === 0, faults };
    },
    stop: () => clearInterval(timer),
  };
}
