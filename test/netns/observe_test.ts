import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Snapshot } from "../../cli/observe/snapshot.ts";
import { requirePackages } from "../../native/build.ts";
import { askControl } from "../../runtime/mod.ts";
import { Barrage, fw, ruleFile } from "../support/barrage.ts";
import { ManagerSocket } from "../support/manager.ts";
import { type Host, isRoot, Network, rootTest } from "../support/netns.ts";
import { traffic } from "../support/traffic.ts";

if (isRoot) requirePackages(["tmux"]);

const POLICY = `option metrics 127.0.0.1:9477
chain input default accept {
  drop icmp type echo-request label ping log
  accept in on lo label own
}`;

/** What another program can see of us in a namespace. */
async function kernelRules(host: Host): Promise<string> {
  const saved = await host.run(["iptables-save"]) + await host.run(["nft", "list", "ruleset"]);
  return saved.split("\n").filter((line) => /barrage|NFQUEUE/.test(line)).join("\n");
}

/** The process that answers at a control socket. */
async function pidOf(path: string): Promise<string> {
  return String((await askControl(path, { action: "stats" })).pid);
}

/** The packages that Deno has in its cache, for a user who may not read root's home. */
async function readableCache(): Promise<AsyncDisposable & { folder: string }> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const { npmCache } = JSON.parse(new TextDecoder().decode(stdout));
  const folder = await Deno.makeTempDir();
  await new Deno.Command("cp", { args: ["-r", npmCache, `${folder}/npm`] }).output();
  await new Deno.Command("chmod", { args: ["-R", "a+rwX", folder] }).output();
  return { folder, [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }) };
}

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

/** A collector of telemetry: prints a line for each path it is sent to, with the words in it. */
const COLLECTOR = `Deno.serve({ port: 4318, onListen: () => console.log("ready") }, async (to) => {
  const words = (await to.text()).replace(/[^ -~]+/g, " ");
  console.log(new URL(to.url).pathname, words);
  return new Response();
});`;

rootTest("a collector of telemetry gets what is printed, and who asked for metrics", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  const collector = server.start([Deno.execPath(), "eval", COLLECTOR]);
  await collector.line(/ready/);
  const rules = await ruleFile(POLICY);
  const at = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318";
  const soon = ["OTEL_BLRP_SCHEDULE_DELAY=100", "OTEL_BSP_SCHEDULE_DELAY=100"];
  const telemetry = ["OTEL_DENO=true", "OTEL_SERVICE_NAME=barrage", at, ...soon];
  const run = server.start(["env", ...telemetry, ...fw(rules, "--control", "off")]);
  try {
    await run.line(/^barrage: filtering/);
    await traffic(net.host("client"), "ping", server.v4, 100);
    await get(server, "/metrics");
    await collector.line(/^\/v1\/logs .*service\.name.*barrage.*barrage: filtering/);
    await collector.line(/^\/v1\/logs .*"rule":"ping"/);
    await collector.line(/^\/v1\/traces .*\/metrics/);
    assertEquals((await run.stop("SIGINT")).code, 0);
  } finally {
    await run.stop("SIGKILL");
    await Deno.remove(rules);
  }
});

rootTest("a run ends at once though somebody watches it, who is told", async () => {
  await using net = await Network.create("client", "server");
  await using barrage = await Barrage.start(net.host("server"), POLICY);
  const news = barrage.follow("watch", { interval: 60_000 });
  assertEquals((await news.next()).value!.enforcing, true);
  await barrage.stop();
  assertEquals((await news.next()).done, true);
});

rootTest("health fails when somebody has taken the kernel's rules away", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  await using barrage = await Barrage.start(server, `option hooks-lost alarm\n${POLICY}`);
  await server.run(["iptables", "-t", "mangle", "-F"]);
  await server.run(["nft", "flush", "ruleset"]);
  await barrage.process.line(/somebody has changed the kernel's rules/);
  const { status, text } = await get(server, "/health");
  assertEquals(status, 503);
  assertStringIncludes(text, "somebody has changed the kernel's rules of ours");
  const { code, stdout } = await server.tryRun(fw("status", "--control", barrage.control));
  assertEquals(code, 1);
  assertMatch(stdout, /^not healthy: somebody has changed/m);
  await barrage.stop();
});

rootTest(
  "a service manager follows a real run from its start over a reload to its end",
  async () => {
    await using net = await Network.create("client", "server");
    const server = net.host("server");
    await using manager = await ManagerSocket.listen();
    const rules = await ruleFile("chain input default accept {}");
    const env = ["env", `NOTIFY_SOCKET=${manager.address}`];
    const run = server.start([...env, ...fw(rules, "--control", `${rules}.sock`)]);
    try {
      const status = (reloads: string) => `STATUS=enforcing ${rules}, ${reloads}`;
      assertEquals(await manager.next(), `READY=1\n${status("0 reloads")}`);
      assertMatch(await kernelRules(server), /NFQUEUE|queue/, "ready is when packets are filtered");
      await server.run(["kill", "-HUP", await pidOf(`${rules}.sock`)]);
      assertEquals(await manager.next(), "RELOADING=1");
      assertEquals(await manager.next(), status("1 reload"));
      assertEquals(await manager.next(), `READY=1\n${status("1 reload")}`);
      assertEquals((await run.stop("SIGINT")).code, 0);
      assertEquals(await manager.next(), "STOPPING=1");
    } finally {
      await run.stop("SIGKILL");
      await Deno.remove(rules);
    }
  },
);

async function isReadableByAll(): Promise<boolean> {
  if (!isRoot) return true;
  const args = [...NOBODY, "--", "test", "-r", new URL("../../fw.ts", import.meta.url).pathname];
  return (await new Deno.Command("setpriv", { args }).output()).success;
}

const NOBODY = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
const PINGLESS = "chain input default accept { drop icmp type echo-request label ping }";

for (
  const [who, as] of [
    ["root", ["--bounding-set", "-all,+net_admin", "--inh-caps", "-all"]],
    ["nobody", [...NOBODY, "--inh-caps", "+net_admin", "--ambient-caps", "+net_admin"]],
  ] as const
) {
  const reason = who === "nobody" && !await isReadableByAll()
    ? " (ignored: the repository is where only its owner may read)"
    : "";
  const name = `CAP_NET_ADMIN is all that ${who} needs to filter${reason}`;
  const test = reason ? (name: string, fn: () => void) => Deno.test.ignore(name, fn) : rootTest;
  test(name, async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await using cache = await readableCache();
    const rules = await ruleFile(PINGLESS);
    await Deno.chmod(rules, 0o644);
    const command = ["setpriv", ...as, "--", ...fw(rules, "--json", "--control", "off")];
    const run = server.start(["env", `DENO_DIR=${cache.folder}`, ...command]);
    try {
      await run.line(/^barrage: filtering/);
      assertEquals((await traffic(client, "ping", server.v4, 300)).result, "timeout");
      const { code, stdout } = await run.stop("SIGINT");
      assertEquals(code, 0);
      assertMatch(stdout, /"rule":"ping","chain":"input","verdict":"drop","packets":1,/);
      assertEquals(await kernelRules(server), "");
    } finally {
      await run.stop("SIGKILL");
      await Deno.remove(rules);
    }
  });
}

rootTest("without the capability, one line says which is missing", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  const rules = await ruleFile(PINGLESS);
  const without = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"];
  const { code, stderr } = await server.tryRun([...without, ...fw(rules, "--control", "off")]);
  await Deno.remove(rules);
  assertEquals(code, 1);
  assertMatch(stderr, /^barrage: cannot bind queue 0: EPERM; run as root, or with CAP_NET_ADMIN$/m);
  assertEquals(await kernelRules(server), "");
});

rootTest("who may not ask a service is told who may", async () => {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/sock`;
  using _ = Deno.listen({ transport: "unix", path });
  await Deno.chmod(path, 0o600);
  await Deno.chown(path, 65534, 65534);
  // Not even root without its capabilities.
  const args = ["--bounding-set", "-all", "--inh-caps", "-all", "--", ...fw("status")];
  const asked = new Deno.Command("setpriv", { args: [...args, "--control", path] });
  const { code, stderr } = await asked.output();
  await Deno.remove(folder, { recursive: true });
  assertEquals([code, new TextDecoder().decode(stderr)], [
    1,
    `barrage: cannot ask at ${path}: only root and the user who runs the service may\n`,
  ]);
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
  await terminal.shows(/^\$/m);
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
  await terminal.resize(40, 10);
  const tiny = await terminal.shows(/^ping +drop +\S+\/s$/m);
  assertMatch(tiny, /^Barrage enforcing [^]*^q quits, s sorts by packets$/m);
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
