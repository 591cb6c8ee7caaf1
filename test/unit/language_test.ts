import { assert, assertEquals } from "@std/assert";
import { check, OPTION_NAMES, severityOf } from "../../compiler/mod.ts";
import { Grammar } from "../../compiler/syntax/grammar.ts";
import { span } from "../../compiler/policy/interval.ts";
import { KEYWORDS } from "../../compiler/syntax/token.ts";

/** Words that are reserved, and refused so far. */
const REFUSED = new Set(["sni", "http-host", "dns"]);
const REFERENCE = Deno.readTextFileSync(new URL("../../docs/language.md", import.meta.url));
const examples = [...REFERENCE.matchAll(/^```fw( rules)?\n(.*?)^```$/gms)].map((found) => ({
  line: REFERENCE.slice(0, found.index).split("\n").length,
  text: found[1] ? `chain input default drop {\n${found[2]}}\n` : found[2]!,
}));

/** What the examples take in from elsewhere. */
const FILES: Readonly<Record<string, string>> = {
  "hosts.fw": "define uplink = eth0\n",
  "rules.d/*.fw": "accept tcp dport 22\n",
  "blocklist.txt": "192.0.2.0/24  # a comment\n",
};
const read = (name: string) => [{ name, text: FILES[name]! }];

for (const { line, text } of examples) {
  Deno.test(`the example at line ${line} of docs/language.md compiles`, () => {
    const errors = check("example.fw", text, {}, read).diagnostics.filter((d) =>
      severityOf(d) === "error"
    );
    assertEquals(errors.map(({ message }) => message), []);
  });
}

Deno.test("one token of lookahead tells all alternatives of the grammar apart", () => {
  new Grammar({ validated: true });
});

Deno.test("every block of code in docs/language.md is such an example", () => {
  assertEquals(REFERENCE.match(/^```/gm)!.length, 2 * examples.length);
  assert(examples.length >= 15);
});

Deno.test("docs/language.md has every word of the language in an example", () => {
  const said = new Set(examples.flatMap(({ text }) => text.match(/[a-z][\w-]*/g) ?? []));
  const missing = KEYWORDS.filter((word) => !said.has(word) && !REFUSED.has(word));
  assertEquals(missing, []);
});

Deno.test("docs/language.md tells of every option", () => {
  for (const name of OPTION_NAMES) assert(REFERENCE.includes(`\`${name}\``), name);
});

Deno.test("each value of an option that docs/language.md spells can be written in a file", () => {
  const rows = [...REFERENCE.matchAll(/^\| `([\w-]+)` +\| ([^|]+)\|/gm)]
    .filter(([, name]) => (OPTION_NAMES as readonly string[]).includes(name!));
  const lines = rows.flatMap(([, name, values]) =>
    [...values!.matchAll(/`([^` ]+)`/g)].map(([, value]) => `option ${name} ${value}`)
  );
  assert(lines.includes("option dry-run on"));
  for (const line of lines) {
    const { diagnostics } = check("option.fw", `${line}\nchain input default drop {\n}\n`);
    const errors = diagnostics.filter((d) => severityOf(d) === "error");
    assertEquals(errors.map(({ message }) => message), [], line);
  }
});

Deno.test("names that stand for a name twice, sixty deep, are worked out once each", () => {
  const doubled = (first: string, next: (name: string) => string) =>
    Array.from({ length: 60 }, (_, i) => i === 0 ? first : next(`${i - 1}`).replace("NEW", `${i}`))
      .join("\n");
  const { policy } = check(
    "x.fw",
    [
      doubled("define c0 = 22", (name) => `define cNEW = { $c${name}, $c${name} }`),
      doubled("set s0 = { 192.0.2.1 }", (name) => `set sNEW = { @s${name}, @s${name} }`),
      "chain input default drop { accept tcp from @s59 dport $c59 }",
    ].join("\n"),
  );
  const region = policy!.rules[0]!.regions[0]!;
  assertEquals(region.dport, span(22));
  assertEquals(region.src, span(0xc0000201));
});
