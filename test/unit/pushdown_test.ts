import { assertEquals } from "@std/assert";
import { hooksText } from "../../cli/hooks.ts";
import { check } from "../../compiler/mod.ts";
import { backendNamed } from "../../runtime/mod.ts";

const FOLDER = new URL("../golden/pushdown/", import.meta.url);

for (const { name } of Deno.readDirSync(FOLDER)) {
  if (!name.endsWith(".fw")) continue;
  const text = Deno.readTextFileSync(new URL(name, FOLDER));
  for (const tool of ["nft", "iptables"]) {
    const golden = name.replace(".fw", `_${tool}.txt`);
    Deno.test(`what ${tool} is told of ${name}, and why no more, is ${golden}`, () => {
      const { policy, diagnostics } = check(name, text);
      assertEquals(diagnostics, []);
      const said = `${hooksText(policy!, backendNamed(tool)!)}\n`;
      const path = new URL(golden, FOLDER);
      if (Deno.env.has("UPDATE_GOLDEN")) Deno.writeTextFileSync(path, said);
      assertEquals(said, Deno.readTextFileSync(path));
    });
  }
}
