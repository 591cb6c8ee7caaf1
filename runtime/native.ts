/**
 * The only module that touches native memory: it opens libbarrage.so and wraps it in `Engine`.
 *
 * Nothing here leaks a pointer. Buffers passed down are borrowed for one call; the engine copies
 * what it keeps. The C side of every symbol is documented in `native/fw.h`.
 *
 * @module
 */
import {
  IMAGE_SLACK,
  LAYOUT_HASH,
  LISTS,
  LOG_BYTES,
  NO_RULE,
  readRecord,
  RECORDS,
  writeRecord,
} from "../compiler/tables/layout.ts";

/** Name and shape of every native function; `fw.h` says what each does. */
export const symbols = {
  fw_layout_hash: { parameters: [], result: "u32" },
  fw_image_place: { parameters: ["buffer", "u32"], result: "u32" },
  fw_engine_new: { parameters: ["buffer", "u32", "buffer"], result: "i32" },
  fw_engine_replay: {
    parameters: ["pointer", "buffer", "u32", "buffer", "u32", "buffer", "u32", "buffer"],
    result: "i32",
  },
  fw_engine_evaluate_by: { parameters: ["pointer", "u32"], result: "i32" },
  fw_engine_bind: {
    parameters: ["pointer", "u32", "u32", "u32", "u32", "u32", "u32"],
    result: "i32",
  },
  fw_engine_share: { parameters: ["pointer", "u32", "u32"], result: "i32" },
  fw_engine_start: { parameters: ["pointer"], result: "i32" },
  fw_engine_wait: { parameters: ["pointer"], result: "i32", nonblocking: true },
  fw_engine_stop: { parameters: ["pointer"], result: "i32" },
  fw_engine_swap: { parameters: ["pointer", "buffer", "u32", "buffer", "u32"], result: "i32" },
  fw_engine_forget: { parameters: ["pointer"], result: "i32" },
  fw_engine_image: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  fw_engine_counters: { parameters: ["pointer", "u32", "buffer", "u32"], result: "i32" },
  fw_engine_stats: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  fw_engine_queues: { parameters: ["pointer", "buffer", "u32"], result: "i32" },
  fw_engine_read_log: { parameters: ["pointer", "u32", "buffer", "u32"], result: "i32" },
  fw_engine_set_add: { parameters: ["pointer", "u32", "buffer"], result: "i32" },
  fw_engine_set_del: { parameters: ["pointer", "u32", "buffer"], result: "i32" },
  fw_engine_set_list: { parameters: ["pointer", "u32", "buffer", "u32"], result: "i32" },
  fw_engine_free: { parameters: ["pointer"], result: "i32" },
  fw_queue_owner: { parameters: ["u32"], result: "i32" },
  fw_notify: { parameters: ["buffer", "u32", "buffer", "u32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** The errors that the library can give (errno.h of Linux), by number. */
const ERRNO: Readonly<Record<number, string>> = {
  1: "EPERM",
  2: "ENOENT",
  8: "ENOEXEC",
  11: "EAGAIN",
  12: "ENOMEM",
  16: "EBUSY",
  22: "EINVAL",
  28: "ENOSPC",
  74: "EBADMSG",
  93: "EPROTONOSUPPORT",
  105: "ENOBUFS",
};

/** A native call that failed. `errno` is the positive Linux error number. */
export class NativeError extends Error {
  override name = "NativeError";
  /** "EPERM" and the like, or "errno 5". */
  readonly code: string;

  constructor(readonly action: string, readonly errno: number) {
    const code = ERRNO[errno] ?? `errno ${errno}`;
    super(`cannot ${action}: ${code}`);
    this.code = code;
  }
}

/** The library is not there, or is not the one that this compiler needs. */
export class LibraryError extends Error {
  override name = "LibraryError";
}

function check(action: string, result: number): void {
  if (result < 0) throw new NativeError(action, -result);
}

type Library = Deno.DynamicLibrary<typeof symbols>["symbols"];

/** Opens the library. Throws LibraryError if it is missing, or was built for another layout. */
function open(path: URL): Library {
  let lib: Library;
  try {
    lib = Deno.dlopen(path, symbols).symbols;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const why = error instanceof Error ? error.message : String(error);
    throw new LibraryError(
      /cannot open shared object|No such file/.test(why) && why.includes("libbarrage")
        ? "the native library is not built: run `deno task build`"
        : `the native library cannot be opened (${why}): run \`deno task build\``,
    );
  }
  const built = lib.fw_layout_hash();
  if (built !== LAYOUT_HASH) {
    throw new LibraryError(
      `the native library was built for table layout ${hex(built)}, and this compiler makes ` +
        `${hex(LAYOUT_HASH)}: run \`deno task build\``,
    );
  }
  return lib;
}

function hex(n: number): string {
  return n.toString(16).padStart(8, "0");
}

let library: Library | undefined;

/** The library, opened on first use: what needs none works with none built. */
function native(): Library {
  return library ??= open(new URL("../native/build/libbarrage.so", import.meta.url));
}

/** Process that holds a kernel queue of this network namespace, 0 if none or not to be told. */
export function queueOwner(queue: number): number {
  return native().fw_queue_owner(queue);
}

/** Tells the service manager at an address, as NOTIFY_SOCKET has it. NativeError if that fails. */
export function notify(address: string, message: string): void {
  const [to, text] = [address, message].map((value) => new TextEncoder().encode(value));
  check("notify the service manager", native().fw_notify(to!, to!.length, text!, text!.length));
}

/** How a queue is bound; see fw_engine_bind in `fw.h` for the ranges. */
export interface Binding {
  readonly queue: number;
  readonly batch: number;
  readonly copy: number;
  readonly depth: number;
  /** Microseconds to let packets gather, 0 for none, COALESCE_AUTO for when it pays. */
  readonly coalesce: number;
  readonly failOpen: boolean;
}

/** What a rule has counted. */
export interface Counter {
  readonly packets: bigint;
  readonly bytes: bigint;
  /** When the last packet was seen, in nanoseconds since 1970; 0 for never. */
  readonly lastNs: bigint;
}

/** How a bound queue fares. */
export interface QueueState {
  readonly number: number;
  /** Packets since it was bound. */
  readonly received: number;
  /** Packets in the kernel without a verdict. */
  readonly waiting: number;
  /** Packets lost because the queue was full. */
  readonly dropped: number;
  /** Packets lost because our socket was full. */
  readonly userDropped: number;
}

/** How threads work together on a batch. */
export interface Sharing {
  readonly workers: number;
  readonly split: "packets" | "rules";
}

/** Bytes of one line of the log. */
export const LOG_LINE: number = RECORDS.log.size + LOG_BYTES;

/** A prefix in a set that changes at run time. */
export interface Member {
  readonly six: boolean;
  readonly bits: bigint;
  readonly length: number;
  /** How long it stays; 0 is for ever, or in adding the set's own timeout. */
  readonly stayNs: bigint;
}

function memberRecord({ six, bits, length, stayNs }: Member): Uint8Array<ArrayBuffer> {
  const record = new Uint8Array(RECORDS.member.size);
  writeRecord(new DataView(record.buffer), 0, RECORDS.member, {
    hi: bits >> 64n,
    lo: bits & 0xffffffffffffffffn,
    family: six ? 1 : 0,
    length,
    left: stayNs,
  });
  return record;
}

/** The library's evaluators of the tables, by their numbers there. */
export const EVALUATORS = ["portable", "AVX2", "AVX-512"] as const;
const ENOENT = 2;

/** Packets for a replay: `packet` records over `bytes`, and 16-byte interface names. */
export interface Packets {
  readonly records: Uint8Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly names: Uint8Array<ArrayBuffer>;
}

/** Of what each part of a new image is the continuation: its number in the old one, or undefined. */
export interface Carry {
  /** A limit goes on with the buckets of one that is the same to the last number; others are new. */
  readonly literals: readonly (number | undefined)[];
  readonly sets: readonly (number | undefined)[];
  readonly rules: readonly (number | undefined)[];
}

/** What is left of an image that is no longer in force. */
export interface Past extends Disposable {
  counters(): Counter[];
  readLog(room: number): Uint8Array<ArrayBuffer>;
}

/** As an image says, before it is taken; 0 if it is too short to be one. */
function ruleCount(image: Uint8Array<ArrayBuffer>): number {
  if (image.length < RECORDS.header.size) return 0;
  return new DataView(image.buffer, image.byteOffset)
    .getUint32(RECORDS.header.fields.rule_count.at, true);
}

/**
 * Memory for an image of so many bytes, all zero. An engine takes a large one from there without a
 * copy, which empties it. LibraryError as an engine.
 */
export function imageMemory(size: number): Uint8Array<ArrayBuffer> {
  if (size < IMAGE_SLACK) return new Uint8Array(size);
  const library = native(); // first: it says how large memory is got
  const room = new Uint8Array(size + IMAGE_SLACK);
  const at = library.fw_image_place(room, room.byteLength);
  return room.subarray(at, at + size);
}

/** A packet engine with the tables of one image. Dispose it: threads are not garbage. */
export class Engine implements AsyncDisposable {
  readonly #lib = native();
  #rules: number;
  #handle: Deno.PointerObject | null;
  #ended: Promise<number> | undefined;
  #bound = 0;

  /**
   * Checks `image`, and copies it, or takes it if it is in imageMemory(). NativeError EBADMSG if it is
   * damaged, ENOEXEC if of another layout.
   */
  constructor(image: Uint8Array<ArrayBuffer>) {
    this.#rules = ruleCount(image);
    const out = new BigUint64Array(1);
    check("load the table image", this.#lib.fw_engine_new(image, image.byteLength, out));
    this.#handle = Deno.UnsafePointer.create(out[0]!);
  }

  /**
   * Puts another image in force between two batches. What the old one has counted and logged can
   * be read from what this returns, which must be disposed of before the next swap. Nothing has
   * changed on NativeError: as of the constructor, EINVAL, ENOSPC (a set is too small now).
   */
  swap(image: Uint8Array<ArrayBuffer>, carry: Carry): Past {
    const numbers = Uint32Array.from(
      [...carry.literals, ...carry.sets, ...carry.rules],
      (number) => number ?? NO_RULE,
    );
    const bytes = new Uint8Array(numbers.buffer);
    const handle = this.#live();
    const [rules, next] = [this.#rules, ruleCount(image)];
    check(
      "put the tables in force",
      this.#lib.fw_engine_swap(handle, image, image.byteLength, bytes, bytes.byteLength),
    );
    this.#rules = next;
    return {
      counters: () => this.#counters(1, rules),
      readLog: (room) => this.#readLog(1, room),
      [Symbol.dispose]: () => check("forget the tables", this.#lib.fw_engine_forget(handle)),
    };
  }

  /** A copy of the image in force. */
  image(): Uint8Array<ArrayBuffer> {
    const image = imageMemory(this.#lib.fw_engine_image(this.#live(), new Uint8Array(), 0));
    this.#lib.fw_engine_image(this.#live(), image, image.byteLength);
    return image;
  }

  /** Decides packets without the kernel: one `decision` record for each. */
  replay({ records, bytes, names }: Packets): Uint8Array<ArrayBuffer> {
    const count = records.byteLength / RECORDS.packet.size;
    const decisions = new Uint8Array(count * RECORDS.decision.size);
    check(
      "replay packets",
      this.#lib.fw_engine_replay(
        this.#live(),
        records,
        count,
        bytes,
        bytes.byteLength,
        names,
        names.byteLength / 16,
        decisions,
      ),
    );
    return decisions;
  }

  /**
   * Decides by this evaluator instead of the best, until the next swap; false if the processor has
   * none. For tests, which compare them.
   */
  evaluateBy(evaluator: typeof EVALUATORS[number]): boolean {
    const number = EVALUATORS.indexOf(evaluator);
    const result = this.#lib.fw_engine_evaluate_by(this.#live(), number);
    if (result === -ENOENT) return false;
    check(`evaluate by ${evaluator}`, result);
    return true;
  }

  /** Binds a kernel queue. NativeError EPERM, EBUSY, EPROTONOSUPPORT. Before `start()`. */
  bind(binding: Binding): void {
    const { queue, batch, copy, depth, coalesce, failOpen } = binding;
    const open = failOpen ? 1 : 0;
    check(
      `bind queue ${queue}`,
      this.#lib.fw_engine_bind(this.#live(), queue, batch, copy, depth, coalesce, open),
    );
    this.#bound++;
  }

  /**
   * Lets so many threads work on each bound queue, or on replays if none is bound; 0 for as many
   * as the cores allow. They split a batch by packets, or by rules. Once, before `start()`.
   */
  share({ workers, split }: Sharing): void {
    const byRules = split === "rules" ? 1 : 0;
    check("start the workers", this.#lib.fw_engine_share(this.#live(), workers, byRules));
  }

  /** Starts to answer the bound queues, one thread each. */
  start(): void {
    check("start the queue threads", this.#lib.fw_engine_start(this.#live()));
    this.#ended = this.#lib.fw_engine_wait(this.#live());
  }

  /** Resolves when all queue threads have ended: rejects with NativeError if one failed. */
  async ended(): Promise<void> {
    if (this.#ended) check("serve the queue", await this.#ended);
  }

  /** Answers what is queued, then ends: `ended()` tells when. */
  stop(): void {
    check("stop the queue threads", this.#lib.fw_engine_stop(this.#live()));
  }

  /** Hits of each rule, by rule number, since its image is in force. */
  counters(): Counter[] {
    return this.#counters(0, this.#rules);
  }

  #counters(past: number, rules: number): Counter[] {
    const { size, fields } = RECORDS.counter;
    const buffer = new Uint8Array(rules * size);
    check("read counters", this.#lib.fw_engine_counters(this.#live(), past, buffer, rules));
    const view = new DataView(buffer.buffer);
    return Array.from({ length: rules }, (_, i) => ({
      packets: view.getBigUint64(i * size + fields.packets.at, true),
      bytes: view.getBigUint64(i * size + fields.bytes.at, true),
      lastNs: view.getBigUint64(i * size + fields.last.at, true),
    }));
  }

  /** Totals since the engine was made. */
  stats(): Stats {
    const totals = new BigUint64Array(LISTS.stat.names.length);
    const buffer = new Uint8Array(totals.buffer);
    check("read totals", this.#lib.fw_engine_stats(this.#live(), buffer, totals.length));
    return Object.fromEntries(LISTS.stat.names.map((name, i) => [name, totals[i]!])) as Stats;
  }

  /** How each bound queue fares, in the order of binding. */
  queues(): QueueState[] {
    const { size } = RECORDS.queue;
    const buffer = new Uint8Array(this.#bound * size);
    check("read the queues", this.#lib.fw_engine_queues(this.#live(), buffer, this.#bound));
    const view = new DataView(buffer.buffer);
    return Array.from({ length: this.#bound }, (_, i) => {
      const { user_dropped: userDropped, ...state } = readRecord(view, i * size, RECORDS.queue);
      return { ...state, userDropped };
    });
  }

  /** Takes lines of the log, up to `room`: a `log` record and LOG_BYTES bytes each. */
  readLog(room: number): Uint8Array<ArrayBuffer> {
    return this.#readLog(0, room);
  }

  #readLog(past: number, room: number): Uint8Array<ArrayBuffer> {
    const lines = new Uint8Array(room * LOG_LINE);
    const count = this.#lib.fw_engine_read_log(this.#live(), past, lines, room);
    check("read the log", count);
    return lines.subarray(0, count * LOG_LINE);
  }

  /**
   * Adds a member to a run-time set, or gives it a new time to stay. NativeError EINVAL, EPERM (the
   * host's own addresses), ENOSPC (full).
   */
  addMember(set: number, member: Member): void {
    check("add to the set", this.#lib.fw_engine_set_add(this.#live(), set, memberRecord(member)));
  }

  /** Takes a member out of a run-time set. NativeError as addMember(), and ENOENT. */
  deleteMember(set: number, member: Member): void {
    const record = memberRecord(member);
    check("take from the set", this.#lib.fw_engine_set_del(this.#live(), set, record));
  }

  /** The members of a run-time set, in no order. */
  members(set: number): Member[] {
    const { size, fields } = RECORDS.member;
    for (let room = 1024;; room *= 2) {
      const bytes = new Uint8Array(room * size);
      const count = this.#lib.fw_engine_set_list(this.#live(), set, bytes, room);
      check("list the set", count);
      if (count > room) continue;
      const view = new DataView(bytes.buffer);
      return Array.from({ length: count }, (_, i) => {
        const wide = (field: "hi" | "lo" | "left") =>
          view.getBigUint64(i * size + fields[field].at, true);
        const { family, length } = readRecord(view, i * size, RECORDS.member);
        return {
          six: family === 1,
          bits: wide("hi") << 64n | wide("lo"),
          length,
          stayNs: wide("left"),
        };
      });
    }
  }

  /** Stops, waits for the threads to end, then frees. Safe to call twice. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#handle === null) return;
    if (this.#ended) {
      this.stop();
      await this.#ended;
    }
    const handle = this.#handle;
    this.#handle = null;
    check("free the engine", this.#lib.fw_engine_free(handle));
  }

  #live(): Deno.PointerObject {
    if (this.#handle === null) throw new Error("Cannot use a disposed engine");
    return this.#handle;
  }
}

export type Stats = Readonly<Record<(typeof LISTS.stat.names)[number], bigint>>;
