/**
 * Files that are watched for a change, by whatever way they are written.
 *
 * They are looked at again and again, by the names that a reload reads them by. So it does not matter
 * whether a file changes or a folder above it, whether a link does or what it leads to, what a glob
 * comes to fit, nor what file system that is on.
 *
 * @module
 */
import { type Places, stateAt } from "./read.ts";

/** How often they are looked at. A change is over when two looks see the same: editors have several steps. */
const LOOK_MS = 250;

/**
 * Calls `changed` when files are not as they were when last read, until stopped. `read` says how that
 * was. Of the same change it is called once, whatever comes of it.
 */
export function watchFiles(
  read: () => Places,
  changed: () => Promise<void>,
): { stop(): void } {
  let last = read(), tried = last, stopped = false;
  const look = async () => {
    const now: Places = new Map([...read().keys()].map((place) => [place, stateAt(place)]));
    const settled = same(now, last);
    last = now;
    if (settled && !same(now, read()) && !same(now, tried)) {
      tried = now;
      await changed();
    }
    if (!stopped) timer = setTimeout(look, LOOK_MS);
  };
  let timer = setTimeout(look, LOOK_MS);
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function same(a: Places, b: Places): boolean {
  return a.size === b.size && [...a].every(([place, state]) => b.get(place) === state);
}
