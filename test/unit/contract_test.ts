import { assertEquals } from "@std/assert";
import { layoutHeader } from "../../native/gen_layout.ts";
import { symbols } from "../../runtime/native.ts";

const ROOT = new URL("../../", import.meta.url);
const read = (path: string) => Deno.readTextFile(new URL(path, ROOT));

Deno.test("native/layout.h is what compiler/tables/layout.ts generates", async () => {
  assertEquals(await read("native/layout.h"), layoutHeader());
});

Deno.test("runtime/native.ts declares exactly the functions of native/fw.h, with their types", async () => {
  const prototype = /FW_EXPORT (\w+) (\w+)\(([^)]*)\);/g;
  const fromHeader = [...(await read("native/fw.h")).matchAll(prototype)].map(
    ([, result, name, params]) => [name, parameters(params!), ffiType(result!)],
  );
  const declared = Object.entries(symbols).map(([name, s]) => [name, [...s.parameters], s.result]);
  assertEquals(declared, fromHeader);
});

function parameters(list: string): string[] {
  return list === "void" ? [] : list.split(",").map(ffiType);
}

/** `struct fw_engine *engine` is a "pointer", any other pointer a "buffer", `uint32_t n` a "u32". */
function ffiType(c: string): string {
  if (/struct fw_engine \*(?!\*)/.test(c)) return "pointer";
  if (c.includes("*")) return "buffer";
  return c.trim().split(" ")[0]!.replace(/^uint(\d+)_t$/, "u$1").replace(/^int(\d+)_t$/, "i$1");
}

/** What a file of a folder may import: the arrows of the house. */
const MAY_IMPORT: Readonly<Record<string, RegExp>> = {
  "compiler/": /^(chevrotain|compiler\/(?!mod\.ts).*)$/,
  "compiler/mod.ts": /^compiler\//,
  "runtime/": /^(runtime\/(?!mod\.ts).*|compiler\/tables\/layout\.ts)$/,
  "runtime/mod.ts": /^(runtime\/|compiler\/tables\/layout\.ts$)/,
  "runtime/native.ts": /^compiler\/tables\/layout\.ts$/,
  "cli/": /^(node:.*|echarts\/dist\/echarts\.min\.js|cli\/.*|compiler\/mod\.ts|runtime\/mod\.ts)$/,
};

Deno.test("imports point one way, and only runtime/native.ts reaches native memory", async () => {
  const wrong: string[] = [];
  for (const folder of ["compiler", "runtime", "cli"]) {
    for await (const path of sourceFiles(folder)) {
      const text = await read(path);
      const rule = MAY_IMPORT[path] ?? MAY_IMPORT[`${folder}/`]!;
      const imports = /^(?:import|export)\b[^;"]*? from "([^"]+)"|\bimport\("([^"]+)"\)/gm;
      for (const [, fixed, onDemand] of text.matchAll(imports)) {
        const from = fixed ?? onDemand;
        const target = from!.startsWith(".")
          ? new URL(from!, new URL(path, ROOT)).href.slice(ROOT.href.length)
          : from!;
        if (!rule.test(target)) wrong.push(`${path} imports ${target}`);
      }
      const native = /Deno\.(dlopen|Unsafe)/.test(text);
      if (native !== (path === "runtime/native.ts")) wrong.push(`${path} and native memory`);
    }
  }
  assertEquals(wrong, []);
});

async function* sourceFiles(folder: string): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(new URL(folder, ROOT))) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory) yield* sourceFiles(path);
    else if (entry.name.endsWith(".ts")) yield path;
  }
}

Deno.test("what the compiler does, it does without files, clock, chance or printing", async () => {
  const impure = /\bDeno\.|\bconsole\.|Math\.random|Date\.now|performance\.|\bfetch\(/;
  for await (const path of sourceFiles("compiler")) {
    assertEquals(impure.test(await read(path)), false, path);
  }
});

for (
  const [name, args] of [
    ["type-checked", ["check"]],
    ["linted", ["lint", "--quiet"]],
    ["formatted", ["fmt", "--check", "--quiet"]],
  ] as const
) {
  Deno.test(`the whole tree is ${name}`, async () => {
    const options = { args: [...args], cwd: ROOT };
    const { code, stderr } = await new Deno.Command(Deno.execPath(), options).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  });
}
