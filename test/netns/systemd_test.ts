/** The unit that we ship, carried out by systemd itself. */
import { assert, assertEquals } from "@std/assert";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { Systemd, whyNoSystemd } from "../support/systemd.ts";
import { traffic } from "../support/traffic.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const UNIT = await Deno.readTextFile(`${ROOT}examples/systemd/barrage.service`);

/** As docs/observing.md has it. */
const PROGRAM = `#!/bin/sh
DENO_DIR=/opt/deno exec /usr/local/bin/deno run --quiet --cached-only -A /opt/barrage/fw.ts "$@"
`;

const DENY = "chain input default drop {\n  accept in on lo\n  accept ipv6\n}\n";
const PING = "chain input default drop {\n  accept in on lo\n  accept icmp\n  accept ipv6\n}\n";

/** Runs `use` with a server whose systemd has the unit. */
async function booted(
  use: (run: {
    systemd: Systemd;
    ping: () => Promise<string>;
    rules: (text: string) => Promise<void>;
    server: Host;
  }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const rules = (text: string) => Deno.writeTextFile(`${folder}/rules.fw`, text);
    await rules(DENY);
    await Deno.writeTextFile(`${folder}/barrage`, PROGRAM, { mode: 0o755 });
    const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] })
      .output();
    const { denoDir } = JSON.parse(new TextDecoder().decode(stdout));
    await using net = await Network.create("client", "server");
    const [client, server] = [net.host("client"), net.host("server")];
    const unit = UNIT.replaceAll("/etc/barrage/", "/run/mine/")
      .replace(/^WatchdogSec=.*/m, "WatchdogSec=2");
    await using systemd = await Systemd.boot(server, { "barrage.service": unit }, {
      "/run/mine": folder,
      "/opt/barrage": ROOT,
      "/opt/deno": denoDir,
      "/usr/local/bin/deno": Deno.execPath(),
      "/usr/local/bin/barrage": `${folder}/barrage`,
    });
    const ping = async () => (await traffic(client, "ping", server.v4, 300)).result;
    await use({ systemd, ping, rules, server });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const name = "systemd starts the unit, reloads it, misses its watchdog, and stops it";
if (whyNoSystemd !== "") {
  Deno.test({ name: `${name} (ignored: ${whyNoSystemd})`, ignore: true, fn() {} });
} else {
  rootTest(name, async () => {
    await booted(async ({ systemd, ping, rules, server }) => {
      const { code, stderr } = await systemd.control("start", "barrage");
      assertEquals(code, 0, stderr + await systemd.property("barrage", "StatusText"));
      // Started means that it filters.
      assertEquals(await ping(), "timeout");
      const text = () => systemd.property("barrage", "StatusText");
      assertEquals(await text(), "enforcing /run/mine/rules.fw, 0 reloads");

      await rules(PING);
      assertEquals((await systemd.control("reload", "barrage")).code, 0);
      assertEquals(await text(), "enforcing /run/mine/rules.fw, 1 reload");
      assertEquals(await ping(), "answered");
      await rules("chain input default drop { acept ipv6 }\n");
      assert((await systemd.control("reload", "barrage")).code !== 0);
      assertEquals(await ping(), "answered");
      assertEquals(await systemd.property("barrage", "ActiveState"), "active");

      // Killed, it comes back; with a policy that it can read.
      await rules(DENY);
      const restarts = async (n: number) => {
        for (const end = performance.now() + 15_000; performance.now() < end;) {
          const [active, count] = await Promise.all([
            systemd.property("barrage", "ActiveState"),
            systemd.property("barrage", "NRestarts"),
          ]);
          if (active === "active" && Number(count) === n) return;
        }
        throw new Error(`it was not restarted: ${(await systemd.control("status")).stdout}`);
      };
      await systemd.control("kill", "--signal=SIGKILL", "barrage");
      await restarts(1);
      assertEquals(await ping(), "timeout");
      // Stopped as a debugger stops it, it feeds no watchdog.
      await systemd.control("kill", "--kill-whom=main", "--signal=SIGSTOP", "barrage");
      await restarts(2);
      assertEquals(await ping(), "timeout");

      assertEquals((await systemd.control("stop", "barrage")).code, 0);
      assertEquals(await systemd.property("barrage", "Result"), "success");
      assertEquals(await ping(), "answered");
      const saved = await server.run(["iptables-save"]);
      assert(!saved.includes("barrage"), saved);
    });
  });
}
