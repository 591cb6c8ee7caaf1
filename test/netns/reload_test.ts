import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { askControl } from "../../runtime/mod.ts";
import { Barrage, fw, packetsOf, ruleFile } from "../support/barrage.ts";
import { inFolder } from "../support/folder.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { startFlood, traffic } from "../support/traffic.ts";

async function ping({ client, server }: { client: Host; server: Host }): Promise<string> {
  return (await traffic(client, "ping", server.v4, 300)).result;
}

/** Runs `use` with a client and a server that runs a policy. */
async function filtered(
  text: string,
  use: (barrage: Barrage, hosts: { client: Host; server: Host }) => Promise<void>,
  ...args: string[]
): Promise<void> {
  await using net = await Network.create("client", "server");
  const hosts = { client: net.host("client"), server: net.host("server") };
  await using barrage = await Barrage.start(hosts.server, text, ...args);
  await use(barrage, hosts);
}

const DENY = "chain input default drop { accept ipv6 label six }\n";
const PING = "chain input default drop { accept icmp label ping  accept ipv6 label six }\n";

rootTest("a hangup has the rules read again, and counters go on by label", async () => {
  await filtered(PING, async (barrage, hosts) => {
    assertEquals(await ping(hosts), "answered");
    await Deno.writeTextFile(barrage.rules, DENY);
    barrage.process.signal("SIGHUP");
    await barrage.process.line(/in force \(reload 1\)/);
    assertEquals(await ping(hosts), "timeout");
    await Deno.writeTextFile(barrage.rules, PING);
    await barrage.ask("reload");
    assertEquals(await ping(hosts), "answered");
    assertEquals(packetsOf(await barrage.stop(), "ping"), 2);
  });
});

rootTest("what an earlier policy counted stays in the sums of the summary", async () => {
  await filtered(PING, async (barrage, hosts) => {
    assertEquals(await ping(hosts), "answered");
    await Deno.writeTextFile(barrage.rules, DENY);
    await barrage.ask("reload");
    const summary = await barrage.stop();
    assertEquals(packetsOf(summary, "(earlier accept rules)"), 1);
    assertEquals(
      summary.rules.reduce((sum, { packets }) => sum + packets, 0),
      summary.totals.received,
    );
  });
});

rootTest("while a large policy is made ready, the run answers whoever asks", async () => {
  await filtered(PING, async (barrage) => {
    const many = Array.from(
      { length: 1000 },
      (_, i) => `drop udp dport ${1000 + i} ttl ${i % 200}`,
    );
    await Deno.writeTextFile(
      barrage.rules,
      `chain input default accept {\n${many.join("\n")}\n}\n`,
    );
    let ready = false, answers = 0;
    const reloaded = barrage.ask("reload").then(() => ready = true);
    for (; !ready; answers++) await barrage.ask("stats");
    await reloaded;
    assert(answers > 3, `${answers} answers`);
    await barrage.stop();
  });
});

rootTest(
  "a policy that does not pass leaves the old one in force, and says why to both",
  async () => {
    await filtered(PING, async (barrage, hosts) => {
      const refused = async (text: string) => {
        await Deno.writeTextFile(barrage.rules, text);
        return await barrage.ask("reload").then(() => "", (error) => error.message);
      };
      assertMatch(await refused("chain input default drop { acept tcp }"), /FW001[^]*`acept`/);
      const untrue = `${PING}test "t" { expect input drop icmp from 192.0.2.1 }`;
      assertMatch(await refused(untrue), /is not put in force.*stays[^]*--no-test/);
      assertMatch(await refused('include "nowhere.fw"\n' + PING), /nowhere\.fw/);
      await barrage.process.line(/^barrage: .* is not put in force/);
      assertEquals(await ping(hosts), "answered");
      await barrage.stop();
    });
  },
);

rootTest("a policy that needs the kernel's help gets it before it decides", async () => {
  await filtered("chain input default accept { accept icmp }\n", async (barrage, hosts) => {
    await Deno.writeTextFile(
      barrage.rules,
      "chain input default accept { accept state established reject with icmp-admin state new icmp }\n",
    );
    await barrage.ask("reload");
    assertEquals(await ping(hosts), "unreachable");
    await Deno.writeTextFile(barrage.rules, "chain output default accept { drop icmp }\n");
    await barrage.ask("reload");
    assertEquals(await ping(hosts), "timeout");
    await barrage.stop();
    assertEquals(await ping(hosts), "answered");
  });
});

rootTest("rules that can be read only once are not waited for", async () => {
  await filtered(PING, async (barrage, { server }) => {
    const pipe = `${barrage.rules}.pipe`;
    await server.run(["mkfifo", pipe]);
    const refused = /can be read only once/;
    const error = await assertRejects(() => barrage.ask("apply", { file: pipe }));
    assertMatch(String(error), refused);
    const apply = fw("apply", "--control", barrage.control, "-");
    const { code, stderr } = await server.tryRun(apply);
    assertEquals(code, 2);
    assertMatch(stderr, refused);
    await Deno.remove(pipe);
    await barrage.stop();
  });
});

rootTest("options that cannot change while it runs are said, and stay", async () => {
  await filtered(PING, async (barrage, hosts) => {
    await Deno.writeTextFile(barrage.rules, `option queue 9\noption batch 7\n${PING}`);
    const { said } = await barrage.ask("reload");
    assertMatch(String(said), /`option queue` changes only.*`option batch` changes only/);
    assertEquals(await ping(hosts), "answered");
    await barrage.stop();
  });
});

rootTest("the rule file and what it takes in are watched", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/list.txt`, "192.0.2.1\n");
    const rules = `set bad : addr file "${folder}/list.txt"\n` +
      "chain input default accept { drop from @bad }\n";
    await filtered(rules, async (barrage, hosts) => {
      assertEquals(await ping(hosts), "answered");
      await Deno.writeTextFile(`${folder}/list.txt`, `${hosts.client.v4}\n`);
      await barrage.process.line(/reload 1/);
      assertEquals(await ping(hosts), "timeout");
      // As editors do: the new file takes the place of the old.
      await Deno.writeTextFile(`${folder}/new`, "192.0.2.2\n");
      await Deno.rename(`${folder}/new`, `${folder}/list.txt`);
      await barrage.process.line(/reload 2/);
      assertEquals(await ping(hosts), "answered");
      await barrage.stop();
    }, "--watch");
  });
});

rootTest("a folder that goes and comes back is watched again", async () => {
  await inFolder(async (folder) => {
    await Deno.mkdir(`${folder}/lists`);
    await Deno.writeTextFile(`${folder}/lists/bad`, "192.0.2.1\n");
    const rules = `set bad : addr file "${folder}/lists/bad"\n` +
      "chain input default accept { drop from @bad }\n";
    await filtered(rules, async (barrage, hosts) => {
      await Deno.rename(`${folder}/lists`, `${folder}/away`);
      await barrage.process.line(/not put in force/);
      await Deno.rename(`${folder}/away`, `${folder}/lists`);
      await barrage.process.line(/reload 1/);
      await Deno.writeTextFile(`${folder}/lists/bad`, `${hosts.client.v4}\n`);
      await barrage.process.line(/reload 2/);
      assertEquals(await ping(hosts), "timeout");
      await barrage.stop();
    }, "--watch");
  });
});

rootTest(
  "files that a refused policy asks for are watched as those of the one in force",
  async () => {
    await inFolder(async (folder) => {
      await filtered(PING, async (barrage, hosts) => {
        await Deno.writeTextFile(
          barrage.rules,
          `include "${folder}/*.fw"\ninclude "${folder}/last"\n`,
        );
        await barrage.process.line(/not put in force/);
        await Deno.writeTextFile(`${folder}/last`, "chain input default drop {}\n");
        await barrage.process.line(/reload 1/);
        assertEquals(await ping(hosts), "timeout");
        await Deno.remove(`${folder}/last`);
        await barrage.process.line(/not put in force/, 2);
        await Deno.writeTextFile(`${folder}/one.fw`, PING);
        await barrage.process.line(/not put in force/, 3);
        await Deno.writeTextFile(`${folder}/last`, "");
        await barrage.process.line(/reload 2/);
        assertEquals(await ping(hosts), "answered");
        await barrage.stop();
      }, "--watch");
    });
  },
);

rootTest("what is applied goes, and sets are what they were, unless it is confirmed", async () => {
  const withSet = (rule: string) =>
    `set bad : addr size 9 = { 192.0.2.1 }\nchain input default accept { drop from @bad ${rule} }\n`;
  await filtered(withSet(""), async (barrage, hosts) => {
    const next = await ruleFile(withSet("drop icmp"));
    const set = (change: string, address?: string) =>
      barrage.ask("set", { change, set: "bad", address });
    await set("add", "192.0.2.7");
    const { difference } = await barrage.ask("apply", { file: next, confirm: "1s" });
    assertMatch(String(difference), /- accept by input:default[^]*\+ drop by[^]*icmp/);
    await set("add", "192.0.2.8");
    await set("del", "192.0.2.1");
    const again = await barrage.ask("reload").then(() => "", (error) => error.message);
    assertStringIncludes(again, "waits to be confirmed");
    assertEquals(await ping(hosts), "timeout");
    await barrage.process.line(/was not confirmed/);
    assertEquals(await ping(hosts), "answered");
    assertEquals(await set("list"), { members: ["192.0.2.1", "192.0.2.7"] });

    const command = (...args: string[]) =>
      hosts.server.run(fw(...args, "--control", barrage.control));
    assertMatch(
      await command("apply", next, "--confirm", "10m"),
      /in 10m the old policy comes back/,
    );
    assertMatch(await command("confirm"), /stays in force/);
    assertEquals(await ping(hosts), "timeout");
    await barrage.stop();
    await Deno.remove(next);
  });
});

rootTest("what is applied is gone at once when it is reverted", async () => {
  await filtered(PING, async (barrage, hosts) => {
    const next = await ruleFile(DENY);
    await barrage.ask("apply", { file: next, confirm: "10m" });
    assertEquals(await ping(hosts), "timeout");
    const command = (...args: string[]) =>
      hosts.server.tryRun(fw(...args, "--control", barrage.control));
    assertMatch((await command("status")).stdout, /^on trial: in 9 min \d+ s .* comes back/m);
    assertMatch((await command("revert")).stdout, /is in force again/);
    assertEquals(await ping(hosts), "answered");
    assertMatch((await command("revert")).stderr, /nothing waits to be confirmed/);
    await barrage.stop();
    await Deno.remove(next);
  });
});

rootTest(
  "of a file that is applied on trial in its own place it is said what it holds",
  async () => {
    await filtered(PING, async (barrage) => {
      await Deno.writeTextFile(barrage.rules, DENY);
      await barrage.ask("apply", { file: barrage.rules, confirm: "10ms" });
      await barrage.process.line(/not confirmed; what was in force before is again; a reload or/);
      await barrage.stop();
    });
  },
);

rootTest("what is broken off while it is made ready is not put in force", async () => {
  await filtered(PING, async (barrage, hosts) => {
    const many = Array.from(
      { length: 1000 },
      (_, i) => `drop udp dport ${1000 + i} ttl ${i % 200}`,
    );
    await Deno.writeTextFile(barrage.rules, `chain input default drop {\n${many.join("\n")}\n}\n`);
    const asker = new AbortController();
    const request = { action: "reload" };
    const asked = askControl(barrage.control, request, { broken: asker.signal });
    await barrage.ask("stats"); // by then the other is being made ready
    asker.abort();
    const error = await assertRejects(() => asked);
    assertMatch(String(error), /is not put in force, .* stays: it was broken off/);
    assertEquals(await ping(hosts), "answered");
    await barrage.stop();
  });
});

rootTest(
  "nobody is locked out of the SSH session that they ask from, unless by force",
  async () => {
    await filtered(PING, async (barrage, { server }) => {
      const reload = (...args: string[]) =>
        server.tryRun([
          ...["env", "SSH_CONNECTION=10.0.0.7 4321 10.0.0.1 22"],
          ...fw("reload", "--control", barrage.control, ...args),
        ]);
      const { code, stderr } = await reload();
      assertEquals(code, 1);
      assertMatch(stderr, /FW402: input denies this session, which comes from 10\.0\.0\.7/);
      assertEquals((await reload("--force")).code, 0);
      await barrage.stop();
    });
  },
);

rootTest("packets get one verdict each while the policy is changed all the time", async () => {
  const rules = (port: number) =>
    `chain input default accept { ${
      port % 2 ? "match state new" : ""
    } drop udp dport ${port} label one }\n`;
  await filtered(rules(9001), async (barrage, { client, server }) => {
    const flood = startFlood(client, server.v4, 9000, 9001, 9002, 9003);
    let queued = 0;
    for (let reloads = 0; queued < 200_000 || reloads < 20; reloads++) {
      await Deno.writeTextFile(barrage.rules, rules(9000 + reloads % 4));
      await barrage.ask("reload");
      const row = await server.run(["cat", "/proc/net/netfilter/nfnetlink_queue"]);
      queued = Number(row.trim().split(/\s+/)[7]);
    }
    const { rules: rows, totals } = await barrage.stop();
    await flood.stop();
    assertEquals(totals.received, totals.kernel_queued);
    assertEquals(totals.accepted! + totals.dropped! + totals.rejected!, totals.received);
    const deciding = rows.filter(({ verdict }) => verdict !== "match");
    assertEquals(deciding.reduce((sum, { packets }) => sum + packets, 0), totals.received);
    assertEquals([totals.verdict_errors, totals.kernel_waiting], [0, 0]);
    assertEquals([totals.user_dropped, totals.overruns], [0, 0]);
    assert(totals.dropped! > 0 && totals.accepted! > 0);
  });
});
