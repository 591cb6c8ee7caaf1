/**
 * A kernel tool's command line: run it, or print it for a person to run.
 *
 * @module
 */

export interface Command {
  readonly argv: readonly [string, ...string[]];
  /** What the tool reads from its standard input. */
  readonly stdin?: string;
}

/** The kernel's side could not be set up or taken down. The message ends in what to do about it. */
export class HookError extends Error {
  override name = "HookError";
  /**
   * @param what what could not be done, as in "cannot install the hooks"
   * @param detail what the tool itself said
   * @param remedy what to do now, as one sentence
   */
  constructor(readonly what: string, readonly detail: string, readonly remedy: string) {
    super(`${what}: ${detail}\n${remedy}`);
  }
}

/** Runs a command and returns what it printed. Throws HookError when it is missing or fails. */
export async function run(what: string, { argv, stdin }: Command): Promise<string> {
  const [program, ...args] = argv;
  const child = spawn(what, program, args);
  const output = child.output();
  const writer = child.stdin.getWriter();
  // A tool that gives up early closes its end; its exit code says why.
  await writer.write(new TextEncoder().encode(stdin ?? "")).catch(() => {});
  await writer.close().catch(() => {});
  const { success, code, stdout, stderr } = await output;
  if (success) return new TextDecoder().decode(stdout);
  const said = new TextDecoder().decode(stderr).trim();
  throw new HookError(what, said || `${program} ended with exit code ${code}`, remedyFor(said));
}

/** Debian's packages of programs, but for those of iptables. */
const PACKAGES: Readonly<Record<string, string>> = {
  nft: "nftables",
  ethtool: "ethtool",
  readlink: "coreutils",
};

/** Starts a kernel's tool, all its streams piped. Throws HookError when it is missing. */
export function spawn(
  what: string,
  program: string,
  args: string[],
  options: Deno.CommandOptions = {},
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      ...options,
      args,
      env: { LC_ALL: "C" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      const owner = PACKAGES[program] ?? "iptables";
      // A root that `su` has made has no sbin on its PATH, where Debian puts these programs.
      throw new HookError(
        what,
        `there is no ${program} on PATH`,
        `Install the package "${owner}"; if it is installed, add /usr/sbin to PATH.`,
      );
    }
    if (error instanceof Deno.errors.NotCapable) {
      throw new HookError(what, error.message, `Allow it: deno run --allow-run=${program} ...`);
    }
    throw error;
  }
}

/** What to do about what a tool has said. */
export function remedyFor(said: string): string {
  if (/permi(ssion|tted)|must be root/i.test(said)) {
    return "Run as root, or with CAP_NET_ADMIN in this network namespace.";
  }
  return "If the kernel lacks a part of it, see which of these its configuration has: " +
    "CONFIG_NETFILTER_NETLINK_QUEUE, and for iptables CONFIG_NETFILTER_XT_TARGET_NFQUEUE, " +
    "_XT_MATCH_CONNTRACK, _XT_MATCH_MARK, _XT_TARGET_MARK, CONFIG_IP_NF_TARGET_REJECT, " +
    "CONFIG_IP6_NF_TARGET_REJECT; for nft CONFIG_NFT_QUEUE, CONFIG_NFT_CT, CONFIG_NFT_REJECT.";
}

/** The command as shell text, its standard input as a here-document. */
export function commandText({ argv, stdin }: Command): string {
  const line = argv.map(quoted).join(" ");
  return stdin === undefined ? line : `${line} <<'END'\n${stdin.replace(/\n?$/, "\n")}END`;
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
