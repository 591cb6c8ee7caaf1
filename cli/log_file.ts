/**
 * A file that a run writes behind what it holds. Rules matter more than their log: while it cannot be
 * written, what it would have held is lost, and the run goes on.
 *
 * It may be a named pipe. Nothing here waits for whoever reads that.
 *
 * @module
 */
import fs, { constants } from "node:fs";

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
 * Opens a file; a new one begins with `header`, and so does what each reader of a pipe gets. `alarm`
 * is told, in words, when it cannot be written, once, and when it can be again.
 */
export function appendTo(
  path: string,
  alarm: (text: string) => void,
  header: Uint8Array = new Uint8Array(),
): LogFile {
  let file: number | undefined;
  /** Of what was written in part, the rest: a pipe takes nothing back. */
  let rest = new Uint8Array();
  let fault: string | undefined, failedMs = -Infinity;
  const close = () => {
    if (file !== undefined) fs.closeSync(file);
    file = undefined;
    rest = new Uint8Array();
  };
  const write = (bytes: Uint8Array) => {
    if (performance.now() - failedMs < PATIENCE_MS) return false;
    try {
      if (file === undefined) {
        file = fs.openSync(path, FLAGS);
        if (fs.fstatSync(file).size === 0) rest = writeWhole(file, header);
      }
      rest = writeWhole(file, rest);
      if (rest.length > 0) throw new SlowReader();
      rest = writeWhole(file, bytes);
    } catch (error) {
      if (!(error instanceof SlowReader)) close();
      failedMs = performance.now();
      const known = fault !== undefined;
      fault = `cannot write ${path}: ${
        reason(error)
      }; what is logged there is lost until it can be`;
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

/** Of a pipe they let us write what it has room for, and no more; of a file they mean nothing. */
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK;

/** So much a pipe takes whole, or not at all: how much of more it took is not told. */
const PIPE_BUF = 4096;

/** A pipe is full. */
class SlowReader extends Error {}

/**
 * Writes all of it, or what a pipe has room for; the rest. Throws if nothing of it can be written, and
 * has then taken back what was.
 */
function writeWhole(file: number, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const before = fs.fstatSync(file);
  const most = before.isFile() ? bytes.length : PIPE_BUF;
  let at = 0;
  try {
    while (at < bytes.length) at += fs.writeSync(file, bytes.subarray(at, at + most));
  } catch (error) {
    const full = codeOf(error) === "EAGAIN";
    if (full && at === 0) throw new SlowReader();
    // Half a line, or half a packet, would spoil what comes behind it.
    if (before.isFile()) fs.ftruncateSync(file, before.size);
    if (!full) throw error;
  }
  return bytes.slice(at);
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such folder",
  EACCES: "permission denied",
  EISDIR: "it is a directory",
  ENXIO: "it is a pipe that nobody reads",
  EPIPE: "nobody reads the pipe any more",
};

function reason(error: unknown): string {
  if (error instanceof SlowReader) return "it is a pipe whose reader is too slow";
  if (error instanceof Deno.errors.NotCapable || !(error instanceof Error)) throw error;
  return REASONS[codeOf(error) ?? ""] ?? error.message.replace(/ \(os error \d+\)$/, "");
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
