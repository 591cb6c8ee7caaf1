import { assertEquals, assertStringIncludes } from "@std/assert";
import { check, exportIptables, exportNft, type Policy } from "../../compiler/mod.ts";

const FOLDER = new URL("../golden/export/", import.meta.url);
const TOOLS = { nft: exportNft, iptables: exportIptables } as const;

function policyOf(text: string): Policy {
  const { policy, diagnostics } = check("rules.fw", text);
  if (!policy) throw new Error(`${diagnostics[0]!.message}\n${text}`);
  return policy;
}

const EXAMPLES = ["03-home-router", "04-web-server", "08-rate-limits"];

for (const example of EXAMPLES) {
  for (const [tool, write] of Object.entries(TOOLS)) {
    Deno.test(`${example} is exported for ${tool} as ${example}.${tool}.txt`, () => {
      const file = new URL(`../../examples/${example}.fw`, import.meta.url);
      const { text, losses } = write(policyOf(Deno.readTextFileSync(file)));
      const path = new URL(`${example}.${tool}.txt`, FOLDER);
      if (Deno.env.has("UPDATE_GOLDEN")) Deno.writeTextFileSync(path, text);
      assertEquals(text, Deno.readTextFileSync(path));
      const shared = "both families would have to share its limit";
      const lost = example === "08-rate-limits" && tool === "iptables" ? [["web", shared]] : [];
      assertEquals(losses.map(({ rule, why }) => [rule.name, why]), lost);
    });
  }
}

const HOPELESS = `chain input default accept {
  drop state invalid
  accept exthdr ah label opened
  drop exthdr ah tcp dport 22 label closed
  match exthdr ah log label noted
}`;

for (const [tool, write] of Object.entries(TOOLS)) {
  Deno.test(`what ${tool} cannot say is left out on the safe side`, () => {
    const { text, losses } = write(policyOf(HOPELESS));
    const lost = losses.map(({ rule, of }) => `${rule.name}: ${of}`);
    assertEquals(lost, ["opened: verdict", "closed: verdict", "noted: effect"]);
    assertEquals(/opened|noted/.test(text), false, text);
    // Without the header that cannot be asked for, more is dropped.
    const six = text.split("\n").filter((line) => line.includes("closed"));
    assertEquals(six.length, 1, text);
    assertStringIncludes(six[0]!.toLowerCase(), "dport 22");
  });
}

Deno.test("a mark that is to route what a host sends is said to be lost", () => {
  const policy = policyOf(`chain output default accept { match udp set mark 1 label way }
    chain forward default accept { match udp set mark 2 label passing }`);
  for (const write of Object.values(TOOLS)) {
    assertEquals(write(policy).losses.map(({ rule, of }) => `${rule.name}: ${of}`), [
      "way: effect",
    ]);
  }
});

Deno.test("a rule of several targets asks its question once, in iptables too", () => {
  const { text } = exportIptables(policyOf(`chain input default drop {
    accept tcp dport 22 log "ssh " every 10s set mark 1/0xf label ssh
  }`));
  assertEquals(text.split("\n").filter((line) => line.includes("-A")), [
    '-A rule-1 -m limit --limit 6/minute --limit-burst 1 -j LOG --log-prefix "ssh "',
    "-A rule-1 -j MARK --set-xmark 0x1/0xf",
    "-A rule-1 -j ACCEPT",
    '-A INPUT -p tcp -m tcp --dport 22 -m comment --comment "ssh" -j rule-1',
  ]);
});
