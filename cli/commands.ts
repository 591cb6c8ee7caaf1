/**
 * The one table of commands: it drives parsing, help and the request for permissions.
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

const READ: Need = { permission: { name: "read" }, flag: "--allow-read" };
const WRITE: Need = { permission: { name: "write" }, flag: "--allow-write" };
const FFI: Need = { permission: { name: "ffi" }, flag: "--allow-ffi" };
const NET: Need = { permission: { name: "net" }, flag: "--allow-net" };
/** The control socket is its owner's alone from the moment it is there. Deno's types lack the kind. */
const UMASK: Need = { permission: { name: "sys", kind: "umask" as "uid" }, flag: "--allow-sys" };
/** To ask a running service over its control socket: a network to Deno. */
const ASKING: readonly Need[] = [READ, WRITE, NET];
const HOOK_TOOLS: Need = {
  permission: { name: "run", command: "iptables-restore" },
  flag: "--allow-run",
};

const SHARING: readonly OptionSpec[] = [
  { name: "workers", value: "auto|N", summary: "threads that work on one queue" },
  { name: "split", value: "packets|rules", summary: "what each of them gets a part of" },
];

/** Options that stand for `option`s of the rule file, and win over them. */
const POLICY_OPTIONS: readonly OptionSpec[] = [
  { name: "queue", value: "N", summary: "kernel queue, or queues as N-M" },
  { name: "batch", value: "N", summary: "packets answered at once, 1 to 1024" },
  ...SHARING,
  { name: "copy", value: "BYTES", summary: "bytes of each packet to look at, 64 to 65535" },
  { name: "coalesce", value: "auto|off|US", summary: "let packets gather under load" },
  { name: "gro", value: "on|off", summary: "let the kernel put datagrams of a flow together" },
  { name: "flow-cache", value: "off|N", summary: "flows that each queue remembers" },
  { name: "fail", value: "open|closed", summary: "what passes when nobody answers" },
  { name: "push-down", value: "on|off|N", summary: "kernel rules in front of the queue" },
];

const CONTROL: OptionSpec = {
  name: "control",
  value: "PATH",
  summary: "the service's socket (`option control`)",
};
const FORCE: OptionSpec = { name: "force", summary: "though it locks out this SSH session" };
/** Where the packets of a capture are taken to have been seen. */
const SCENE: readonly OptionSpec[] = [
  { name: "chain", value: "NAME", summary: "input, forward or output" },
  { name: "in-dev", value: "IF", summary: "interface the packets came in by" },
  { name: "out-dev", value: "IF", summary: "interface the packets leave by" },
  { name: "state", value: "NAME", summary: "conntrack state of every packet (default new)" },
];

/** Of what makes tables and then uses them. */
const NO_VERIFY: OptionSpec = {
  name: "no-verify",
  summary: "trust the tables without comparing them with the rules",
};

export const VERSION = "0.1.0";

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: "run",
    summary: "filter the packets of this network namespace until interrupted",
    operands: ["RULES"],
    options: [
      ...POLICY_OPTIONS,
      { name: "no-test", summary: "do not prove the file's expectations first" },
      { name: "dry-run", summary: "decide, count and log, but accept every packet" },
      NO_VERIFY,
      { name: "no-hooks", summary: "leave it to you to send packets to the queue" },
      { name: "control", value: "PATH", summary: "the socket to be asked by, or `off`" },
      { name: "metrics", value: "ADDR:PORT", summary: "serve metrics and a live page there" },
      { name: "json", summary: "print the summary as JSON" },
      { name: "watch", summary: "reload when the rule file, or one that it takes in, changes" },
      FORCE,
    ],
    needs: () => [READ, WRITE, FFI, HOOK_TOOLS, NET, UMASK],
    run: async (args) => await (await import("./run.ts")).run(args),
  },
  {
    name: "lint",
    summary: "say what is wrong with rule files, or could be better",
    operands: ["[RULES...]"],
    options: [
      { name: "format", value: "pretty|short|json|sarif|github", summary: "how to say it" },
      { name: "fail-on", value: "error|warning|info", summary: "what makes the exit code 1" },
      { name: "max-warnings", value: "N", summary: "exit code 1 if there are more" },
      { name: "fix", summary: "mend in the files what needs no judgement" },
      { name: "all", summary: "also what is only worth knowing of rules that overlap" },
      { name: "explain", value: "CODE", summary: "say why a code matters and how to mend it" },
    ],
    needs: ({ options }) => [
      ...(options.explain === undefined ? [READ] : []),
      ...(options.fix ? [WRITE] : []),
    ],
    run: async (args) => await (await import("./lint.ts")).lint(args),
  },
  {
    name: "fmt",
    summary: "write rule files in their canonical form",
    operands: ["RULES..."],
    options: [{ name: "check", summary: "only say which files would change" }],
    needs: ({ operands, options }) => [
      READ,
      ...(options.check || operands.every((path) => path === "-") ? [] : [WRITE]),
    ],
    run: async (args) => await (await import("./fmt.ts")).fmt(args),
  },
  {
    name: "test",
    summary: "prove the expectations of a rule file, or show a packet that fails one",
    operands: ["RULES"],
    options: [
      { name: "untested", summary: "name the rules that no test exercises" },
      { name: "junit", value: "FILE", summary: "write the results as JUnit XML" },
    ],
    needs: ({ options }) => [READ, ...(options.junit ? [WRITE] : [])],
    run: async (args) => await (await import("./test.ts")).test(args),
  },
  {
    name: "explain",
    summary: "show which rules a packet passes, and which decides it",
    operands: ["RULES", "[PACKET]"],
    options: [
      { name: "json", summary: "print the walk as JSON" },
      { name: "pcap", value: "FILE", summary: "instead, count the packets of a capture by rule" },
      { name: "packets", summary: "with --pcap, a line a packet" },
      ...SCENE,
      ...SHARING,
    ],
    needs: ({ options }) => [READ, ...(options.pcap ? [FFI] : [])],
    run: async (args) => await (await import("./explain.ts")).explain(args),
  },
  {
    name: "reach",
    summary: "say whether any packet of a region gets a verdict, and by which rules",
    operands: ["RULES", "'CHAIN CLAUSES'"],
    options: [
      { name: "verdict", value: "NAME", summary: "accept (the default), drop or reject" },
      { name: "format", value: "pretty|json", summary: "how to print it" },
    ],
    needs: () => [READ],
    run: async (args) => await (await import("./reach.ts")).reach(args),
  },
  {
    name: "diff",
    summary: "show the packets that two rule files decide differently",
    operands: ["OLD", "NEW"],
    options: [
      { name: "format", value: "pretty|json|github|md", summary: "how to print them" },
      { name: "effects", summary: "also packets that are marked or logged otherwise" },
    ],
    needs: () => [READ],
    run: async (args) => await (await import("./diff.ts")).diff(args),
  },
  {
    name: "equiv",
    summary: "say whether two rule files decide every packet alike",
    operands: ["A", "B"],
    options: [{ name: "effects", summary: "and mark and log them alike, too" }],
    needs: () => [READ],
    run: async (args) => await (await import("./diff.ts")).equiv(args),
  },
  {
    name: "rules",
    summary: "list the rules with the share of packets that each really decides",
    operands: ["RULES"],
    options: [{ name: "stats", value: "FILE", summary: "add the hits that `run --json` printed" }],
    needs: () => [READ],
    run: async (args) => await (await import("./rules.ts")).rules(args),
  },
  {
    name: "compile",
    summary: "write the table image of a rule file, or print its tables",
    operands: ["RULES"],
    options: [
      { name: "output", value: "FILE", summary: "write the image here (also -o)" },
      { name: "print", summary: "print the tables as text" },
      NO_VERIFY,
    ],
    needs: ({ options }) => [READ, ...(options.output ? [WRITE] : [])],
    run: async (args) => await (await import("./compile.ts")).compile(args),
  },
  {
    name: "export",
    summary: "write a rule file as rules of nft or iptables, for the kernel alone",
    operands: ["nft|iptables", "RULES"],
    options: [
      { name: "output", value: "FILE", summary: "write them here (also -o)" },
      { name: "allow-loss", summary: "leave out on the safe side what the tool cannot express" },
    ],
    needs: ({ options }) => [READ, ...(options.output ? [WRITE] : [])],
    run: async (args) => await (await import("./export.ts")).exportRules(args),
  },
  {
    name: "import",
    summary: "write the rules of iptables or nft as a rule file, and say what became of each",
    operands: ["iptables-save|nft-json", "FILE..."],
    options: [
      { name: "output", value: "FILE", summary: "write the rule file here (also -o)" },
      { name: "json", summary: "report as JSON" },
      { name: "allow-loss", summary: "exit code 0 though packets may get another verdict" },
    ],
    needs: ({ options }) => [READ, ...(options.output ? [WRITE] : [])],
    run: async (args) => await (await import("./import.ts")).importRules(args),
  },
  {
    name: "replay",
    summary: "decide the packets of a capture file, without root or kernel",
    operands: ["RULES"],
    options: [
      { name: "pcap", value: "FILE", summary: "the capture to read" },
      ...SCENE,
      {
        name: "format",
        value: "pretty|jsonl",
        summary: "one line a packet, for people or programs",
      },
      ...SHARING,
      NO_VERIFY,
      { name: "accepted", value: "FILE", summary: "write the accepted packets to a capture" },
    ],
    needs: ({ options }) => [READ, FFI, ...(options.accepted ? [WRITE] : [])],
    run: async (args) => await (await import("./replay.ts")).replay(args),
  },
  {
    name: "hooks",
    summary: "show the commands that send packets to the queue",
    operands: ["RULES"],
    options: [
      ...POLICY_OPTIONS,
      { name: "print", summary: "print them, change nothing (the default)" },
      { name: "tool", value: "NAME", summary: "nft, iptables or iptables-legacy, usable or not" },
    ],
    needs: ({ options }) => options.tool ? [READ] : [READ, HOOK_TOOLS],
    run: async (args) => await (await import("./hooks.ts")).hooks(args),
  },
  {
    name: "status",
    summary: "say how a running service fares; exit code 1 if it does not",
    operands: [],
    options: [CONTROL],
    needs: () => ASKING,
    run: async (args) => await (await import("./status.ts")).status(args),
  },
  {
    name: "stats",
    summary: "print what every rule of a running service has done up to now",
    operands: [],
    options: [{ name: "json", summary: "with all that is known, as JSON" }, CONTROL],
    needs: () => ASKING,
    run: async (args) => await (await import("./status.ts")).stats(args),
  },
  {
    name: "top",
    summary: "watch a running service on a live screen",
    operands: [],
    options: [CONTROL],
    needs: () => ASKING,
    run: async (args) => await (await import("./top.ts")).top(args),
  },
  {
    name: "set",
    summary: "change or list a set of addresses of a running service",
    operands: ["add|del|list", "NAME", "[ADDR]"],
    options: [
      { name: "for", value: "TIME", summary: "how long ADDR stays, as in 10m" },
      CONTROL,
    ],
    needs: () => ASKING,
    run: async (args) => await (await import("./set.ts")).set(args),
  },
  {
    name: "reload",
    summary: "have a running service read its rule file again, without losing a packet",
    operands: [],
    options: [CONTROL, FORCE],
    needs: () => ASKING,
    run: async (args) => await (await import("./reload.ts")).reload(args),
  },
  {
    name: "apply",
    summary: "have a running service filter by another rule file, and show what changes",
    operands: ["NEW"],
    options: [
      { name: "confirm", value: "TIME", summary: "go back after TIME unless confirmed, as in 60s" },
      CONTROL,
      FORCE,
    ],
    needs: () => ASKING,
    run: async (args) => await (await import("./reload.ts")).apply(args),
  },
  {
    name: "confirm",
    summary: "keep what was applied",
    operands: [],
    options: [CONTROL],
    needs: () => ASKING,
    run: async (args) => await (await import("./reload.ts")).confirm(args),
  },
  {
    name: "down",
    summary: "remove what a killed run has left in the kernel",
    operands: [],
    options: [
      {
        name: "queueing",
        summary: "only end queueing: a run that hangs blocks no packet any more",
      },
    ],
    needs: () => [HOOK_TOOLS],
    run: async (args) => await (await import("./down.ts")).down(args),
  },
  {
    name: "completion",
    summary: "print what makes a shell complete these commands",
    operands: ["bash|zsh|fish"],
    options: [{ name: "name", value: "NAME", summary: "what the program is called (barrage)" }],
    needs: () => [],
    run: async (args) => await (await import("./completion.ts")).completion(args),
  },
  {
    name: "man",
    summary: "print the manual page, or that of one command, as troff",
    operands: ["[COMMAND]"],
    options: [],
    needs: () => [],
    run: async (args) => await (await import("./man.ts")).man(args),
  },
];
