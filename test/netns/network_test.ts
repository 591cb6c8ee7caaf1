import { assertEquals } from "@std/assert";
import { Network, rootTest } from "../support/netns.ts";
import { serve, traffic } from "../support/traffic.ts";

rootTest(
  "a network carries TCP, UDP and pings through its router, and tells failures apart",
  async () => {
    await using net = await Network.create("client", "router", "server");
    const client = net.host("client"), router = net.host("router"), server = net.host("server");
    await serve(server, 7);
    for (const address of [server.v4, server.v6]) {
      assertEquals(await traffic(client, "ping", address), { result: "answered" });
      assertEquals(await traffic(client, "tcp-connect", address, 7), { result: "answered" });
      assertEquals(await traffic(client, "tcp-echo", address, 7), { result: "answered" });
      assertEquals(await traffic(client, "udp-echo", address, 7), { result: "answered" });
      const refused = { result: "refused", errno: "ECONNREFUSED" } as const;
      assertEquals(await traffic(client, "tcp-connect", address, 8), refused);
      assertEquals(await traffic(client, "udp-echo", address, 8), refused);
    }
    await router.run(["ip", "route", "add", "blackhole", `${server.v4}/32`]);
    const timeout = { result: "timeout", errno: "ETIMEDOUT" } as const;
    assertEquals(await traffic(client, "tcp-connect", server.v4, 7, 200), timeout);
    assertEquals(await traffic(client, "udp-echo", server.v4, 7, 200), timeout);
  },
);

rootTest("a network is gone after its block, whatever ran in it", async () => {
  const seen: string[] = [];
  try {
    await using net = await Network.create("left", "right");
    net.host("right").start(["sleep", "1000"]);
    seen.push(net.host("left").namespace, net.host("right").namespace);
    throw new Error("on purpose");
  } catch (error) {
    assertEquals((error as Error).message, "on purpose");
  }
  const list = await new Deno.Command("ip", { args: ["netns", "list"] }).output();
  const names = new TextDecoder().decode(list.stdout).split(/\s+/);
  assertEquals(seen.filter((name) => names.includes(name)), []);
});
