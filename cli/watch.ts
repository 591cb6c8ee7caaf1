/**
 * Files that are watched for a change of what they hold, by whatever way an editor writes them.
 *
 * @module
 */
import { dirname } from "node:path";

/** An editor's several steps are one change. */
const QUIET_MS = 100;

/**
 * Calls `changed` when the text of some of the files has changed, until stopped. `files` says which
 * they are now: it is asked again after each call.
 */
export function watchFiles(
  files: () => readonly string[],
  changed: () => Promise<void>,
): { stop(): void } {
  let watcher: Deno.FsWatcher;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let known = textsOf(files());
  const begin = () => {
    const mine = watcher = Deno.watchFs(foldersOf(files()), { recursive: false });
    (async () => {
      for await (const _ of mine) {
        clearTimeout(timer);
        timer = setTimeout(look, QUIET_MS);
      }
    })();
  };
  const look = async () => {
    const names = files(), texts = textsOf(names);
    if (texts === known) return;
    known = texts;
    await changed();
    if (files().join("\n") !== names.join("\n")) known = textsOf(files());
    // Folders may be others now, or have gone and come: one that does is watched no more.
    watcher.close();
    begin();
    // What has changed meanwhile.
    clearTimeout(timer);
    timer = setTimeout(look, QUIET_MS);
  };
  begin();
  return {
    stop() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

/** Those that the files are in, or of one that is gone the nearest above that is there. */
function foldersOf(files: readonly string[]): string[] {
  return [...new Set(files.map(dirname).map(nearestThere))].sort();
}

function nearestThere(folder: string): string {
  const above = dirname(folder);
  try {
    Deno.statSync(folder);
    return folder;
  } catch {
    return above === folder ? folder : nearestThere(above);
  }
}

/** All that the files hold; one that cannot be read holds nothing. */
function textsOf(files: readonly string[]): string {
  return JSON.stringify(files.map((file) => {
    try {
      return Deno.readTextFileSync(file);
    } catch {
      return undefined;
    }
  }));
}
