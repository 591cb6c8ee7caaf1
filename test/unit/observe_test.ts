import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { faultsOf, PATIENCE_MS, progressOf } from "../../cli/observe/health.ts";
import { metricsText } from "../../cli/observe/metrics.ts";
import { type News, observe, type Observer } from "../../cli/observe/observer.ts";
import { answer, serve } from "../../cli/observe/serve.ts";
import { takeSnapshot } from "../../cli/observe/snapshot.ts";
import { statusText } from "../../cli/status.ts";
import { observed } from "../support/observed.ts";

const POLICY = `chain input default drop {
  accept tcp dport 22 label ssh
  match udp label udp
  reject udp dport 53 label "a \\"quoted\\" name"
}`;
const HEALTHY = { ok: true, faults: [] };
const SSH = { proto: "tcp", dport: 22 } as const;
const DNS = { proto: "udp", dport: 53 } as const;

const has = (program: string) =>
  Deno.env.get("PATH")!.split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${program}`).isFile;
    } catch {
      return false;
    }
  });

Deno.test("a snapshot counts by rule, and by chain and verdict", async () => {
  await using run = observed(POLICY);
  run.show(SSH, SSH, DNS, { proto: "udp", dport: 99 });
  const { rules, chains, totals } = takeSnapshot(run.running, HEALTHY);
  assertEquals(rules.map(({ rule, packets }) => [rule, packets]), [
    ["ssh", 2],
    ["udp", 2],
    ['a "quoted" name', 1],
    ["input:default", 1],
  ]);
  assertEquals(rules[0]!.lastMs, Date.parse("2026-01-02T03:04:05.678Z"));
  assertEquals(
    chains.filter(({ packets }) => packets > 0).map(({ chain, verdict, packets, bytes }) =>
      `${chain} ${verdict} ${packets} ${bytes}`
    ),
    ["input accept 2 80", "input drop 1 28", "input reject 1 28"],
  );
  assertEquals([totals.received, totals.accepted], [4, 2]);
});

Deno.test("what the kernel decides in front of the queue is counted by chain, apart", async () => {
  await using run = observed(POLICY, new Map([[0, { packets: 5n, bytes: 200n }]]));
  run.show(SSH, DNS);
  await run.running.refresh();
  const snapshot = takeSnapshot(run.running, HEALTHY);
  const accepted = snapshot.chains.find((c) => c.chain === "input" && c.verdict === "accept")!;
  assertEquals([accepted.packets, accepted.pushed], [1, 5]);
  assertEquals(snapshot.rules[0]!.packets, 6);
  const lines = metricsText(snapshot).split("\n");
  assert(lines.includes('barrage_packets_total{chain="input",verdict="accept"} 1'));
  assert(lines.includes('barrage_pushed_packets_total{chain="input",verdict="accept"} 5'));
});

Deno.test("metrics name each rule and its last hit, and histograms are cumulative", async () => {
  await using run = observed(POLICY);
  run.show(SSH, DNS);
  const snapshot = takeSnapshot(run.running, HEALTHY);
  const batches = { bounds: [1, 2], counts: [3, 4, 1], sum: 20 };
  const text = metricsText({ ...snapshot, batches });
  const lines = text.split("\n");
  for (
    const line of [
      'barrage_packets_total{chain="input",verdict="reject"} 1',
      'barrage_rule_packets_total{chain="input",rule="ssh",verdict="accept"} 1',
      'barrage_rule_packets_total{chain="input",rule="a \\"quoted\\" name",verdict="reject"} 1',
      'barrage_rule_last_hit_timestamp_seconds{chain="input",rule="ssh",verdict="accept"} ' +
      "1767323045.678",
      'barrage_batch_packets_bucket{le="1"} 3',
      'barrage_batch_packets_bucket{le="2"} 7',
      'barrage_batch_packets_bucket{le="+Inf"} 8',
      "barrage_batch_packets_sum 20",
      "barrage_batch_packets_count 8",
      "barrage_enforcing 1",
      'barrage_malformed_packets_total{reason="cut"} 0',
    ]
  ) assert(lines.includes(line), `${line} is missing in\n${text}`);
  assert(!text.includes('last_hit_timestamp_seconds{chain="input",rule="input:default"'));
});

Deno.test({
  name: has("promtool")
    ? "promtool finds nothing to say against the metrics"
    : "promtool finds nothing to say against the metrics (ignored: no promtool; it comes with Debian's prometheus)",
  ignore: !has("promtool"),
  fn: async () => {
    await using run = observed(POLICY);
    run.show(SSH, DNS);
    const queues = [{ number: 3, received: 2, waiting: 1, dropped: 0, userDropped: 0 }];
    const text = metricsText({ ...takeSnapshot(run.running, HEALTHY), queues });
    const promtool = new Deno.Command("promtool", {
      args: ["check", "metrics"],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    await new Response(text).body!.pipeTo(promtool.stdin);
    const { code, stdout, stderr } = await promtool.output();
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    assertEquals([code, said], [0, ""]);
  },
});

Deno.test("a queue is at fault when packets wait and none is received, not at rest or at work", () => {
  const queue = (number: number, received: number, waiting: number) => ({
    ...{ number, received, waiting },
    ...{ dropped: 0, userDropped: 0 },
  });
  let progress = progressOf(new Map(), [queue(0, 5, 0), queue(1, 5, 9), queue(2, 5, 9)], 0);
  const later = [queue(0, 5, 0), queue(1, 6, 9), queue(2, 5, 9)];
  for (const now of [PATIENCE_MS / 2, PATIENCE_MS]) progress = progressOf(progress, later, now);
  assertEquals(faultsOf(progress, PATIENCE_MS), [
    "packets wait in queue 2, and for 2 s none has been evaluated",
  ]);
  progress = progressOf(progress, [queue(2, 6, 9)], PATIENCE_MS + 1);
  assertEquals(faultsOf(progress, PATIENCE_MS + 1), []);
});

Deno.test("status says in words what is in force and how it fares", async () => {
  await using run = observed(POLICY);
  run.show(SSH, DNS);
  const snapshot = takeSnapshot(run.running, { ok: false, faults: ["nothing is evaluated"] });
  const at = { pid: 7, upMs: 90_061_000 };
  const queues = [{ number: 3, received: 2, waiting: 1, dropped: 0, userDropped: 0 }];
  assertEquals(
    statusText({ ...snapshot, ...at, queues }),
    `barrage ${snapshot.version}, pid 7: enforcing observed.fw
up 1 d 1 h, 0 reloads, hooks by nft
2 packets: 1 accepted, 0 dropped, 1 rejected
queue 3: 1 waiting
not healthy: nothing is evaluated`,
  );
});

/** An observer of a run that has seen two packets. */
async function observing(use: (observer: Observer, show: () => void) => Promise<void>) {
  await using run = observed(POLICY);
  run.show(SSH, DNS);
  const observer = observe(run.running);
  try {
    await use(observer, () => run.show(SSH));
  } finally {
    observer.stop();
  }
}

Deno.test("news are whole at first, then of the rules that were hit, with the new lines of the log", async () => {
  await observing(async (observer, show) => {
    observer.heard("one");
    const news = observer.follow(1);
    const first: News = (await news.next()).value;
    show();
    observer.heard("two");
    const second: News = (await news.next()).value;
    assertEquals(first.rules.length, 4);
    assertEquals(first.log, ["one"]);
    assertEquals(second.rules.map(({ rule, packets }) => [rule, packets]), [["ssh", 2]]);
    assertEquals(second.log, ["two"]);
    observer.stop();
    assertEquals((await news.next()).done, true);
  });
});

Deno.test("who asks by a name that is not this host's gets nothing, nor does who would write", async () => {
  await observing(async (observer) => {
    const status = async (host: string, method = "GET", path = "/metrics") => {
      const response = await answer(
        new Request(`http://x${path}`, { method, headers: { host } }),
        observer,
      );
      return response.status;
    };
    for (const host of ["127.0.0.1:9477", "[::1]:9477", "localhost", "10.0.0.1", Deno.hostname()]) {
      assertEquals(await status(host), 200, host);
    }
    for (const host of ["evil.example:9477", "127.0.0.1.evil.example", ""]) {
      assertEquals(await status(host), 421, host);
    }
    assertEquals(await status("localhost", "POST"), 405);
    assertEquals(await status("localhost", "GET", "/../deno.json"), 404);
  });
});

Deno.test("over HTTP: metrics, health, the page and its events, until it stops", async () => {
  await observing(async (observer) => {
    const server = serve("127.0.0.1:0", observer);
    const get = (path: string) => fetch(new URL(path, server.url));
    const metrics = await get("metrics");
    assertMatch(metrics.headers.get("content-type")!, /^text\/plain; version=0\.0\.4/);
    assertStringIncludes(await metrics.text(), "barrage_build_info{version=");
    assertEquals(await (await get("health")).json(), HEALTHY);
    const page = await get("");
    assertStringIncludes(page.headers.get("content-security-policy")!, "default-src 'none'");
    assertStringIncludes(await page.text(), "<h1>Barrage</h1>");
    const events = (await get("events")).body!.pipeThrough(new TextDecoderStream()).getReader();
    assertMatch((await events.read()).value!, /^data: \{"version":/);
    observer.stop();
    while (!(await events.read()).done);
    await server.stop();
  });
});

Deno.test("health fails while packets wait and none is evaluated", async () => {
  await observing(async (observer) => {
    const faults = ["packets wait in queue 0, and for 3 s none has been evaluated"];
    const ill = { ...await observer.snapshot(), health: { ok: false, faults } };
    const response = await answer(
      new Request("http://localhost/health", { headers: { host: "localhost" } }),
      { ...observer, snapshot: () => Promise.resolve(ill) },
    );
    assertEquals([response.status, await response.json()], [503, { ok: false, faults }]);
  });
});

Deno.test("an address that is taken is an error that names it", async () => {
  await observing(async (observer) => {
    const first = serve("127.0.0.1:0", observer);
    let said = "";
    try {
      serve(`127.0.0.1:${new URL(first.url).port}`, observer);
    } catch (error) {
      said = String(error);
    }
    await first.stop();
    assertMatch(said, /^ServeError: cannot serve metrics at 127\.0\.0\.1:\d+: .*in use/);
  });
});
