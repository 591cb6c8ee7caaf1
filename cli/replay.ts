import { HOOKS, type Policy, usesState } from "../compiler/mod.ts";
import {
  type Capture,
  CaptureError,
  Engine,
  type Outcome,
  readCapture,
  replay as replayFrames,
  type Scene,
} from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { compileFile } from "./policy.ts";
import { readFile, UsageError, writeFile } from "./report.ts";

/** Prints a line for each packet of a capture: its verdict and the rule that decided. */
export async function replay(args: Arguments): Promise<number> {
  const { pcap, format = "pretty", accepted } = args.options;
  if (typeof pcap !== "string") throw new UsageError("--pcap FILE is missing", "replay");
  if (format !== "pretty" && format !== "jsonl") {
    throw new UsageError(`--format takes pretty or jsonl, found "${format}"`, "replay");
  }
  const line = format === "jsonl" ? jsonLine : prettyLine;
  const lines: string[] = [];
  const kept: Uint8Array<ArrayBuffer>[] = [];
  const header = (capture: Capture) => kept.push(capture.header);
  const code = await throughEngine(args, pcap, header, (packet, frame, said) => {
    lines.push(line(packet, said));
    if (said.verdict === "accept") kept.push(frame.record);
    if (lines.length === 10_000) print(lines);
  });
  print(lines);
  if (typeof accepted === "string" && kept.length > 0) {
    await writeFile(accepted, new Uint8Array(await new Blob(kept).arrayBuffer()));
  }
  return code;
}

/** Prints what becomes of the packets of a capture: a line a packet, or a line a rule. */
export async function summarizeCapture(args: Arguments): Promise<number> {
  const { pcap, packets: each, json } = args.options;
  const lines: string[] = [];
  const counts = new Map<string, { report: Report; packets: number; bytes: number }>();
  const code = await throughEngine(args, String(pcap), () => {}, (packet, frame, report) => {
    if (each) {
      lines.push((json ? jsonLine : prettyLine)(packet, report));
      if (lines.length === 10_000) print(lines);
      return;
    }
    const key = `${report.verdict} ${report.rule} ${report.reason}`;
    const known = counts.get(key) ?? { report, packets: 0, bytes: 0 };
    counts.set(key, known);
    known.packets++;
    known.bytes += frame.ip?.length ?? 0;
  });
  const rows = [...counts.values()].toSorted((a, b) => b.packets - a.packets);
  for (const { report, packets, bytes } of rows) {
    lines.push(
      json
        ? JSON.stringify({ ...report, packets, bytes })
        : `${String(packets).padStart(8)} packets ${String(bytes).padStart(10)} bytes  ` +
          `${report.verdict.padEnd(6)}  ${ruleText(report)}`,
    );
  }
  print(lines);
  return code;
}

/** Decides the packets of a capture, and says of each what became of it; the exit code. */
async function throughEngine(
  args: Arguments,
  pcap: string,
  begin: (capture: Capture) => void,
  each: (packet: number, frame: Capture["frames"][number], report: Report) => void,
): Promise<number> {
  const compiled = await compileFile(args);
  if (!compiled) return 1;
  const { policy, image } = compiled;
  const scene = sceneOf(args, policy);
  const file = await readFile(pcap);
  const capture = parseCapture(pcap, file);
  begin(capture);

  await using engine = new Engine(image);
  engine.share(policy.options);
  let packet = 0;
  for (const outcome of replayFrames(engine, file, capture.frames, scene)) {
    const frame = capture.frames[packet++]!;
    each(packet, frame, report(outcome, policy));
  }
  if (!capture.damage) return 0;
  console.error(
    `barrage: ${pcap}: ${capture.damage}; the ${packet} packets before it were decided`,
  );
  return 1;
}

function print(lines: string[]): void {
  if (lines.length > 0) console.log(lines.join("\n"));
  lines.length = 0;
}

function parseCapture(name: string, file: Uint8Array<ArrayBuffer>): Capture {
  try {
    return readCapture(file);
  } catch (error) {
    if (error instanceof CaptureError) {
      throw new UsageError(`cannot read ${name}: ${error.message}`);
    }
    throw error;
  }
}

/** Where the packets are taken to have been seen. Throws UsageError on what cannot be. */
function sceneOf({ options }: Arguments, policy: Policy): Scene {
  const { chain, state = "new" } = options;
  const [first] = policy.hooks;
  const hook = HOOKS.find((name) => name === (chain ?? (policy.hooks.length === 1 ? first : "")));
  if (!hook || !policy.hooks.includes(hook)) {
    const has = policy.hooks.join(", ");
    throw new UsageError(
      chain === undefined
        ? `say which chain decides: --chain, one of ${has}`
        : `there is no chain "${chain}" in the rule file: it has ${has}`,
      "replay",
    );
  }
  const states = ["new", "established", "related", "invalid", "untracked"];
  const number = states.indexOf(String(state));
  if (number < 0) throw new UsageError(`--state takes ${states.join(", ")}`, "replay");
  if (usesState(policy) && options.state === undefined) {
    console.error("barrage: a capture holds no connection states; each packet is taken as new");
  }
  return {
    hook,
    in: device(options["in-dev"]),
    out: device(options["out-dev"]),
    time: BigInt(Date.now()) * 1_000_000n,
    mark: usesState(policy) ? stateMark(number, policy.options["mark-mask"]) : 0,
  };
}

/** A state as the kernel's rules put it into the packet mark. */
function stateMark(state: number, mask: number): number {
  return ((state + 1) * (mask & -mask)) >>> 0;
}

function device(name: string | boolean | undefined): string {
  if (typeof name !== "string") return "";
  if (new TextEncoder().encode(name).length > 15) {
    throw new UsageError(`"${name}" is longer than the 15 bytes of an interface name`, "replay");
  }
  return name;
}

/** What is said of a packet: a frame that is not IP meets no rule. */
interface Report {
  readonly verdict: Outcome["verdict"] | "skip";
  readonly rule: string;
  readonly reason?: string;
}

function report(outcome: Outcome | undefined, policy: Policy): Report {
  if (!outcome) return { verdict: "skip", rule: "not-ip" };
  const { verdict, rule, malformed } = outcome;
  if (rule !== undefined) return { verdict, rule: policy.rules[rule]!.name };
  return { verdict, rule: "malformed", ...(malformed && { reason: malformed }) };
}

function jsonLine(packet: number, report: Report): string {
  return JSON.stringify({ packet, ...report });
}

function prettyLine(packet: number, report: Report): string {
  return `${String(packet).padStart(6)}  ${report.verdict.padEnd(6)}  ${ruleText(report)}`;
}

function ruleText({ rule, reason }: Report): string {
  return reason ? `${rule} (${reason})` : rule;
}
