import { assert, assertEquals, assertMatch } from "@std/assert";
import { manage } from "../../cli/managed.ts";
import { observe } from "../../cli/observe/observer.ts";
import { serviceManager } from "../../runtime/mod.ts";
import { ManagerSocket } from "../support/manager.ts";
import { observed } from "../support/observed.ts";

const UNIT = new URL("../../examples/systemd/barrage.service", import.meta.url);

Deno.test("a service manager is told over its socket", async () => {
  await using socket = await ManagerSocket.listen();
  serviceManager({ NOTIFY_SOCKET: socket.address }).tell({ READY: 1, STATUS: "all well" });
  assertEquals(await socket.next(), "READY=1\nSTATUS=all well");
});

Deno.test("without a manager, or with one that is gone, nothing happens", () => {
  serviceManager({}).tell({ READY: 1 });
  for (const NOTIFY_SOCKET of ["/nonexistent", "@nobody", "relative", "/", `/${"x".repeat(200)}`]) {
    serviceManager({ NOTIFY_SOCKET }).tell({ READY: 1 });
  }
});

Deno.test("a watchdog is ours if it names us or nobody", () => {
  const at = { NOTIFY_SOCKET: "@nobody", WATCHDOG_USEC: "3000000" };
  assertEquals(serviceManager(at).watchdogMs, 3000);
  assertEquals(serviceManager({ ...at, WATCHDOG_PID: String(Deno.pid) }).watchdogMs, 3000);
  assertEquals(serviceManager({ ...at, WATCHDOG_PID: "1" }).watchdogMs, undefined);
  assertEquals(serviceManager({ NOTIFY_SOCKET: "@nobody" }).watchdogMs, undefined);
});

Deno.test("the watchdog is fed while the queues progress, and not when one does not", async () => {
  await using run = observed("chain input default drop {}");
  await using socket = await ManagerSocket.listen();
  const observer = observe(run.running);
  let ok = true, askedInVain = 0;
  const starved = Promise.withResolvers<void>();
  const health = () => {
    if (!ok && ++askedInVain === 3) starved.resolve();
    return { ok, faults: [] };
  };
  Deno.env.set("NOTIFY_SOCKET", socket.address);
  Deno.env.set("WATCHDOG_USEC", "30000");
  try {
    const managed = manage({ ...observer, health }, () => "fine");
    managed.ready();
    assertEquals(await socket.next(), "READY=1\nSTATUS=fine");
    assertEquals(await socket.next(), "WATCHDOG=1");
    ok = false;
    await starved.promise;
    await managed.reload(() => Promise.resolve());
    let heard = await socket.next();
    while (heard === "WATCHDOG=1") heard = await socket.next(); // sent while all was well
    assertEquals(heard, "RELOADING=1");
    assertEquals(await socket.next(), "READY=1\nSTATUS=fine", "no food in between");
    managed.stop();
    assertEquals(await socket.next(), "STOPPING=1");
  } finally {
    observer.stop();
    Deno.env.delete("NOTIFY_SOCKET");
    Deno.env.delete("WATCHDOG_USEC");
  }
});

const analyze = "/usr/bin/systemd-analyze";
const there = await Deno.stat(analyze).then(() => true, () => false);
const why = there ? "" : " (ignored: no systemd-analyze)";

Deno.test({
  name: `the unit is valid, and little is exposed by it${why}`,
  ignore: !there,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    try {
      const unit = `${folder}/barrage.service`;
      const text = await Deno.readTextFile(UNIT);
      await Deno.writeTextFile(unit, text.replaceAll("/usr/local/bin/barrage", "/bin/true"));
      const run = async (...args: string[]) => {
        const { code, stdout, stderr } = await new Deno.Command(analyze, { args }).output();
        const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        return { code, said: out! + err! };
      };
      assertEquals(await run("verify", unit), { code: 0, said: "" });
      const { said } = await run("security", "--offline=true", unit);
      const exposure = /Overall exposure level for barrage.service: ([\d.]+)/.exec(said)?.[1];
      assert(Number(exposure) < 3, said);
      assertMatch(text, /^CapabilityBoundingSet=CAP_NET_ADMIN CAP_NET_RAW$/m);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
