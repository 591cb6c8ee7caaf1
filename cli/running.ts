/**
 * What a run is doing: the policy in force, and what it has done so far. One view for the summary
 * and for whoever asks over the control socket.
 *
 * @module
 */
import type { Hook, Policy } from "../compiler/mod.ts";
import type { Counter, Engine, PushedCount, Service, Stats } from "../runtime/mod.ts";
import type { Trial } from "./trial.ts";

/** What a rule has counted; a rule of a subroutine has one row a hook, however many jumps. */
export interface RuleCount {
  readonly rule: string;
  readonly chain: Hook;
  readonly verdict: string;
  readonly packets: number;
  readonly bytes: number;
  /** When the last packet was seen, in milliseconds since 1970; 0 for never. */
  readonly lastMs: number;
  /** Of these packets, those that the kernel took care of in front of the queue. */
  readonly pushed: number;
}

/** What the kernel has counted by rule number, and when that was first seen to be so many. */
type Pushed = ReadonlyMap<number, PushedCount & { readonly seenMs: number }>;

/** A policy in force, and its counters since the start. */
export class Running {
  /** The rule file of the policy in force. */
  get file(): string {
    return this.#file;
  }
  readonly startedAt: Date = new Date();
  readonly #beganMs = performance.now();
  /** Policies that were put in force after the first. */
  reloads = 0;
  /** Lines of the log that could not be written. */
  unwritten = 0;
  /** Whether the policy in force is there for some time only. */
  trial: Trial | undefined;
  #file: string;
  #policy: Policy;
  /** What the kernel had counted by the policy in force at the last `refresh`. */
  #pushed: Pushed = new Map();
  /** What rules counted under earlier policies, by chain and name. */
  #past = new Map<string, RuleCount>();

  constructor(file: string, policy: Policy, readonly service: Service) {
    this.#file = file;
    this.#policy = policy;
  }

  /** For how long it has run. */
  get upMs(): number {
    return performance.now() - this.#beganMs;
  }
  get policy(): Policy {
    return this.#policy;
  }
  get engine(): Engine {
    return this.service.engine;
  }
  /** "nft" or "iptables", undefined when the hooks are left to the user. */
  get backend(): string | undefined {
    return this.service.backend;
  }
  /** Whether verdicts are carried out; else they are only counted and logged. */
  get enforcing(): boolean {
    return !this.#policy.options["dry-run"];
  }
  /** Another policy decides now; these are the last counters of the one before. */
  changed(
    file: string,
    policy: Policy,
    counters: readonly Counter[],
    pushed: ReadonlyMap<number, PushedCount>,
  ): void {
    const rows = rowsOf(this.#policy, counters, seen(pushed, this.#pushed));
    this.#pushed = new Map();
    this.#past = sum([...this.#past.values()], rows);
    this.#file = file;
    this.#policy = policy;
    this.reloads++;
  }
  /** Totals since the start. */
  stats(): Stats {
    const stats = this.engine.stats();
    return { ...stats, logs_lost: stats.logs_lost + BigInt(this.unwritten) };
  }
  /** Reads what the kernel has counted, for `rules` to include. */
  async refresh(): Promise<void> {
    const policy = this.#policy;
    const pushed = await this.service.pushed();
    if (policy === this.#policy) this.#pushed = seen(pushed, this.#pushed);
  }
  /**
   * Hits since the start, in the order of the policy in force. What rules counted that it no longer
   * has is in one row a chain and verdict, so that nothing is missing from the sums.
   */
  rules(): RuleCount[] {
    const now = rowsOf(this.#policy, this.engine.counters(), this.#pushed);
    const names = new Set(now.map(keyOf));
    const past = [...this.#past].filter(([key, row]) => names.has(key) || row.packets > 0)
      .map(([key, row]) =>
        names.has(key) ? row : { ...row, rule: `(earlier ${row.verdict} rules)` }
      );
    return [...sum(now, past).values()];
  }
}

/** The kernel's counters, and since when each has been seen to be what it is. */
function seen(counters: ReadonlyMap<number, PushedCount>, before: Pushed): Pushed {
  const now = Date.now();
  const entries = [...counters].map(([rule, counter]) => {
    const { packets, seenMs } = before.get(rule) ?? { packets: 0n, seenMs: 0 };
    return [rule, { ...counter, seenMs: counter.packets > packets ? now : seenMs }] as const;
  });
  return new Map(entries);
}

function keyOf({ chain, rule }: RuleCount): string {
  return `${chain} ${rule}`;
}

function rowsOf(
  { rules }: Policy,
  counters: readonly Counter[],
  pushed: Pushed,
): RuleCount[] {
  return counters.map(({ packets, bytes, lastNs }, i) => {
    const kernel = pushed.get(i) ?? { packets: 0n, bytes: 0n, seenMs: 0 };
    return {
      rule: rules[i]!.name,
      chain: rules[i]!.hook,
      verdict: rules[i]!.verdict.name === "next" ? "match" : rules[i]!.verdict.name,
      packets: Number(packets + kernel.packets),
      bytes: Number(bytes + kernel.bytes),
      lastMs: Math.max(Number(lastNs / 1_000_000n), kernel.seenMs),
      pushed: Number(kernel.packets),
    };
  });
}

/** Rows of one chain and name added up, in the order in which they first come. */
function sum(...lists: (readonly RuleCount[])[]): Map<string, RuleCount> {
  const sums = new Map<string, RuleCount>();
  for (const row of lists.flat()) {
    const key = keyOf(row);
    const first = sums.get(key);
    sums.set(key, {
      ...(first ?? row),
      packets: (first?.packets ?? 0) + row.packets,
      bytes: (first?.bytes ?? 0) + row.bytes,
      lastMs: Math.max(first?.lastMs ?? 0, row.lastMs),
      pushed: (first?.pushed ?? 0) + row.pushed,
    });
  }
  return sums;
}
