import { assertEquals } from "@std/assert";
import { check, type Read } from "../../compiler/mod.ts";

/** Files as a record; a path that ends in "*" means all that begin like it. */
function reading(files: Record<string, string>): Read {
  return (path) => {
    const names = Object.keys(files).filter((name) =>
      path.endsWith("*") ? name.startsWith(path.slice(0, -1)) : name === path
    );
    if (names.length === 0 && !path.endsWith("*")) return "there is no such file";
    return names.sort().map((name) => ({ name, text: files[name]! }));
  };
}

function found(text: string, files: Record<string, string>): string[] {
  const { sources, diagnostics } = check("main.fw", text, {}, reading(files));
  return diagnostics.map(({ code, span }) => {
    const { source, line } = sources.position(span.start);
    return `${source.name}:${line} ${code}`;
  });
}

function rules(text: string, files: Record<string, string>): string[] {
  const { policy } = check("main.fw", text, {}, reading(files));
  return policy!.rules.map(({ name }) => name);
}

Deno.test("a file's include stands for the items of that file", () => {
  const files = { "lan.fw": "set lan = { 10.0.0.0/8 }" };
  assertEquals(found('include "lan.fw" chain input default drop { accept from @lan }', files), []);
});

Deno.test("a chain's include stands for the rules of that file, and a glob for all in order", () => {
  const files = { "d/b.fw": "accept udp label b", "d/a.fw": "accept tcp label a\nmatch" };
  assertEquals(
    rules('chain input default drop { include "d/*" drop label c }', files),
    ["a", "input:a.fw:2", "b", "c", "input:default"],
  );
});

Deno.test("a glob that fits no file includes nothing", () => {
  assertEquals(found('include "none/*" chain input default drop { }', {}), []);
});

Deno.test("a missing include and a circle of includes are told where they stand", () => {
  const files = { "a.fw": '\ninclude "b.fw"', "b.fw": 'include "a.fw"' };
  assertEquals(found('include "a.fw" include "c.fw" chain input default drop { }', files), [
    "main.fw:1 FW010",
    "b.fw:1 FW010",
  ]);
});

Deno.test("a mistake in an included file is placed in that file", () => {
  const files = { "a.fw": "chain input default drop {\n accept dport 99999\n}" };
  assertEquals(found('include "a.fw"', files), ["a.fw:2 FW214"]);
});

Deno.test("a set file is read line by line, and a bad line is named", () => {
  const files = {
    "bad.txt": "# list\n10.0.0.1 ; SBL1\n\n10.0.0.0/33\n10.0.0.5 - 10.0.0.9\nfd00::1\n???\n",
  };
  const text = 'set bad : addr file "bad.txt" chain input default accept { drop from @bad }';
  assertEquals(found(text, files), ["bad.txt:4 FW211", "bad.txt:7 FW209"]);
});

Deno.test("lines of a set file that end in a carriage return alone are not lost", () => {
  const text = 'set bad : addr file "bad.txt" chain input default accept { drop from @bad }';
  assertEquals(found(text, { "bad.txt": "10.0.0.1\r10.0.0.2\r" }), ["bad.txt:1 FW209"]);
  assertEquals(found(text, { "bad.txt": "10.0.0.9\n# mail\r10.0.0.2\n" }), ["bad.txt:2 FW209"]);
  assertEquals(found(text, { "bad.txt": "10.0.0.1 # mail\r\n10.0.0.2\r\n" }), []);
});

Deno.test("a set file may list tuples", () => {
  const files = { "open.txt": "10.0.0.1 . 22\n10.0.0.2 . 80-90\r\n10.0.0.1 . 23" };
  const { policy } = check(
    "main.fw",
    'set open : addr . port file "open.txt"\n' +
      "chain input default drop { accept tcp tuple (to, dport) in @open }",
    {},
    reading(files),
  );
  assertEquals(policy!.rules[0]!.regions.length, 2);
});
