import { assert, assertEquals } from "@std/assert";
import { check, OPTION_NAMES, severityOf } from "../../compiler/mod.ts";

const REFERENCE = Deno.readTextFileSync(new URL("../../docs/language.md", import.meta.url));
const examples = [...REFERENCE.matchAll(/^```fw( rules)?\n(.*?)^```$/gms)].map((found) => ({
  line: REFERENCE.slice(0, found.index).split("\n").length,
  text: found[1] ? `chain input default drop {\n${found[2]}}\n` : found[2]!,
}));

for (const { line, text } of examples) {
  Deno.test(`the example at line ${line} of docs/language.md compiles`, () => {
    const errors = check("example.fw", text).diagnostics.filter((d) => severityOf(d) === "error");
    assertEquals(errors.map(({ message }) => message), []);
  });
}

Deno.test("every block of code in docs/language.md is such an example", () => {
  assertEquals(REFERENCE.match(/^```/gm)!.length, 2 * examples.length);
  assert(examples.length >= 15);
});

Deno.test("docs/language.md tells of every option", () => {
  for (const name of OPTION_NAMES) assert(REFERENCE.includes(`\`${name}\``), name);
});
