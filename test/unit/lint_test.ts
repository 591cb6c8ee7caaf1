import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ajv } from "ajv";
import { fullFormats as formats } from "ajv-formats/dist/formats.js";
import { render } from "../../cli/render.ts";
import { github, json, sarif, short } from "../../cli/formats.ts";
import { type Code, CODES, explainCode, fixed, lint, severityOf } from "../../compiler/mod.ts";

const FOLDER = new URL("../golden/lint/", import.meta.url);
/** As OASIS publishes it. */
const SCHEMA = JSON.parse(
  Deno.readTextFileSync(new URL("../support/sarif/sarif-schema-2.1.0.json", import.meta.url)),
);
/** The goldens are of this day. */
const TODAY = "2030-01-10";
const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => name.endsWith(".fw")).toSorted();

for (const file of files) {
  Deno.test(`lint finds in ${file} what ${file.replace(".fw", ".txt")} says`, () => {
    const text = Deno.readTextFileSync(new URL(file, FOLDER));
    const { sources, diagnostics } = lint(file, text, { today: TODAY });
    const said = diagnostics.map((d) => `${render(d, sources, false)}\n\n`).join("");
    const path = new URL(file.replace(".fw", ".txt"), FOLDER);
    if (Deno.env.has("UPDATE_GOLDEN")) Deno.writeTextFileSync(path, said);
    assertEquals(said, Deno.readTextFileSync(path));
    const code = /^FW\d+/.exec(file)?.[0];
    if (!code) return;
    const others = diagnostics.filter((d) => d.code !== code).map((d) => d.code);
    assert(
      diagnostics.length > others.length &&
        others.every((other) => ["FW506", "FW705"].includes(other)),
      said,
    );
  });
}

Deno.test("a fix removes its finding, brings no other, and leaves the rest as it is", () => {
  let fixes = 0;
  for (const file of files) {
    const text = Deno.readTextFileSync(new URL(file, FOLDER));
    const better = mended(file, text);
    const before = lint(file, text).diagnostics;
    const after = lint(file, better).diagnostics;
    const left = before.filter(({ fix }) => !fix).map(({ code }) => code);
    assertEquals(after.map(({ code }) => code), left, `${file}\n${better}`);
    fixes += before.filter(({ fix }) => fix).length;
  }
  assert(fixes >= 6, `${fixes} fixes`);
  const text = "chain input default drop {\n  accept   tcp dport 9-1   # odd\n}\n";
  assertEquals(
    mended("x", text),
    "chain input default drop {\n  accept   tcp dport 1-9   # odd\n}\n",
  );
});

Deno.test("fixes are made in the file that they are for, once if it is included twice", () => {
  const files: Record<string, string> = { "log.fw": 'drop udp log "x "\n' };
  const text = "set s = { 192.0.2.1, 192.0.2.1 }\nchain input default drop {\n" +
    '  drop from @s log "y " every 1s\n  include "log.fw"\n}\n' +
    'chain forward default drop { include "log.fw" }\n';
  const { sources, diagnostics } = lint("main.fw", text, {
    read: (name) => [{ name, text: files[name]! }],
  });
  assertEquals(fixed(sources, diagnostics), [
    { name: "main.fw", text: text.replace(", 192.0.2.1", "") },
    { name: "log.fw", text: 'drop udp log "x " every 10s\n' },
  ]);
});

Deno.test("IPv6 is not forgotten where a list has both families, or an address is of IPv4 by nature", () => {
  const codes = (...rules: readonly string[]) => {
    const body = ["accept state established, related", ...rules].join("\n  ");
    return lint("x.fw", `chain forward default drop {\n  ${body}\n}\n`).diagnostics
      .map(({ code }) => code).filter((code) => code === "FW405");
  };
  assertEquals(codes("accept from 10.0.0.0/8"), ["FW405"]);
  assertEquals(codes("accept from { 10.0.0.0/8, fd00::/8 }", "accept to 192.0.2.1"), []);
  assertEquals(codes("accept to 169.254.169.254", "accept from 224.0.0.0/4"), []);
});

Deno.test("a block list of IPv4 forgets no IPv6 where the default denies that, too", () => {
  const codes = (verdict: string) =>
    lint(
      "x.fw",
      `chain forward default ${verdict} {\n  accept state established, related\n` +
        "  drop from { 192.0.2.7, 198.51.100.0/24 }\n  accept tcp dport 443\n}\n",
    ).diagnostics.map(({ code }) => code).filter((code) => code === "FW405");
  assertEquals(codes("drop"), []);
  assertEquals(codes("accept"), ["FW405"]);
});

Deno.test("who is in a set that changes at run time is not any address; who is not in it is", () => {
  const codes = (from: string) =>
    lint(
      "x.fw",
      "set known : addr timeout 1h size 64 = {}\nchain input default drop {\n" +
        `  accept state established, related\n  accept tcp from ${from} dport 22\n}\n`,
    ).diagnostics.map(({ code }) => code).filter((code) => code === "FW411");
  assertEquals(codes("@known"), []);
  assertEquals(codes("! @known"), ["FW411"]);
});

Deno.test("fragments pass by rules that deny ports, not by those that only count", () => {
  const codes = (verb: string) =>
    lint("x.fw", `chain forward default accept {\n  ${verb} tcp dport 23\n}\n`).diagnostics
      .map(({ code }) => code).filter((code) => code === "FW412");
  assertEquals(codes("drop"), ["FW412"]);
  assertEquals(codes("match"), []);
});

Deno.test("the whole of the mapped addresses may be in a list of what never comes, one is a slip", () => {
  const codes = (address: string) =>
    lint("x.fw", `chain forward default drop {\n  drop from ${address}\n}\n`).diagnostics
      .map(({ code }) => code).filter((code) => code === "FW217");
  assertEquals(codes("::ffff:0:0/96"), []);
  assertEquals(codes("::ffff:192.0.2.0/120"), ["FW217"]);
});

Deno.test("what is odd about the members of a set file is told once", () => {
  const text =
    'set bad : addr file "bad.txt"\nchain forward default drop {\n  accept from ! @bad\n}\n';
  const { diagnostics, sources } = lint("main.fw", text, {
    read: (name) => [{ name, text: "192.0.2.1\n192.0.2.0/24\n192.0.2.7\n2001:db8::/32\n" }],
  });
  const told = diagnostics.filter(({ code }) => code === "FW205");
  assertEquals(told.map(({ message, note, fix }) => [message, note, fix]), [
    ["`192.0.2.0/24` covers `192.0.2.1`", "so it is with 1 more of this file", undefined],
  ]);
  assertEquals(sources.position(told[0]!.span.start).source.name, "bad.txt");
});

Deno.test("an included file ignores findings of its own, and may define what others use", () => {
  const files: Record<string, string> = {
    "all.fw": "define a = 1\nset b = { 192.0.2.0/24 }\n",
    "log.fw": '# fw-ignore FW501, FW506: seldom\ndrop udp log "x "\n',
  };
  const text = 'include "all.fw"\nchain forward default drop {\n  include "log.fw"\n}\n';
  const { diagnostics } = lint("main.fw", text, {
    read: (name) => [{ name, text: files[name]! }],
  });
  assertEquals(diagnostics.map(({ code }) => code), []);
});

Deno.test("short and github lines say where, how bad, and what", () => {
  const found = findings("chain input default drop {\n  acept tcp\n}\n");
  assertEquals(found.map(short), ["a b.fw:2:3: error[FW001]: unknown verb `acept`"]);
  assertMatch(
    github(found[0]!),
    /^::error file=a b\.fw,line=2,endLine=2,col=3,endColumn=8,title=FW001::unknown verb/,
  );
});

Deno.test("JSON tells places as lines and as a fix", () => {
  const [found] = JSON.parse(json(findings("chain input default drop {\n  acept tcp\n}\n")));
  assertEquals([found.code, found.severity, found.line, found.column], ["FW001", "error", 2, 3]);
  assertEquals(found.fix[0].text, "accept");
});

Deno.test("SARIF is valid by the published schema of 2.1.0, whatever was found", () => {
  const schema = new Ajv({ strict: false, allErrors: true, formats }).compile(SCHEMA);
  const wrong = (log: unknown) => schema(log) ? [] : schema.errors!;
  const found = files.flatMap((file) => {
    const text = Deno.readTextFileSync(new URL(file, FOLDER));
    const { sources, diagnostics } = lint(`a b/${file}`, text);
    return diagnostics.map((diagnostic) => ({ diagnostic, sources }));
  });
  const log = JSON.parse(sarif(found, "1.2.3"));
  assertEquals(wrong(log), []);
  assertEquals(wrong(JSON.parse(sarif([], "1.2.3"))), []);
  const [{ results, tool }] = log.runs;
  assertEquals(results.length, found.length);
  for (const result of results) {
    assertEquals(tool.driver.rules[result.ruleIndex].id, result.ruleId);
    const [{ physicalLocation: { artifactLocation } }] = result.locations;
    assertMatch(artifactLocation.uri, /^a%20b\//);
  }
  const some = (key: string) => results.some((result: Record<string, unknown>) => result[key]);
  assert(some("fixes") && some("relatedLocations"));
  delete log.runs[0].results[0].message;
  assert(wrong(log).length > 0, "the schema is one that can fail");
});

Deno.test("a SARIF fingerprint survives lines added above", () => {
  const text = Deno.readTextFileSync(new URL("FW205.fw", FOLDER));
  const print = (text: string) =>
    JSON.parse(sarif(findings(text), "1")).runs[0].results[0].partialFingerprints["rule/v1"];
  assertEquals(print(text), print(`# a new line\n\n${text}`));
});

Deno.test("port 0 is odd by itself, not as the start of a range", () => {
  const codes = (ports: string) =>
    lint("ports.fw", `chain input default drop {\n  drop tcp dport ${ports}\n}\n`).diagnostics
      .filter(({ code }) => code === "FW215").length;
  assertEquals(["0", "{ 0, 80 }", "0-1023", "{ 0-1023, 8080 }"].map(codes), [1, 1, 0, 0]);
});

Deno.test("what a fix takes out goes with its comment, what documents it, and its line", () => {
  const text = `fw 1
# The web.
## Not used.
## Not at all.
define unused = 80 # at all
define web = 443

chain input default drop {
  accept in on lo # loopback
  ## Again.
  accept in on lo # once more
  accept tcp dport $web
}
`;
  assertEquals(
    mended("docs.fw", text),
    `fw 1
# The web.
define web = 443

chain input default drop {
  accept in on lo # loopback
  accept tcp dport $web
}
`,
  );
  const close = 'chain input default drop {\n  drop log "udp "udp\n}\n';
  assertStringIncludes(mended("close.fw", close), 'log "udp " every 10s udp');
  const held = "chain input default drop {\n  accept tcp dport 22 accept tcp dport 22 # both\n}\n";
  assertStringIncludes(mended("held.fw", held), "  accept tcp dport 22  # both\n");
  const long = `chain input default drop {\n  accept udp\n  accept udp #${
    " long".repeat(900)
  }\n}\n`;
  assertEquals(mended("long.fw", long), "chain input default drop {\n  accept udp\n}\n");
});

Deno.test("every code has an explanation beyond its title", () => {
  for (const code of Object.keys(CODES)) {
    assertMatch(explainCode(code as Code), new RegExp(`^${code} \\(.*\\): .+\\n\\n.{30}`, "s"));
  }
});

function mended(name: string, text: string): string {
  const { sources, diagnostics } = lint(name, text);
  return fixed(sources, diagnostics)[0]?.text ?? text;
}

function findings(text: string) {
  const { sources, diagnostics } = lint("a b.fw", text);
  return diagnostics.filter((d) => severityOf(d) !== "info")
    .map((diagnostic) => ({ diagnostic, sources }));
}
