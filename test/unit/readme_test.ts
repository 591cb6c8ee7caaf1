import { assert, assertEquals } from "@std/assert";
import { COMMANDS } from "../../cli/commands.ts";
import { formatted, lint, runTests } from "../../compiler/mod.ts";

const README = Deno.readTextFileSync(new URL("../../README.md", import.meta.url));
const [, POLICY = ""] = README.match(/^```\n(fw 1\n.*?)^```$/ms) ?? [];

Deno.test("the first policy of the README is clean, formatted, and what it expects holds", () => {
  const { diagnostics, policy } = lint("README.md", POLICY);
  assertEquals(diagnostics, []);
  assertEquals(formatted("README.md", POLICY).text, POLICY);
  const { tested } = runTests(policy!);
  assertEquals(tested.map(({ finding }) => finding), [undefined]);
});

Deno.test("the README names every command", () => {
  const prose = README.replaceAll(/^```.*?^```$/gms, "");
  const code = [...prose.matchAll(/`([^`]+)`/g)].map(([, text]) => text!.split(" ")[0]);
  for (const { name } of COMMANDS) assert(code.includes(name), name);
});
