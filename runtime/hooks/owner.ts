/**
 * Who a table of nft can belong to: the kernel takes it away when its owner ends, and lets nobody
 * else change it before. The owner is a process that reads what to change; it ends when we do,
 * however that comes about, because then its standard input does.
 *
 * @module
 */
import { HookError, remedyFor, run, spawn } from "./command.ts";

export interface Owner {
  readonly pid: number;
  /** Whether it has ended, and what was its with it. */
  readonly ended: boolean;
  /** Makes some changes, all or none. Throws HookError. One at a time. */
  change(what: string, lines: readonly string[]): Promise<void>;
  /** Ends it. */
  stop(): Promise<void>;
}

const ARGV = ["nft", "-i"] as const;

/** What is no command: that nft has come to it shows in what it says of it. */
const MARK = "barrage-done";

/** Whether nft and the kernel know of owners. */
export async function ownersKnown(): Promise<boolean> {
  const stdin = "table inet barrage-probe {\n\tflags owner\n}\n";
  return await run("", { argv: ["nft", "-c", "-f", "-"], stdin }).then(() => true, () => false);
}

/** Starts one. Throws HookError. */
export function startOwner(): Owner {
  const [program, ...args] = ARGV;
  // What a terminal sends to its programs, to interrupt them, is not for it.
  const child = spawn("cannot own the nft rules", program, args, { detached: true });
  const said = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  const writer = child.stdin.getWriter();
  let ended = false;
  child.status.then(() => ended = true);
  child.stdout.cancel();
  return {
    pid: child.pid,
    get ended() {
      return ended;
    },
    async change(what, lines) {
      const input = new TextEncoder().encode(`${oneCommand(lines)}\n${MARK}\n`);
      // One that has ended is seen to have when it says nothing.
      const written = writer.write(input).catch(() => {});
      let text = "";
      for (let end: RegExpExecArray | null = null; !end;) {
        const { value, done } = await said.read();
        if (done) throw new HookError(what, `nft has ended: ${text.trim()}`, remedyFor(text));
        text += value;
        end = new RegExp(`^[^\n]*\n${MARK}\n[^\n]*\n`, "m").exec(text);
        if (end) text = text.slice(0, end.index);
      }
      await written;
      const complaints = text.split("\n").filter((line) => line.includes("Error: ")).join("\n");
      if (complaints !== "") throw new HookError(what, complaints, remedyFor(complaints));
    },
    async stop() {
      await writer.close().catch(() => {});
      await said.cancel();
      await child.status;
    },
  };
}

/** Lines as one command of several, which nft carries out together, as its command line takes them. */
export function oneCommand(lines: readonly string[]): string {
  return lines.map((line) => /[{;]$/.test(line) ? line : `${line};`).join(" \\\n");
}
