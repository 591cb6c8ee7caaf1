/**
 * Texts that no person would write: the front end answers each with diagnostics inside the file,
 * without an exception and in time. FW_CASES=1000000 for a night.
 */
import { cpuUsage } from "node:process";
import { assert } from "@std/assert";
import { render } from "../../cli/render.ts";
import { formatted, lint } from "../../compiler/mod.ts";
import { KEYWORDS } from "../../compiler/syntax/token.ts";
import { Random, randomCases, randomRules } from "../support/policy.ts";

const MOST_MS = 1000;
const EXAMPLES = [...Deno.readDirSync(new URL("../../examples/", import.meta.url))]
  .filter(({ name }) => name.endsWith(".fw"))
  .map(({ name }) => Deno.readTextFileSync(new URL(`../../examples/${name}`, import.meta.url)));

const SOUP = [
  ...KEYWORDS,
  ...["{", "}", "(", ")", ",", ";", ":", ".", "=", "!", "-", "/", "\n", "\n", "#", '"', "<", ">"],
  ...["$a", "@b", "a", "eth0", "br-*", '"text"', "22", "0x1", "10s", "08:00", "2030-01-01"],
  ...["10.0.0.0/8", "300.1.1.1", "fd00::/8", "::ffff:1.2.3.4", "02:00:00:00:00:01", "fe80::1%lo"],
  ...["pass", "block", "quick", "saddr", "iifname", "ct", "policy", "-A", "--dport", "table"],
  ...["acept", "dprt", "\u00a0", "\u201c", "\0", "\ufffd", "\u{1f525}", "\r\n", "\ufeff"],
];

Deno.test("whatever the text, the answer is in time and inside it", () => {
  const { seed, cases } = randomCases(20_000);
  let slowest = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const text = random.pick([randomBytes, soup, mutated, mutated])(random);
    const began = cpuUsage();
    const where = () => `seed ${s}\n${JSON.stringify(text)}`;
    try {
      examine(text, where);
    } catch (error) {
      throw new Error(where(), { cause: error });
    }
    // Of the processor: neighbours on the machine must not count.
    const { user, system } = cpuUsage(began);
    const took = (user + system) / 1000;
    slowest = Math.max(slowest, took);
    assert(took < MOST_MS, `${took} ms: ${where()}`);
  }
  console.log(`slowest ${slowest.toFixed(1)} ms`);
});

const HOSTILE: Readonly<Record<string, string>> = {
  "a megabyte on one line": `chain input default drop { ${"accept tcp dport 22 ".repeat(50_000)}}`,
  "100,000 nested braces": "{".repeat(100_000),
  "100,000 nested whens": `chain input default drop {${"when tcp {".repeat(100_000)}`,
  "100,000 braces that close nothing": "}".repeat(100_000),
  "a comment of 10 MB": `#${"x".repeat(10_000_000)}`,
  "a megabyte of NUL": "\0".repeat(1_000_000),
  "a megabyte of one word": "a".repeat(1_000_000),
  "a number of a million digits": `define a = ${"1".repeat(1_000_000)}`,
  "a hundred thousand strings without an end": '"\n'.repeat(100_000),
  "half a million colons": "a:".repeat(500_000),
  "a megabyte that is no UTF-8": new TextDecoder().decode(new Uint8Array(1_000_000).fill(0xfe)),
  "odd bytes among rules": `chain input default drop {\n${
    "accept tcp dport 22 from 192.0.2.1 to \0 198.51.100.1 label \ufffd\n".repeat(5_000)
  }}`,
  "20,000 lines that end in CRLF, behind a byte order mark": `\ufeffchain input default drop {\r\n${
    "match tcp dport 22\r\n".repeat(20_000)
  }}\r\n`,
  "a list of 200,000 members": `set s = { ${
    Array.from({ length: 200_000 }, (_, i) => `10.${i >> 16}.${i >> 8 & 255}.${i & 255}`).join(", ")
  } }\nchain input default drop { accept from @s }`,
  "20,000 mistakes": `chain input default drop {\n${"acept tcp dprt\n".repeat(20_000)}}`,
};

for (const [what, text] of Object.entries(HOSTILE)) {
  Deno.test(`${what}: a clear answer in bounded time`, () => {
    const began = cpuUsage();
    examine(text, () => what);
    const { user, system } = cpuUsage(began);
    assert(user + system < 20_000_000, `${(user + system) / 1e6} s`);
  });
}

function examine(text: string, where: () => string): void {
  const { sources, diagnostics } = lint("x.fw", text, { today: "2030-01-01" });
  for (const diagnostic of diagnostics) {
    const { span, also = [], related = [], fix = [] } = diagnostic;
    for (const { start, end } of [span, ...also, ...[...related, ...fix].map((r) => r.span)]) {
      assert(0 <= start && start <= end && end <= text.length, where());
    }
  }
  for (const diagnostic of diagnostics.slice(0, 20)) render(diagnostic, sources, false);
  formatted("x.fw", text);
}

function randomBytes(random: Random): string {
  const bytes = Uint8Array.from({ length: random.below(200) }, () => random.below(256));
  return new TextDecoder().decode(bytes);
}

function soup(random: Random): string {
  const words = Array.from({ length: random.below(80) }, () => random.pick(SOUP));
  const text = words.join(random.chance(4) ? "" : " ");
  return random.chance(2) ? text : `chain input default drop {\n${text}\n}\n`;
}

/** An example or a random policy with pieces left out, said twice, or exchanged for others. */
function mutated(random: Random): string {
  let text = random.chance(2) ? random.pick(EXAMPLES) : randomRules(random, 6);
  for (let i = random.below(5); i >= 0; i--) {
    const at = random.below(text.length + 1);
    const end = at + random.below(random.chance(3) ? 40 : 4);
    const put = random.pick(["", random.pick(SOUP), text.slice(at, end).repeat(2)]);
    text = text.slice(0, at) + put + text.slice(end);
  }
  return text;
}
