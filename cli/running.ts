/**
 * What a run is doing: the policy in force, and what it has done so far. One view for the summary
 * and for whoever asks over the control socket.
 *
 * @module
 */
import type { Hook, Policy } from "../compiler/mod.ts";
import type { Engine, Service, Stats } from "../runtime/mod.ts";

/** What a rule has counted; a rule of a subroutine has one row a hook, however many jumps. */
export interface RuleCount {
  readonly rule: string;
  readonly chain: Hook;
  readonly verdict: string;
  readonly packets: number;
  readonly bytes: number;
  /** When the last packet was seen, in milliseconds since 1970; 0 for never. */
  readonly lastMs: number;
}

/** A policy in force, and its counters since the start. */
export class Running {
  readonly startedAt: Date = new Date();
  /** Policies that were put in force after the first. */
  reloads = 0;
  #policy: Policy;
  /** What rules counted under earlier policies, by chain and name. */
  #past = new Map<string, RuleCount>();

  constructor(readonly file: string, policy: Policy, readonly service: Service) {
    this.#policy = policy;
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
    return true;
  }
  /** Totals since the start. */
  stats(): Stats {
    return this.engine.stats();
  }
  /** Hits since the start, in the order of the policy in force. */
  rules(): RuleCount[] {
    return [...sum(rowsOf(this.#policy, this.engine), [...this.#past.values()]).values()];
  }
}

function rowsOf({ rules }: Policy, engine: Engine): RuleCount[] {
  return engine.counters().map(({ packets, bytes, lastNs }, i) => ({
    rule: rules[i]!.name,
    chain: rules[i]!.hook,
    verdict: rules[i]!.verdict.name === "next" ? "match" : rules[i]!.verdict.name,
    packets: Number(packets),
    bytes: Number(bytes),
    lastMs: Number(lastNs / 1_000_000n),
  }));
}

/** Rows of one chain and name added up, in the order in which they first come. */
function sum(...lists: (readonly RuleCount[])[]): Map<string, RuleCount> {
  const sums = new Map<string, RuleCount>();
  for (const row of lists.flat()) {
    const key = `${row.chain} ${row.rule}`;
    const first = sums.get(key);
    sums.set(key, {
      ...(first ?? row),
      packets: (first?.packets ?? 0) + row.packets,
      bytes: (first?.bytes ?? 0) + row.bytes,
      lastMs: Math.max(first?.lastMs ?? 0, row.lastMs),
    });
  }
  return sums;
}
