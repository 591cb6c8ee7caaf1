/**
 * The guard: a small process that notices from outside when the engine hangs.
 *
 * @module
 */

/** How long packets may wait without any being answered until the engine is taken to hang. */
const PATIENCE_MS = 2000;

export interface Guarded {
  readonly queues: { readonly first: number; readonly last: number };
  /** What the guard runs when the engine hangs; nothing, if packets are to stay where they are. */
  readonly command: readonly string[];
  /** Called, if that is possible at all, when the engine hangs and the command was run. */
  hung(): void;
  /** Called when an engine that had hung answers again. */
  back(): void;
  /** Called when the guard has ended though nobody has stopped it. */
  lost(): void;
}

/** The guard cannot be started. */
export class GuardError extends Error {
  override name = "GuardError";
}

export interface Guard {
  /** Queueing ends with this process: it is to be killed, instead of running the command. */
  owner(pid: number | undefined): Promise<void>;
  stop(): Promise<void>;
}

/** Starts the guard, which ends with this process. Throws GuardError. */
export async function startGuard({ queues, command, hung, back, lost }: Guarded): Promise<Guard> {
  const program = await guardProgram();
  let child: Deno.ChildProcess;
  try {
    child = new Deno.Command(program.path, {
      args: [queues.first, queues.last, PATIENCE_MS, ...command].map(String),
      stdin: "piped",
      stdout: "piped",
    }).spawn();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const why = error instanceof Deno.errors.NotFound
      ? "its program is not built: run `deno task build`"
      : error.message;
    throw new GuardError(`cannot watch for a hung engine: ${why}`);
  } finally {
    await program.forget();
  }
  const follow = async () => {
    let said = "";
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      said += text;
      const lines = said.split("\n");
      said = lines.pop()!;
      for (const line of lines) line === "back" ? back() : hung();
    }
  };
  const followed = follow();
  let stopped = false;
  child.status.then(() => stopped || lost());
  const writer = child.stdin.getWriter();
  // It may have been killed: then there is nobody to tell.
  return {
    async owner(pid = 0) {
      await writer.write(new TextEncoder().encode(`${pid}\n`)).catch(() => {});
    },
    async stop() {
      stopped = true;
      await writer.close().catch(() => {});
      await Promise.all([followed, child.status]);
    },
  };
}

/** The program, as a file that the kernel can run: one in a compiled executable is written out. */
async function guardProgram(): Promise<{ path: string; forget(): Promise<void> }> {
  const built = new URL("../native/build/barrage-guard", import.meta.url).pathname;
  if (!Deno.build.standalone) return { path: built, forget: () => Promise.resolve() };
  const path = await Deno.makeTempFile({ prefix: "barrage-guard-" });
  await Deno.writeFile(path, await Deno.readFile(built));
  await Deno.chmod(path, 0o700);
  return { path, forget: () => Deno.remove(path) };
}
