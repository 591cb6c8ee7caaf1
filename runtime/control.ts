/**
 * A running service's control socket: one line of JSON asks, `{"action": NAME, ...}`, and one line
 * answers, or a line each time there is news. What went wrong is answered as `{"error": TEXT}`.
 *
 * It is a unix socket of mode 0600, so that only the user who runs the service is heard.
 *
 * @module
 */

/** The socket cannot be made, or nobody answers there. */
export class ControlError extends Error {
  override name = "ControlError";
}

/** The longest line that is read of a request. */
const MAX_LINE = 4096;

/** What to do when a socket cannot be made. */
const CHOOSE = "choose another with `option control`";

/** What is asked: an action, and what that action takes. */
export type Request = Readonly<Record<string, unknown>>;
/** What is answered: `error` if it could not be done. */
export type Answer = Readonly<Record<string, unknown>>;

/**
 * Carries out one action. What it throws is answered as an error. A stream of answers ends when the
 * asker has gone. `broken` is aborted when the asker would rather have it not done.
 */
export type Handler = (
  request: Request,
  broken: AbortSignal,
) => Answer | Promise<Answer> | AsyncIterable<Answer>;

/** The line that breaks off what was asked before it. It is answered as if there were none. */
const BREAK_OFF: Request = { action: "break-off" };

/**
 * Answers requests at a path until stopped, each by the handler of its action. Throws ControlError
 * if another service does already; a socket that a killed one left is replaced.
 */
export async function serveControl(
  path: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<{ stop(): void }> {
  await removeStale(path);
  const before = Deno.umask(0o177);
  let listener: Deno.UnixListener;
  try {
    listener = Deno.listen({ transport: "unix", path });
  } catch (error) {
    throw new ControlError(`cannot listen at ${path}: ${whyNotThere(error)}; ${CHOOSE}`);
  } finally {
    Deno.umask(before);
  }
  const serve = async () => {
    for await (const connection of listener) {
      // One that breaks off early has nobody to tell.
      answerOne(connection, handlers).catch(() => {});
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

/** How long to wait for an answer, and what makes the service break off what it is asked. */
export interface Waiting {
  readonly patienceMs?: number;
  readonly broken?: AbortSignal;
}

/**
 * Asks the service at a path; its answer. Throws ControlError if there is none, not even after
 * `patienceMs`, or an error. What is broken off has an answer too: it may have been done by then.
 */
export async function askControl(
  path: string,
  request: Request,
  { patienceMs, broken }: Waiting = {},
): Promise<Answer> {
  const late = new AbortController();
  const timer = patienceMs === undefined ? undefined : setTimeout(() => late.abort(), patienceMs);
  try {
    for await (const answer of followControl(path, request, late.signal, broken)) return answer;
  } catch (error) {
    if (!late.signal.aborted) throw error;
    const seconds = patienceMs! / 1000;
    throw new ControlError(`the service at ${path} has not answered for ${seconds} s: it hangs`);
  } finally {
    clearTimeout(timer);
  }
  throw new ControlError(`the service at ${path} broke off`);
}

/**
 * Asks the service at a path; its answers as they come, until `late`. Throws as askControl() does.
 */
export async function* followControl(
  path: string,
  request: Request,
  late?: AbortSignal,
  broken?: AbortSignal,
): AsyncGenerator<Answer> {
  let connection: Deno.UnixConn;
  try {
    connection = await Deno.connect({ transport: "unix", path });
  } catch (error) {
    throw new ControlError(whyNoAnswer(path, error));
  }
  using _ = connection;
  late?.addEventListener("abort", () => connection.close());
  await write(connection, request);
  // Whoever does not hear of it any more has answered, or gone.
  broken?.addEventListener("abort", () => void write(connection, BREAK_OFF).catch(() => {}));
  for await (const line of linesOf(connection, Infinity)) {
    const answer: Answer = JSON.parse(line);
    if (typeof answer.error === "string") throw new ControlError(answer.error);
    yield answer;
  }
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
    `another service answers at ${path}; ${CHOOSE}`,
  );
}

async function answerOne(
  connection: Deno.UnixConn,
  handlers: Readonly<Record<string, Handler>>,
): Promise<void> {
  using _ = connection;
  const lines = linesOf(connection, MAX_LINE);
  const { value: line } = await lines.next();
  if (line === undefined) return;
  const broken = new AbortController();
  // Only so is it told from an asker that sends no more but waits, as `socat` does.
  lines.next().then(({ value = "" }) => {
    if (readRequest(value)?.action === BREAK_OFF.action) {
      broken.abort(new Error("it was broken off"));
    }
  }).catch(() => {});
  try {
    const answer = carryOut(line, handlers, broken.signal);
    if (Symbol.asyncIterator in answer) {
      for await (const news of answer) await write(connection, news);
    } else await write(connection, await answer);
  } catch (error) {
    if (error instanceof Deno.errors.BrokenPipe) return;
    await write(connection, { error: error instanceof Error ? error.message : String(error) });
  }
}

function carryOut(
  line: string,
  handlers: Readonly<Record<string, Handler>>,
  broken: AbortSignal,
): ReturnType<Handler> {
  const request = readRequest(line);
  const handler = request && Object.hasOwn(handlers, String(request.action))
    ? handlers[String(request.action)]
    : undefined;
  if (handler) return handler(request!, broken);
  const known = Object.keys(handlers).join(", ");
  return { error: `this is no request: its action is one of ${known}` };
}

function readRequest(line: string): Request | undefined {
  try {
    const value = JSON.parse(line);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

async function write(connection: Deno.UnixConn, value: unknown): Promise<void> {
  const bytes = new TextEncoder().encode(`${JSON.stringify(value)}\n`);
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** The lines that come, until one is longer than `most` characters. */
async function* linesOf(connection: Deno.UnixConn, most: number): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(4096);
  for (let text = ""; text.length <= most;) {
    const n = await connection.read(buffer);
    if (n === null) return;
    text += decoder.decode(buffer.subarray(0, n), { stream: true });
    const lines = text.split("\n");
    text = lines.pop()!;
    yield* lines;
  }
}

/** Of a socket that cannot be made. */
function whyNotThere(error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) throw error;
  if (error instanceof Deno.errors.NotFound) return "there is no such folder";
  if (error instanceof Deno.errors.PermissionDenied) return "this user may not write there";
  if (error instanceof Deno.errors.AddrInUse) return "something that is no socket is there";
  return error instanceof Error ? error.message : String(error);
}

/** Of one that does not answer. */
function whyNoAnswer(path: string, error: unknown): string {
  if (error instanceof Deno.errors.NotCapable) throw error;
  if (error instanceof Deno.errors.PermissionDenied) {
    return `cannot ask at ${path}: only root and the user who runs the service may`;
  }
  const why = error instanceof Deno.errors.NotFound
    ? "there is no such socket; is it running? `--control` names another"
    : error instanceof Deno.errors.ConnectionRefused
    ? "whoever opened it is gone"
    : error instanceof Error
    ? error.message
    : String(error);
  return `nothing answers at ${path}: ${why}`;
}
