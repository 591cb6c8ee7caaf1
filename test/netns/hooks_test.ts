/** The hooks in a real kernel. No engine: the queue is bypassed, and marks are looked at after it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { refusal } from "../../compiler/mod.ts";
import type { HookPlan, PushedRule, RejectKind } from "../../runtime/hooks/mod.ts";
import { nft } from "../../runtime/hooks/nft.ts";
import { rejectMark } from "../../runtime/hooks/plan.ts";
import { inFolder } from "../support/folder.ts";
import { hooks } from "../support/hooks.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { type Outcome, serve, traffic } from "../support/traffic.ts";

const PLAN: HookPlan = {
  hooks: ["input", "forward", "output"],
  queues: { first: 0, last: 1 },
  byCore: false,
  bypass: true,
  state: true,
  rejects: (["tcp_reset", "icmp_port", "icmp_host", "icmp_net", "icmp_admin"] as const).map(
    refusal,
  ),
  pushed: [],
  markMask: 0xff000000,
};
const VARIANTS = ["iptables", "iptables-legacy"] as const;
const SAVE = VARIANTS.flatMap((v) => [v, v.replace("ip", "ip6")]).map((v) => `${v}-save`);

/** All that iptables has in a namespace, without the counters and dates that change by themselves. */
async function saved(host: Host): Promise<string> {
  const texts = [];
  for (const save of SAVE) texts.push(`${save}\n${await host.run([save])}`);
  return texts.join("").replace(/^#.*\n/gm, "").replace(/ \[\d+:\d+\]/g, "");
}

/** All rules of a namespace: without the built-in chains, which appear with the first rule. */
async function rules(host: Host): Promise<string> {
  const own = (await saved(host)).replace(/^:[A-Z]+ ACCEPT\n/gm, "");
  const filled = own.replace(/^\*.*\nCOMMIT\n/gm, "");
  return filled + await host.run(["nft", "list", "ruleset", "inet"]);
}

/** Rules as others have them, at the places where ours go. */
const FOREIGN = `*mangle
:mine - [0:0]
-A INPUT -p tcp -m tcp --dport 22 -j mine
-A FORWARD -j mine
-A OUTPUT -p udp -j MARK --set-xmark 0x1/0x1
-A mine -j MARK --set-xmark 0x2/0xff
COMMIT
*filter
:INPUT ACCEPT [0:0]
:barrage-of-mine - [0:0]
-A INPUT -m comment --comment "-j barrage-input" -j barrage-of-mine
-A OUTPUT -p tcp -m tcp --dport 25 -j DROP
COMMIT
`;

for (const variant of VARIANTS) {
  rootTest(`${variant}: the rules of others stay as they are, byte for byte`, async () => {
    await using net = await Network.create("host", "peer");
    const host = net.host("host");
    const families = [variant, variant.replace("ip", "ip6")];
    for (const tool of families) await host.run([`${tool}-restore`], FOREIGN);
    const before = await saved(host);

    assertEquals((await hooks(host, variant, PLAN, ["install"])).backend, variant);
    const during = await saved(host);
    assertEquals(during.match(/NFQUEUE --queue-balance 0:1 --queue-bypass/g)?.length, 6);
    assertMatch(during, /-A INPUT -j barrage-input\n-A INPUT -p tcp -m tcp --dport 22 -j mine/);

    await hooks(host, variant, PLAN, ["detach"]);
    const detached = await saved(host);
    const jumps = /^-A (INPUT|FORWARD|OUTPUT) -j barrage-/gm;
    assertEquals([during, detached].map((text) => text.match(jumps)?.length), [12, 6]);
    assertEquals(detached.match(/-j REJECT/g)?.length, 2 * 3 * 5);

    await hooks(host, variant, PLAN, ["remove"]);
    assertEquals(await saved(host), before);
  });

  rootTest(`${variant}: installing replaces what a crash has left`, async () => {
    await using net = await Network.create("host", "peer");
    const host = net.host("host");
    const other: HookPlan = { ...PLAN, hooks: ["input"], rejects: [], state: false };
    await hooks(host, variant, other, ["install"]);
    const wanted = await rules(host);
    await hooks(host, variant, PLAN, ["install"]);
    await hooks(host, variant, other, ["install"]);
    assertEquals(await rules(host), wanted);
    assertEquals(
      (await hooks(host, variant, PLAN, ["remove", "remove", "detach"])).error,
      undefined,
    );
  });

  rootTest(`${variant}: removing copes with rules that somebody else has flushed`, async () => {
    await using net = await Network.create("host", "peer");
    const host = net.host("host");
    await hooks(host, variant, PLAN, ["install"]);
    await host.run([variant, "-t", "mangle", "-F"]);
    await host.run([variant, "-F", "FORWARD"]);
    assertEquals((await hooks(host, variant, PLAN, ["detach", "remove"])).error, undefined);
    assert(!(await rules(host)).includes("barrage"));
  });

  rootTest(`${variant}: a failure half-way leaves nothing, and says what failed`, async () => {
    await using net = await Network.create("host", "peer");
    const host = net.host("host");
    const failing = { [`${variant.replace("ip", "ip6")}-restore`]: "no room for this" };
    await withFailing(failing, async (path) => {
      const { error } = await hooks(host, variant, PLAN, ["install"], path);
      assertMatch(error ?? "", /^cannot install the ipv6 hooks: no room for this\n/);
      assert(!(await rules(host)).includes("barrage"));
    });
  });

  for (const family of ["v4", "v6"] as const) {
    rootTest(`${variant}: the conntrack state of ${family} packets lands in the mark`, async () => {
      await using net = await Network.create("client", "server");
      const server = net.host("server");
      await serve(server, 7);
      await hooks(server, variant, { ...PLAN, rejects: [] }, ["install"]);
      await watchMarks(server);
      const outcome = await traffic(net.host("client"), "tcp-echo", server[family], 7);
      assertEquals(outcome, { result: "answered" });
      const { fresh, established } = await marksSeen(server);
      assertEquals(fresh, 1); // the first SYN
      assert(established >= 2);
    });

    rootTest(
      `${variant}: every way to refuse is sent over ${family}, even when detached`,
      async () => {
        await using net = await Network.create("client", "router", "server");
        const client = net.host("client"), router = net.host("router"), server = net.host("server");
        await serve(server, 7);
        await hooks(router, variant, PLAN, ["install", "detach"]);
        await refusals(router, client, server[family]);
      },
    );
  }
}

/** Counts marks between the queue and the reject rules, where an engine's verdict would arrive. */
async function watchMarks(host: Host) {
  await host.run(
    ["nft", "-f", "-"],
    watcher("input", [
      "tcp dport 7 meta mark & 0xff000000 == 0x01000000 counter",
      "tcp dport 7 meta mark & 0xff000000 == 0x02000000 counter",
    ]),
  );
}

async function marksSeen(host: Host): Promise<{ fresh: number; established: number }> {
  const text = await host.run(["nft", "list", "table", "inet", "watch"]);
  const [fresh = -1, established = -1] = [...text.matchAll(/packets (\d+)/g)].map((m) => +m[1]!);
  return { fresh, established };
}

function watcher(hook: string, lines: readonly string[]): string {
  return `table inet watch {
  chain watch {
    type filter hook ${hook} priority -100; policy accept;
    ${lines.join("\n    ")}
  }
}
`;
}

/** Marks packets as an engine's verdict does, one way to refuse after the other. */
async function refusals(router: Host, client: Host, address: string) {
  const admin = address.includes(":") ? "EACCES" : "EHOSTUNREACH";
  const expected: Record<RejectKind, Outcome> = {
    tcp_reset: { result: "refused", errno: "ECONNREFUSED" },
    icmp_port: { result: "refused", errno: "ECONNREFUSED" },
    icmp_host: { result: "unreachable", errno: "EHOSTUNREACH" },
    icmp_net: { result: "unreachable", errno: "ENETUNREACH" },
    icmp_admin: { result: "unreachable", errno: admin },
  };
  for (const { kind } of PLAN.rejects) {
    const mark = `meta mark set ${rejectMark(kind, PLAN.markMask)}`;
    await router.run(["nft", "-f", "-"], watcher("forward", [`th dport 7 ${mark}`]));
    const tcp = await traffic(client, "tcp-connect", address, 7);
    const udp = await traffic(client, "udp-echo", address, 7, 200);
    await router.run(["nft", "delete", "table", "inet", "watch"]);
    assertEquals(tcp, expected[kind], `${kind} for TCP`);
    const dropped: Outcome = { result: "timeout", errno: "ETIMEDOUT" };
    assertEquals(udp, kind === "tcp_reset" ? dropped : expected[kind], `${kind} for UDP`);
  }
}

const echo = (type: string): PushedRule["match"] => ({
  nft: type === "request" ? ["icmp type echo-request", "icmpv6 type echo-request"] : [],
  ipv4: [`-p icmp -m icmp --icmp-type echo-${type}`],
  ipv6: [`-p ipv6-icmp -m icmp6 --icmpv6-type echo-${type}`],
});

/** What is on lo is pushed down to the kernel; the rest would be queued, and nobody listens. */
const PUSHED: HookPlan = {
  ...PLAN,
  hooks: ["input"],
  byCore: false,
  bypass: false,
  pushed: [
    { hook: "input", match: echo("request"), does: "count", counts: 7 },
    {
      hook: "input",
      match: { nft: ['iifname "lo"'], ipv4: ["-i lo"], ipv6: ["-i lo"] },
      does: "accept",
      counts: 3,
    },
  ],
};
const REQUEST = 84, REQUEST6 = 104;

for (const variant of VARIANTS) {
  rootTest(`${variant}: rules in front of the queue count, and a new plan takes over`, async () => {
    await using net = await Network.create("host", "peer");
    const host = net.host("host");
    const dropping: HookPlan = {
      ...PUSHED,
      rejects: [],
      state: false,
      pushed: PUSHED.pushed.map((rule) => ({ ...rule, counts: rule.counts! + 1 })),
    };
    const { counted, error } = await hooks(host, variant, PUSHED, [
      ...["install", "loopback", "counters"] as const,
      ...[dropping, "loopback", "counters", "detach", "loopback", "counters"] as const,
    ]);
    assertEquals(error, undefined);
    const bytes = 3 * (REQUEST + REQUEST6);
    const first = { 7: [6, bytes], 3: [12, 2 * bytes] } as const;
    const second = { 8: [6, bytes], 4: [12, 2 * bytes] } as const;
    assertEquals(counted, [first, first, second, second]);
    const left = await saved(host);
    assert(!left.includes("barrage-input-1") && left.includes("barrage-input-2"), left);
    assertEquals(
      left.match(/--mark 0x[6-a]000000/g)?.length,
      12,
      "what is queued is still refused",
    );
    await hooks(host, variant, PUSHED, ["install", "remove"]);
    assert(!(await rules(host)).includes("barrage"));
  });
}

rootTest("nft: rules in front of the queue decide and count", async () => {
  await using net = await Network.create("host", "peer");
  const host = net.host("host");
  await host.run(["nft", "-f", "-"], queueless(PUSHED).replace(/\taccept$/gm, "\tdrop"));
  const { counted } = await hooks(host, "nft", PUSHED, ["loopback", "counters"]);
  const bytes = 3 * (REQUEST + REQUEST6);
  assertEquals(counted, [{ 7: [6, bytes], 3: [12, 2 * bytes] }]);
  assertEquals((await traffic(net.host("peer"), "ping", host.v4, 200)).result, "timeout");
});

/** A mark that the kernel sets in front of the queue, by which the router has a way of its own. */
const MARKED: HookPlan = {
  ...PUSHED,
  hooks: ["output"],
  rejects: [],
  state: false,
  pushed: [{
    hook: "output",
    match: {
      nft: ["icmp type echo-request", "icmpv6 type echo-request"],
      ipv4: ["-p icmp"],
      ipv6: ["-p ipv6-icmp"],
    },
    does: "accept",
    mark: { value: 0x20, clear: 0xf0 },
  }],
};

for (const tool of ["nft", "iptables"] as const) {
  rootTest(
    `${tool}: what the host sends is routed by a mark set in front of the queue`,
    async () => {
      await using net = await Network.create("left", "host", "right");
      const [left, host, right] = [net.host("left"), net.host("host"), net.host("right")];
      for (const { namespace } of [left, right]) {
        await host.run(["ip", "-n", namespace, "addr", "add", "10.9.9.9", "dev", "lo"]);
      }
      const by = right.addresses.left[0];
      await host.run(["ip", "route", "add", "10.9.9.9", "via", left.v4]);
      await host.run(["ip", "route", "add", "10.9.9.9", "via", by, "table", "100"]);
      await host.run(["ip", "rule", "add", "fwmark", "0x20/0xf0", "table", "100"]);
      if (tool === "nft") await host.run(["nft", "-f", "-"], queueless(MARKED));
      else await hooks(host, "iptables", MARKED, ["install"]);
      await right.run(["nft", "-f", "-"], watcher("input", ["ip daddr 10.9.9.9 counter"]));
      await host.run(["ping", "-q", "-c", "1", "-W", "5", "10.9.9.9"]);
      assertMatch(await right.run(["nft", "list", "table", "inet", "watch"]), /counter packets 1 /);
    },
  );
}

rootTest("leftovers of every tool are found and removed, and nothing else", async () => {
  await using net = await Network.create("host", "peer");
  const host = net.host("host");
  await host.run(["iptables-restore"], FOREIGN);
  await host.run(["ip6tables-legacy-restore"], FOREIGN);
  await host.run(["iptables-legacy-restore"], FOREIGN);
  const before = await rules(host);
  assertEquals((await hooks(host, "probe", PLAN, ["leftovers"])).removed, []);

  const small: HookPlan = { ...PLAN, hooks: ["input"] };
  for (const variant of VARIANTS) await hooks(host, variant, small, ["install"]);
  await host.run(["nft", "-f", "-"], queueless(small));
  const { removed } = await hooks(host, "probe", small, ["leftovers"]);
  assertEquals(removed?.length, 1 + 2 * 2 * 2);
  assertMatch(
    removed?.join("\n") ?? "",
    /^table inet barrage \(nft\)\nchain barrage-input of ipv4/,
  );

  assertEquals(await rules(host), before);
});

/** Puts tools that only fail in front of the PATH of what `use` runs. */
async function withFailing(tools: Record<string, string>, use: (path: string) => Promise<void>) {
  await inFolder(async (path) => {
    for (const [tool, says] of Object.entries(tools)) {
      const script = `#!/bin/sh\necho "${says}" >&2\nexit 1\n`;
      await Deno.writeTextFile(`${path}/${tool}`, script, { mode: 0o755 });
    }
    await use(path);
  });
}

/** The nft hooks with the queue taken out, and of no owner, for kernels whose nft cannot queue. */
function queueless(plan: HookPlan): string {
  return nft().commands({ ...plan, bypass: false }).install.map(({ stdin }) =>
    stdin!.replace(/queue num .*/g, "accept")
  )
    .join("");
}

for (const family of ["v4", "v6"] as const) {
  rootTest(`nft: states land in the mark and refusals are sent over ${family}`, async () => {
    await using net = await Network.create("client", "router", "server");
    const client = net.host("client"), router = net.host("router"), server = net.host("server");
    await serve(server, 7);
    await router.run(["nft", "-f", "-"], queueless(PLAN));
    await router.run(["nft", "-f", "-"], queueless(PLAN)); // replaces itself
    const ct = "tcp dport 7 meta mark & 0xff000000";
    await router.run(
      ["nft", "-f", "-"],
      watcher("forward", [`${ct} == 0x01000000 counter`, `${ct} == 0x02000000 counter`]),
    );
    assertEquals((await traffic(client, "tcp-echo", server[family], 7)).result, "answered");
    const { fresh, established } = await marksSeen(router);
    assertEquals(fresh, 1);
    assert(established >= 2);
    await router.run(["nft", "delete", "table", "inet", "watch"]);

    assertEquals((await hooks(router, "nft", PLAN, ["detach"])).error, undefined);
    assertMatch(await rules(router), /chain queue-forward {\n[^\n]+\n\t\taccept\n/);
    await refusals(router, client, server[family]);
    assertEquals((await hooks(router, "nft", PLAN, ["remove", "remove"])).error, undefined);
    assert(!(await rules(router)).includes("barrage"));
  });
}

rootTest("output: what a host sends itself can be refused too", async () => {
  await using net = await Network.create("client", "server");
  const client = net.host("client"), server = net.host("server");
  await serve(server, 7);
  await hooks(client, "iptables", { ...PLAN, hooks: ["output"] }, ["install", "detach"]);
  const mark = rejectMark("tcp_reset", PLAN.markMask);
  await client.run(["nft", "-f", "-"], watcher("output", [`tcp dport 7 meta mark set ${mark}`]));
  for (const address of [server.v4, server.v6]) {
    assertEquals((await traffic(client, "tcp-connect", address, 7)).result, "refused");
  }
});

rootTest(
  "without a listener packets are dropped, and accepted only when the plan says so",
  async () => {
    await using net = await Network.create("client", "server");
    const client = net.host("client"), server = net.host("server");
    await hooks(server, "probe", { ...PLAN, bypass: false, hooks: ["input"] }, ["install"]);
    for (const address of [server.v4, server.v6]) {
      assertEquals((await traffic(client, "ping", address, 200)).result, "timeout");
    }
    await hooks(server, "probe", { ...PLAN, bypass: true, hooks: ["input"] }, ["install"]);
    for (const address of [server.v4, server.v6]) {
      assertEquals((await traffic(client, "ping", address)).result, "answered");
    }
  },
);

rootTest("probing leaves no rule behind, and without any tool says what to install", async () => {
  await using net = await Network.create("host", "peer");
  const host = net.host("host");
  await hooks(host, "probe", PLAN, []);
  assert(!(await rules(host)).includes("barrage"));

  const names = ["nft", "iptables-restore", "iptables-legacy-restore"];
  const failing = Object.fromEntries(names.map((name) => [name, `${name} fails`]));
  await withFailing(failing, async (path) => {
    const { error } = await hooks(host, "probe", PLAN, [], path);
    assertMatch(error ?? "", /^cannot queue packets on this host: /);
    assertMatch(
      error ?? "",
      /nft fails\n.*iptables-restore fails\n.*iptables-legacy-restore fails/,
    );
    assertMatch(error ?? "", /CONFIG_NETFILTER_XT_TARGET_NFQUEUE/);
  });
});

rootTest("a kernel without IPv6 is filtered by the IPv4 hooks alone", async () => {
  await using net = await Network.create("host", "peer");
  const host = net.host("host");
  const says = "cannot initialize: Address family not supported by protocol";
  await withFailing({ "ip6tables-restore": says }, async (path) => {
    assertEquals((await hooks(host, "probe", PLAN, ["install"], path)).error, undefined);
    assertEquals((await rules(host)).match(/-A .* -j NFQUEUE/g)?.length, 3);
  });
});
