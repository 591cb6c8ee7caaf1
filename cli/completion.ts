/**
 * Completion for shells, from the table of commands.
 *
 * @module
 */
import type { Arguments, CommandSpec, OptionSpec } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { UsageError } from "./report.ts";

/** Prints a completion script for bash, zsh or fish. */
export function completion({ operands, options }: Arguments): number {
  const shell = operands[0]!;
  const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
  if (!script) throw new UsageError(`"${shell}" is not bash, zsh or fish`, "completion");
  console.log(script(String(options.name ?? "barrage")));
  return 0;
}

const SHELLS: Readonly<Record<string, (name: string) => string>> = { bash, zsh, fish };

/** The words that an option's value is one of, if these are all it can be. */
function choices({ value }: OptionSpec): readonly string[] {
  return value !== undefined && /^[a-z]+(\|[a-z]+)+$/.test(value) ? value.split("|") : [];
}

/** The words that a command's operands are one of. */
function words({ operands }: CommandSpec): readonly string[] {
  return operands.filter((operand) => operand.includes("|")).flatMap((o) => o.split("|"));
}

function bash(name: string): string {
  const cases = COMMANDS.map((command) => {
    const flags = command.options.map((option) => `--${option.name}`);
    return `    ${command.name}) words="${[...flags, "--help", ...words(command)].join(" ")}" ;;`;
  });
  const values = COMMANDS.flatMap((command) =>
    command.options.filter((option) => choices(option).length > 0).map((option) =>
      `    ${command.name}:--${option.name}) words="${choices(option).join(" ")}" ;;`
    )
  );
  return `# bash completion for ${name}
_${name}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${COMMANDS.map((c) => c.name).join(" ")} --help --version" -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join("\n")}
  esac
  case \${COMP_WORDS[1]}:$before in
${values.join("\n")}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word") $(compgen -f -- "$word"))
}
complete -o filenames -F _${name} ${name}`;
}

function zsh(name: string): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replace(/[[\]:]/g, "\\$&");
  const commands = COMMANDS.map((c) => `    '${c.name}:${quote(c.summary)}'`);
  const cases = COMMANDS.map((command) => {
    const flags = command.options.map((option) => {
      const list = choices(option);
      const value = option.value === undefined
        ? ""
        : `:${quote(option.value)}:${list.length > 0 ? `(${list.join(" ")})` : "_files"}`;
      return `'--${option.name}[${quote(option.summary)}]${value}'`;
    });
    const operand = words(command).length > 0
      ? `'*:word:(${words(command).join(" ")})'`
      : "'*:file:_files'";
    return `    ${command.name}) _arguments ${[...flags, operand].join(" ")} ;;`;
  });
  return `#compdef ${name}
_${name}() {
  local -a commands
  commands=(
${commands.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  case $command in
${cases.join("\n")}
  esac
}
compdef _${name} ${name}`;
}

function fish(name: string): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const lines = COMMANDS.flatMap((command) => [
    `complete -c ${name} -n __fish_use_subcommand -f -a ${command.name} -d ${
      quote(command.summary)
    }`,
    ...command.options.map((option) => {
      const list = choices(option);
      const value = option.value === undefined
        ? ""
        : list.length > 0
        ? ` -x -a ${quote(list.join(" "))}`
        : " -r";
      return `complete -c ${name} -n '__fish_seen_subcommand_from ${command.name}' ` +
        `-l ${option.name}${value} -d ${quote(option.summary)}`;
    }),
    ...(words(command).length > 0
      ? [
        `complete -c ${name} -n '__fish_seen_subcommand_from ${command.name}' -f -a ${
          quote(words(command).join(" "))
        }`,
      ]
      : []),
  ]);
  return [`# fish completion for ${name}`, ...lines].join("\n");
}
