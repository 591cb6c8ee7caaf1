import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Barrage, fw, packetsOf } from "../support/barrage.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";

const NEIGHBOURS = "accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }";

/** Pings so many times; how many were answered. */
async function ping(from: Host, to: string, count: number, ...options: string[]): Promise<number> {
  const args = ["-n", "-q", "-c", `${count}`, "-i", "0.02", "-W", "0.3", ...options, to];
  const { stdout } = await from.tryRun(["ping", ...args]);
  return Number(/(\d+) received/.exec(stdout)?.[1]);
}

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

rootTest("length, ttl, dscp and the source hardware address are those of the packet", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  const link = await client.run(["cat", `/sys/class/net/${client.rightLink}/address`]);
  await using barrage = await Barrage.start(
    server,
    `chain input default drop {
       ${NEIGHBOURS}
       match ttl 9 label ttl
       match dscp ef label dscp
       match length { 528, 548 } label length
       match mac ${link.trim()} label mac
       match mac ! ${link.trim()} label other
       match exthdr any label extended
       accept icmp accept icmpv6
     }`,
  );
  for (const to of [server.v4, server.v6]) {
    assertEquals(await ping(client, to, 1, "-t", "9"), 1);
    assertEquals(await ping(client, to, 1, "-Q", "0xb8"), 1);
    assertEquals(await ping(client, to, 1, "-s", "500"), 1);
  }
  const summary = await barrage.stop();
  const count = (rule: string) => packetsOf(summary, rule);
  assertEquals(["ttl", "dscp", "length", "mac", "other"].map(count), [2, 2, 2, 6, 0]);
});

rootTest("uid and gid are those of the process that sends", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(
    client,
    `chain output default accept {
       match udp uid 12345 label user
       match udp gid 54321 label group
       match udp uid 0 label root
     }`,
  );
  const send = ["bash", "-c", `echo > /dev/udp/${server.v4}/9`];
  await client.run(["setpriv", "--reuid=12345", "--regid=54321", "--clear-groups", ...send]);
  await client.run(send);
  const summary = await barrage.stop();
  assertEquals(["user", "group", "root"].map((rule) => packetsOf(summary, rule)), [1, 1, 1]);
});

rootTest("`set mark` is seen by the kernel's rules behind the queue", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await server.run(["iptables", "-A", "INPUT", "-m", "mark", "--mark", "0x7/0xf", "-j", "DROP"]);
  await using barrage = await Barrage.start(
    server,
    "chain input default accept { match icmp ttl 9 set mark 7/0xf }",
  );
  assertEquals(await ping(client, server.v4, 1), 1);
  assertEquals(await ping(client, server.v4, 1, "-t", "9"), 0);
  await barrage.stop();
});

rootTest("a limit lets its burst through, a bucket a source", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await client.run(["ip", "addr", "add", "10.0.0.77/24", "dev", client.rightLink]);
  await using barrage = await Barrage.start(
    server,
    `chain input default drop {
       accept icmp type echo-request limit 3/hour burst 3 per source label few
     }`,
  );
  assertEquals(await ping(client, server.v4, 6), 3);
  assertEquals(await ping(client, server.v4, 6, "-I", "10.0.0.77"), 3);
  assertEquals(packetsOf(await barrage.stop(), "few"), 6);
});

rootTest("`self` is the host's own addresses, a new one too", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(
    server,
    "chain input default drop { accept icmp from ! self to self label own }",
  );
  assertEquals(await ping(client, server.v4, 1), 1);
  await server.run(["ip", "addr", "add", "10.0.0.99/24", "dev", server.leftLink]);
  assertEquals(await ping(client, "10.0.0.99", 1), 1);
  assertEquals(packetsOf(await barrage.stop(), "own"), 2);
});

rootTest("a running service's sets are changed and listed over its socket", async () => {
  await inFolder(async (folder) => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    const control = `${folder}/control.sock`;
    await using barrage = await Barrage.start(
      server,
      `option control "${control}"
       set bad : addr timeout 1h size 2 = { 192.0.2.1 }
       chain input default accept { drop from @bad label bad }`,
    );
    const set = async (...args: string[]) => {
      const [program, ...rest] = fw("set", ...args, "--control", control);
      const output = await new Deno.Command(program!, { args: rest, stdin: "null" }).output();
      return new TextDecoder().decode(output.stdout) + new TextDecoder().decode(output.stderr);
    };
    assertEquals((await Deno.stat(control)).mode! & 0o777, 0o600);
    assertEquals(await ping(client, server.v4, 1), 1);
    assertEquals(await set("add", "bad", client.v4, "--for", "10m"), "");
    assertEquals(await ping(client, server.v4, 1), 0);
    assertStringIncludes(await set("list", "bad"), `${client.v4} for 600s\n`);
    assertStringIncludes(await set("add", "bad", "10.9.9.9"), "the set is full");
    assertStringIncludes(await set("add", "bda", "10.9.9.9"), "no set `bda`");
    assertEquals(await set("del", "bad", client.v4), "");
    assertStringIncludes(await set("del", "bad", client.v4), "not in the set");
    assertEquals(await ping(client, server.v4, 1), 1);
    assertEquals(packetsOf(await barrage.stop(), "bad"), 1);
  });
});

rootTest("a log is a line of JSON a packet, and a capture that tshark reads", async () => {
  await inFolder(async (folder) => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    await using barrage = await Barrage.start(
      server,
      `option log "${folder}/log.jsonl"
       option pcap "${folder}/kept.pcapng"
       chain input default accept log "rest " {
         drop icmp ttl 9 log "nine " every 1h pcap label nine
         drop icmp ttl 8 log pcap label eight
       }`,
    );
    await ping(client, server.v4, 3, "-t", "9");
    await ping(client, server.v4, 1, "-t", "8");
    await ping(client, server.v6, 1);
    await barrage.stop();
    const lines = (await Deno.readTextFile(`${folder}/log.jsonl`)).trim().split("\n")
      .map((line) => JSON.parse(line));
    const of = (rule: string) => lines.filter((line) => line.rule === rule);
    const [nine, ...more] = of("nine");
    const { time, ...rest } = nine;
    assert(Math.abs(Date.parse(time) - Date.now()) < 60_000);
    assertEquals(more, [], "further ones are left out for an hour");
    assertEquals(rest, {
      chain: "input",
      verdict: "drop",
      rule: "nine",
      in: server.leftLink,
      src: client.v4,
      dst: server.v4,
      proto: "icmp",
      length: 84,
      prefix: "nine ",
      suppressed: 0,
    });
    assertEquals(of("eight").length, 1);
    assert(of("input:default").some((line) => line.src === "fd00::1" && line.proto === "icmpv6"));
    const fields = ["-T", "fields", "-e", "frame.comment", "-e", "ip.ttl", "-e", "frame.len"];
    const { code, stdout } = await new Deno.Command("tshark", {
      args: ["-r", `${folder}/kept.pcapng`, ...fields],
      stderr: "null",
    }).output();
    assertEquals(code, 0);
    assertEquals(new TextDecoder().decode(stdout), "nine\t9\t84\neight\t8\t84\n");
  });
});
