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
  let known: string, folders: string;
  const begin = () => {
    known = textsOf(files());
    folders = foldersOf(files()).join("\n");
    const mine = watcher = Deno.watchFs(foldersOf(files()), { recursive: false });
    (async () => {
      for await (const _ of mine) {
        clearTimeout(timer);
        timer = setTimeout(look, QUIET_MS);
      }
    })();
  };
  const look = async () => {
    const texts = textsOf(files());
    if (texts === known) return;
    known = texts;
    await changed();
    if (foldersOf(files()).join("\n") === folders) return;
    watcher.close();
    begin();
  };
  begin();
  return {
    stop() {
      clearTimeout(timer);
      watcher.close();
    },
  };
}

function foldersOf(files: readonly string[]): string[] {
  return [...new Set(files.map(dirname))].sort();
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
