import { assert, assertEquals, assertMatch } from "@std/assert";
import { observe } from "../../cli/observe/observer.ts";
import { serve } from "../../cli/observe/serve.ts";
import { requirePackages } from "../../native/build.ts";
import { Browser } from "../support/browser.ts";
import { isRoot, rootTest } from "../support/netns.ts";
import { observed } from "../support/observed.ts";

if (isRoot) requirePackages(["chromium"]);

const LONG = "a rule whose label says at some length what it is for";
const POLICY = `chain input default drop {
  accept tcp dport 443 label "${LONG}"
  accept tcp dport 22 label ssh
  drop udp dport 53 label dns
}`;
const LINE = {
  ...{ time: "2026-01-02T03:04:05.678Z", chain: "input", verdict: "drop", rule: "dns", in: "eth0" },
  ...{ src: "2001:db8::7", dst: "192.0.2.1", proto: "udp", sport: 40000, dport: 53, length: 28 },
  ...{ prefix: "", suppressed: 2 },
};

/** Asks again and again, until it is so. */
async function until(browser: Browser, expression: string): Promise<void> {
  while (!await browser.evaluate<boolean>(expression));
}

const texts = (browser: Browser, rows: string) =>
  browser.evaluate<string[]>(
    `[...document.querySelectorAll("${rows}")].map((row) => [...row.cells].map((c) => c.innerText.trim()).join("|"))`,
  );

rootTest("the page shows rules, drops, log and charts as they change", async () => {
  await using run = observed(POLICY);
  const observer = observe(run.running);
  const server = serve("127.0.0.1:0", observer);
  await using browser = await Browser.start();
  try {
    run.show({ proto: "tcp", dport: 22 });
    await browser.open(server.url, 1440, "light");
    await until(browser, `document.querySelectorAll("#rules tr").length === 4`);
    assertMatch(await browser.evaluate("document.querySelector('header').innerText"), /enforcing/);
    assertMatch((await texts(browser, "#drops tr"))[0]!, /^Everything passed so far/);

    run.show({ proto: "udp", dport: 53 }, { proto: "udp", dport: 53 }, { proto: "udp", dport: 9 });
    observer.heard(JSON.stringify(LINE));
    await until(browser, `document.querySelectorAll("#drops tr").length === 2`);
    const rules = await texts(browser, "#rules tr");
    assertMatch(rules[0]!, /^dns\|input\|drop\|[\d.]+\|2\|56B\|\d+ d ago$/);
    assertEquals(rules.map((row) => row.split("|")[0]), ["dns", "input:default", "ssh", LONG]);
    const drops = await texts(browser, "#drops tr");
    assertEquals(drops.map((row) => row.split("|").filter((_, i) => i !== 1).join("|")), [
      "drop by input: dns|2|67 %",
      "drop by input:default|1|33 %",
    ]);
    assertEquals(
      (await texts(browser, "#log tr"))[0]!.replace(/^[^|]*/, "TIME"),
      "TIME|input: dns|drop|udp [2001:db8::7]:40000 → 192.0.2.1:53 in eth0 (28 bytes, 2 not shown)",
    );
    const filter = `const box = document.getElementById("filter"); box.value = "SSH"; ` +
      `box.dispatchEvent(new Event("input"))`;
    await browser.evaluate(`{ ${filter} }`);
    assertEquals((await texts(browser, "#rules tr")).length, 1);
    assertEquals(
      await browser.evaluate(
        `[...document.querySelectorAll("[role=img]")].filter((c) => !c.ariaLabel).length`,
      ),
      0,
      "each chart says in words what it shows",
    );

    for (const width of [360, 1440]) {
      for (const scheme of ["light", "dark"] as const) {
        await browser.open(server.url, width, scheme);
        await until(browser, `document.querySelectorAll("[role=img] svg").length === 4`);
        // Each column that a page of this width has is in sight, however long a label is.
        const hidden = await browser.evaluate<string[]>(
          `[...document.querySelectorAll(".scroll")].filter((s) => s.scrollWidth > s.clientWidth).map((s) => s.innerText)`,
        );
        assertEquals(hidden, [], `${width} pixels`);
        const { charts, smallestText, overflow, contrast } = await browser.look();
        const where = `${width} pixels, ${scheme}: ${smallestText}, ${overflow}, ${contrast}`;
        assert(charts === 4 && smallestText >= 11 && overflow <= 0 && contrast >= 60, where);
      }
    }
    assertEquals(browser.errors, []);
  } finally {
    observer.stop();
    await server.stop();
  }
});
