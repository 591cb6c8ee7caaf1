import { assertEquals, assertMatch } from "@std/assert";
import { Barrage, fw, packetsOf, ruleFile } from "../support/barrage.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { startCollecting, traffic } from "../support/traffic.ts";

const POLICY = (option: string) =>
  `option gro ${option}
   chain input default drop {
     accept udp dport 5000 label trains
     accept icmp
     accept ipv6
   }`;

/** Whether an interface puts packets together, and datagrams too. */
async function features(host: Host): Promise<string> {
  const text = await host.run(["ethtool", "-k", host.leftLink]);
  const of = (name: string) => new RegExp(`^${name}: (\\w+)`, "m").exec(text)![1]!;
  return `${of("generic-receive-offload")} ${of("rx-udp-gro-forwarding")}`;
}

/** Packets that Barrage was asked about, of eight datagrams that came close together; all get there. */
async function askedAboutEight(option: string): Promise<number> {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(server, POLICY(option));
  const collecting = await startCollecting(server, 5000, 8);
  await client.run(["ip", "link", "set", client.rightLink, "gso_max_segs", "1"]);
  await traffic(client, "train", server.v4, 5000, 8);
  assertEquals((await collecting.ended).code, 0);
  return packetsOf(await barrage.stop(), "trains");
}

rootTest("with `option gro on` datagrams of a flow are one packet, and all get there", async () => {
  assertEquals(await askedAboutEight("on"), 1);
});

rootTest("without it they are as many packets", async () => {
  assertEquals(await askedAboutEight("off"), 8);
});

rootTest("interfaces gather while it runs, and are then as they were", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  await server.run(["ethtool", "-K", server.leftLink, "rx-udp-gro-forwarding", "on"]);
  assertEquals(await features(server), "off on");
  await using barrage = await Barrage.start(server, POLICY("on"));
  assertEquals(await features(server), "on on");
  await barrage.stop();
  assertEquals(await features(server), "off on");
});

/** Kills a run, whose namespace is then as it left it. */
async function killed(server: Host): Promise<void> {
  await using barrage = await Barrage.start(server, POLICY("on"));
  assertEquals(await features(server), "on on");
  await barrage.process.stop("SIGKILL");
  assertEquals(await features(server), "on on");
}

rootTest("`down` turns off what a killed run has turned on, and says so", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  await server.run(["ethtool", "-K", server.leftLink, "rx-udp-gro-forwarding", "on"]);
  await killed(server);
  const said = await server.run(fw("down"));
  assertMatch(said, new RegExp(`^turned GRO of ${server.leftLink} off again$`, "m"));
  assertEquals(await features(server), "off on");
  assertEquals(await server.run(fw("down")), "nothing to remove\n");
});

rootTest("a run after a killed one leaves interfaces as they were before both", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  await killed(server);
  await killed(server);
  await using barrage = await Barrage.start(server, POLICY("on"));
  await barrage.stop();
  assertEquals(await features(server), "off off");
});

rootTest("a note that a kill has cut short spoils none that comes behind it", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  const [inode] = /\d+/.exec(await server.run(["readlink", "/proc/self/ns/net"]))!;
  await Deno.writeTextFile(`/run/barrage-gro-${inode}`, '{"name":"to-cl');
  await killed(server);
  await server.run(fw("down"));
  assertEquals(await features(server), "off off");
  const notes = [...Deno.readDirSync("/run")].map(({ name }) => name);
  assertEquals(notes.filter((name) => name === `barrage-gro-${inode}`), []);
});

rootTest("a run without `gro` turns off what a killed one has turned on", async () => {
  await using net = await Network.create("client", "server");
  const server = net.host("server");
  await killed(server);
  await using barrage = await Barrage.start(server, POLICY("off"));
  await barrage.process.line(/GRO of to-client is off again/);
  assertEquals(await features(server), "off off");
  await barrage.stop();
});

rootTest(
  "a second run, and `down`, leave alone what a run that goes on has turned on",
  async () => {
    await using net = await Network.create("client", "server");
    const server = net.host("server");
    await using barrage = await Barrage.start(server, POLICY("on"));
    await using second = await Barrage.start(server, POLICY("off"), "--queue", "1", "--no-hooks");
    await second.stop();
    assertMatch((await server.tryRun(fw("down"))).stderr, /already filters this network namespace/);
    assertEquals(await features(server), "on on");
    await barrage.stop();
    assertEquals(await features(server), "off off");
  },
);

rootTest("where ethtool is missing it says so, and filters all the same", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  const path = await Deno.makeTempDir();
  const tools = ["iptables", "ip6tables"].flatMap((tool) => [`${tool}-restore`, `${tool}-save`]);
  for (const tool of tools) await Deno.symlink(`/usr/sbin/${tool}`, `${path}/${tool}`);
  const rules = await ruleFile(POLICY("on"));
  const running = server.start(["env", `PATH=${path}`, ...fw(rules, "--control", "off")]);
  await running.line(/^barrage: filtering/);
  assertMatch(
    await running.line(/ethtool/),
    /no ethtool on PATH; datagrams are queued one by one$/,
  );
  assertEquals((await traffic(client, "ping", server.v4)).result, "answered");
  assertEquals((await running.stop("SIGINT")).code, 0);
  await Deno.remove(rules);
  await Deno.remove(path, { recursive: true });
});
