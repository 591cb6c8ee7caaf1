import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Barrage, fw, packetsOf } from "../support/barrage.ts";
import { inFolder } from "../support/folder.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";

const NEIGHBOURS = "accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }";

/** Pings so many times; how many were answered. */
async function ping(from: Host, to: string, count: number, ...options: string[]): Promise<number> {
  const args = ["-n", "-q", "-c", `${count}`, "-i", "0.02", "-W", "0.3", ...options, to];
  const { stdout } = await from.tryRun(["ping", ...args]);
  return Number(/(\d+) received/.exec(stdout)?.[1]);
}

/** Sends datagrams with perl, which every Debian has: from an address, with IPv6 options. */
async function send(
  host: Host,
  { to, port, from, count = 1, option = 0 }: {
    to: string;
    port: number;
    from?: string;
    count?: number;
    option?: number;
  },
): Promise<void> {
  const six = to.includes(":");
  const address = (text: string, port: number) =>
    six
      ? `pack_sockaddr_in6(${port}, inet_pton(AF_INET6, "${text}"))`
      : `pack_sockaddr_in(${port}, inet_aton("${text}"))`;
  const program = [
    `socket(S, ${six ? "PF_INET6" : "PF_INET"}, SOCK_DGRAM, 17) or die $!;`,
    // One unit of eight bytes: next header and length to be filled in, then PadN of four.
    option ? `setsockopt(S, 41, ${option}, pack("C8", 0, 0, 1, 4, 0, 0, 0, 0)) or die $!;` : "",
    from ? `bind(S, ${address(from, 0)}) or die $!;` : "",
    `for (1 .. ${count}) { send(S, "x", 0, ${address(to, port)}) or die $! }`,
  ];
  await host.run(["perl", "-MSocket=:DEFAULT,inet_pton", "-e", program.join(" ")]);
}

const IPV6_HOPOPTS = 54, IPV6_DSTOPTS = 59;

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

rootTest("an interface that is renamed, or made again, is known by its new name", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  const rules = "chain input default drop { accept icmp in on lan label lan  drop icmp in on wan }";
  await using barrage = await Barrage.start(server, rules);
  /** The change is heard of by a thread of its own, which may come a moment after a packet. */
  const soon = async (to: string, answers: number) => {
    for (let tries = 0; await ping(client, to, 1) !== answers; tries++) assert(tries < 20, to);
  };
  const named = async (name: string, answers: number) => {
    const ip = ["ip", "-n", server.namespace];
    await server.run([...ip, "link", "set", server.leftLink, "name", name]);
    await soon(server.v4, answers);
    await server.run([...ip, "link", "set", name, "name", server.leftLink]);
  };
  await named("lan", 1);
  await named("wan", 0);
  await named("lan", 1);
  const veth = ["type", "veth", "peer", "name", "lan", "netns", server.namespace];
  await client.run(["ip", "link", "add", "other", ...veth]);
  await client.run(["ip", "addr", "add", "10.9.0.1/24", "dev", "other"]);
  await client.run(["ip", "link", "set", "other", "up"]);
  await server.run(["ip", "addr", "add", "10.9.0.2/24", "dev", "lan"]);
  await server.run(["ip", "link", "set", "lan", "up"]);
  await soon("10.9.0.2", 1);
  assert(packetsOf(await barrage.stop(), "lan") >= 3);
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

rootTest("limits keep a bucket for each network, destination, or pair of keys", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  for (const address of ["10.0.0.77", "10.9.0.77"]) {
    await client.run(["ip", "addr", "add", `${address}/32`, "dev", client.rightLink]);
  }
  await server.run(["ip", "route", "add", "10.9.0.0/24", "via", client.v4]);
  await server.run(["ip", "addr", "add", "10.0.0.99/24", "dev", server.leftLink]);
  await using barrage = await Barrage.start(
    server,
    `chain input default drop {
       match udp limit 3/hour burst 3 per source/24 label network
       match udp limit 2/hour burst 2 per dest label destination
       match udp limit 2/hour burst 2 per source,dport label pair
       match udp limit over 2/hour burst 2 per source,dport label over
       match udp limit 7/hour burst 7 label all
       match udp label sent
     }`,
  );
  const sources = [client.v4, "10.0.0.77", "10.9.0.77"];
  for (const from of sources) {
    for (const port of [9, 10]) await send(client, { from, to: server.v4, port, count: 4 });
  }
  await send(client, { to: "10.0.0.99", port: 9, count: 1 });
  const summary = await barrage.stop();
  const count = (rule: string) => packetsOf(summary, rule);
  assertEquals(count("sent"), 25);
  assertEquals(count("network"), 3 + 3, "10.0.0.0/24 and 10.9.0.0/24");
  assertEquals(count("destination"), 2 + 1);
  assertEquals(count("pair"), 3 * 2 * 2);
  assertEquals(count("over"), 25 - 3 * 2 * 2);
  assertEquals(count("all"), 7);
});

rootTest(
  "hours, days and dates are those of the host's clock, also through the night",
  async () => {
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    const now = new Date();
    const clock = (hours: number) => {
      const then = new Date(now.getTime() + hours * 3_600_000);
      return [then.getHours(), then.getMinutes()].map((n) => `${n}`.padStart(2, "0")).join(":");
    };
    const day = (days: number) => {
      const then = new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 12);
      return {
        name: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][then.getDay()],
        date: then.toISOString().slice(0, 10),
      };
    };
    // One of the two spans of hours goes through the night, whatever the hour.
    await using barrage = await Barrage.start(
      server,
      `chain input default accept {
       match icmp time ${clock(-1)}-${clock(1)} label hours
       match icmp time ${clock(1)}-${clock(-1)} label other-hours
       match icmp time 00:00-24:00 days ${day(0).name}, ${day(1).name} label days
       match icmp time 00:00-24:00 days ${day(3).name}, ${day(4).name} label other-days
       match icmp until ${day(2).date} label future
       match icmp until ${day(-2).date} label past
     }`,
    );
    assertEquals(await ping(client, server.v4, 1), 1);
    const summary = await barrage.stop();
    const count = (rule: string) => packetsOf(summary, rule);
    assertEquals(["hours", "days", "future"].map(count), [1, 1, 1]);
    assertEquals(["other-hours", "other-days", "past"].map(count), [0, 0, 0]);
  },
);

rootTest("fragments and extension headers are those of what a router forwards", async () => {
  await using net = await Network.create("client", "router", "server");
  const [client, router, server] = [net.host("client"), net.host("router"), net.host("server")];
  await using barrage = await Barrage.start(
    router,
    `chain forward default accept {
       match ipv6 udp exthdr hbh label hop-by-hop
       match ipv6 udp exthdr dst label destination
       match ipv6 udp exthdr ! any label plain
       match ipv6 icmpv6 exthdr frag label six
       match icmp fragment label four
       match icmp ! fragment label whole
       drop ipv4 fragment ttl 8
     }`,
  );
  for (const option of [IPV6_HOPOPTS, IPV6_DSTOPTS, 0]) {
    await send(client, { to: server.v6, port: 9, option });
  }
  assertEquals(await ping(client, server.v6, 1, "-s", "3000"), 1);
  assertEquals(await ping(client, server.v4, 1, "-s", "3000"), 1);
  assertEquals(await ping(client, server.v4, 1), 1);
  assertEquals(
    await ping(client, server.v4, 1, "-s", "3000", "-t", "9"),
    0,
    "the router takes one",
  );
  const summary = await barrage.stop();
  const count = (rule: string) => packetsOf(summary, rule);
  assertEquals(["hop-by-hop", "destination", "plain"].map(count), [1, 1, 1]);
  // Three fragments there, and three back.
  assertEquals(["six", "four", "whole"].map(count), [6, 9, 2]);
});

rootTest("a member of a set goes when its time is over", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await using barrage = await Barrage.start(
    server,
    `set bad : addr timeout 1500ms = { 192.0.2.1 }
     chain input default accept { drop icmp from @bad label bad }`,
  );
  assertEquals(await ping(client, server.v4, 1), 1);
  const added = performance.now();
  assertEquals(await barrage.ask("set", { change: "add", set: "bad", address: client.v4 }), {});
  let lost = 0;
  while (await ping(client, server.v4, 1) === 0) lost++;
  const stayed = performance.now() - added;
  assert(lost > 0 && stayed > 1400 && stayed < 10_000, `${lost} lost in ${stayed} ms`);
  assertEquals(await barrage.ask("set", { change: "list", set: "bad" }), {
    members: [],
  });
  assertEquals(packetsOf(await barrage.stop(), "bad"), lost);
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
  const added = performance.now();
  while (await ping(client, "10.0.0.99", 1) === 0) {
    assert(performance.now() - added < 10_000, "the new address is not known");
  }
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
    const forNothing = await set("add", "bad", "10.9.9.9", "--for", "0s");
    assertStringIncludes(forNothing, "`0s` is not a duration, as 10m is");
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
