/** Logs and mistakes must not end what decides packets. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { Barrage, fw, packetsOf, ruleFile } from "../support/barrage.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { traffic } from "../support/traffic.ts";

const MISTAKEN = new URL("../support/mistaken.ts", import.meta.url).pathname;

async function ping(client: Host, server: Host, times = 1): Promise<void> {
  for (let i = 0; i < times; i++) {
    assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
  }
}

async function mount(...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(args[0]!, { args: args.slice(1) }).output();
  assert(success, new TextDecoder().decode(stderr));
}

/** A policy that logs each ping. */
const logged = (path: string) =>
  `option log "${path}"\nchain input default accept { accept icmp label ping log }\n`;

rootTest("a full disk costs lines of the log, which are counted, and no packet", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  const folder = await Deno.makeTempDir();
  await mount("mount", "-t", "tmpfs", "-o", "size=8k", "barrage-test", folder);
  try {
    const path = `${folder}/log.jsonl`;
    await Deno.writeFile(`${folder}/others`, new Uint8Array(4096));
    await Deno.writeTextFile(path, "x".repeat(4000) + "\n");
    await using barrage = await Barrage.start(server, logged(path));
    await ping(client, server, 2);
    assertMatch(await barrage.process.line(/cannot write/), /log\.jsonl: No space left on device/);
    const status = await server.run(fw("status", "--control", barrage.control));
    assertMatch(status, /^lost of the log: \d lines?$/m);
    await Deno.remove(`${folder}/others`);
    do await ping(client, server); while ((await Deno.stat(path)).size < 4097);
    await barrage.process.line(/log\.jsonl is written again/);
    const summary = await barrage.stop();
    const lines = (await Deno.readTextFile(path)).trim().split("\n").slice(1);
    lines.forEach((line) => assertEquals(JSON.parse(line).rule, "ping"));
    const lost = summary.totals.logs_lost!;
    assert(lost > 0);
    assertEquals(lost + lines.length, packetsOf(summary, "ping"));
  } finally {
    await mount("umount", folder);
    await Deno.remove(folder);
  }
});

rootTest("a log that cannot be opened is said, at the start and by a reload", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(server, logged("/nowhere/a.jsonl"));
  await barrage.process.line(/^barrage: cannot write \/nowhere\/a\.jsonl: there is no such folder/);
  await Deno.writeTextFile(barrage.rules, logged("/nowhere/b.jsonl"));
  const { faults } = await barrage.ask("reload");
  assertMatch((faults as string[]).join(), /cannot write \/nowhere\/b\.jsonl/);
  await ping(client, server);
  assertEquals(packetsOf(await barrage.stop(), "ping"), 1);
});

rootTest(
  "a mistake of ours that nobody catches is said, and packets go on to be decided",
  async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    const rules = await ruleFile("chain input default accept { accept icmp label ping }\n");
    const own = ["--control", "off", "--push-down", "off", "--json"];
    const run = server.start([Deno.execPath(), "run", "-A", MISTAKEN, rules, ...own]);
    await run.line(/^barrage: filtering/);
    run.signal("SIGUSR1");
    await run.line(/thrown by mistake/);
    run.signal("SIGUSR2");
    await run.line(/rejected by mistake/);
    await ping(client, server);
    const { code, stdout, stderr } = await run.stop("SIGINT");
    assertEquals([code, packetsOf(JSON.parse(stdout), "ping")], [0, 1]);
    assertMatch(stderr, /internal error; please report it/);
    await Deno.remove(rules);
  },
);
