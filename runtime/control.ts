/**
 * A running service's control socket: one line of JSON asks, one line answers.
 *
 * It is a unix socket of mode 0600, so that only the user who runs the service is heard.
 *
 * @module
 */

/** The socket cannot be made, or nobody answers there. */
export class ControlError extends Error {
  override name = "ControlError";
}

/** The longest line that is read. */
const MAX_LINE = 4096;

/**
 * Answers requests at a path until stopped. Throws ControlError if another service does already; a
 * socket that a killed one left is replaced.
 */
export async function serveControl(
  path: string,
  answer: (request: unknown) => unknown,
): Promise<{ stop(): void }> {
  await removeStale(path);
  const before = Deno.umask(0o177);
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch (error) {
    throw new ControlError(`cannot listen at ${path}: ${why(error)}`);
  } finally {
    Deno.umask(before);
  }
  const serve = async () => {
    for await (const connection of listener) {
      // One that breaks off early has nobody to tell.
      answerOne(connection, answer).catch(() => {});
    }
  };
  const served = serve();
  return {
    stop() {
      listener.close();
      served.catch(() => {});
      Deno.removeSync(path);
    },
  };
}

/** Asks the service at a path; its answer. Throws ControlError if there is none. */
export async function askControl(path: string, request: unknown): Promise<unknown> {
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    throw new ControlError(`nothing answers at ${path}: ${why(error)}`);
  }
  using _ = connection;
  await write(connection, request);
  const line = await readLine(connection, Infinity);
  if (line === undefined) throw new ControlError(`the service at ${path} broke off`);
  return JSON.parse(line);
}

async function removeStale(path: string): Promise<void> {
  try {
    if (!(await Deno.lstat(path)).isSocket) return;
  } catch {
    return; // there is nothing, or listening will say what is wrong
  }
  try {
    (await Deno.connect({ transport: "unix", path })).close();
  } catch {
    await Deno.remove(path);
    return;
  }
  throw new ControlError(
    `another service answers at ${path}: choose another with \`option control\``,
  );
}

async function answerOne(
  connection: Deno.UnixConn,
  answer: (request: unknown) => unknown,
): Promise<void> {
  using _ = connection;
  const line = await readLine(connection, MAX_LINE);
  if (line !== undefined) await write(connection, answer(JSON.parse(line)));
}

async function write(connection: Deno.UnixConn, value: unknown): Promise<void> {
  const writer = connection.writable.getWriter();
  await writer.write(new TextEncoder().encode(`${JSON.stringify(value)}\n`));
  writer.releaseLock();
}

/** Up to the first line end; undefined if there is none within `most` characters. */
async function readLine(connection: Deno.UnixConn, most: number): Promise<string | undefined> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  for (let text = ""; text.length <= most;) {
    const n = await connection.read(buffer);
    if (n === null) return undefined;
    text += decoder.decode(buffer.subarray(0, n), { stream: true });
    const end = text.indexOf("\n");
    if (end >= 0) return text.slice(0, end);
  }
  return undefined;
}

function why(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) throw error;
  if (error instanceof Deno.errors.NotFound) return "there is no such socket; is it running?";
  return error instanceof Error ? error.message : String(error);
}
