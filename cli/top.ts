/**
 * A live screen of a running service, over its control socket.
 *
 * @module
 */
import { DEFAULTS } from "../compiler/mod.ts";
import { followControl } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import type { News } from "./observe/observer.ts";
import type { Line, Style } from "./observe/line.ts";
import { type Choice, screen } from "./observe/screen.ts";
import { after, type View } from "./observe/view.ts";
import { UsageError } from "./report.ts";

const INTERVAL_MS = 1000;

/** Shows it until q is pressed. The terminal is then as it was, however this ends. */
export async function top(args: Arguments): Promise<number> {
  if (!Deno.stdin.isTerminal() || !Deno.stdout.isTerminal()) {
    throw new UsageError("top needs a terminal; `stats` prints the same once", "top");
  }
  const path = String(args.options.control ?? DEFAULTS.control);
  const news = followControl(path, { action: "watch", interval: INTERVAL_MS });
  // Before the screen is taken: that nobody answers is said where it can be read.
  const first = await news.next();
  if (first.done) return 1;
  let view: View = after(undefined, first.value as unknown as News);
  let choice: Choice = { by: "rate" };
  const show = () => {
    const { columns, rows } = Deno.consoleSize();
    draw(screen(view, choice, columns, rows));
  };
  const quit = Promise.withResolvers<number>();
  const end = () => quit.resolve(0);
  const press = (key: string) => {
    if (key === "q" || key === "\x03") end();
    if (key === "s") choice = { by: choice.by === "rate" ? "packets" : "rate" };
    show();
  };
  const follow = async () => {
    for await (const now of news) {
      view = after(view, now as unknown as News);
      show();
    }
  };
  const restore = takeScreen();
  for (const signal of ENDS) Deno.addSignalListener(signal, end);
  Deno.addSignalListener("SIGWINCH", show);
  try {
    show();
    readKeys(press).catch(end);
    const ended = follow().then(() => 1);
    const code = await Promise.race([quit.promise, ended]);
    restore();
    if (code !== 0) console.error("barrage: the service has ended");
    return code;
  } finally {
    restore();
    Deno.removeSignalListener("SIGWINCH", show);
    for (const signal of ENDS) Deno.removeSignalListener(signal, end);
  }
}

const ENDS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

// Control sequences as in https://invisible-island.net/xterm/ctlseqs/ctlseqs.html
const ALTERNATE = "\x1b[?1049h\x1b[?25l", NORMAL = "\x1b[?25h\x1b[?1049l";
const HOME = "\x1b[H", CLEAR_LINE = "\x1b[K", CLEAR_BELOW = "\x1b[J";
/** The terminal shows what is between at once, if it knows how to. */
const HOLD = "\x1b[?2026h", RELEASE = "\x1b[?2026l";

/** Takes the other screen, without a cursor, and keys as they are pressed. Gives it back, once. */
function takeScreen(): () => void {
  let taken = true;
  Deno.stdin.setRaw(true);
  write(ALTERNATE);
  return () => {
    if (!taken) return;
    taken = false;
    write(NORMAL);
    Deno.stdin.setRaw(false);
  };
}

const COLOURS: Readonly<Record<Style, number>> = {
  ...{ bold: 1, faint: 2, good: 32, bad: 31 },
  ...{ accept: 32, drop: 33, reject: 35, match: 36 },
};

function draw(lines: readonly Line[]): void {
  const texts = lines.map((line) =>
    line.map((piece) => {
      if (typeof piece === "string") return piece;
      const [style, text] = piece;
      return Deno.noColor ? text : `\x1b[${COLOURS[style]}m${text}\x1b[0m`;
    }).join("")
  );
  write(HOLD + HOME + texts.join(`${CLEAR_LINE}\r\n`) + CLEAR_LINE + CLEAR_BELOW + RELEASE);
}

function write(text: string): void {
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

async function readKeys(press: (key: string) => void): Promise<void> {
  const buffer = new Uint8Array(32);
  for (let n; (n = await Deno.stdin.read(buffer)) !== null;) {
    for (const key of new TextDecoder().decode(buffer.subarray(0, n))) press(key);
  }
}
