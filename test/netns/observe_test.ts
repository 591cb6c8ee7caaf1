import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Snapshot } from "../../cli/observe/snapshot.ts";
import { requirePackages } from "../../native/build.ts";
import { Barrage, fw } from "../support/barrage.ts";
import { type Host, isRoot, Network, rootTest } from "../support/netns.ts";
import { traffic } from "../support/traffic.ts";

if (isRoot) requirePackages(["tmux"]);

const POLICY = `option metrics 127.0.0.1:9477
chain input default accept {
  drop icmp type echo-request label ping log
  accept in on lo label own
}`;

/** What is answered in a namespace. */
async function get(host: Host, path: string): Promise<{ status: number; text: string }> {
  const script = `const r = await fetch("http://127.0.0.1:9477${path}");` +
    `console.log(JSON.stringify({ status: r.status, text: await r.text() }))`;
  return JSON.parse(await host.run([Deno.execPath(), "eval", script]));
}

rootTest("status, stats and metrics tell of a real run what was sent to it", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(server, POLICY);
  for (let i = 0; i < 3; i++) await traffic(client, "ping", server.v4, 100);
  const control = ["--control", barrage.control];

  const snapshot: Snapshot = JSON.parse(await server.run(fw("stats", "--json", ...control)));
  const ping = snapshot.rules.find(({ rule }) => rule === "ping")!;
  assertEquals([ping.packets, ping.verdict], [3, "drop"]);
  assert(Math.abs(ping.lastMs - snapshot.nowMs) < 60_000, "it was hit just now");
  const { received } = snapshot.totals;
  const sum = (counts: readonly number[]) => counts.reduce((sum, n) => sum + n, 0);
  assertEquals(sum(snapshot.verdictSeconds.counts), received);
  assertEquals(snapshot.batches.sum, received);
  assertEquals(sum(snapshot.chains.map(({ packets }) => packets)), received);
  assertEquals(sum(snapshot.queues.map((queue) => queue.received)), received);

  assertMatch(
    await server.run(fw("status", ...control)),
    /^barrage \S+, pid \d+: enforcing [^]*\n3 packets: 0 accepted, 3 dropped[^]*\nhealthy\n$/,
  );
  assertMatch(await server.run(fw("stats", ...control)), /^ +3 +252 +drop +ping$/m);
  assertEquals(await get(server, "/health"), { status: 200, text: '{"ok":true,"faults":[]}\n' });
  const metrics = await get(server, "/metrics");
  assertStringIncludes(
    metrics.text,
    '\nbarrage_rule_packets_total{chain="input",rule="ping",verdict="drop"} 3\n',
  );
  await barrage.stop();
});

rootTest("a run ends at once though somebody watches it, who is told", async () => {
  await using net = await Network.create("client", "server");
  await using barrage = await Barrage.start(net.host("server"), POLICY);
  const news = barrage.follow("watch", { interval: 60_000 });
  assertEquals((await news.next()).value!.enforcing, true);
  await barrage.stop();
  assertEquals((await news.next()).done, true);
});

/** A terminal of 80 by 24 with a shell, to type into. */
class Terminal implements AsyncDisposable {
  readonly #socket = `barrage-${crypto.randomUUID()}`;

  static async start(): Promise<Terminal> {
    const terminal = new Terminal();
    await terminal.#tmux("new-session", "-d", "-x", "80", "-y", "24", "env PS1='$ ' sh");
    return terminal;
  }
  async #tmux(...args: string[]): Promise<string> {
    const options = { args: ["-u", "-L", this.#socket, "-f", "/dev/null", ...args] };
    const { code, stdout, stderr } = await new Deno.Command("tmux", options).output();
    const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    if (code !== 0) throw new Error(err);
    return out!;
  }
  async type(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }
  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }
  /** What is on it, once it is as wanted. Throws if it never is. */
  async shows(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + 10_000;
    for (;;) {
      const text = await this.#tmux("capture-pane", "-p");
      if (pattern.test(text)) return text;
      if (Date.now() > deadline) throw new Error(`not ${pattern}:\n${text}`);
    }
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux("kill-server");
  }
}

rootTest("top fills a terminal of any size, and leaves it as it was, however it ends", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(server, POLICY);
  await using terminal = await Terminal.start();
  await terminal.type("echo before", "Enter");
  await terminal.shows(/^before$/m);
  const top = fw("top", "--control", barrage.control).join(" ");
  const start = () => terminal.type(`clear; echo left; ${top}; echo "code $?"; stty -a`, "Enter");
  const restored = /^left\ncode (\d+)\n[^]* echo [^]*\$/m;

  await start();
  await terminal.shows(/^ping +input +drop +0\/s +0 +never$/m);
  await traffic(client, "ping", server.v4, 100);
  const small = await terminal.shows(/^ping +input +drop .* 1 +(now|\d+ s)$/m);
  assertMatch(small, /^Barrage enforcing [^]*answered at once.*receipt to verdict/);
  assertMatch(small, /^ +\S+\/s +1 +drop by input: ping$/m);
  await terminal.resize(60, 40);
  assertMatch(await terminal.shows(/^answered at once, at most$/m), /^receipt to verdict/m);
  await terminal.resize(80, 24);
  await terminal.shows(/answered at once.*receipt to verdict/);
  await terminal.type("q");
  assertMatch(await terminal.shows(restored), /^code 0$/m);

  await start();
  await terminal.shows(/^ping +input/m);
  await barrage.stop();
  const ended = /^left\nbarrage: the service has ended\ncode 1\n[^]* echo [^]*\$/m;
  await terminal.shows(ended);
  await terminal.type("clear", "Enter", top, "Enter");
  await terminal.shows(/^barrage: nothing answers at /m);
});
