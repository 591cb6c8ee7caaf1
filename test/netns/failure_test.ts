import { assert, assertEquals, assertMatch } from "@std/assert";
import { Barrage, packetsOf } from "../support/barrage.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { startFlood, traffic } from "../support/traffic.ts";

const SABOTAGE = new URL("../support/sabotage.ts", import.meta.url).pathname;

interface Hosts {
  readonly client: Host;
  readonly server: Host;
}

/** Runs `use` with a client and a server that drops pings of IPv4 in the queue. */
async function dropping(
  use: (barrage: Barrage, hosts: Hosts) => Promise<void>,
  options: string,
): Promise<void> {
  await using net = await Network.create("client", "server");
  const hosts = { client: net.host("client"), server: net.host("server") };
  await using barrage = await Barrage.start(
    hosts.server,
    `option push-down off\n${options}\nchain input default accept { drop icmp label ping }\n`,
  );
  await use(barrage, hosts);
}

async function ping({ client, server }: Hosts, family: "v4" | "v6" = "v4"): Promise<string> {
  return (await traffic(client, "ping", server[family], 300)).result;
}

/** Pings until that ends so; the test's patience is its limit. */
async function pingUntil(hosts: Hosts, result: string): Promise<void> {
  while (await ping(hosts) !== result);
}

async function queueRow(host: Host): Promise<Record<string, number>> {
  const row = await host.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]);
  const [, , waiting, , , dropped, , sequence] = row.trim().split(/\s+/).map(Number);
  return { waiting: waiting!, dropped: dropped!, sequence: sequence! };
}

rootTest("the start says what becomes of packets in each kind of failure", async () => {
  await dropping(async (barrage) => {
    assertMatch(
      await barrage.process.line(/filtering/),
      /fails listener closed, overflow open, error closed, hang closed/,
    );
    await barrage.stop();
  }, "option fail-overflow open");
});

rootTest("while the engine hangs, packets wait, and the guard raises the alarm", async () => {
  await dropping(async (barrage, hosts) => {
    barrage.process.signal("SIGSTOP");
    assertEquals(await ping(hosts, "v6"), "timeout");
    assertMatch(
      await barrage.process.line(/hangs/),
      /packets wait in queue 0, and none was answered/,
    );
    assertEquals(await ping(hosts, "v6"), "timeout");
    barrage.process.signal("SIGCONT");
    await barrage.process.line(/the engine answers again/);
    assertEquals(await ping(hosts, "v6"), "answered");
    assertEquals(await ping(hosts), "timeout");
    await barrage.stop();
  }, "");
});

rootTest("that the guard was killed is said, and packets go on to be decided", async () => {
  await dropping(async (barrage, hosts) => {
    const parent = String(barrage.process.pid);
    await hosts.server.run(["pkill", "-KILL", "-P", parent, "-f", "barrage-guard"]);
    await barrage.process.line(/the guard was killed/);
    assertEquals(await ping(hosts), "timeout");
    assertEquals(await ping(hosts, "v6"), "answered");
    await barrage.stop();
  }, "");
});

rootTest("with fail-hang open, packets pass while the engine hangs, and no longer", async () => {
  await dropping(async (barrage, hosts) => {
    barrage.process.signal("SIGSTOP");
    await pingUntil(hosts, "answered");
    await barrage.process.line(/the engine hangs/);
    barrage.process.signal("SIGCONT");
    await pingUntil(hosts, "timeout");
    assert(packetsOf(await barrage.stop(), "ping") >= 1);
  }, "option fail-hang open");
});

for (const [policy, passes] of [["closed", false], ["open", true]] as const) {
  rootTest(
    `with fail-overflow ${policy}, what finds the queue full ${passes ? "passes" : "is dropped"}`,
    async () => {
      await dropping(async (barrage, hosts) => {
        barrage.process.signal("SIGSTOP");
        const flood = startFlood(hosts.client, hosts.server.v4, 9000);
        let row;
        do row = await queueRow(hosts.server); while (row.waiting! < 2048);
        const before = row;
        assertEquals(await ping(hosts), passes ? "answered" : "timeout");
        row = await queueRow(hosts.server);
        assertEquals(row.dropped! > before.dropped!, !passes);
        await flood.stop();
        barrage.process.signal("SIGCONT");
        await pingUntil(hosts, "timeout");
        const { totals } = await barrage.stop();
        assertEquals(totals.received, totals.kernel_queued);
      }, `option fail-overflow ${policy}`);
    },
  );

  rootTest(
    `with fail-error ${policy}, packets ${
      passes ? "pass" : "are dropped"
    } once the engine has failed`,
    async () => {
      await dropping(async (barrage, hosts) => {
        const { pid } = barrage.process;
        await hosts.server.run([Deno.execPath(), "run", "-A", SABOTAGE, String(pid), "0"]);
        const { code, stderr } = await barrage.process.ended;
        assertEquals(code, 1);
        assertMatch(stderr, new RegExp(`the engine has failed.*fail-error ${policy}`));
        assertMatch(stderr, /cannot serve the queue: EBUSY/);
        assertEquals(await ping(hosts, "v6"), passes ? "answered" : "timeout");
      }, `option fail-error ${policy}  option fail-listener ${passes ? "closed" : "open"}`);
    },
  );
}

rootTest("what somebody else flushes is put back, in whole and in part", async () => {
  await dropping(async (barrage, hosts) => {
    for (const [i, flush] of [["-F"], ["-D", "INPUT", "1"], ["-F", "barrage-input"]].entries()) {
      assertEquals(await ping(hosts), "timeout");
      await hosts.server.run(["iptables", "-t", "mangle", ...flush]);
      await barrage.process.line(/somebody had changed .* they are as they were again/, i + 1);
    }
    assertEquals(await ping(hosts), "timeout");
    await barrage.stop();
  }, "");
});

rootTest("with hooks-lost alarm, a flush is said, and left until a reload", async () => {
  await dropping(async (barrage, hosts) => {
    await hosts.server.run(["iptables", "-t", "mangle", "-F"]);
    await barrage.process.line(/somebody has changed the kernel's rules of ours: a reload puts/);
    assertEquals(await ping(hosts), "answered");
    await barrage.ask("reload");
    assertEquals(await ping(hosts), "timeout");
    await barrage.stop();
  }, "option hooks-lost alarm");
});

for (const verdict of ["drop", "accept"]) {
  rootTest(`a packet that cannot be read gets ${verdict}, by its option`, async () => {
    await dropping(async (barrage, { client, server }) => {
      // Behind the queue, where only what was accepted comes.
      await server.run(["iptables", "-A", "INPUT", "-p", "tcp"]);
      await traffic(client, "cut-tcp", server.v4);
      while ((await queueRow(server)).sequence! < 1);
      const { totals } = await barrage.stop();
      assertEquals([totals.bad_transport, totals.received], [1, 1]);
      const came = await server.run(["iptables", "-nvxL", "INPUT"]);
      assertMatch(came, verdict === "drop" ? /^ +0 .* tcp|^ +0 +0 +6/m : /^ +1 .*(tcp| 6 )/m);
    }, `option malformed ${verdict}`);
  });
}
