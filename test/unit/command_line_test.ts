import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { COMMANDS } from "../../cli/commands.ts";
import { page, pageOf } from "../../cli/man.ts";
import { render } from "../../cli/render.ts";
import { check, lint, OPTION_NAMES } from "../../compiler/mod.ts";

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

Deno.test("what a rule file can set, the command line of run can, too", () => {
  const words: Readonly<Record<string, string>> = { hooks: "no-hooks", report: "json" };
  const { options } = COMMANDS.find(({ name }) => name === "run")!;
  const known = options.map(({ name }) => name);
  assertEquals(OPTION_NAMES.filter((name) => !known.includes(words[name] ?? name)), []);
});

Deno.test("two places of one long line are marked below one part of it", () => {
  const members = Array.from({ length: 30 }, (_, i) => `192.0.2.${4 * i}`);
  const text = `set a = { ${members.join(", ")}, 192.0.2.116 }\n` +
    "chain input default drop {\n  accept from @a\n}\n";
  const { sources, diagnostics } = lint("x.fw", text);
  const found = diagnostics.find(({ code }) => code === "FW204")!;
  const lines = render(found, sources, false).split("\n");
  const shown = lines.filter((line) => line.startsWith("1 |"));
  assertEquals(shown.length, 1, lines.join("\n"));
  const marked = lines.filter((line) => /^ {2}\| +[-^]+/.test(line)).map((line) => {
    const start = line.search(/[-^]/);
    return shown[0]!.slice(start, start + "192.0.2.116".length);
  });
  assertEquals(marked, ["192.0.2.116", "192.0.2.116"]);
});

Deno.test("what is neither a command nor a file is said to be so", async () => {
  const { out, code } = await fw(["frobnicate"]);
  assertEquals(code, 2);
  assertStringIncludes(out, 'there is no command "frobnicate", and no file of that name');
});

Deno.test("a wrong format, code or number is a mistake of usage", async () => {
  assertEquals((await fw(["lint", "--format", "xml", "-"])).code, 2);
  assertEquals((await fw(["lint", "--explain", "FW000"])).code, 2);
  assertEquals((await fw(["lint", "--max-warnings", "many", "-"])).code, 2);
  assertEquals((await fw(["lint"])).code, 2);
});

Deno.test("an option that is nearly one is told which", async () => {
  const { out, code } = await fw(["lint", "--formt", "json", "-"]);
  assertEquals(
    [out, code],
    ["barrage: there is no option --formt; did you mean --format?\ntry `fw.ts lint --help`\n", 2],
  );
  assertStringIncludes((await fw(["lint", "--explain"])).out, "--explain takes CODE");
  assertStringIncludes((await fw(["lint", "--fix=3", "-"])).out, "--fix takes no value");
});

Deno.test("help COMMAND is COMMAND --help", async () => {
  assertEquals(await fw(["help", "lint"]), await fw(["lint", "--help"]));
});

Deno.test("what is wrong with a question is said of the question, not of the rule file", async () => {
  const ask = (question: string) => fw(["reach", LINTED, question]);
  const { out, code } = await ask("input tcp dprt 22");
  assertEquals(
    [out, code],
    ['barrage: "input tcp dprt 22": unknown clause `dprt`\ntry `fw.ts reach --help`\n', 2],
  );
  assertStringIncludes((await ask("input drop tcp")).out, '--verdict drop "input tcp"');
  assertStringIncludes((await ask("")).out, 'a question is as "input tcp dport 22"');
});

Deno.test("the permissions that are asked for are those that are lacking", async () => {
  assertStringIncludes((await fw(["down"])).out, "`deno run -P=run fw.ts down`");
  const { out } = await fw(["compile", LINTED, "-o", "a b.fwt"]);
  assertStringIncludes(out, `fw.ts compile ${LINTED} -o 'a b.fwt'`);
});

Deno.test("fmt writes standard input to standard output, and --check only says", async () => {
  const odd = "chain  input default drop { accept in on lo }";
  const form = "chain input default drop {\n  accept in on lo\n}\n";
  assertEquals(await fw(["fmt", "--check", "-"], odd), { out: "-: not formatted\n", code: 1 });
  assertEquals(await fw(["fmt", "--check", "-"], form), { out: "", code: 0 });
  assertEquals(await fw(["fmt", "-"], odd), { out: form, code: 0 });
});

Deno.test("output is plain where it is no terminal", async () => {
  assert(!(await fw(["lint", "-"], BAD)).out.includes("\x1b"));
});

Deno.test("a line longer than the terminal is cut around what is meant", () => {
  const text = `chain input default drop {\n  accept ${"tcp ".repeat(40)}dprt 22\n}\n`;
  const { sources, diagnostics } = check("x.fw", text);
  const lines = render(diagnostics[0]!, sources, false, 60).split("\n");
  const source = lines.findIndex((line) => line.includes("dprt 22"));
  assert(lines[source]!.length <= 60, lines[source]);
  assertEquals(lines[source]!.indexOf("dprt"), lines[source + 1]!.indexOf("^^^^"));
});

/** Runs the program on a terminal; what stands there in the end, escapes and all. */
async function onTerminal(environment: string, ...args: string[]): Promise<string> {
  const command = ["env", environment, Deno.execPath(), "run", "--quiet", "-A", ENTRY, ...args];
  return await output("script", "-qec", command.join(" "), "/dev/null");
}

Deno.test("on a terminal there is colour, unless NO_COLOR is set, and progress of long work", async () => {
  const folder = await Deno.makeTempDir();
  const [bad, long] = [`${folder}/bad.fw`, `${folder}/long.fw`];
  await Deno.writeTextFile(bad, BAD);
  // Some tenths of a second: each rule is asked against all before it.
  const rules = Array.from(
    { length: 12_000 },
    (_, i) => `drop tcp from 10.0.0.0/8 dport ${i + 1}\n`,
  );
  await Deno.writeTextFile(long, `chain input default drop {\n${rules.join("")}}\n`);
  const [colour, plain, slow] = await Promise.all([
    onTerminal("TERM=xterm", "lint", bad),
    onTerminal("NO_COLOR=1", "lint", bad),
    onTerminal("NO_COLOR=1", "lint", "--format", "short", long),
  ]);
  await Deno.remove(folder, { recursive: true });
  assert(colour!.includes("\x1b[1;31merror[FW001]\x1b[0m"), colour);
  assert(!plain!.includes("\x1b") && plain!.includes("error[FW001]"), plain);
  assert(/lint: .*long\.fw: \d+ %/.test(slow!), slow!.slice(0, 200));
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

/** What each shell makes of a line when TAB is pressed at its end. */
const SHELLS: Readonly<Record<string, (script: string, line: string) => Promise<string>>> = {
  async bash(script, line) {
    const words = line.split(" ").map((word) => `"${word}"`).join(" ");
    const complete =
      `. ${script}\nCOMP_WORDS=(${words})\nCOMP_CWORD=$((\${#COMP_WORDS[@]} - 1))\n` +
      `_barrage\nprintf '%s\\n' "\${COMPREPLY[@]}"`;
    return replaceLast(line, await output("bash", "-c", complete));
  },
  zsh(script, line) {
    return output(
      "zsh",
      "-f",
      "-c",
      `zmodload zsh/zpty
       zpty shell zsh -f -i
       zpty -w shell 'PS1= PS2=; bindkey -e; autoload -Uz compinit; compinit -u -D; source ${script}'
       zpty -w -n shell "${line}"$'\\t\\C-aecho G""OT:\\C-e\\n'
       while zpty -r shell line; do
         [[ $line == *GOT:* ]] && print -r -- \${\${line#*GOT:}%$'\\r\\n'} && break
       done`,
    );
  },
  async fish(script, line) {
    const found = await output(
      "fish",
      "--no-config",
      "-c",
      `source ${script}; complete -C '${line}'`,
    );
    return replaceLast(line, found.replace(/\t.*/g, ""));
  },
};

for (const [shell, complete] of Object.entries(SHELLS)) {
  Deno.test(`${shell} completes commands, then options and their values`, async () => {
    const script = await Deno.makeTempFile();
    await Deno.writeTextFile(script, (await fw(["completion", shell])).out);
    for (
      const [begun, whole] of [
        ["barrage li", "barrage lint"],
        ["barrage lint --max", "barrage lint --max-warnings"],
        ["barrage lint --format sa", "barrage lint --format sarif"],
        ["barrage set l", "barrage set list"],
      ] as const
    ) assertEquals(await complete(script, begun), whole);
    await Deno.remove(script);
  });
}

function replaceLast(line: string, word: string): string {
  return line.replace(/\S*$/, word);
}

async function output(program: string, ...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(program, { args, stdin: "null" }).output();
  return new TextDecoder().decode(stdout).trim();
}

Deno.test("groff has nothing to say against the manual pages, and shows their text", async () => {
  for (const troff of [page(), ...COMMANDS.map(pageOf)]) {
    const file = await Deno.makeTempFile();
    await Deno.writeTextFile(file, troff);
    const { stdout, stderr } = await new Deno.Command("groff", {
      args: ["-man", "-Tascii", "-P-cbu", "-ww", file],
    }).output();
    await Deno.remove(file);
    assertEquals(new TextDecoder().decode(stderr), "");
    assertMatch(new TextDecoder().decode(stdout), /^BARRAGE[\s\S]*\nNAME\n[\s\S]*\nEXIT STATUS\n/);
  }
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
