/**
 * The command line: finds the command, sorts out its arguments, asks for its permissions, and
 * turns what it throws into one line and an exit code.
 *
 * Exit codes: 0 good; 1 findings, or the machine said no; 2 usage or a file; 70 a bug of ours.
 *
 * @module
 */
import { parseArgs } from "node:util";
import type { Arguments, CommandSpec } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { complain, UsageError } from "./report.ts";
import { PROGRAM, VERSION } from "./program.ts";

/** Carries out a command line; resolves to the exit code. Never rejects. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    return await dispatch(argv);
  } catch (error) {
    return complain(error);
  }
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const [first, second] = argv;
  if (first === "--version" || first === "version") return say(`barrage ${VERSION}`);
  if (first === "--help" || first === "-h" || first === "help") {
    const asked = COMMANDS.find(({ name }) => name === second);
    return say(asked ? commandHelp(asked) : help());
  }
  if (first === undefined) {
    console.error(help());
    return 2;
  }
  const named = COMMANDS.find((command) => command.name === first);
  if (!named && /^[a-z]+$/.test(first)) await refuseMisspelt(first);
  const command = named ?? COMMANDS[0]!;
  const rest = named ? argv.slice(1) : argv;
  if (rest.includes("--help") || rest.includes("-h")) return say(commandHelp(command));
  const args = await parse(command, rest);
  requirePermissions(command, args, argv);
  return await command.run(args);
}

/** A bare word that is nearly a command is hardly a rule file. */
async function refuseMisspelt(word: string): Promise<void> {
  const { nearest } = await import("../compiler/mod.ts");
  const meant = nearest(word, COMMANDS.map(({ name }) => name));
  if (!meant && await isThere(word)) return;
  throw new UsageError(
    `there is no command "${word}"` +
      (meant
        ? `; did you mean "${meant}"? (a file of that name is ./${word})`
        : `, and no file of that name; \`${PROGRAM} --help\` lists the commands`),
  );
}

async function isThere(path: string): Promise<boolean> {
  // Without permission to look, whoever reads the file says so.
  return await Deno.stat(path).then(
    () => true,
    (error) => !(error instanceof Deno.errors.NotFound),
  );
}

function say(text: string): number {
  console.log(text);
  return 0;
}

/** Sorts arguments into operands and options. Throws UsageError on what the command does not know. */
async function parse(command: CommandSpec, argv: readonly string[]): Promise<Arguments> {
  const known = command.options.map(({ name, value }) => [name, {
    type: value === undefined ? "boolean" as const : "string" as const,
    ...(name === "output" && { short: "o" }),
  }]);
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      options: Object.fromEntries(known),
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(await wrongOption(error, command), command.name);
  }
  const { positionals, values } = parsed;
  const missing = command.operands[positionals.length];
  const last = command.operands.at(-1) ?? "";
  if (missing && !missing.startsWith("[")) {
    throw new UsageError(`${missing} is missing`, command.name);
  }
  const extra = positionals[command.operands.length];
  if (extra !== undefined && !/\.\.\.\]?$/.test(last)) {
    const known = COMMANDS.map(({ name }) => name).join(", ");
    throw new UsageError(
      `"${extra}" is one argument too many (the commands are ${known})`,
      command.name,
    );
  }
  return { operands: positionals, options: values as Arguments["options"] };
}

/** What parseArgs has found wrong, in our words. */
async function wrongOption(error: unknown, { options }: CommandSpec): Promise<string> {
  const why = error instanceof Error ? error.message.split(". ")[0]! : String(error);
  const name = /'--?([\w-]+)/.exec(why)?.[1] ?? "";
  const option = options.find((option) => option.name === name);
  if (option) return `--${name} ${option.value ? `takes ${option.value}` : "takes no value"}`;
  const { nearest } = await import("../compiler/mod.ts");
  const meant = nearest(name, options.map(({ name }) => name));
  return `there is no option ${name.length > 1 ? "--" : "-"}${name}` +
    (meant ? `; did you mean --${meant}?` : "");
}

/** On a terminal Deno asks by itself; elsewhere one line says which flags are missing. */
function requirePermissions(command: CommandSpec, args: Arguments, argv: readonly string[]): void {
  if (Deno.stdin.isTerminal()) return;
  const needs = command.needs(args);
  const missing = needs.filter(({ permission }) =>
    Deno.permissions.querySync(permission).state !== "granted"
  );
  if (missing.length === 0) return;
  const set = needs.every(({ permission }) => permission.name === "read") ? "-P=lint" : "-P=run";
  const flags = [...new Set(needs.map(({ flag }) => flag))].join(" ");
  const rest = argv.map((word) => /^[\w.,:=@/-]+$/.test(word) ? word : `'${word}'`).join(" ");
  throw new UsageError(
    `${command.name} lacks permissions: use \`deno run ${set} fw.ts ${rest}\`, ` +
      `or \`deno run ${flags} fw.ts ${rest}\``,
  );
}

function help(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    "Barrage filters packets by a rule file that is checked before it runs.",
    "",
    `usage: ${Deno.build.standalone ? "" : "deno run -A "}${PROGRAM} [COMMAND] [OPTIONS] RULES`,
    "",
    ...COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    `Without a command, \`run\`. \`${PROGRAM} COMMAND --help\` says more.`,
    "Exit codes: 0 good; 1 findings, or the machine said no; 2 usage or a file; 70 a bug of ours.",
  ].join("\n");
}

function commandHelp({ name, summary, operands, options }: CommandSpec): string {
  const left = options.map((o) => `--${o.name}${o.value ? ` ${o.value}` : ""}`);
  const width = Math.max(0, ...left.map((text) => text.length));
  const usage = [name, ...(options.length > 0 ? ["[OPTIONS]"] : []), ...operands].join(" ");
  return [
    `usage: ${PROGRAM} ${usage}`,
    "",
    summary,
    ...(options.length > 0 ? [""] : []),
    ...options.map((option, i) => `  ${left[i]!.padEnd(width)}  ${option.summary}`),
  ].join("\n");
}
