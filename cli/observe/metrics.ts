/**
 * A snapshot as Prometheus reads it: the text exposition format, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/). It is written here, not by a
 * client library: those keep counters of their own, and these are the engine's.
 *
 * @module
 */
import type { Histogram, Snapshot } from "./snapshot.ts";

export const CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

type Labels = Readonly<Record<string, string | number>>;
type Sample = readonly [Labels, number];

export function metricsText(snapshot: Snapshot): string {
  const { chains, rules, queues, malformed, totals } = snapshot;
  const ofRule = ({ chain, rule, verdict }: { chain: string; rule: string; verdict: string }) => ({
    chain,
    rule,
    verdict,
  });
  return [
    gauge("build_info", "The version that runs.", [[{ version: snapshot.version }, 1]]),
    gauge("start_time_seconds", "When it was started.", one(snapshot.startedMs / 1000)),
    gauge("enforcing", "1 if verdicts are carried out.", one(Number(snapshot.enforcing))),
    gauge("healthy", "0 if packets wait and none is evaluated.", one(Number(snapshot.health.ok))),
    counter("reloads_total", "Policies put in force after the first.", one(snapshot.reloads)),
    counter(
      "packets_total",
      "Packets of the queues by chain and verdict.",
      chains.map(({ chain, verdict, packets }) => [{ chain, verdict }, packets]),
    ),
    counter(
      "pushed_packets_total",
      "Packets besides these, that the kernel took care of in front of the queue.",
      chains.map(({ chain, verdict, pushed }) => [{ chain, verdict }, pushed]),
    ),
    counter(
      "bytes_total",
      "Bytes of the IP packets of the queues, by chain and verdict.",
      chains.map(({ chain, verdict, bytes }) => [{ chain, verdict }, bytes]),
    ),
    counter(
      "rule_packets_total",
      "Packets that a rule matched.",
      rules.map((rule) => [ofRule(rule), rule.packets]),
    ),
    counter(
      "rule_bytes_total",
      "Bytes of the IP packets that a rule matched.",
      rules.map((rule) => [ofRule(rule), rule.bytes]),
    ),
    counter(
      "rule_pushed_packets_total",
      "Of these packets, those that the kernel took care of in front of the queue.",
      rules.map((rule) => [ofRule(rule), rule.pushed]),
    ),
    gauge(
      "rule_last_hit_timestamp_seconds",
      "When a rule last matched; none for one that never did.",
      rules.filter(({ lastMs }) => lastMs > 0).map((rule) => [ofRule(rule), rule.lastMs / 1000]),
    ),
    gauge(
      "queue_waiting_packets",
      "Packets in the kernel without a verdict.",
      queues.map(({ number, waiting }) => [{ queue: number }, waiting]),
    ),
    counter(
      "queue_received_packets_total",
      "Packets that were received from a queue.",
      queues.map(({ number, received }) => [{ queue: number }, received]),
    ),
    counter(
      "queue_kernel_dropped_packets_total",
      "Packets lost because a queue was full.",
      queues.map(({ number, dropped }) => [{ queue: number }, dropped]),
    ),
    counter(
      "queue_user_dropped_packets_total",
      "Packets lost because the socket of a queue was full.",
      queues.map(({ number, userDropped }) => [{ queue: number }, userDropped]),
    ),
    counter(
      "malformed_packets_total",
      "Packets that could not be parsed, by reason.",
      Object.entries(malformed).map(([reason, n]) => [{ reason }, n]),
    ),
    counter(
      "queued_again_packets_total",
      "Packets that came a second time, with more of their headers.",
      one(totals.queuedAgain),
    ),
    counter("verdict_errors_total", "Refused verdicts.", one(totals.verdictErrors)),
    counter("socket_overruns_total", "Times that a socket was full.", one(totals.overruns)),
    counter("log_lines_lost_total", "Lines of the log that were lost.", one(totals.logsLost)),
    counter(
      "flow_cache_packets_total",
      "Packets looked for in the flow cache, by what came of it.",
      [[{ result: "hit" }, totals.flowHits], [{ result: "miss" }, totals.flowMisses]],
    ),
    histogram("batch_packets", "Packets answered at once.", snapshot.batches),
    histogram(
      "verdict_seconds",
      "From a packet's receipt to its verdict; the wait in the kernel is not in it.",
      snapshot.verdictSeconds,
    ),
  ].join("");
}

function one(value: number): Sample[] {
  return [[{}, value]];
}

function counter(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, "counter", help, samples.map(([labels, n]) => line(name, labels, n)));
}

function gauge(name: string, help: string, samples: readonly Sample[]): string {
  return family(name, "gauge", help, samples.map(([labels, n]) => line(name, labels, n)));
}

/** Its buckets are cumulative. */
function histogram(name: string, help: string, { bounds, counts, sum }: Histogram): string {
  let total = 0;
  const buckets = counts.map((count, i) =>
    line(`${name}_bucket`, { le: bounds[i] ?? "+Inf" }, total += count)
  );
  return family(name, "histogram", help, [
    ...buckets,
    line(`${name}_sum`, {}, sum),
    line(`${name}_count`, {}, total),
  ]);
}

function family(name: string, type: string, help: string, lines: readonly string[]): string {
  if (lines.length === 0) return "";
  return `# HELP barrage_${name} ${help}\n# TYPE barrage_${name} ${type}\n${lines.join("")}`;
}

function line(name: string, labels: Labels, value: number): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escape(String(text))}"`);
  return `barrage_${name}${pairs.length > 0 ? `{${pairs.join(",")}}` : ""} ${value}\n`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
