/**
 * What a command of the command line is, and the permissions of Deno that it may need.
 *
 * @module
 */

export interface OptionSpec {
  readonly name: string;
  /** What its value is called in help; a switch has none. */
  readonly value?: string;
  readonly summary: string;
}

/** Command-line arguments, sorted out. */
export interface Arguments {
  /** What stands for itself, in order. */
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

export interface CommandSpec {
  readonly name: string;
  readonly summary: string;
  /** Names of the operands, all required; `NAME...` is one or more, `[NAME...]` any number. */
  readonly operands: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Permissions of Deno it cannot do without, as flags. */
  readonly needs: (args: Arguments) => readonly Need[];
  /** The exit code; the module is loaded only when the command is used. */
  readonly run: (args: Arguments) => Promise<number>;
}

/** A permission, and the flag that grants it. */
export interface Need {
  readonly permission: Deno.PermissionDescriptor;
  readonly flag: string;
}

export const READ: Need = { permission: { name: "read" }, flag: "--allow-read" };
export const WRITE: Need = { permission: { name: "write" }, flag: "--allow-write" };
export const FFI: Need = { permission: { name: "ffi" }, flag: "--allow-ffi" };
export const NET: Need = { permission: { name: "net" }, flag: "--allow-net" };
/** The control socket is its owner's alone from the moment it is there. Deno's types lack the kind. */
export const UMASK: Need = {
  permission: { name: "sys", kind: "umask" as "uid" },
  flag: "--allow-sys",
};
/** To ask a running service over its control socket: a network to Deno. */
export const ASKING: readonly Need[] = [READ, WRITE, NET];
export const HOOK_TOOLS: Need = {
  permission: { name: "run", command: "iptables-restore" },
  flag: "--allow-run",
};
