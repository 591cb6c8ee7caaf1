/**
 * What goes wrong outside the rule file: one clear line each, and an exit code.
 *
 * @module
 */
import { Incomparable, OutOfBudget, PacketError } from "../compiler/mod.ts";
import {
  ControlError,
  GuardError,
  HookError,
  LibraryError,
  NativeError,
  ServiceError,
} from "../runtime/mod.ts";
import { PROGRAM } from "./program.ts";

/** The command line or a file it names is wrong: exit code 2. */
export class UsageError extends Error {
  override name = "UsageError";
  constructor(message: string, readonly command?: string) {
    super(message);
  }
}

/** Errors of the machine: it said no, and the message says what to do. Exit code 1. */
const OF_THE_MACHINE = [
  ControlError,
  GuardError,
  HookError,
  LibraryError,
  NativeError,
  ServiceError,
];

/** Questions that make no sense, or that cannot be answered exactly in time. Exit code 2. */
const NO_ANSWER = [Incomparable, OutOfBudget, PacketError];

/** Prints an error for the user; the exit code. */
export function complain(error: unknown): number {
  if (error instanceof UsageError) {
    const more = error.command ? `\ntry \`${PROGRAM} ${error.command} --help\`` : "";
    console.error(`barrage: ${error.message}${more}`);
    return 2;
  }
  if (OF_THE_MACHINE.some((kind) => error instanceof kind)) {
    console.error(`barrage: ${(error as Error).message}`);
    return 1;
  }
  if (NO_ANSWER.some((kind) => error instanceof kind)) {
    console.error(`barrage: ${(error as Error).message}`);
    return 2;
  }
  if (error instanceof Deno.errors.NotCapable) {
    console.error(`barrage: ${error.message.split("\n")[0]}`);
    return 2;
  }
  console.error("barrage: internal error; please report it with the rule file");
  console.error(error);
  return 70;
}

/**
 * Until disposed, an error that nobody has caught is printed and does no more: a mistake of ours in
 * telling of packets must not end what decides them.
 */
export function outliveErrors(): Disposable {
  const uncaught = (event: Event, error: unknown) => {
    event.preventDefault();
    complain(error);
  };
  const thrown = (event: ErrorEvent) => uncaught(event, event.error);
  const rejected = (event: PromiseRejectionEvent) => uncaught(event, event.reason);
  globalThis.addEventListener("error", thrown);
  globalThis.addEventListener("unhandledrejection", rejected);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("error", thrown);
      globalThis.removeEventListener("unhandledrejection", rejected);
    },
  };
}

/** Reads a file, or standard input for "-". Throws UsageError that says why not. */
export async function readFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  if (path === "-" && Deno.stdin.readable.locked) {
    throw new UsageError("- is there twice, and standard input can be read once");
  }
  try {
    if (path === "-") return new Uint8Array(await new Response(Deno.stdin.readable).arrayBuffer());
    return await Deno.readFile(path);
  } catch (error) {
    throw new UsageError(`cannot read ${path}: ${why(error)}`);
  }
}

/** Reads a file as text; what is not UTF-8 is in it as U+FFFD. */
export async function readText(path: string): Promise<string> {
  return new TextDecoder().decode(await readFile(path));
}

/** Writes a file. Throws UsageError that says why not. */
export async function writeFile(path: string, bytes: Uint8Array): Promise<void> {
  try {
    await Deno.writeFile(path, bytes);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound ? "there is no such folder" : why(error);
    throw new UsageError(`cannot write ${path}: ${reason}`);
  }
}

/** Why a file could not be used, in words. */
export function why(error: unknown): string {
  if (error instanceof Deno.errors.NotFound) return "there is no such file";
  if (error instanceof Deno.errors.PermissionDenied) return "permission denied";
  if (error instanceof Deno.errors.IsADirectory) return "it is a directory";
  if (error instanceof Deno.errors.NotCapable) throw error;
  if (error instanceof Error && error.message.includes("Is a directory")) {
    return "it is a directory";
  }
  return error instanceof Error ? error.message : String(error);
}
