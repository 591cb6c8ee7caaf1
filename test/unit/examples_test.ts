import { assert, assertEquals } from "@std/assert";
import { type Diagnostic, formatted, lint, runTests } from "../../compiler/mod.ts";

const FOLDER = new URL("../../examples/", import.meta.url);
const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => name.endsWith(".fw")).toSorted();

/** Words of the language that this version refuses may stand in an example. */
const said = (diagnostics: readonly Diagnostic[]) =>
  diagnostics.filter(({ code }) => code !== "FW012").map(({ code, message }) => [code, message]);

Deno.test("there are at least eight examples, numbered in reading order", () => {
  assert(files.length >= 8);
  assertEquals(files.map((file) => Number(file.slice(0, 2))), files.map((_, i) => i + 1));
});

for (const file of files) {
  const text = Deno.readTextFileSync(new URL(file, FOLDER));
  Deno.test(`example ${file} is clean, with and without its tests`, () => {
    const tests = text.search(/^test /m);
    assert(tests > 0, "it carries tests");
    assertEquals(said(lint(file, text).diagnostics), []);
    assertEquals(said(lint(file, `${text.slice(0, tests).trimEnd()}\n`).diagnostics), []);
  });

  Deno.test(`what example ${file} expects holds`, () => {
    const { tested } = runTests(lint(file, text).policy!);
    assert(tested.length > 0);
    assertEquals(tested.flatMap(({ finding }) => finding ?? []), []);
  });

  Deno.test(`example ${file} is formatted`, () => {
    assertEquals(formatted(file, text).text, text);
  });
}
