/** Rules that end with us. This kernel's nft cannot queue, so a stand-in accepts where it would. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { HookPlan } from "../../runtime/hooks/mod.ts";
import { fw, ruleFile } from "../support/barrage.ts";
import { inFolder } from "../support/folder.ts";
import { hooks } from "../support/hooks.ts";
import { type Background, type Host, Network, rootTest } from "../support/netns.ts";
import { traffic } from "../support/traffic.ts";

const STAND_IN = `#!/bin/bash
exec /usr/sbin/nft "$@" < <(sed -u 's/queue num [^;]*/accept/')
`;

/** Runs `use` with a PATH that begins with the stand-in. */
async function withStandIn(use: (path: string) => Promise<void>): Promise<void> {
  await inFolder(async (path) => {
    await Deno.writeTextFile(`${path}/nft`, STAND_IN, { mode: 0o755 });
    await use(path);
  });
}

interface Run {
  readonly client: Host;
  readonly server: Host;
  readonly barrage: Background;
}

/** Runs `use` with a client and a server whose kernel drops pings of IPv4 for Barrage. */
async function dropping(options: string, use: (run: Run) => Promise<void>): Promise<void> {
  await withStandIn(async (path) => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    const rules = await ruleFile(
      `${options}\nchain input default accept { drop state invalid  drop icmp label ping }\n`,
    );
    const env = ["env", `PATH=${path}:${Deno.env.get("PATH")}`];
    const barrage = server.start([...env, ...fw(rules, "--control", `${rules}.sock`)]);
    assertMatch(await barrage.line(/filtering/), /hooks by nft/);
    await use({ client, server, barrage });
    await Deno.remove(rules);
  });
}

async function ping({ client, server }: Run): Promise<string> {
  return (await traffic(client, "ping", server.v4, 300)).result;
}

/** Pings until that ends so, or for half a minute. */
async function pingUntil(run: Run, result: string): Promise<void> {
  for (let tries = 0; await ping(run) !== result; tries++) assert(tries < 100, `not ${result}`);
}

async function tables(host: Host): Promise<string> {
  return await host.run(["nft", "list", "tables"]);
}

rootTest("with fail-listener open, the kernel removes all of ours when we are killed", async () => {
  await dropping("option fail-listener open", async (run) => {
    assertEquals(await ping(run), "timeout");
    assertMatch(await run.server.run(["nft", "list", "table", "inet", "barrage"]), /flags owner/);
    await run.barrage.stop("SIGKILL");
    await pingUntil(run, "answered");
    assertEquals(await tables(run.server), "");
  });
});

rootTest("with fail-listener closed, rules in front of the queue outlive us", async () => {
  await dropping("option fail-listener closed", async (run) => {
    await run.barrage.stop("SIGKILL");
    assertEquals(await ping(run), "timeout");
    assertMatch(await run.server.run(fw("down")), /removed table inet barrage/);
    assertEquals(await ping(run), "answered");
  });
});

rootTest("nobody else can flush or remove a table that is owned", async () => {
  await dropping("option fail-listener open", async (run) => {
    await run.server.run(["nft", "flush", "ruleset"]);
    assertEquals(await ping(run), "timeout");
    const { code, stderr } = await run.server.tryRun(fw("down"));
    assertEquals(code, 1);
    assertStringIncludes(stderr, "they belong to a run of Barrage that goes on");
    assertEquals(await ping(run), "timeout");
    assertEquals((await run.barrage.stop("SIGINT")).code, 0);
    assertEquals(await tables(run.server), "");
  });
});

rootTest("an owner that is killed is missed, and another one takes its place", async () => {
  await dropping("option fail-listener open", async (run) => {
    const owner = await run.server.run(["pgrep", "-P", String(run.barrage.pid), "-x", "nft"]);
    Deno.kill(Number(owner), "SIGKILL");
    await run.barrage.line(/somebody had changed .* they are as they were again/);
    assertEquals(await ping(run), "timeout");
    const { code, stdout } = await run.barrage.stop("SIGINT");
    assertEquals(code, 0);
    assertMatch(stdout, /^ +[1-9]\d* .*drop +ping$/m);
  });
});

rootTest("with fail-hang open, the guard ends what is owned while the engine hangs", async () => {
  await dropping("option fail open", async (run) => {
    // Something must wait in the queue, to hang.
    await run.server.run(
      ["ip6tables", "-A", "INPUT", "-p", "icmpv6", "-j", "NFQUEUE", "--queue-num", "0"],
    );
    run.barrage.signal("SIGSTOP");
    await traffic(run.client, "ping", run.server.v6, 100);
    await run.barrage.line(/the engine hangs/);
    await pingUntil(run, "answered");
    run.barrage.signal("SIGCONT");
    await pingUntil(run, "timeout");
    assertEquals((await run.barrage.stop("SIGINT")).code, 0);
  });
});

rootTest(
  "what an owner is told takes effect whole, and counters stay with their rules",
  async () => {
    const rule = (counts: number): HookPlan["pushed"][number] => ({
      hook: "input",
      match: { nft: ['iifname "lo"'], ipv4: ["-i lo"], ipv6: ["-i lo"] },
      does: "accept",
      counts,
    });
    const plan = (...numbers: number[]): HookPlan => ({
      hooks: ["input"],
      queues: { first: 0, last: 0 },
      byCore: false,
      bypass: true,
      state: false,
      rejects: [],
      pushed: numbers.map(rule),
      markMask: 0xff000000,
    });
    await withStandIn(async (path) => {
      await using net = await Network.create("host", "peer");
      const host = net.host("host");
      const steps = ["install", "loopback", plan(4), "loopback", "counters", "detach"] as const;
      const { counted, error } = await hooks(host, "nft", plan(3), [...steps, "counters"], path);
      assertEquals(error, undefined);
      assertEquals(
        counted!.map((counts) =>
          Object.entries(counts).map(([n, [packets]]) => `${n}: ${packets}`)
        ),
        [["3: 12"], ["4: 12"], ["4: 12"]],
      );
      // A rule that nft cannot read.
      const wrong = {
        ...plan(),
        pushed: [{ ...rule(1), match: { nft: ["no match"], ipv4: [], ipv6: [] } }],
      };
      const refused = await hooks(host, "nft", wrong, ["install"], path);
      assertMatch(refused.error ?? "", /^cannot install the hooks: Error: /);
      while ((await tables(host)) !== "");
      assert(!(await tables(host)).includes("barrage"));
    });
  },
);
