import { assert, assertEquals, assertMatch } from "@std/assert";
import { conclude } from "../../bench/tune/report.ts";
import { advise } from "../../bench/tune/search.ts";
import { START, words } from "../../bench/tune/setting.ts";
import { RATES } from "../../bench/tune/traffic.ts";
import { requirePackages } from "../../native/build.ts";
import { Browser } from "../support/browser.ts";
import { capturePackets } from "../support/capture.ts";
import { isRoot, rootTest } from "../support/netns.ts";

const BENCH = new URL("../../bench/", import.meta.url).pathname;

async function run(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", ...args],
  }).output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, err);
  return out!;
}

async function isLegible(report: string): Promise<void> {
  await using browser = await Browser.start();
  for (const width of [360, 1440]) {
    for (const scheme of ["light", "dark"] as const) {
      await browser.open(report, width, scheme);
      const seen = await browser.look();
      const where = `${width} pixels, ${scheme}: ${JSON.stringify(seen)}`;
      assert(seen.figures > 0 && seen.charts === seen.figures, where);
      assertEquals(seen.unreadable, [], where);
      assert(seen.drawn > 0.3, where);
      assert(seen.smallestText >= 11 && seen.overflow <= 0 && seen.contrast >= 60, where);
    }
  }
  assertEquals(browser.errors, []);
}

if (isRoot) requirePackages(["chromium"]);

rootTest("bench sync reports, and its charts are legible on any page", async () => {
  const cell = "--quick --rules 24 --workers 2 --batch 1,64 --rounds 1 --slice 1 --idle 50".split(
    " ",
  );
  const text = await run(`${BENCH}main.ts`, "sync", ...cell);
  assertMatch(text, /Empty round trip[^]*\nbarrage [^]*Idle for 50 ms[^]*Predicted gain/);
  await isLegible(`${BENCH}sync/build/report.html`);
});

rootTest("bench queue compares contestants, and its charts are legible on any page", async () => {
  const few = "--only input,ping --rules 24 --rounds 1 --seconds 0.1".split(" ");
  const text = await run(`${BENCH}main.ts`, "queue", ...few);
  const lines = text.split("\n").filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line));
  const six = ["no firewall", "nftables", "iptables", "canonical", "null engine", "barrage"];
  for (const scenario of ["input", "ping"]) {
    const own = lines.filter((line) => line.scenario === scenario);
    assertEquals(own.map((line) => line.contestant), six);
  }
  for (const { contestant, kpps } of lines.slice(0, 6)) assert(kpps.median > 0, contestant);
  await isLegible(`${BENCH}queue/build/report.html`);
});

/** Tunes a policy with these options; what was said, and the rule file afterwards. */
async function tune(...args: string[]): Promise<{ text: string; rules: string }> {
  const path = await Deno.makeTempFile({ suffix: ".fw" });
  try {
    await Deno.writeTextFile(
      path,
      "## Mine.\nfw 1\noption batch 64 # small\nchain input default drop {}",
    );
    const text = await run(`${BENCH}tune.ts`, path, ...args);
    return { text, rules: await Deno.readTextFile(path) };
  } finally {
    await Deno.remove(path);
  }
}

rootTest("tune recommends a setting, and its charts are legible on any page", async () => {
  const { text, rules } = await tune("--only", "copy", "--seconds", "0.05");
  assertMatch(text, /\nFor throughput: copy (128|256)\n\d+ % ahead of copy (128|256), while/);
  assertMatch(rules, /option batch 64/);
  await isLegible(`${BENCH}tune/build/report.html`);
});

rootTest("tune's charts are legible with settings that differ in every option", async () => {
  const best = { batch: 1024, coalesce: 200, workers: 2, split: "rules", queue: 2, copy: 128 };
  const settings = [best, { ...best, split: "packets", copy: 256 }, START, { ...START, batch: 64 }];
  const trials = settings.map((setting, i) => {
    const figures = (rate?: number) => ({
      rate,
      packetsPerSecond: rate ?? 500_000 - i * 20_000,
      ...{ lost: 0, cpuNsPerPacket: 2000 + 500 * i, p50Us: 20 + i, p99Us: 900 - 200 * i },
    });
    const sample = [...RATES.map(figures), figures()];
    return { setting, samples: [sample, sample, sample] };
  });
  const advice = advise(trials, "throughput", words);
  await conclude({ rules: "rules.fw", goal: "throughput" }, trials, advice, undefined);
  await isLegible(`${BENCH}tune/build/report.html`);
});

/** As from a terminal: to a program, the leader of its group, and to all that it has started. */
function interrupt(group: number): void {
  Deno.kill(-group, "SIGINT");
}

/** Starts a script of bench/ as the leader of a group of its own. */
function lead(...args: string[]): Deno.ChildProcess {
  return new Deno.Command("setsid", {
    args: [Deno.execPath(), "run", "-A", ...args],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Reads on until a pattern is met, or to the end without one. */
async function read(stream: AsyncIterator<string>, pattern?: RegExp): Promise<string> {
  for (let text = "";;) {
    const { value, done } = await stream.next();
    if (done) return text;
    text += value;
    if (pattern?.test(text)) return text;
  }
}

function output(program: string, ...args: string[]): string {
  return new TextDecoder().decode(new Deno.Command(program, { args }).outputSync().stdout).trim();
}

/** The namespaces in which the processes of a group are. */
function namespacesOf(group: number): string[] {
  const pids = output("pgrep", "-g", `${group}`).split("\n");
  const names = pids.map((pid) => output("ip", "netns", "identify", pid));
  return [...new Set(names.filter(Boolean))];
}

rootTest("tune, interrupted, recommends from what it has and takes everything away", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/a.fw`, "fw 1\nchain input default drop {}\n");
    const child = lead(`${BENCH}tune.ts`, `${folder}/a.fw`, "--only", "copy", "--seconds", "0.05");
    const [out, err] = [child.stdout, child.stderr].map((stream) =>
      stream.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]()
    );
    const said = await read(err!, /\n1 of /);
    const namespaces = namespacesOf(child.pid);
    interrupt(child.pid);
    const [results, more, { code }] = await Promise.all([read(out!), read(err!), child.status]);
    assertEquals(code, 130, said + more);
    assertMatch(more, /interrupted: what follows rests on what was measured so far/);
    assertMatch(results, /\nFor throughput: copy /);
    assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name), ["a.fw"]);
    assert(namespaces.length > 0, said);
    const left = output("ip", "netns", "list").split(/\s+/);
    assertEquals(namespaces.filter((name) => left.includes(name)), []);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("bench sync, interrupted, reports what it has", async () => {
  const child = lead(`${BENCH}main.ts`, "sync", "--quick", "--idle", "60000");
  // What costs nothing is looked at for minutes, unless somebody interrupts.
  while (output("pgrep", "-g", `${child.pid}`, "-f", "measure idle") === "");
  interrupt(child.pid);
  const { code, stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 130, err);
  assertMatch(err!, /^interrupted: 5 of \d+ were measured$/m);
  assertMatch(out!, /^The pool against inline[^]*^report: /m);
});

Deno.test("tune decides a capture without a queue, and writes what it recommends", async () => {
  const capture = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    const packets = [80, 53, 443].map((dport) => ({ proto: "udp" as const, dport }));
    await Deno.writeFile(capture, capturePackets(packets));
    const { text, rules } = await tune(
      ...["--pcap", capture, "--seconds", "0.002", "--goal", "cpu", "--write"],
    );
    const [, batch, workers, split] = text.match(
      /^For cpu: batch (.+), workers (.+), split (.+)$/m,
    )!;
    const written = `option workers ${workers}\noption split ${split}\n`;
    assertEquals(
      rules,
      `## Mine.\nfw 1\noption batch ${batch}  # small\n${written}chain input default drop {}\n`,
    );
  } finally {
    await Deno.remove(capture);
  }
});

Deno.test("each hazard of the attempts happens, and never to the pool", async () => {
  const build = await new Deno.Command("make", { args: ["-s", "-C", `${BENCH}sync`] }).output();
  assertEquals(build.code, 0, new TextDecoder().decode(build.stderr));
  const { stdout } = await new Deno.Command(`${BENCH}sync/build/hazards`).output();
  const lines = new TextDecoder().decode(stdout).trim().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.map((line) => line.hazard), [
    "deadlock",
    "accepted drops",
    "early exit",
    "data race",
    "missed shutdown",
  ]);
  for (const line of lines) {
    assert(line.attempt > 0 && line.pool === 0, JSON.stringify(line));
  }
});
