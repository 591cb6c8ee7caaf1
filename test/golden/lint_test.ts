import { assertEquals } from "@std/assert";
import { check } from "../../compiler/mod.ts";
import { render, tally } from "../../cli/render.ts";

const FOLDER = new URL("lint/", import.meta.url);

/** `FW_GOLDEN=update deno task test` writes what is said now; read the difference before you keep it. */
const UPDATE = Deno.env.get("FW_GOLDEN") === "update";

for (const { name } of [...Deno.readDirSync(FOLDER)].toSorted((a, b) => a.name < b.name ? -1 : 1)) {
  if (!name.endsWith(".fw")) continue;
  Deno.test(`golden: what is said of ${name}`, async () => {
    const { sources, diagnostics } = check(name, await Deno.readTextFile(new URL(name, FOLDER)));
    const said = [...diagnostics.map((d) => `${render(d, sources, false)}\n`), tally(diagnostics)];
    const golden = new URL(name.replace(/fw$/, "txt"), FOLDER);
    const text = `${said.join("\n")}\n`;
    if (UPDATE) await Deno.writeTextFile(golden, text);
    assertEquals(text, await Deno.readTextFile(golden));
  });
}
