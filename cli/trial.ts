/**
 * A policy in force for some time only: when that is up, what was before is again, unless somebody
 * has confirmed it.
 *
 * @module
 */
import { durationNs } from "../compiler/mod.ts";
import { complain } from "./report.ts";

export interface Trial {
  /** The rule file on trial, and the one that comes back. */
  readonly file: string;
  readonly before: string;
  /** Until it does. */
  readonly leftMs: number;
  /** Has it come back now, which ends the trial. */
  goBack(): Promise<void>;
  /** It comes back no more. */
  end(): void;
}

/** The longest that a timer waits, less a little: in milliseconds, 24 days. */
const MOST_MS = 24 * 86_400_000;

/** What cannot be undone is tried again after so long: who cannot get in any more depends on it. */
const AGAIN_MS = 1000;

/** How long a trial takes, of a text as "60s"; undefined if it is none. */
export function trialMs(text: string): number | undefined {
  const ms = Number((durationNs(text) ?? 0n) / 1_000_000n);
  return ms > 0 && ms <= MOST_MS ? ms : undefined;
}

/** What such a text is. */
export const TRIAL_TIME = "a time as 60s, 24d at most";

/** Calls `timeUp` when the time is up, and again while that fails, unless the trial is ended before. */
export function beginTrial(
  trial: Pick<Trial, "file" | "before" | "goBack">,
  ms: number,
  timeUp: (trial: Trial) => Promise<void>,
): Trial {
  const endsMs = performance.now() + ms;
  const end = () =>
    void timeUp(begun).catch((error) => {
      complain(error);
      timer = setTimeout(end, AGAIN_MS);
    });
  let timer = setTimeout(end, ms);
  const begun: Trial = {
    ...trial,
    get leftMs() {
      return Math.max(0, endsMs - performance.now());
    },
    end: () => clearTimeout(timer),
  };
  return begun;
}
