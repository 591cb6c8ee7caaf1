/**
 * The options of a rule file, which the command line may override: one table for both.
 *
 * @module
 */

/** A run of consecutive kernel queues. */
export interface Queues {
  readonly first: number;
  readonly last: number;
}

export interface Options {
  /** Kernel queue numbers. */
  readonly queue: Queues;
  /** Packets received, decided and answered at once. */
  readonly batch: number;
  /** Threads that work on one queue, its own among them; 0 for as many as the cores allow. */
  readonly workers: number;
  /** What each of those threads gets a part of. */
  readonly split: "packets" | "rules";
  /** Bytes of each packet that the kernel hands over; more of one whose headers are longer. */
  readonly copy: number;
  /** Microseconds to let packets gather before they are received; 0 is off. */
  readonly coalesce: number | "auto";
  /** Whether interfaces put datagrams of a flow that come together into one packet. */
  readonly gro: boolean;
  /** Flows that each queue remembers, so that their packets need not go through the tables; 0 is off. */
  readonly "flow-cache": number;
  /** `open`: unfiltered when nobody listens. */
  readonly "fail-listener": "open" | "closed";
  /** `open`: unfiltered when the queue is full. */
  readonly "fail-overflow": "open" | "closed";
  /** `open`: unfiltered when the engine has failed. */
  readonly "fail-error": "open" | "closed";
  /** `open`: unfiltered when packets wait and the engine answers none. */
  readonly "fail-hang": "open" | "closed";
  /** What is done when somebody else has changed what `run` installed: put it back, or only say so. */
  readonly "hooks-lost": "mend" | "alarm";
  /** Decide, count and log, but accept every packet. */
  readonly "dry-run": boolean;
  /** What the queue of a packet depends on: its pair of addresses, or the core that received it. */
  readonly spread: "flows" | "cores";
  /** What becomes of packets that cannot be parsed. */
  readonly malformed: "accept" | "drop";
  /** Contiguous bits of the packet mark that are Barrage's, at least four. */
  readonly "mark-mask": number;
  /** Kernel rules a chain, at most, in front of the queue; 0 leaves every packet to it. */
  readonly "push-down": number;
  /** Whether `run` installs what sends packets to the queue. */
  readonly hooks: boolean;
  /** Where the log goes: "stderr", or a file. */
  readonly log: string;
  /** The file that packets of rules with `pcap` are kept in. */
  readonly pcap: string;
  /** The socket by which a run is asked for its state and for changes, or "off". */
  readonly control: string;
  /** Where metrics and the page are served, as 127.0.0.1:9477, or "off". */
  readonly metrics: string;
  /** How `run` reports. */
  readonly report: "text" | "json";
}

export const DEFAULTS: Options = {
  queue: { first: 0, last: 0 },
  batch: 128,
  workers: 0,
  split: "packets",
  copy: 256,
  coalesce: "auto",
  gro: false,
  "flow-cache": 0,
  "fail-listener": "closed",
  "fail-overflow": "closed",
  "fail-error": "closed",
  "fail-hang": "closed",
  "hooks-lost": "mend",
  "dry-run": false,
  spread: "flows",
  malformed: "drop",
  "mark-mask": 0xff000000,
  "push-down": 64,
  hooks: true,
  log: "stderr",
  pcap: "barrage.pcapng",
  control: "/run/barrage.sock",
  metrics: "off",
  report: "text",
};

/** What each option takes, in words, and its reading of a text: undefined if it is not that. */
const READERS: Readonly<
  Record<string, { takes: string; read: (text: string) => Partial<Options> | undefined }>
> = {
  queue: {
    takes: "a queue number from 0 to 65535, or a range of at most 64 as in 0-3",
    read: (text) => {
      const [, a, b] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? [];
      const first = Number(a), last = Number(b ?? a);
      const good = a !== undefined && first <= last && last <= 65535 && last - first < 64;
      return good ? { queue: { first, last } } : undefined;
    },
  },
  batch: {
    takes: "a number from 1 to 1024",
    read: (text) => number(text, 1, 1024, (batch) => ({ batch })),
  },
  workers: {
    takes: "auto or a number from 1 to 64",
    read: (text) =>
      text === "auto" ? { workers: 0 } : number(text, 1, 64, (workers) => ({ workers })),
  },
  split: {
    takes: "packets or rules",
    read: (text) => oneOf(text, ["packets", "rules"], (split) => ({ split })),
  },
  copy: {
    takes: "a number of bytes from 64 to 65535",
    read: (text) => number(text, 64, 65535, (copy) => ({ copy })),
  },
  coalesce: {
    takes: "auto, off, or microseconds from 1 to 1000",
    read: (text) =>
      text === "auto"
        ? { coalesce: "auto" }
        : text === "off"
        ? { coalesce: 0 }
        : number(text, 1, 1000, (coalesce) => ({ coalesce })),
  },
  gro: {
    takes: "on or off",
    read: (text) => oneOf(text, ["on", "off"], (gro) => ({ gro: gro === "on" })),
  },
  "flow-cache": {
    takes: "off, or a number of flows from 1 to 1048576",
    read: (text) =>
      text === "off"
        ? { "flow-cache": 0 }
        : number(text, 1, 1 << 20, (flows) => ({ "flow-cache": flows })),
  },
  fail: {
    takes: "open or closed",
    read: (text) =>
      oneOf(text, ["open", "closed"], (f) => ({
        "fail-listener": f,
        "fail-overflow": f,
        "fail-error": f,
        "fail-hang": f,
      })),
  },
  "fail-error": {
    takes: "open or closed",
    read: (text) => oneOf(text, ["open", "closed"], (f) => ({ "fail-error": f })),
  },
  "fail-hang": {
    takes: "open or closed",
    read: (text) => oneOf(text, ["open", "closed"], (f) => ({ "fail-hang": f })),
  },
  "hooks-lost": {
    takes: "mend or alarm",
    read: (text) => oneOf(text, ["mend", "alarm"], (lost) => ({ "hooks-lost": lost })),
  },
  "dry-run": {
    takes: "on or off",
    read: (text) => oneOf(text, ["on", "off"], (dry) => ({ "dry-run": dry === "on" })),
  },
  spread: {
    takes: "flows or cores",
    read: (text) => oneOf(text, ["flows", "cores"], (spread) => ({ spread })),
  },
  "fail-listener": {
    takes: "open or closed",
    read: (text) => oneOf(text, ["open", "closed"], (f) => ({ "fail-listener": f })),
  },
  "fail-overflow": {
    takes: "open or closed",
    read: (text) => oneOf(text, ["open", "closed"], (f) => ({ "fail-overflow": f })),
  },
  malformed: {
    takes: "drop or accept",
    read: (text) => oneOf(text, ["drop", "accept"], (malformed) => ({ malformed })),
  },
  "mark-mask": {
    takes: "at least four neighbouring bits, as in 0xff000000",
    read: (text) =>
      number(
        text,
        1,
        0xffffffff,
        (mask) => isContiguous(mask, 4) ? { "mark-mask": mask } : undefined,
      ),
  },
  "push-down": {
    takes: "on, off, or the kernel rules that a chain may take, from 1 to 4096",
    read: (text) =>
      text === "on"
        ? { "push-down": DEFAULTS["push-down"] }
        : text === "off"
        ? { "push-down": 0 }
        : number(text, 1, 4096, (most) => ({ "push-down": most })),
  },
  hooks: {
    takes: "on or off",
    read: (text) => oneOf(text, ["on", "off"], (hooks) => ({ hooks: hooks === "on" })),
  },
  log: {
    takes: "stderr, or a file name in quotes",
    read: (text) => isPath(text) ? { log: text === "json" ? "stderr" : text } : undefined,
  },
  pcap: {
    takes: "a file name in quotes",
    read: (text) => isPath(text) ? { pcap: text } : undefined,
  },
  control: {
    takes: "the path of a socket in quotes, or off",
    // As long as the kernel's sockaddr_un has room for.
    read: (text) => text === "" || text.length > 107 ? undefined : { control: text },
  },
  metrics: {
    takes: 'an address and port, as in 127.0.0.1:9477 or "[::1]:9477", or off',
    read: (text) =>
      text === "off" ||
        /^(\d+(\.\d+){3}|\[[0-9a-fA-F:.]+\]):\d+$/.test(text) && URL.canParse(`http://${text}`)
        ? { metrics: text }
        : undefined,
  },
  report: {
    takes: "text or json",
    read: (text) => oneOf(text, ["text", "json"], (report) => ({ report })),
  },
};

export const OPTION_NAMES: readonly string[] = Object.keys(READERS);

/** The options that `name text` sets, or what it takes instead. Throws on a name not in OPTION_NAMES. */
export function readOption(name: string, text: string): Partial<Options> | { takes: string } {
  const reader = READERS[name];
  if (!reader) throw new Error(`Cannot read option "${name}": there is none`);
  return reader.read(text) ?? { takes: reader.takes };
}

function number<T>(text: string, min: number, max: number, then: (n: number) => T): T | undefined {
  if (!/^(\d+|0[xX][0-9A-Fa-f]+)$/.test(text)) return undefined;
  const value = Number(text);
  return value >= min && value <= max ? then(value) : undefined;
}

function oneOf<W extends string, T>(text: string, words: readonly W[], then: (word: W) => T) {
  const word = words.find((w) => w === text);
  return word === undefined ? undefined : then(word);
}

/** Whether a text is a path, and not a word by which somebody means something else. */
function isPath(text: string): boolean {
  return !/^(on|off|no|none|stdout|syslog|journald?)?$/.test(text);
}

function isContiguous(mask: number, bits: number): boolean {
  const low = BigInt(mask) & -BigInt(mask);
  const run = BigInt(mask) / low;
  return (run & (run + 1n)) === 0n && run >= (1n << BigInt(bits)) - 1n;
}
