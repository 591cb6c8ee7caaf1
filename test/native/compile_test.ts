import { assertEquals, assertMatch } from "@std/assert";
import { packetsOf, type Summary } from "../support/barrage.ts";
import { capturePackets } from "../support/capture.ts";
import { compiler } from "../support/denort.ts";
import { isRoot, Network } from "../support/netns.ts";
import { traffic } from "../support/traffic.ts";
import { buildLibrary } from "../../native/build.ts";
import config from "../../deno.json" with { type: "json" };

const ROOT = new URL("../../", import.meta.url).pathname;
const found = await compiler();

/** Where it all runs. There is nothing in it but the one file that `deno task compile` makes. */
let folder: string;

Deno.test.beforeAll(async () => {
  folder = await Deno.makeTempDir();
  if ("why" in found) return;
  buildLibrary();
  const args = config.tasks.compile.command.split("&& deno ")[1]!.split(" ");
  args[args.indexOf("--output") + 1] = `${folder}/barrage`;
  await run(found.deno, args, { cwd: ROOT, env: { DENORT_BIN: found.denort } });
});

Deno.test.afterAll(() => Deno.remove(folder, { recursive: true }));

function fileTest(name: string, fn: () => Promise<void>, needsRoot = false): void {
  const why = "why" in found ? found.why : needsRoot && !isRoot ? "needs root" : undefined;
  Deno.test({ name: why ? `${name} (ignored: ${why})` : name, ignore: why !== undefined, fn });
}

/** What a program prints. Throws unless it ends with 0. */
async function run(
  program: string,
  args: string[],
  options: Deno.CommandOptions = { cwd: folder },
): Promise<string> {
  const { code, ...output } = await new Deno.Command(program, { args, ...options }).output();
  assertEquals(code, 0, new TextDecoder().decode(output.stderr));
  return new TextDecoder().decode(output.stdout);
}

fileTest("one file has the compiler and the engine in it", async () => {
  await Deno.writeTextFile(`${folder}/rules.fw`, "chain input default drop {\n  accept icmp\n}\n");
  await Deno.writeFile(`${folder}/in.pcap`, capturePackets([{ proto: "udp", dport: 53 }]));
  await run("./barrage", ["lint", "rules.fw"]);
  const replay = ["replay", "rules.fw", "--chain", "input", "--pcap", "in.pcap"];
  assertMatch(await run("./barrage", replay), /drop/);
});

fileTest("one file filters, and reads its rules again", async () => {
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  const ping = async () => (await traffic(client, "ping", server.v4, 300)).result;
  const rules = `${folder}/run.fw`;
  const write = (verdict: string) =>
    Deno.writeTextFile(
      rules,
      `chain input default drop { ${verdict} icmp label ping  accept ipv6 }`,
    );
  await write("accept");
  const options = ["--json", "--push-down", "off", "--control", `${folder}/run.sock`];
  const barrage = server.start([`${folder}/barrage`, rules, ...options]);
  await barrage.line(/^barrage: filtering/);
  assertEquals(await ping(), "answered");
  await write("drop");
  barrage.signal("SIGHUP");
  await barrage.line(/in force \(reload 1\)/);
  assertEquals(await ping(), "timeout");
  const { code, stdout, stderr } = await barrage.stop("SIGINT");
  assertEquals(code, 0, stderr);
  const summary: Summary = JSON.parse(stdout.trim().split("\n").at(-1)!);
  assertEquals(packetsOf(summary, "ping"), 2);
}, true);
