/**
 * The manual page, from the table of commands.
 *
 * @module
 */
import { COMMANDS, type CommandSpec, VERSION } from "./commands.ts";

/** Prints barrage(8) as troff. */
export function man(): number {
  console.log(page());
  return 0;
}

/** The text of the page. */
export function page(): string {
  return [
    `.TH BARRAGE 8 "" "barrage ${VERSION}" "System Administration"`,
    ".SH NAME",
    "barrage \\- filter packets by a rule file that is checked before it runs",
    ".SH SYNOPSIS",
    ...COMMANDS.flatMap((command) => [".br", `.B barrage ${escape(synopsis(command))}`]),
    ".SH COMMANDS",
    ...COMMANDS.flatMap(describe),
    ".SH EXIT STATUS",
    ...[["0", "good"], ["1", "findings, or the machine said no"], ["2", "usage, or a file"]]
      .concat([["70", "an error of barrage itself"]])
      .flatMap(([code, meaning]) => [".TP", `.B ${code}`, meaning!]),
    ".SH SEE ALSO",
    ".BR nft (8),",
    ".BR iptables (8)",
  ].join("\n");
}

function synopsis({ name, options, operands }: CommandSpec): string {
  return [name, ...(options.length > 0 ? ["[OPTIONS]"] : []), ...operands].join(" ");
}

function describe(command: CommandSpec): string[] {
  return [
    `.SS ${escape(synopsis(command))}`,
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
