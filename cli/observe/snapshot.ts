/**
 * What a run has done up to now, as plain data: the one source of `status`, `stats`, `top`, the
 * metrics and the page.
 *
 * @module
 */
import { BATCH_BOUNDS, type QueueState, type Stats, VERDICT_BOUNDS } from "../../runtime/mod.ts";
import type { RuleCount, Running } from "../running.ts";
import { VERSION } from "../program.ts";
import type { Health } from "./health.ts";

/** How often a figure was at most each of some bounds, and more than the one before. */
export interface Histogram {
  /** Ascending. */
  readonly bounds: readonly number[];
  /** One a bound; one more for what was above the last. */
  readonly counts: readonly number[];
  /** Of all the figures. */
  readonly sum: number;
}

/** What a chain gave a verdict to. */
export interface ChainCount {
  readonly chain: string;
  readonly verdict: string;
  /** Of the queues. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets besides, that the kernel took care of in front of the queue. */
  readonly pushed: number;
}

export interface Snapshot {
  readonly version: string;
  readonly pid: number;
  /** The rule file. */
  readonly file: string;
  /** Milliseconds since 1970. */
  readonly startedMs: number;
  readonly nowMs: number;
  /** For how long it has run, whatever was done to the clock. */
  readonly upMs: number;
  /** Who has installed the hooks; null if that is left to the user. */
  readonly backend: string | null;
  /** Whether verdicts are carried out; else they are only counted and logged. */
  readonly enforcing: boolean;
  readonly reloads: number;
  /** If the policy in force is there until it is confirmed: what else comes back, and when. */
  readonly trial: { readonly before: string; readonly leftMs: number } | null;
  readonly health: Health;
  readonly queues: readonly QueueState[];
  readonly chains: readonly ChainCount[];
  /** In the order of the policy in force. */
  readonly rules: readonly RuleCount[];
  /** Packets that could not be parsed, by reason. */
  readonly malformed: Readonly<Record<string, number>>;
  /** Packets that were received and answered together. */
  readonly batches: Histogram;
  /** Seconds from a packet's receipt to its verdict. */
  readonly verdictSeconds: Histogram;
  readonly totals: {
    readonly received: number;
    readonly accepted: number;
    readonly dropped: number;
    readonly rejected: number;
    /** Packets that were queued again, to come with more of their headers. */
    readonly queuedAgain: number;
    /** Verdicts that the kernel refused. */
    readonly verdictErrors: number;
    /** Packets that were lost because a queue or its socket was full. */
    readonly kernelDropped: number;
    readonly userDropped: number;
    /** Times that the socket was full. */
    readonly overruns: number;
    /** Lines of the log that were not taken in time. */
    readonly logsLost: number;
    /** Packets whose flow was in the flow cache, and those looked for in vain. */
    readonly flowHits: number;
    readonly flowMisses: number;
  };
}

export function takeSnapshot(running: Running, health: Health): Snapshot {
  const { trial } = running;
  const rules = running.rules();
  return {
    version: VERSION,
    pid: Deno.pid,
    file: running.file,
    startedMs: running.startedAt.getTime(),
    nowMs: Date.now(),
    upMs: Math.round(running.upMs),
    backend: running.backend ?? null,
    enforcing: running.enforcing,
    reloads: running.reloads,
    trial: trial ? { before: trial.before, leftMs: Math.round(trial.leftMs) } : null,
    health,
    queues: running.engine.queues(),
    rules,
    ...figures(running.stats(), rules),
  };
}

/** What of a snapshot is in the engine's totals, and in the rules' sums. */
export function figures(
  stats: Stats,
  rules: readonly RuleCount[],
): Pick<Snapshot, "chains" | "malformed" | "batches" | "verdictSeconds" | "totals"> {
  const entries = Object.entries(stats).map(([name, n]) => [name, Number(n)] as const);
  const chains = entries.flatMap(([name, packets]) => {
    const [, chain, verdict] = /^(input|forward|output)_(\w+)_packets$/.exec(name) ?? [];
    const bytes = Number(stats[`${chain}_${verdict}_bytes` as keyof Stats]);
    return chain && verdict
      ? [{ chain, verdict, packets, bytes, pushed: pushedOf(rules, chain, verdict) }]
      : [];
  });
  const malformed = entries.filter(([name]) => name.startsWith("bad_"))
    .map(([name, n]) => [name.slice("bad_".length), n] as const);
  const times = VERDICT_BOUNDS.slice(0, -1).map((us) => Number(us) / 1e6);
  return {
    chains,
    malformed: Object.fromEntries(malformed),
    batches: {
      bounds: BATCH_BOUNDS,
      counts: [...BATCH_BOUNDS.map((bound) => Number(stats[`batch_${bound}`])), 0],
      sum: Number(stats.received),
    },
    verdictSeconds: {
      bounds: times,
      counts: VERDICT_BOUNDS.map((bound) => Number(stats[`verdict_us_${bound}`])),
      sum: Number(stats.verdict_ns) / 1e9,
    },
    totals: {
      received: Number(stats.received),
      accepted: Number(stats.accepted),
      dropped: Number(stats.dropped),
      rejected: Number(stats.rejected),
      queuedAgain: Number(stats.queued_again),
      verdictErrors: Number(stats.verdict_errors),
      kernelDropped: Number(stats.kernel_dropped),
      userDropped: Number(stats.user_dropped),
      overruns: Number(stats.overruns),
      logsLost: Number(stats.logs_lost),
      flowHits: Number(stats.flow_hits),
      flowMisses: Number(stats.flow_misses),
    },
  };
}

function pushedOf(rules: readonly RuleCount[], chain: string, verdict: string): number {
  return rules.filter((rule) => rule.chain === chain && rule.verdict === verdict)
    .reduce((sum, { pushed }) => sum + pushed, 0);
}

/** Packets that the kernel took care of in front of the queue, by what became of them. */
export function inFront(
  chains: readonly ChainCount[],
): { readonly accepted: number; readonly dropped: number; readonly rejected: number } {
  const sum = (verdict: string) =>
    chains.reduce((sum, chain) => chain.verdict === verdict ? sum + chain.pushed : sum, 0);
  return { accepted: sum("accept"), dropped: sum("drop"), rejected: sum("reject") };
}
