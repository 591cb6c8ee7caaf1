/**
 * Barrage itself, as a user starts it, inside a namespace of a test.
 *
 * @module
 */
import { type Answer, askControl, followControl, type Request } from "../../runtime/mod.ts";
import type { Background, Finished, Host } from "./netns.ts";

const FW = new URL("../../fw.ts", import.meta.url).pathname;

/** The command line of `fw.ts` with these arguments. */
export function fw(...args: string[]): string[] {
  return [Deno.execPath(), "run", "-A", FW, ...args];
}

/** What `--json` prints at the end. */
export interface Summary {
  readonly enforcing: boolean;
  readonly rules: readonly {
    readonly rule: string;
    readonly chain: string;
    readonly verdict: string;
    readonly packets: number;
    readonly bytes: number;
    readonly pushed: number;
  }[];
  readonly totals: Readonly<Record<string, number>>;
}

/** A running firewall; `await using` kills it, and its rule file goes. */
export class Barrage implements AsyncDisposable {
  /** `control` is the socket that it can be asked by. */
  private constructor(
    readonly process: Background,
    readonly rules: string,
    readonly control: string,
  ) {}

  /**
   * Puts a policy in force in a namespace; resolves when it filters. Every packet goes through the
   * queue, unless the arguments or the policy say otherwise.
   */
  static async start(host: Host, text: string, ...args: string[]): Promise<Barrage> {
    const rules = await ruleFile(text);
    const control = `${rules}.sock`;
    const own = [["control", control], ["push-down", "off"]].flatMap(([name, value]) =>
      new RegExp(`^ *option ${name}`, "m").test(text) || args.includes(`--${name}`)
        ? []
        : [`--${name}`, value!]
    );
    const process = host.start(fw(rules, "--json", ...own, ...args));
    await process.line(/^barrage: filtering/);
    return new Barrage(process, rules, control);
  }

  /** Asks it over its control socket. */
  ask(action: string, request: Request = {}): Promise<Answer> {
    return askControl(this.control, { ...request, action });
  }

  /** Asks it for news over its control socket. */
  follow(action: string, request: Request = {}): AsyncGenerator<Answer> {
    return followControl(this.control, { ...request, action });
  }

  /** Ends it as a user does, and reads its summary. Throws unless it exits with 0. */
  async stop(signal: Deno.Signal = "SIGINT"): Promise<Summary> {
    const { code, stdout, stderr } = await this.process.stop(signal);
    if (code !== 0) throw new Error(`barrage ended with ${code}: ${stderr}`);
    return JSON.parse(stdout.trim().split("\n").at(-1)!);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.stop("SIGKILL");
    await Deno.remove(this.rules);
    await Deno.remove(this.control).catch(() => {}); // one that was stopped took it away
  }
}

/** A rule file of its own, to be removed by whoever asked for it. */
export async function ruleFile(text: string): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".fw" });
  await Deno.writeTextFile(path, text);
  return path;
}

/** Packets that the rule of a name decided or counted, in one chain or in all. */
export function packetsOf(summary: Summary, rule: string): number {
  const found = summary.rules.filter((r) => r.rule === rule);
  if (found.length === 0) throw new Error(`there is no rule "${rule}" in the summary`);
  return found.reduce((sum, r) => sum + r.packets, 0);
}

/** Runs `fw.ts` to its end, outside any namespace. */
export async function runFw(...args: string[]): Promise<Finished> {
  const [program, ...rest] = fw(...args);
  const output = await new Deno.Command(program!, { args: rest, stdin: "null" }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}
