/** Rules in front of the queue, in a real kernel: what they decide, and what they leave. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { hookPlan } from "../../cli/plan.ts";
import { check, pushDown } from "../../compiler/mod.ts";
import { PROTO } from "../../compiler/policy/field.ts";
import { nft } from "../../runtime/hooks/nft.ts";
import { Barrage, packetsOf, type Summary } from "../support/barrage.ts";
import { hooks } from "../support/hooks.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { packetBytes, withChecksums } from "../support/packet.ts";
import { Random, randomCases, randomPacket, randomRules } from "../support/policy.ts";
import { inject, serve, traffic } from "../support/traffic.ts";

for (const family of ["v4", "v6"] as const) {
  rootTest(
    `rules in front of the queue and behind it decide and count, over IP${family}`,
    async () => {
      await using net = await Network.create("client", "server");
      const [client, server] = [net.host("client"), net.host("server")];
      await serve(server, 80, 81, 82, 83, 84);
      await using barrage = await Barrage.start(
        server,
        `chain input default drop {
         accept in on lo
         match tcp label tcp
         drop state invalid label invalid
         accept state established, related label flow
         accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } label nd
         accept tcp dport 80 label open
         reject tcp dport 81 label reset
         reject with icmp-admin tcp dport 83 label admin
         drop udp dport 84 label quiet
         accept type echo-request limit 1/hour burst 1 label ping
         accept udp dport 80 label udp
         reject udp dport 81 label unreachable
       }`,
        "--push-down",
        "on",
      );
      const to = server[family];
      const echoed = await traffic(client, "tcp-echo", to, 80);
      assertEquals(echoed.result, "answered");
      assertEquals((await traffic(client, "tcp-connect", to, 81)).errno, "ECONNREFUSED");
      assertEquals((await traffic(client, "tcp-connect", to, 82, 300)).result, "timeout");
      assertEquals((await traffic(client, "tcp-connect", to, 83)).result, "unreachable");
      assertEquals((await traffic(client, "udp-echo", to, 80)).result, "answered");
      assertEquals((await traffic(client, "udp-echo", to, 81)).errno, "ECONNREFUSED");
      assertEquals((await traffic(client, "udp-echo", to, 84, 300)).result, "timeout");
      assertEquals((await traffic(client, "ping", to)).result, "answered");
      assertEquals((await traffic(client, "ping", to, 300)).result, "timeout");

      const summary = await barrage.stop();
      const of = (rule: string) => {
        const { packets, pushed } = summary.rules.find((row) => row.rule === rule)!;
        return [packets, pushed];
      };
      const rules = [
        "open",
        "reset",
        "admin",
        "quiet",
        "ping",
        "udp",
        "unreachable",
        "input:default",
      ];
      assertEquals(rules.map(of), [
        ...[[1, 1], [1, 1], [1, 1], [1, 1]],
        ...[[1, 0], [1, 0], [1, 0], [2, 0]], // a SYN and a ping that nobody takes
      ]);
      const [flow, pushed] = of("flow") as [number, number];
      assert(flow >= 3 && flow === pushed, `${flow} packets of flows, ${pushed} in the kernel`);
      // The SYN that is dropped is counted by the engine, all else of TCP where it was decided.
      assertEquals(of("tcp"), [4 + flow, 3 + flow]);
      assertEquals(summary.totals.pushed_rejected, 2);
      assertEquals(summary.totals.received, 5 + packetsOf(summary, "nd"));
    },
  );
}

rootTest("a reload changes what is pushed down, under traffic, and no count is lost", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await serve(server, 80);
  const policy = (verdict: string) =>
    `chain input default drop {
       accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }
       accept state established label flow
       ${verdict} udp dport 80 label web
       accept icmp type echo-request label ping
     }`;
  await using barrage = await Barrage.start(server, policy("accept"), "--push-down", "on");
  const pings = client.start(["ping", "-q", "-i", "0.002", "-c", "600", server.v4]);
  for (const verdict of ["drop", "accept", "drop", "reject", "accept", "reject"]) {
    await Deno.writeTextFile(barrage.rules, policy(verdict));
    await barrage.ask("reload");
    const { result } = await traffic(client, "udp-echo", server.v4, 80, 300);
    assertEquals(result, { accept: "answered", drop: "timeout", reject: "refused" }[verdict]);
  }
  assertMatch((await pings.line(/received/)) ?? "", /^600 packets transmitted, 600 received/);
  const { rules } = await barrage.stop();
  const { packets, pushed } = rules.find(({ rule }) => rule === "web")!;
  assertEquals([packets, pushed], [6, 6]);
  const counted = (name: string) => rules.find(({ rule }) => rule === name)!.packets;
  assertEquals(counted("ping") + counted("flow"), 600);
});

/** Packets for a server at 10.0.0.2 and fd00::2, none of which answers another or follows it in TCP. */
function packetsFor(random: Random, count: number): Uint8Array[] {
  const flows = new Set<string>();
  return Array.from({ length: count }, () => {
    const packet = randomPacket(random, ["input"]);
    const six = packet.family === 1n;
    const to = { ...packet, dst: six ? (1n << 128n) + (0xfdn << 120n) + 2n : 0x0a000002n };
    const flow = `${to.src} ${to.sport} ${to.dport}`;
    const follows = packet.proto === PROTO.tcp && flows.has(flow);
    const whole = to.fragment === 0n && to.src !== to.dst && !follows;
    flows.add(flow);
    return whole ? [withChecksums(to, packetBytes(to))] : [];
  }).flat();
}

/** As many again, cut inside the headers that follow the IP header. */
function truncated(random: Random, packets: readonly Uint8Array[]): Uint8Array[] {
  return packets.map((packet) => {
    const six = packet[0]! >> 4 === 6;
    const header = six ? 40 : 20;
    const cut = packet.slice(0, header + random.below(Math.min(13, packet.length - header)));
    const view = new DataView(cut.buffer);
    if (six) view.setUint16(4, cut.length - 40);
    else {
      view.setUint16(2, cut.length);
      const sum = Array.from({ length: 10 }, (_, i) => i === 5 ? 0 : view.getUint16(2 * i))
        .reduce((a, b) => a + b);
      view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
    }
    return cut;
  });
}

/** A server that says nothing, some of whose packets are marked or not tracked when they come. */
async function listener(net: Network<"client" | "server">): Promise<Host> {
  const server = net.host("server");
  for (const [tool, ttl] of [["iptables", "ttl --ttl-eq"], ["ip6tables", "hl --hl-eq"]] as const) {
    const rules = `*raw
-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
-A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 136 -j ACCEPT
-A OUTPUT -j DROP
-A PREROUTING -m dscp --dscp 46 -j CT --notrack
COMMIT
*mangle
-A PREROUTING -m ${ttl} 255 -j MARK --set-mark 5
-A PREROUTING -m ${ttl} 1 -j MARK --set-mark 0x6000002
COMMIT
`;
    const own = tool === "iptables" ? rules.replace(/^.*ipv6-icmp.*\n/gm, "") : rules;
    await server.run([`${tool}-legacy-restore`, "--noflush"], own);
  }
  await server.run(["ip", "link", "set", server.leftLink, "name", "wan0"]);
  return server;
}

async function send(net: Network<"client" | "server">, packets: readonly Uint8Array[]) {
  const [client, server] = [net.host("client"), net.host("server")];
  const to = await server.run(["cat", "/sys/class/net/wan0/address"]);
  await inject(client, client.rightLink, to.trim(), packets);
}

const NEIGHBOURS = "  accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } label nd\n";

/** What comes of the packets by a policy. */
async function outcome(
  text: string,
  packets: readonly Uint8Array[],
  pushDown: "on" | "off",
): Promise<Summary> {
  await using net = await Network.create("client", "server");
  await using barrage = await Barrage.start(await listener(net), text, "--push-down", pushDown);
  await send(net, packets);
  return await barrage.stop();
}

/** Runs `use` where only this variant of iptables is there to queue packets. */
async function only(variant: "iptables" | "iptables-legacy", use: () => Promise<void>) {
  const path = Deno.env.get("PATH")!;
  const folder = await Deno.makeTempDir();
  try {
    for (const tool of variant === "iptables" ? [] : ["nft", "iptables-restore"]) {
      await Deno.writeTextFile(`${folder}/${tool}`, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    }
    Deno.env.set("PATH", `${folder}:${path}`);
    await use();
  } finally {
    Deno.env.set("PATH", path);
    await Deno.remove(folder, { recursive: true });
  }
}

rootTest(
  "whatever is pushed down, each packet is decided and counted by the same rule",
  async () => {
    const { seed, cases } = randomCases(4);
    let inKernel = 0;
    for (let s = seed; s < seed + cases; s++) {
      const random = new Random(40 + s);
      const text = inputOnly(randomRules(random, 10));
      // Without its other chains a policy may be one that nobody would write.
      if (!check("random.fw", text).policy) continue;
      const packets = packetsFor(random, 400);
      const rows = ({ rules }: Summary) =>
        rules.filter(({ rule }) => rule !== "nd")
          .map(({ rule, packets, bytes }) => `${rule} ${packets} ${bytes}`);
      const whole = await outcome(text, packets, "off");
      const pushed = [];
      for (const variant of ["iptables", "iptables-legacy"] as const) {
        await only(variant, async () => {
          const split = await outcome(text, packets, "on");
          assertEquals(rows(split), rows(whole), `seed ${s}, ${variant}:\n${text}`);
          pushed.push(split.rules.map((row) => row.pushed));
        });
      }
      pushed.push(await countedByNft(text, packets));
      assertEquals(pushed[1], pushed[0], `seed ${s}`);
      assertEquals(pushed[2], pushed[0], `seed ${s}, nft:\n${text}`);
      inKernel += pushed[0]!.reduce((a, b) => a + b, 0);
    }
    console.log(`${inKernel} packets counted in the kernel`);
    assert(inKernel > 20 * cases);
  },
);

/** The input chain alone, and what it needs to be reached at all. */
function inputOnly(text: string): string {
  return text.replace(/^chain (forward|output)[^]*?^}\n/gm, "")
    .replace(/^(chain input .*\n)/m, `$1  match state established\n${NEIGHBOURS}`);
}

/** What nft's rules in front of the queue count; this kernel's nft cannot queue, so it accepts. */
async function countedByNft(text: string, packets: readonly Uint8Array[]): Promise<number[]> {
  await using net = await Network.create("client", "server");
  const server = await listener(net);
  const { policy } = check("random.fw", text);
  const plan = hookPlan(policy!);
  const install = nft().commands(plan).install.map(({ stdin }) => stdin!).join("");
  await server.run(["nft", "-f", "-"], install.replace(/queue num .*/g, "accept"));
  await send(net, packets);
  const { counted } = await hooks(server, "nft", plan, ["counters"]);
  const rows = new Map<string, number>();
  for (const [i, { name, hook }] of policy!.rules.entries()) {
    const key = `${hook} ${name}`;
    rows.set(key, (rows.get(key) ?? 0) + (counted![0]![i]?.[0] ?? 0));
  }
  return [...rows.values()];
}

rootTest(
  "a malformed packet gets what `option malformed` says, whatever is pushed down",
  async () => {
    const policies = [
      `accept ttl 255\n  drop tcp dport 0-100\n  accept in on wan0\n`,
      `match udp sport ! 80\n  drop ttl 255\n  accept tcp flags syn\n  reject sctp\n`,
    ];
    for (const [i, rules] of policies.entries()) {
      for (const malformed of ["drop", "accept"] as const) {
        const random = new Random(i);
        const packets = truncated(random, packetsFor(random, 200));
        const text = `option malformed ${malformed}\nchain input default drop {\n` +
          `  match state established\n  ${rules}}\n`;
        assert(pushDown(check("rules.fw", text).policy!)[0]!.rules.length >= 4);
        const taken = ({ totals }: Summary) => [
          totals.accepted! + totals.pushed_accepted!,
          totals.dropped! + totals.pushed_dropped!,
          totals.rejected! + totals.pushed_rejected!,
        ];
        const whole = await outcome(text, packets, "off");
        const split = await outcome(text, packets, "on");
        assertEquals(taken(split), taken(whole), text);
      }
    }
  },
);
