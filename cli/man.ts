/**
 * The manual pages, from the table of commands.
 *
 * @module
 */
import type { Arguments, CommandSpec } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { UsageError } from "./report.ts";
import { VERSION } from "./program.ts";

/** Prints barrage(8) as troff, or barrage-COMMAND(8). */
export function man({ operands: [name] }: Arguments): number {
  const command = COMMANDS.find((command) => command.name === name);
  if (name !== undefined && !command) {
    throw new UsageError(`there is no command "${name}"`, "man");
  }
  console.log(command ? pageOf(command) : page());
  return 0;
}

/** The text of the page about all commands. */
export function page(): string {
  return [
    title("BARRAGE"),
    ".SH NAME",
    "barrage \\- filter packets by a rule file that is checked before it runs",
    ".SH SYNOPSIS",
    ...COMMANDS.flatMap((command) => [".br", `.B barrage ${escape(synopsis(command))}`]),
    ".SH COMMANDS",
    ...COMMANDS.flatMap((command) => [
      `.SS ${escape(synopsis(command))}`,
      ...describe(command),
    ]),
    ...EXIT_STATUS,
    ".SH SEE ALSO",
    ".BR nft (8),",
    ".BR iptables (8)",
  ].join("\n");
}

/** The text of the page about one command. */
export function pageOf(command: CommandSpec): string {
  return [
    title(`BARRAGE-${command.name.toUpperCase()}`),
    ".SH NAME",
    escape(`barrage-${command.name}`) + ` \\- ${escape(command.summary)}`,
    ".SH SYNOPSIS",
    `.B barrage ${escape(synopsis(command))}`,
    ".SH DESCRIPTION",
    ...describe(command),
    ...EXIT_STATUS,
    ".SH SEE ALSO",
    ".BR barrage (8)",
  ].join("\n");
}

function title(name: string): string {
  return `.TH ${escape(name)} 8 "" "barrage ${VERSION}" "System Administration"`;
}

const EXIT_STATUS: readonly string[] = [
  ".SH EXIT STATUS",
  ...[
    ["0", "good"],
    ["1", "findings, or the machine said no"],
    ["2", "usage, or a file"],
    ["70", "an error of barrage itself"],
  ].flatMap(([code, meaning]) => [".TP", `.B ${code}`, meaning!]),
];

function synopsis({ name, options, operands }: CommandSpec): string {
  return [name, ...(options.length > 0 ? ["[OPTIONS]"] : []), ...operands].join(" ");
}

function describe(command: CommandSpec): string[] {
  return [
    escape(`${command.summary[0]!.toUpperCase()}${command.summary.slice(1)}.`),
    ...command.options.flatMap(({ name, value, summary }) => [
      ".TP",
      `.B ${escape(`--${name}${value === undefined ? "" : ` ${value}`}`)}`,
      escape(summary),
    ]),
  ];
}

/** A dash is a minus in what one types, and a dot at a line's start would be a request. */
function escape(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^[.']/, "\\&$&");
}
