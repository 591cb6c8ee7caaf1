import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ruleFile, runFw } from "../support/barrage.ts";
import { capturePackets } from "../support/capture.ts";

const FW = new URL("../../fw.ts", import.meta.url).pathname;
const RULES = `chain input default drop {
  accept tcp dport 22 label ssh
  reject udp
  accept icmp
  match tcp
}
`;
const CLEAN = Deno.readTextFileSync(new URL("../../examples/01-first-steps.fw", import.meta.url));
const PACKETS = capturePackets([
  { proto: "tcp", dport: 22 },
  { proto: "tcp", dport: 80 },
  { proto: "udp", dport: 53 },
  { proto: "icmp", type: 8 },
]);

/** Runs `fw.ts` with its files in a folder that is gone afterwards; `@name` names one of them. */
async function run(files: Readonly<Record<string, string | Uint8Array>>, ...args: string[]) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    const result = await runFw(...args.map((arg) => arg.replace(/^@/, `${folder}/`)));
    const read = (name: string) => Deno.readFile(`${folder}/${name}`);
    const written = await read("out").catch(() => undefined);
    const hide = (text: string) => text.replaceAll(`${folder}/`, "");
    return { ...result, stdout: hide(result.stdout), stderr: hide(result.stderr), written };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("replay prints a line of JSON for each packet: its verdict and the rule that decided", async () => {
  const args = ["replay", "@rules.fw", "--pcap", "@in.pcap", "--format", "jsonl"];
  const { code, stdout } = await run({ "rules.fw": RULES, "in.pcap": PACKETS }, ...args);
  assertEquals(code, 0);
  assertEquals(stdout.trim().split("\n").map((line) => JSON.parse(line)), [
    { packet: 1, verdict: "accept", rule: "ssh" },
    { packet: 2, verdict: "drop", rule: "input:default" },
    { packet: 3, verdict: "reject", rule: "input:3" },
    { packet: 4, verdict: "accept", rule: "input:4" },
  ]);
});

Deno.test("replay writes the accepted packets as a capture", async () => {
  const args = ["replay", "@rules.fw", "--pcap", "@in.pcap", "--accepted", "@out"];
  const { code, written } = await run({ "rules.fw": RULES, "in.pcap": PACKETS }, ...args);
  assertEquals(code, 0);
  const again = ["replay", "@rules.fw", "--pcap", "@in.pcap", "--format", "jsonl"];
  const { stdout } = await run({ "rules.fw": RULES, "in.pcap": written! }, ...again);
  assertEquals(stdout.match(/"accept"/g)?.length, 2);
  assertEquals(stdout.trim().split("\n").length, 2);
});

Deno.test("replay asks the interface that --in-dev names", async () => {
  const rules = "chain input default drop { accept in on wan0 label wan }";
  const args = ["replay", "@rules.fw", "--pcap", "@in.pcap", "--format", "jsonl"];
  const files = { "rules.fw": rules, "in.pcap": PACKETS };
  assertStringIncludes((await run(files, ...args, "--in-dev", "wan0")).stdout, '"rule":"wan"');
  assertEquals((await run(files, ...args, "--in-dev", "wan1")).stdout.includes("wan"), false);
});

Deno.test("replay decides the whole packets of a capture that was cut, then fails", async () => {
  const args = ["replay", "@rules.fw", "--pcap", "@in.pcap", "--format", "jsonl"];
  const cut = PACKETS.slice(0, -5);
  const { code, stdout, stderr } = await run({ "rules.fw": RULES, "in.pcap": cut }, ...args);
  assertEquals(code, 1);
  assertEquals(stdout.trim().split("\n").length, 3);
  assertEquals(
    stderr,
    "barrage: in.pcap: the file ends inside packet 4; the 3 packets before it were decided\n",
  );
});

Deno.test("replay gives a packet that cannot be parsed the verdict of `option malformed`", async () => {
  const broken = PACKETS.slice();
  broken[24 + 16] = 0x95; // no such IP version
  const args = ["replay", "@rules.fw", "--pcap", "@in.pcap", "--format", "jsonl"];
  for (const [option, verdict] of [["", "drop"], ["option malformed accept\n", "accept"]]) {
    const { stdout } = await run({ "rules.fw": option + RULES, "in.pcap": broken }, ...args);
    assertEquals(JSON.parse(stdout.split("\n")[0]!), {
      packet: 1,
      verdict,
      rule: "malformed",
      reason: "version",
    });
  }
});

Deno.test("compile writes the same bytes for the same policy, and prints its tables", async () => {
  const args = ["compile", "@rules.fw", "-o", "@out", "--print"];
  const first = await run({ "rules.fw": RULES }, ...args);
  const second = await run({ "rules.fw": `# a comment\n${RULES}`.replace("\n", " \n") }, ...args);
  assertEquals(first.code, 0);
  assertEquals(new TextDecoder().decode(first.written!.subarray(0, 4)), "FWB1");
  assertEquals(first.written, second.written);
  assertMatch(first.stdout, /^image: \d+ bytes/);
});

Deno.test("lint says clean with 0, and prints findings with source and caret with 1", async () => {
  const clean = await run({ "rules.fw": CLEAN }, "lint", "@rules.fw");
  assertEquals([clean.code, clean.stdout], [0, "rules.fw: clean\n"]);
  const bad = await run({ "rules.fw": RULES.replace("dport", "dprot") }, "lint", "@rules.fw");
  assertEquals(bad.code, 1);
  assertEquals(
    bad.stdout,
    `error[FW003]: unknown clause \`dprot\`
 --> rules.fw:2:14
  |
2 |   accept tcp dprot 22 label ssh
  |              ^^^^^ did you mean \`dport\`?

rules.fw: 1 error
`,
  );
});

Deno.test("lint --fix mends in one go also what an error has hidden", async () => {
  const rules = `set p = { 443-80, 22, 22 }
chain input default drop {
  accept in on lo
  accept state established, related
  accept icmpv6
  accept tcp from 192.0.2.0/24 dport @p
  accept tcp from 192.0.2.1 dport 22; accept udp dport 53
}
`;
  const { code, written, stdout } = await run({ out: rules }, "lint", "--fix", "@out");
  assertEquals([code, stdout.split("\n").at(-2)], [0, "out: 1 info"]);
  const mended = rules.replace("443-80, 22, 22", "80-443, 22")
    .replace("accept tcp from 192.0.2.1 dport 22; ", " ");
  assertEquals(new TextDecoder().decode(written), mended);
});

Deno.test("lint reads standard input as `-`", async () => {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", FW, "lint", "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(CLEAN));
  await writer.close();
  const { code, stdout } = await child.output();
  assertEquals([code, new TextDecoder().decode(stdout)], [0, "-: clean\n"]);
});

Deno.test("lint follows includes, globs and set files from where each file lies, and sees circles", async () => {
  const folder = await Deno.makeTempDir();
  const files = {
    "main.fw": 'include "lists/sets.fw"\nchain forward default drop {\n' +
      '  include "rules.d/*.fw"\n  drop from @bad\n}\n',
    "lists/sets.fw": 'set bad : addr file "bad.txt"\n',
    "lists/bad.txt": "192.0.2.1\n???\n",
    "rules.d/b.fw": "acept udp\n",
    "rules.d/a.fw": "drop tcp dprt 22\n",
    "circle.fw": 'include "./circle.fw"\nchain forward default drop {}\n',
  };
  await Deno.mkdir(`${folder}/lists`);
  await Deno.mkdir(`${folder}/rules.d`);
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  const { code, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", FW, "lint", "--format", "short", "main.fw", "./circle.fw"],
    cwd: folder,
  }).output();
  await Deno.remove(folder, { recursive: true });
  assertEquals([code, new TextDecoder().decode(stdout).trim().split("\n")], [1, [
    "lists/bad.txt:2:1: error[FW209]: line 2 of lists/bad.txt is no member of a set",
    "rules.d/a.fw:1:10: error[FW003]: unknown clause `dprt`",
    "rules.d/b.fw:1:1: error[FW001]: unknown verb `acept`",
    "./circle.fw:1:9: error[FW010]: this include closes a circle: ./circle.fw → ./circle.fw",
  ]]);
});

/** Usage and file errors: one clear text, exit code 2. */
const REFUSED: readonly (readonly [what: string, args: string[], stderr: RegExp])[] = [
  [
    "a missing rule file",
    ["lint", "@none.fw"],
    /^barrage: cannot read none.fw: there is no such file\n$/,
  ],
  [
    "a missing capture",
    ["replay", "@rules.fw", "--pcap", "@none"],
    /cannot read none: there is no such file\n$/,
  ],
  [
    "a text for a capture",
    ["replay", "@rules.fw", "--pcap", "@rules.fw"],
    /rules.fw: this is not a pcap file\n$/,
  ],
  [
    "an unknown option",
    ["--bogus", "@rules.fw"],
    /^barrage: there is no option --bogus\ntry `fw.ts run --help`\n$/,
  ],
  [
    "a command that is misspelt",
    ["lnt", "@rules.fw"],
    /^barrage: there is no command "lnt"; did you mean "lint"\? \(a file of that name is \.\/lnt\)\n$/,
  ],
  [
    "a batch out of range",
    ["--batch", "0", "@rules.fw"],
    /^barrage: --batch takes a number from 1 to 1024, found "0"\n$/,
  ],
  ["no rule file", ["lint"], /^barrage: RULES is missing\n/],
  [
    "a word too many",
    ["compile", "@rules.fw", "extra"],
    /^barrage: "extra" is one argument too many/,
  ],
  [
    "a chain that is not there",
    ["replay", "@rules.fw", "--pcap", "@in.pcap", "--chain", "output"],
    /there is no chain "output" in the rule file: it has input/,
  ],
];

for (const [what, args, expected] of REFUSED) {
  Deno.test(`${what} is refused in one line, with exit code 2`, async () => {
    const { code, stderr } = await run({ "rules.fw": RULES, "in.pcap": PACKETS }, ...args);
    assertMatch(stderr, expected);
    assertEquals(code, 2);
  });
}

Deno.test("without permissions and without a terminal, one line names the flags", async () => {
  const rules = await ruleFile(RULES);
  const flags: Readonly<Record<string, string>> = {
    lint: "`deno run -P=lint fw.ts lint RULES`, or `deno run --allow-read fw.ts lint RULES`",
    run: "`deno run -P=run fw.ts run RULES`, " +
      "or `deno run --allow-read --allow-write --allow-ffi --allow-run --allow-net --allow-sys " +
      "fw.ts run RULES`",
  };
  for (const [command, expected] of Object.entries(flags)) {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", FW, command, rules],
      stdin: "null",
    }).output();
    const text = new TextDecoder().decode(stderr).replaceAll(rules, "RULES");
    assertEquals(text, `barrage: ${command} lacks permissions: use ${expected}\n`);
    assertEquals(code, 2);
  }
  await Deno.remove(rules);
});

const EFFECTS = `set bad : addr size 10 = { 10.9.0.0/16 }
chain input default drop {
  match set mark 0x1/0x3 log "seen" every 10s label seen
  drop from @bad label bad
  accept tcp dport 22 until 2020-01-01 label early
  accept tcp dport 22 limit 10/second set mark 0x2/0x2 log every 1s label ssh
}
`;

Deno.test("explain shows the walk, with what each earlier rule asks otherwise, the mark and the logs", async () => {
  const packet = "input tcp 10.1.2.3:40000 > 192.0.2.1:22";
  const { stdout } = await run({ "rules.fw": EFFECTS }, "explain", "@rules.fw", packet);
  assertEquals(
    stdout,
    "  seen: matches\n  bad: no, `from @bad` is not so\n  early: no, `until 2020-01-01` is not so\n" +
      "  ssh: matches\n" +
      'accept by `ssh`, marked 0x3/0x3, logged by `seen` as "seen", logged by `ssh`\n',
  );
});

Deno.test("explain --json has the verdict, the rule, the mark, the logs and the walk", async () => {
  const packet = "input udp 10.9.2.3:40000 > 192.0.2.1:53";
  const { stdout } = await run({ "rules.fw": EFFECTS }, "explain", "--json", "@rules.fw", packet);
  assertEquals(JSON.parse(stdout), {
    verdict: "drop",
    rule: "bad",
    log: ["seen"],
    mark: { value: 1, clear: 3 },
    walk: [
      { rule: "seen", verdict: "match", matches: true },
      { rule: "bad", verdict: "drop", matches: true },
    ],
  });
});

Deno.test("explain --pcap counts the packets of a capture by rule, or has a line for each", async () => {
  const files = { "rules.fw": RULES, "in.pcap": PACKETS };
  const { stdout } = await run(files, "explain", "@rules.fw", "--pcap", "@in.pcap");
  const rows = stdout.trim().split("\n").map((line) => line.trim().split(/ +/));
  assertEquals(rows.map(([packets, , , , verdict, rule]) => [packets, verdict, rule]), [
    ["1", "accept", "ssh"],
    ["1", "drop", "input:default"],
    ["1", "reject", "input:3"],
    ["1", "accept", "input:4"],
  ]);
  const each = await run(files, "explain", "@rules.fw", "--pcap", "@in.pcap", "--packets");
  assertEquals(each.stdout.trim().split("\n").length, 4);
  const both = await run(files, "explain", "@rules.fw", "input tcp", "--pcap", "@in.pcap");
  assertEquals(both.code, 2);
});

const SAVED = `*filter
:INPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -p tcp -m string --string x --algo bm -j DROP
COMMIT
`;

Deno.test("import ends with 1 where packets may get another verdict, unless that is allowed", async () => {
  const args = ["import", "iptables-save", "@saved", "-o", "@out"];
  const lossy = await run({ saved: SAVED }, ...args);
  assertEquals(lossy.code, 1);
  assertStringIncludes(
    lossy.stderr,
    "2 rules: 1 exact, 0 matches more, 0 matches fewer, 1 left out",
  );
  assertStringIncludes(new TextDecoder().decode(lossy.written), "accept in on lo");
  const allowed = await run({ saved: SAVED }, ...args, "--allow-loss", "--json");
  assertEquals(allowed.code, 0);
  assertEquals(JSON.parse(allowed.stderr).summary, {
    exact: 1,
    "matches more": 0,
    "matches fewer": 0,
    "left out": 1,
  });
  const clean = await run({ saved: SAVED.replace(/.*string.*\n/, "") }, ...args);
  assertEquals(clean.code, 0);
});

Deno.test("import says which format it has not, and which line it cannot read", async () => {
  const unknown = await run({ saved: SAVED }, "import", "pf", "@saved");
  assertEquals(unknown.code, 2);
  assertStringIncludes(unknown.stderr, '"pf" is none of iptables-save, nft-json');
  const broken = await run({ saved: "-A INPUT -j ACCEPT\n" }, "import", "iptables-save", "@saved");
  assertEquals(broken.code, 2);
  assertStringIncludes(broken.stderr, "saved:1: this is in no table");
});

Deno.test("export writes nothing where a rule cannot be said, unless that is allowed", async () => {
  const rules = "chain input default drop {\n  accept exthdr ah label odd\n  accept in on lo\n}\n";
  const refused = await run({ "rules.fw": rules }, "export", "nft", "@rules.fw");
  assertEquals([refused.code, refused.stdout], [1, ""]);
  assertStringIncludes(
    refused.stderr,
    "error: `odd`: nft cannot ask for the authentication header",
  );
  const allowed = await run({ "rules.fw": rules }, "export", "nft", "@rules.fw", "--allow-loss");
  assertEquals(allowed.code, 0);
  assertStringIncludes(allowed.stderr, "warning: `odd`:");
  assertStringIncludes(allowed.stdout, 'iifname "lo" counter accept');
});
