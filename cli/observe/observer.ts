/**
 * Who looks at a run: takes snapshots of it when asked, or again and again.
 *
 * @module
 */
import type { Running } from "../running.ts";
import { type Health, watchService } from "./health.ts";
import { type Snapshot, takeSnapshot } from "./snapshot.ts";

/** One of a row of snapshots. After the first, and until the next reload, `rules` has only those that were hit since. */
export interface News extends Snapshot {
  /** Lines of the log since the one before. */
  readonly log: readonly string[];
}

export interface Observer {
  snapshot(): Promise<Snapshot>;
  health(): Health;
  /** Snapshots at an interval, the first at once, until the observer stops or the reader leaves. */
  follow(intervalMs: number): AsyncGenerator<News>;
  /** Takes note of a line of the log. */
  heard(line: string): void;
  stop(): void;
}

/** What the kernel has counted is asked for by a command, and so no more often than this. */
const REFRESH_MS = 900;

/** Lines of the log that are kept for those who come later. */
const KEPT_LINES = 100;

export function observe(running: Running): Observer {
  const watch = watchService(running.service);
  const stopped = new AbortController();
  let refreshed = Promise.resolve(), refreshedMs = -Infinity;
  const snapshot = async () => {
    if (performance.now() - refreshedMs >= REFRESH_MS) {
      refreshedMs = performance.now();
      // What cannot be read now is as it was.
      refreshed = running.refresh().catch(() => {});
    }
    await refreshed;
    return takeSnapshot(running, watch.health());
  };
  let lines: readonly string[] = [];
  let heard = 0;
  /** Those that came after the first `before`, of those that are kept. */
  const linesAfter = (before: number) => lines.slice(Math.max(0, lines.length - (heard - before)));
  async function* follow(intervalMs: number): AsyncGenerator<News> {
    let last: Snapshot | undefined, lastHeard = 0;
    while (!stopped.signal.aborted) {
      const now = await snapshot();
      const news = { ...now, rules: hitSince(last, now), log: linesAfter(lastHeard) };
      [last, lastHeard] = [now, heard];
      yield news;
      await pause(intervalMs, stopped.signal);
    }
  }
  return {
    snapshot,
    health: watch.health,
    follow,
    heard(line) {
      lines = [...lines.slice(1 - KEPT_LINES), line];
      heard++;
    },
    stop() {
      watch.stop();
      stopped.abort();
    },
  };
}

function hitSince(before: Snapshot | undefined, now: Snapshot): Snapshot["rules"] {
  if (before?.reloads !== now.reloads) return now.rules;
  return now.rules.filter(({ packets }, i) => packets !== before.rules[i]?.packets);
}

/** Resolves after a time, or at once when told to stop. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = () => {
    clearTimeout(timer);
    resolve();
  };
  signal.addEventListener("abort", stop, { once: true });
  return promise.finally(() => signal.removeEventListener("abort", stop));
}
