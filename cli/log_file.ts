/**
 * A file that a run writes behind what it holds. Rules matter more than their log: while it cannot be
 * written, what it would have held is lost, and the run goes on.
 *
 * @module
 */
import { why } from "./report.ts";

/** How long what cannot be written is not tried again. */
const PATIENCE_MS = 1000;

export interface LogFile {
  /** That it cannot be written, and why; undefined while it can. */
  readonly fault: string | undefined;
  /** Writes all of it, or nothing: false if that could not be done. */
  write(bytes: Uint8Array): boolean;
  close(): void;
}

/**
 * Opens a file; a new one begins with `header`. `alarm` is told, in words, when it cannot be written,
 * once, and when it can be again.
 */
export function appendTo(
  path: string,
  alarm: (text: string) => void,
  header: Uint8Array = new Uint8Array(),
): LogFile {
  let file: Deno.FsFile | undefined;
  let fault: string | undefined, failedMs = -Infinity;
  const close = () => {
    file?.close();
    file = undefined;
  };
  const write = (bytes: Uint8Array) => {
    if (performance.now() - failedMs < PATIENCE_MS) return false;
    try {
      if (!file) {
        file = Deno.openSync(path, { append: true, create: true });
        if (file.statSync().size === 0) writeWhole(file, header);
      }
      writeWhole(file, bytes);
    } catch (error) {
      close();
      failedMs = performance.now();
      const reason = error instanceof Deno.errors.NotFound
        ? "there is no such folder"
        : why(error).replace(/ \(os error \d+\)$/, "");
      const known = fault !== undefined;
      fault = `cannot write ${path}: ${reason}; what is logged there is lost until it can be`;
      if (!known) alarm(fault);
      return false;
    }
    if (fault) alarm(`${path} is written again`);
    fault = undefined;
    return true;
  };
  write(new Uint8Array());
  return {
    get fault() {
      return fault;
    },
    write,
    close,
  };
}

/** Throws if not all can be written, and has then taken back what was. */
function writeWhole(file: Deno.FsFile, bytes: Uint8Array): void {
  let at = 0;
  try {
    while (at < bytes.length) at += file.writeSync(bytes.subarray(at));
  } catch (error) {
    const { isFile, size } = file.statSync();
    // Half a line, or half a packet, would spoil what comes behind it.
    if (isFile) file.truncateSync(size - at);
    throw error;
  }
}
