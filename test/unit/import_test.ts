import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  check,
  type Imported,
  ImportError,
  importIptables,
  importNft,
  lint,
  type Policy,
  readPacket,
} from "../../compiler/mod.ts";
import { decide } from "../../compiler/policy/decide.ts";
import { reportText } from "../../cli/import.ts";

const FOLDER = new URL("../golden/import/", import.meta.url);

/** Rule sets as they are found in the world, and the files that they are in. */
const FOUND: Readonly<Record<string, readonly string[]>> = {
  ufw: ["ufw.v4.save", "ufw.v6.save"],
  docker: ["docker.v4.save"],
  workstation: ["workstation.both.save"],
  firewalld: ["firewalld.nft.json"],
  router: ["router.nft.json"],
  openwrt: ["openwrt.nft.json"],
  kubernetes: ["kubernetes.v4.save"],
};

for (const [name, files] of Object.entries(FOUND)) {
  Deno.test(`the rules of ${name} import as ${name}.fw and ${name}.txt`, () => {
    const read = (file: string) => Deno.readTextFileSync(new URL(file, FOLDER));
    const inputs = files.map((file) => ({ name: file, text: read(file) }));
    const imported = files[0]!.endsWith(".json") ? importNft(inputs) : importIptables(inputs);
    const report = `${reportText(imported)}\n`;
    if (Deno.env.has("UPDATE_GOLDEN")) {
      Deno.writeTextFileSync(new URL(`${name}.fw`, FOLDER), imported.text);
      Deno.writeTextFileSync(new URL(`${name}.txt`, FOLDER), report);
    }
    assertEquals(imported.text, read(`${name}.fw`));
    assertEquals(report, read(`${name}.txt`));
    const errors = lint(name, imported.text).diagnostics.filter(({ code }) => code === "FW705");
    assertEquals(errors, [], "what is written is in its canonical form");
  });
}

function policyOf({ text }: Imported): Policy {
  const { policy, diagnostics } = check("imported.fw", text);
  if (!policy) throw new Error(`${diagnostics[0]!.message}\n${text}`);
  return policy;
}

function verdict(imported: Imported, packet: string): string | undefined {
  return decide(policyOf(imported), readPacket(packet)).rule?.verdict.name;
}

function iptables(...lines: string[]): Imported {
  return importIptables([{ name: "saved", text: ["*filter", ...lines, "COMMIT", ""].join("\n") }]);
}

/** The rules of a chain in nft's JSON, with the chains before. */
function nft(...objects: unknown[]): Imported {
  return importNft([{ name: "listed", text: JSON.stringify({ nftables: objects }) }]);
}

const base = (name: string, prio: number, policy: string) => ({
  chain: { family: "inet", table: "t", name, type: "filter", hook: "input", prio, policy },
});
const rule = (chain: string, ...expr: unknown[]) => ({
  rule: { family: "inet", table: "t", chain, expr },
});
const ACCEPT = { accept: null };
const port = (dport: number) => ({
  match: { op: "==", left: { payload: { protocol: "tcp", field: "dport" } }, right: dport },
});

Deno.test("an accept of one base chain goes on with the next, even from a chain below", () => {
  const imported = nft(
    base("first", -10, "accept"),
    { chain: { family: "inet", table: "t", name: "below" } },
    base("second", 0, "accept"),
    rule("below", port(80), { accept: null }),
    rule("first", { jump: { target: "below" } }),
    rule("first", port(80), { drop: null }),
    rule("first", port(22), { accept: null }),
    rule("second", port(22), { drop: null }),
    rule("second", port(443), { drop: null }),
  );
  const of = (dport: number) => verdict(imported, `input tcp 192.0.2.1:9 > 192.0.2.2:${dport}`);
  assertEquals([80, 22, 443, 25].map(of), ["accept", "drop", "drop", "accept"]);
});

Deno.test("a goto ends the chain that it is in, and a return goes on behind the jump", () => {
  const imported = iptables(
    ":INPUT DROP [0:0]",
    ":one - [0:0]",
    ":two - [0:0]",
    "-A INPUT -p tcp -j one",
    "-A INPUT -p tcp --dport 80 -j ACCEPT",
    "-A one -p tcp --dport 22 -g two",
    "-A one -p tcp --dport 22 -j ACCEPT",
    "-A one -p tcp --dport 80 -j RETURN",
    "-A one -p tcp --dport 80 -j DROP",
    "-A two -s 192.0.2.1 -j RETURN",
    "-A two -j ACCEPT",
  );
  const of = (from: string, dport: number) =>
    verdict(imported, `input tcp ${from}:9 > 192.0.2.2:${dport}`);
  assertEquals(of("192.0.2.1", 22), "drop");
  assertEquals(of("192.0.2.9", 22), "accept");
  assertEquals(of("192.0.2.1", 80), "accept");
});

Deno.test("a chain that several hooks share asks each for what its packets have", () => {
  const imported = iptables(
    ":INPUT DROP [0:0]",
    ":OUTPUT DROP [0:0]",
    ":both - [0:0]",
    "-A INPUT -j both",
    "-A OUTPUT -j both",
    "-A both -i lo -j ACCEPT",
    "-A both ! -i eth0 -p udp -j ACCEPT",
  );
  assertEquals(verdict(imported, "input in lo tcp 192.0.2.1:9 > 192.0.2.2:9"), "accept");
  assertEquals(verdict(imported, "output out lo tcp 192.0.2.1:9 > 192.0.2.2:9"), "drop");
  assertEquals(verdict(imported, "input in eth0 udp 192.0.2.1:9 > 192.0.2.2:9"), "drop");
  assertEquals(verdict(imported, "output out eth0 udp 192.0.2.1:9 > 192.0.2.2:9"), "accept");
});

Deno.test("base chains that are empty and accept leave no trace, unless a family has no other", () => {
  const idle = (family: string) => ({ chain: { ...base("INPUT", -150, "accept").chain, family } });
  const both = nft(idle("ip"), idle("ip6"), base("in", 0, "drop"), rule("in", port(22), ACCEPT));
  assertEquals(both.text.match(/^ *(chain|when|jump) .*/gm), ["chain input default drop {"]);
  const four = { chain: { ...base("in", 0, "drop").chain, family: "ip" } };
  const one = nft(idle("ip6"), four);
  assertEquals(verdict(one, "input tcp 192.0.2.1:9 > 192.0.2.2:22"), "drop");
  assertEquals(verdict(one, "input tcp [2001:db8::1]:9 > [2001:db8::2]:22"), "accept");
});

Deno.test("a dotted mask is a prefix, and one with a gap is left out", () => {
  const imported = iptables(
    ":INPUT DROP [0:0]",
    "-A INPUT -s 10.1.0.0/255.255.0.0 -j ACCEPT",
    "-A INPUT -s 10.2.0.0/255.0.255.0 -j ACCEPT",
  );
  const from = (address: string) => verdict(imported, `input tcp ${address}:9 > 192.0.2.2:9`);
  assertEquals(["10.1.9.9", "10.9.0.1", "10.2.0.1"].map(from), ["accept", "drop", "drop"]);
  assertStringIncludes(imported.text, "is not an address that a prefix can say");
});

Deno.test("a prefix of 32 is one host in IPv4, and a network in IPv6", () => {
  const accepting = (...addresses: readonly string[]) =>
    iptables(
      ":INPUT DROP [0:0]",
      ...addresses.map((address) => `-A INPUT -s ${address} -j ACCEPT`),
    );
  const six = accepting("2001:db8::/32", "2001:dead::1/128"), four = accepting("10.0.0.1/32");
  const from = (imported: Imported, host: string, to: string) =>
    verdict(imported, `input tcp ${host}:9 > ${to}:9`);
  assertEquals(
    ["[2001:db8:1::1]", "[2001:db9::1]", "[2001:dead::1]", "[2001:dead::2]"]
      .map((host) => from(six, host, "[2001:db8::2]")),
    ["accept", "drop", "accept", "drop"],
  );
  assertEquals(["10.0.0.1", "10.0.0.2"].map((host) => from(four, host, "192.0.2.2")), [
    "accept",
    "drop",
  ]);
});

Deno.test("of nft's address types, fragments and extension headers, what can be said is", () => {
  const match = (left: unknown, right: unknown) => ({ match: { op: "==", left, right } });
  const offset = { payload: { protocol: "ip", field: "frag-off" } };
  const imported = nft(
    base("in", 0, "drop"),
    rule("in", match({ fib: { result: "type", flags: ["daddr"] } }, "multicast"), { accept: null }),
    rule("in", match({ "&": [offset, 0x3fff] }, 0), port(22), { accept: null }),
    rule("in", match({ exthdr: { name: "rt" } }, true), { reject: null }),
    rule("in", match({ fib: { result: "oif", flags: ["saddr"] } }, false), { drop: null }),
  );
  const of = (packet: string) => verdict(imported, `input ${packet}`);
  assertEquals(of("udp 192.0.2.1:9 > 224.0.0.251:5353"), "accept");
  assertEquals(of("udp 192.0.2.1:9 > 192.0.2.2:5353"), "drop");
  assertEquals(of("tcp 192.0.2.1:9 > 192.0.2.2:22"), "accept");
  assertEquals(of("tcp 192.0.2.1 > 192.0.2.2 fragment later"), "drop");
  assertEquals(of("tcp [2001:db8::1]:9 > [2001:db8::2]:9 exthdr rt"), "reject");
  assertStringIncludes(imported.text, "what the routing table says cannot be asked for");
});

Deno.test("families of different policies keep each its own", () => {
  const files = [["iptables-save", "DROP"], ["ip6tables-save", "ACCEPT"]].map(([tool, policy]) => ({
    name: tool!,
    text: `# Generated by ${tool}\n*filter\n:INPUT ${policy} [0:0]\nCOMMIT\n`,
  }));
  const imported = importIptables(files);
  assertEquals(verdict(imported, "input tcp 192.0.2.1:9 > 192.0.2.2:9"), "drop");
  assertEquals(verdict(imported, "input tcp [2001:db8::1]:9 > [2001:db8::2]:9"), "accept");
});

Deno.test("a rule that no packet can match is exact, and written as a comment", () => {
  const imported = iptables(":INPUT DROP [0:0]", "-A INPUT ! -s 0.0.0.0/0 -j ACCEPT");
  assertEquals(imported.rows.map(({ fidelity }) => fidelity), ["exact"]);
  assertStringIncludes(imported.text, "# exact (no packet of input can match): -A INPUT");
});

/** A set of nft in a table, and a rule of that table which asks for it. */
const SADDR = { payload: { protocol: "ip", field: "saddr" } };
const DPORT = { payload: { protocol: "tcp", field: "dport" } };
const asks = (left: unknown, right: unknown) => ({ match: { op: "==", left, right } });
const set = (name: string, elem: unknown[], more: object = {}) => ({
  set: { family: "inet", table: "t", name, type: "ipv4_addr", elem, ...more },
});

Deno.test("sets of one name in two tables are two sets", () => {
  const other = (object: { [kind: string]: object }) => {
    const [[kind, body] = []] = Object.entries(object);
    return { [kind!]: { ...body, table: "u" } };
  };
  const imported = nft(
    set("bad", ["192.0.2.1"]),
    other(set("bad", ["192.0.2.2"])),
    base("in", 0, "accept"),
    other(base("in", 1, "accept")),
    rule("in", asks(SADDR, "@bad"), { drop: null }),
    other(rule("in", asks(SADDR, "@bad"), { drop: null })),
  );
  const from = (address: string) => verdict(imported, `input tcp ${address}:9 > 192.0.2.9:9`);
  assertEquals(["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(from), ["drop", "drop", "accept"]);
});

Deno.test("a set that the kernel fills is a loss wherever it is asked for, also while empty", () => {
  const concat = { concat: [SADDR, DPORT] };
  const filled = { flags: ["dynamic", "timeout"] };
  const imported = nft(
    set("banned", [], filled),
    set("ports", [80], { ...filled, type: "inet_service" }),
    { map: { ...set("ways", [], filled).set, map: "verdict" } },
    base("in", 0, "accept"),
    rule("in", asks(concat, "@banned"), { drop: null }),
    rule("in", asks(DPORT, "@ports"), { drop: null }),
    rule("in", { vmap: { key: SADDR, data: "@ways" } }),
    set("hosts", ["192.0.2.1"]),
    rule("in", asks(SADDR, "@hosts"), { vmap: { key: SADDR, data: "@ways" } }),
  );
  assertEquals(imported.rows.map(({ fidelity, lost }) => [fidelity, lost]), [
    ["left out", true],
    ["matches fewer", true],
    ["left out", true],
    ["left out", true],
  ]);
  assert(!imported.text.includes("set hosts"), "no rule that is here asks for it");
});

Deno.test("that nothing is put into a set here hides no loss of the same rule", () => {
  const put = { set: { op: "add", set: "@seen", elem: SADDR } };
  const imported = nft(
    set("seen", [], { flags: "dynamic" }),
    set("banned", ["192.0.2.1"], { flags: "dynamic" }),
    base("in", 0, "accept"),
    rule("in", put, ACCEPT),
    rule("in", put, asks(SADDR, "@banned"), { drop: null }),
  );
  assertEquals(imported.rows.map(({ fidelity, lost }) => [fidelity, lost]), [
    ["exact", false],
    ["matches fewer", true],
  ]);
});

Deno.test("what follows IPv6's header is not what follows its extension headers", () => {
  const next = { payload: { protocol: "ip6", field: "nexthdr" } };
  const is = (op: string, right: unknown) =>
    nft(base("in", 0, "accept"), rule("in", { match: { op, left: next, right } }, { drop: null }));
  const of = (imported: Imported, extension: string) =>
    verdict(imported, `input tcp [2001:db8::1]:9 > [2001:db8::2]:22 exthdr ${extension}`);
  assertEquals(["none", "dst"].map((e) => of(is("==", "tcp"), e)), ["drop", "accept"]);
  assertEquals(["none", "dst"].map((e) => of(is("!=", "tcp"), e)), ["accept", "drop"]);
  assertEquals(is("==", "ipv6-frag").rows.map(({ fidelity }) => fidelity), ["left out"]);
});

Deno.test("an entry of a map that no packet meets hides none of the next", () => {
  const flags = { payload: { protocol: "tcp", field: "flags" } };
  const key = { "&": [flags, { "|": ["syn", "ack"] }] };
  const entries = [["fin", ACCEPT], ["syn", { drop: null }]];
  const imported = nft(
    base("in", 0, "accept"),
    rule("in", { vmap: { key, data: { set: entries } } }),
  );
  assertEquals(verdict(imported, "input tcp 192.0.2.1:9 > 192.0.2.2:22 flags syn"), "drop");
});

Deno.test("a set that the kernel fills has room for those that are in it, and as many more", () => {
  const filled = (members: number) => {
    const elem = Array.from(
      { length: members },
      (_, i) => `${10 + (i >> 24)}.${i >> 16 & 255}.${i >> 8 & 255}.${i & 255}`,
    );
    const asked = rule("in", asks(SADDR, "@bad"), { drop: null });
    return nft(set("bad", elem, { flags: "dynamic" }), base("in", 0, "accept"), asked);
  };
  assertEquals(policyOf(filled(40_000)).sets.map(({ size }) => size), [131072]);
  assertEquals(filled(1_100_000).rows.map(({ fidelity, lost }) => [fidelity, lost]), [[
    "left out",
    true,
  ]]);
});

Deno.test("what is dropped before the filter's hooks is a loss, also in a chain or a map", () => {
  const before = {
    chain: { ...base("before", -300, "accept").chain, hook: "prerouting" },
  };
  const below = { chain: { family: "inet", table: "t", name: "below" } };
  const lost = (...objects: unknown[]) =>
    nft(base("in", 0, "drop"), before, below, ...objects).outside.map(({ lost }) => lost);
  const jump = rule("before", { jump: { target: "below" } });
  assertEquals(lost(jump, rule("below", { accept: null })), [false, false]);
  assertEquals(lost(jump, rule("below", { drop: null })), [true, false]);
  const key = { meta: { key: "iifname" } };
  const map = { vmap: { key, data: { set: [["eth0", { drop: null }]] } } };
  assertEquals(lost(rule("before", map)), [true]);
  const saved = (line: string) =>
    importIptables([{
      name: "saved",
      text: `*mangle\n${line}\nCOMMIT\n*filter\n:INPUT DROP\nCOMMIT\n`,
    }]).outside;
  assertEquals(saved(":INPUT DROP [0:0]").map(({ lost }) => lost), [true]);
  assertEquals(saved('-A INPUT -m comment --comment "a -j DROP b"').map((o) => o.lost), [false]);
});

Deno.test("rules that one rule falls apart into have one bucket of its limit", () => {
  const imported = iptables(
    ":INPUT DROP [0:0]",
    "-A INPUT -p tcp -m multiport --ports 22,23 -m limit --limit 5/min -j ACCEPT",
  );
  assertEquals(policyOf(imported).literals.length, 1);
  assertEquals(policyOf(imported).rules.filter(({ regions }) => regions[0]?.dynamic).length, 2);
});

Deno.test("a limit that asks before the rest does is said to match more, and two are left out", () => {
  const limit = "-m limit --limit 5/min";
  const imported = iptables(
    ":INPUT DROP [0:0]",
    `-A INPUT -p tcp -m tcp --dport 22 ${limit} -m comment --comment ssh -j ACCEPT`,
    `-A INPUT -p tcp ${limit} -m tcp --dport 22 -j ACCEPT`,
    `-A INPUT ${limit} -m hashlimit --hashlimit-upto 9/sec --hashlimit-name h -j ACCEPT`,
    "-A INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT",
  );
  assertEquals(imported.rows.map(({ fidelity }) => fidelity), [
    "exact",
    "matches more",
    "left out",
    "left out",
  ]);
});

Deno.test("a rule that is left out is a loss by its target, whatever its comment says", () => {
  const odd = "-A INPUT -m string --string x --algo bm";
  const imported = iptables(
    ":INPUT ACCEPT [0:0]",
    `${odd} -m comment --comment "we do not -j LOG these" -j DROP`,
    `${odd} -m comment --comment "we do not -j DROP these" -j LOG`,
    "-A INPUT -m conntrack --ctstate ESTABLISHED -j FLOWOFFLOAD",
  );
  assertEquals(imported.rows.map(({ lost }) => lost), [true, false, false]);
});

Deno.test("a chain may have any name that iptables takes", () => {
  const names = ["on", "to", "from", "drop", "input", "any", "fw", "a.b", "a:b", "1x", "-x-", "ü"];
  for (const name of names) {
    const imported = iptables(
      ":INPUT DROP [0:0]",
      `:${name} - [0:0]`,
      `-A INPUT -p tcp -j ${name}`,
      `-A ${name} -j ACCEPT`,
    );
    assertEquals(verdict(imported, "input tcp 192.0.2.1:9 > 192.0.2.2:9"), "accept", name);
    assertEquals(verdict(imported, "input udp 192.0.2.1:9 > 192.0.2.2:9"), "drop", name);
  }
});

Deno.test("names that nft gives to ICMPv6 codes are numbers, since they are those of one type", () => {
  const field = (field: string) => ({ payload: { protocol: "icmpv6", field } });
  const imported = nft(
    base("in", 0, "drop"),
    rule("in", asks(field("type"), "packet-too-big"), asks(field("code"), "no-route"), ACCEPT),
    rule("in", asks(field("code"), { range: ["no-route", "addr-unreachable"] }), ACCEPT),
  );
  assertStringIncludes(imported.text, "accept icmpv6 type packet-too-big code 0");
  assertStringIncludes(imported.text, "accept icmpv6 code 0-3");
});

Deno.test("a text that no tool prints is refused with its line, and one that filters nothing", () => {
  const open = '-A INPUT -m comment --comment "open -j ACCEPT';
  const unclosed = assertThrows(() => iptables(":INPUT DROP [0:0]", open));
  assert(unclosed instanceof ImportError, String(unclosed));
  assertStringIncludes(unclosed.message, "saved:3: a quote has no end");
  const empty = assertThrows(() => importIptables([{ name: "saved", text: "*nat\nCOMMIT\n" }]));
  assert(empty instanceof ImportError, String(empty));
  assertEquals(empty.message, "saved: no chain here filters input, forward or output");
  const text = assertThrows(() => importNft([{ name: "x", text: "table inet" }]));
  assert(text instanceof ImportError, String(text));
  assertStringIncludes(text.message, "nft -j list ruleset");
});
