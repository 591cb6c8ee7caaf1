import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../cli/commands.ts";
import { page } from "../../cli/man.ts";

const ENTRY = new URL("../../fw.ts", import.meta.url).pathname;
const LINTED = new URL("../../examples/01-first-steps.fw", import.meta.url).pathname;

/** Runs the program; what it printed and its exit code. */
async function fw(args: readonly string[], input = ""): Promise<{ out: string; code: number }> {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-read", ENTRY, ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    env: { NO_COLOR: "1" },
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(input));
  await writer.close();
  const { stdout, stderr, code } = await child.output();
  return { out: new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr), code };
}

const BAD = "chain input default drop {\n  acept in on lo\n}\n";
const LAX = "chain input default drop {\n  accept in on lo\n" +
  "  accept state established, related\n  accept icmpv6\n  accept tcp dport 22\n}\n";

Deno.test("lint reads standard input as -, and fails on errors", async () => {
  const { out, code } = await fw(["lint", "--format", "short", "-"], BAD);
  assertEquals([out, code], ["-:2:3: error[FW001]: unknown verb `acept`\n", 1]);
});

Deno.test("lint fails on warnings if asked to, or if there are too many", async () => {
  assertEquals((await fw(["lint", "-"], LAX)).code, 0);
  assertEquals((await fw(["lint", "--fail-on", "warning", "-"], LAX)).code, 1);
  assertEquals((await fw(["lint", "--max-warnings", "0", "-"], LAX)).code, 1);
  assertEquals((await fw(["lint", "--max-warnings", "1", "-"], LAX)).code, 0);
});

Deno.test("a wrong format, code or number is a mistake of usage", async () => {
  assertEquals((await fw(["lint", "--format", "xml", "-"])).code, 2);
  assertEquals((await fw(["lint", "--explain", "FW000"])).code, 2);
  assertEquals((await fw(["lint", "--max-warnings", "many", "-"])).code, 2);
  assertEquals((await fw(["lint"])).code, 2);
});

Deno.test("fmt writes standard input to standard output, and --check only says", async () => {
  const odd = "chain  input default drop { accept in on lo }";
  const form = "chain input default drop {\n  accept in on lo\n}\n";
  assertEquals(await fw(["fmt", "--check", "-"], odd), { out: "-: not formatted\n", code: 1 });
  assertEquals(await fw(["fmt", "--check", "-"], form), { out: "", code: 0 });
});

Deno.test("output is plain where it is no terminal", async () => {
  assert(!(await fw(["lint", "-"], BAD)).out.includes("\x1b"));
});

for (const { name, options } of COMMANDS) {
  Deno.test(`${name} --help and the manual tell of every option`, async () => {
    const { out, code } = await fw([name, "--help"]);
    assertEquals(code, 0);
    for (const option of options) {
      assertStringIncludes(out, `--${option.name}`);
      assertStringIncludes(page(), `\\-\\-${option.name.replaceAll("-", "\\-")}`);
    }
  });
}

for (const shell of ["bash", "zsh", "fish"]) {
  Deno.test(`the completion for ${shell} knows every command and option`, async () => {
    const { out, code } = await fw(["completion", shell]);
    assertEquals(code, 0);
    for (const { name, options } of COMMANDS) {
      assertMatch(out, new RegExp(`\\b${name}\\b`));
      for (const option of options) assertMatch(out, new RegExp(`(--|-l )${option.name}\\b`));
    }
  });
}

Deno.test("bash offers commands first, then the options of a command and their values", async () => {
  const { out } = await fw(["completion", "bash"]);
  const complete = async (...words: string[]) => {
    const script = `${out}\nCOMP_WORDS=(barrage ${words.map((w) => `"${w}"`).join(" ")})\n` +
      `COMP_CWORD=${words.length}\n_barrage\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = await new Deno.Command("bash", { args: ["-c", script] }).output();
    return new TextDecoder().decode(stdout).trim().split("\n");
  };
  assertEquals(await complete("li"), ["lint"]);
  assertEquals(await complete("lint", "--max"), ["--max-warnings"]);
  assertEquals(await complete("lint", "--format", "sa"), ["sarif"]);
});

Deno.test("a small file is answered in half a second of the processor, cold", async () => {
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const script = `TIMEFORMAT='%U %S'; time "${Deno.execPath()}" run --allow-read ` +
      `"${ENTRY}" lint "${LINTED}" >/dev/null`;
    const { stderr } = await new Deno.Command("bash", { args: ["-c", script] }).output();
    const [user, system] = new TextDecoder().decode(stderr).trim().split(" ").map(Number);
    times.push(user! + system!);
  }
  const best = Math.min(...times);
  assert(best > 0 && best < 0.5, `${times.join(", ")} s`);
});
