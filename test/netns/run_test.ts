import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Barrage, fw, packetsOf, ruleFile } from "../support/barrage.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { serve, startFlood, traffic } from "../support/traffic.ts";

const NEIGHBOURS = "accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } label nd";

/** What another program can see of us in a namespace: nothing, when we have gone. */
async function kernelRules(host: Host): Promise<string> {
  const saved = await host.run(["iptables-save"]) + await host.run(["ip6tables-save"]);
  return saved.split("\n").filter((line) => line.includes("barrage")).join("\n");
}

/** Packets that the namespace's first queue has been given so far: its `id_sequence`. */
async function queuedIn(host: Host): Promise<number> {
  const row = await host.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]);
  return Number(row.trim().split(/\s+/)[7]);
}

for (const family of ["v4", "v6"] as const) {
  rootTest(`input: accept, drop and reject do what they say, over IP${family}`, async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await serve(server, 80, 81, 82, 83);
    await using barrage = await Barrage.start(
      server,
      `chain input default drop {
         ${NEIGHBOURS}
         accept state established label flow
         match tcp label tcp
         accept tcp dport 80 label open
         reject tcp dport 81 label reset
         reject with icmp-admin tcp dport 83 label admin
         accept udp dport 80
         reject udp dport 81 label unreachable
       }`,
    );
    const to = server[family];
    assertEquals((await traffic(client, "tcp-echo", to, 80)).result, "answered");
    assertEquals((await traffic(client, "tcp-connect", to, 81)).errno, "ECONNREFUSED");
    assertEquals((await traffic(client, "tcp-connect", to, 82, 300)).result, "timeout");
    assertEquals((await traffic(client, "tcp-connect", to, 83)).result, "unreachable");
    assertEquals((await traffic(client, "udp-echo", to, 80)).result, "answered");
    assertEquals((await traffic(client, "udp-echo", to, 81)).errno, "ECONNREFUSED");
    assertEquals((await traffic(client, "udp-echo", to, 82, 300)).result, "timeout");

    const summary = await barrage.stop();
    assertEquals(packetsOf(summary, "open"), 1, "only the first packet of a connection is new");
    assertEquals(packetsOf(summary, "reset"), 1);
    assertEquals(packetsOf(summary, "admin"), 1);
    assertEquals(packetsOf(summary, "unreachable"), 1);
    assert(packetsOf(summary, "flow") >= 3, "the rest of it is established");
    assert(packetsOf(summary, "tcp") >= 4, "`match` counts and goes on");
    assertEquals(await kernelRules(server), "");
  });

  rootTest(`forward: a router filters what passes through it, over IP${family}`, async () => {
    await using net = await Network.create("client", "router", "server");
    const [client, router, server] = [net.host("client"), net.host("router"), net.host("server")];
    await serve(server, 80, 81);
    await using barrage = await Barrage.start(
      router,
      `chain forward default drop {
         accept in on to-client out on to-server tcp dport 80 label out
         accept in on to-server state established label back
         reject in on "to-*" tcp dport 81 label refused
       }`,
    );
    assertEquals((await traffic(client, "tcp-echo", server[family], 80)).result, "answered");
    assertEquals((await traffic(client, "tcp-connect", server[family], 81)).result, "refused");
    assertEquals((await traffic(client, "ping", server[family], 300)).result, "timeout");
    const summary = await barrage.stop();
    assert(packetsOf(summary, "out") >= 3);
    assert(packetsOf(summary, "back") >= 2);
    assertEquals(packetsOf(summary, "refused"), 1);
    assertEquals(packetsOf(summary, "forward:default"), 1);
  });

  rootTest(`output: what a host sends is filtered too, over IP${family}`, async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await serve(server, 80, 81);
    await using barrage = await Barrage.start(
      client,
      `chain output default accept {
         drop out on to-server udp dport 80 label no-udp
         reject tcp dport 81 label no-tcp
       }`,
    );
    assertEquals((await traffic(client, "tcp-echo", server[family], 80)).result, "answered");
    assertEquals((await traffic(client, "udp-echo", server[family], 80, 300)).result, "timeout");
    assertEquals((await traffic(client, "tcp-connect", server[family], 81)).result, "refused");
    const summary = await barrage.stop("SIGTERM");
    assertEquals(packetsOf(summary, "no-udp"), 1);
    assertEquals(packetsOf(summary, "no-tcp"), 1);
  });
}

rootTest(
  "the permissions that it asks for are all that it needs, as flags and as -P=run",
  async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    const rules = await ruleFile(
      "option gro on  chain input default drop { accept icmp accept ipv6 }",
    );
    const entry = fw().at(-1)!;
    const deno = (...args: string[]) => [Deno.execPath(), "run", "--quiet", ...args];
    const { stderr } = await server.tryRun(deno(entry, rules));
    const flags = /deno run ((?:--allow-\w+ ?)+)fw\.ts/.exec(stderr)![1]!.trim().split(" ");
    const set = ["-P=run", "--config", entry.replace("fw.ts", "deno.json")];
    for (const permissions of [flags, set]) {
      const control = `${rules}.sock`;
      const running = server.start(deno(...permissions, entry, rules, "--control", control));
      await running.line(/^barrage: filtering/);
      assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
      const asking = deno("--allow-read", "--allow-write", "--allow-net", entry);
      assertMatch(await server.run([...asking, "stats", "--control", control]), /packets/);
      assertMatch(await server.run([...asking, "reload", "--control", control]), /in force/);
      const { code, stderr } = await running.stop("SIGINT");
      assertEquals([code, stderr.match(/cannot|access/)], [0, null]);
    }
    await Deno.remove(rules);
  },
);

rootTest("a fresh start with another policy takes over where the last run stopped", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  for (const [verdict, result] of [["drop", "timeout"], ["accept", "answered"]] as const) {
    await using barrage = await Barrage.start(
      server,
      `chain input default accept { ${verdict} icmp type echo-request }`,
    );
    assertEquals((await traffic(client, "ping", server.v4, 300)).result, result);
    await barrage.stop();
  }
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
});

rootTest(
  "a killed run leaves its hooks and drops what they queue, and `down` removes them",
  async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await using barrage = await Barrage.start(server, "chain input default accept {}");
    await barrage.process.stop("SIGKILL");
    assertEquals((await traffic(client, "ping", server.v4, 300)).result, "timeout");
    assertMatch(await server.run(fw("down")), /removed .*barrage/);
    assertEquals(await kernelRules(server), "");
    assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
    assertEquals(await server.run(fw("down")), "nothing to remove\n");
  },
);

rootTest("`down` leaves alone a run that goes on, and says whose it is", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(server, "chain input default drop {}");
  const before = await kernelRules(server);
  const { code, stderr } = await server.tryRun(fw("down"));
  assertEquals([code, await kernelRules(server)], [1, before]);
  assertMatch(stderr, new RegExp(`queue 0, pid ${barrage.process.pid}, .*; stop it`));
  assertEquals((await traffic(client, "ping", server.v4, 300)).result, "timeout");
  await barrage.stop();
});

rootTest("a run replaces the hooks that a killed one has left", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using killed = await Barrage.start(server, "chain input default drop {}");
  await killed.process.stop("SIGKILL");
  await using barrage = await Barrage.start(server, "chain input default accept {}");
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
  await barrage.stop();
  assertEquals(await kernelRules(server), "");
});

rootTest("with fail open, packets pass while nobody answers the queue", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(
    server,
    "option push-down off  chain input default drop {}",
    "--fail",
    "open",
  );
  assertEquals((await traffic(client, "ping", server.v4, 300)).result, "timeout");
  await barrage.process.stop("SIGKILL");
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
});

rootTest("a policy with errors is refused, and nothing is installed", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  const rules = await ruleFile("chain input default drop { acept tcp dport 22 }");
  const { code, stderr } = await server.tryRun(fw(rules));
  await Deno.remove(rules);
  assertEquals(code, 1);
  assertStringIncludes(stderr, "error[FW001]: unknown verb `acept`");
  assertEquals(await kernelRules(server), "");
});

rootTest(
  "a queue that another process holds is named with its holder, and left alone",
  async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await using first = await Barrage.start(
      server,
      "chain input default accept {}",
      "--queue",
      "7",
    );
    const { code, stderr } = await server.tryRun(fw(first.rules, "--queue", "7"));
    assertEquals(code, 1);
    assertMatch(stderr, /^barrage: cannot bind queue 7: EBUSY \(held by pid \d+, \S+\); stop it/m);
    assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
    await first.stop();
  },
);

rootTest("a second run on another queue is refused, and the first one goes on", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using first = await Barrage.start(server, "chain input default accept {}");
  const { code, stderr } = await server.tryRun(fw(first.rules, "--queue", "1"));
  assertEquals(code, 1);
  assertMatch(stderr, /^barrage: Barrage already filters .* \(queue 0, pid \d+, \S+\); stop it/m);
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
  await first.stop();
});

for (const spread of ["flows", "cores"]) {
  rootTest(`several queues share the packets by ${spread}, and all answer`, async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await using barrage = await Barrage.start(
      server,
      `option spread ${spread}  option push-down off  chain input default accept {}`,
      "--queue",
      "4-6",
    );
    const fanout = (await server.run(["iptables-save"])).includes("--queue-cpu-fanout");
    assertEquals(fanout, spread === "cores");
    for (const to of [server.v4, server.v6]) {
      assertEquals((await traffic(client, "ping", to)).result, "answered");
    }
    const { totals } = await barrage.stop();
    assert(totals.received! >= 2);
    assertEquals(totals.received, totals.kernel_queued);
  });
}

rootTest("without hooks of its own, a run answers what the user's rules queue", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  const rule = ["INPUT", "-p", "icmp", "-j", "NFQUEUE", "--queue-num", "3"];
  await server.run(["iptables", "-A", ...rule]);
  await using barrage = await Barrage.start(
    server,
    "option queue 3  option hooks off\nchain input default drop {}",
  );
  assertEquals(await kernelRules(server), "");
  assertEquals((await traffic(client, "ping", server.v4, 300)).result, "timeout");
  assertEquals((await traffic(client, "ping", server.v6)).result, "answered");
  const { totals } = await barrage.stop();
  assertEquals(totals.dropped, 1);
});

rootTest("marks of other programs come through a verdict as they were", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await server.run([
    "iptables",
    "-t",
    "mangle",
    "-A",
    "PREROUTING",
    "-j",
    "MARK",
    "--set-mark",
    "5",
  ]);
  await server.run(["iptables", "-A", "INPUT", "-m", "mark", "--mark", "5", "-p", "icmp"]);
  await using barrage = await Barrage.start(
    server,
    "chain input default drop { accept mark 5/0xff state new label five }",
  );
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
  assertEquals(packetsOf(await barrage.stop(), "five"), 1);
  assertMatch(await server.run(["iptables", "-nvxL", "INPUT"]), /^ +1 .*mark match 0x5/m);
});

rootTest("a million packets get a million verdicts, stop under traffic included", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(
    server,
    `chain input default drop {
       accept udp dport 9000-9001 state new label some
       drop udp dport 9002
     }`,
  );
  const flood = startFlood(client, server.v4, 9000, 9001, 9002, 9003);
  while (await queuedIn(server) < 1_000_000);
  const { rules, totals } = await barrage.stop();
  await flood.stop();
  assert(totals.received! >= 1_000_000, `${totals.received} packets`);
  assertEquals(totals.received, totals.kernel_queued);
  assertEquals(totals.accepted! + totals.dropped! + totals.rejected!, totals.received);
  assertEquals(rules.reduce((sum, rule) => sum + rule.packets, 0), totals.received);
  assertEquals([totals.kernel_waiting, totals.verdict_errors], [0, 0]);
});

rootTest("a packet is decided by its ports, however long the headers before them", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await serve(server, 80, 81);
  await using barrage = await Barrage.start(
    server,
    `chain input default drop {
       ${NEIGHBOURS}
       accept udp dport 80 label open
       drop udp dport 81 label shut
     }`,
  );
  assertEquals((await traffic(client, "udp-echo-long", server.v6, 80)).result, "answered");
  assertEquals((await traffic(client, "udp-echo-long", server.v6, 81)).result, "timeout");
  const summary = await barrage.stop();
  assertEquals([packetsOf(summary, "open"), packetsOf(summary, "shut")], [1, 1]);
  assertEquals(summary.totals.queued_again, 2);
});

rootTest("a dry run decides and counts, says so, and lets every packet through", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await server.run(["iptables", "-A", "INPUT", "-p", "icmp", "-m", "mark", "--mark", "0"]);
  await using barrage = await Barrage.start(
    server,
    `chain input default drop {
       reject state new icmp label no-ping log every 1h set mark 7
     }`,
    "--dry-run",
  );
  assertMatch(await barrage.process.line(/filtering/), /dry run, every packet is accepted/);
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
  assertEquals((await traffic(client, "ping", server.v6)).result, "answered");
  assertMatch(await barrage.process.line(/no-ping/), /"verdict":"reject","dry-run":true/);
  const summary = await barrage.stop();
  assertEquals([summary.enforcing, packetsOf(summary, "no-ping")], [false, 1]);
  assert(summary.totals.dropped! > 0, "as it would have dropped");
  assertMatch(await server.run(["iptables", "-nvxL", "INPUT"]), /^ +1 .*mark match 0x0/m);
});
