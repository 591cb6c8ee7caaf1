import { assert, assertEquals } from "@std/assert";
import { check, severityOf } from "../../compiler/mod.ts";
import { render } from "../../cli/render.ts";

const FOLDER = new URL("../golden/messages/", import.meta.url);
const files = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => name.endsWith(".fw")).toSorted();

for (const file of files) {
  Deno.test(`what is said of ${file} is ${file.replace(".fw", ".txt")}`, () => {
    const text = new TextDecoder().decode(Deno.readFileSync(new URL(file, FOLDER)));
    const { sources, diagnostics } = check(file, text);
    const said = diagnostics.map((d) => `${render(d, sources, false)}\n\n`).join("");
    const path = new URL(file.replace(".fw", ".txt"), FOLDER);
    if (Deno.env.has("UPDATE_GOLDEN")) Deno.writeTextFileSync(path, said);
    assertEquals(said, Deno.readTextFileSync(path));
    if (!file.startsWith("several-")) assertEquals(diagnostics.length, 1, said);
  });
}

Deno.test("the rule offered for a wrong one is a rule here", () => {
  const offered = files.flatMap((file) => {
    const said = Deno.readTextFileSync(new URL(file.replace(".fw", ".txt"), FOLDER));
    return [...said.matchAll(/^error\[FW00[29]\](?:(?!^error)[^])*?help: write `([^`]+)`/gm)]
      .map(([, rule]) => rule!)
      .filter((rule) => /^(accept|drop|reject|match|jump|return) /.test(rule));
  });
  assert(offered.length > 120, `${offered.length} rules`);
  // Its names are not defined here, and its chain may be another.
  const excused = ["FW020", "FW301"];
  for (const rule of offered) {
    const { diagnostics } = check("x.fw", `chain forward default drop {\n  ${rule}\n}\n`);
    const wrong = diagnostics.filter((d) => severityOf(d) === "error" && !excused.includes(d.code));
    assertEquals(wrong.map(({ message }) => message), [], rule);
  }
});

Deno.test("no message names a token class or a production", () => {
  assert(files.length >= 150, `${files.length} files`);
  for (const file of files) {
    const said = Deno.readTextFileSync(new URL(file.replace(".fw", ".txt"), FOLDER));
    const inner =
      /\b(Ident|LBrace|RBrace|SetRef|VarRef|NoViableAlt|Mismatched|knownClause|chainHead)\b/;
    assertEquals(inner.exec(said)?.[0], undefined, file);
  }
});
