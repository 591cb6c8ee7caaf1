/**
 * A setting on the packets of a user's capture: the same tables and native code, without a queue
 * and without root. Packets "arrive" evenly spaced, and wait until the batch before them is done.
 *
 * @module
 */
import { type Policy } from "../../compiler/mod.ts";
import { Engine, packetsOf, readCapture, type Scene } from "../../runtime/mod.ts";
import { RECORDS } from "../../compiler/tables/layout.ts";
import { cpuNs, threadCpuNs } from "../process.ts";
import type { Figures, Sample } from "./search.ts";
import type { Setting } from "./setting.ts";

/** Packets a second, besides all that go. */
export const CAPTURE_RATES = [50_000, 200_000, 1_000_000];

/** What of the choices the queue has no part in. */
export const CAPTURE_OPTIONS = ["batch", "workers", "split"];

/** A capture, ready to be decided again and again. */
export class Recording {
  readonly #packets;
  readonly #count: number;

  /** Throws CaptureError if it is none, or holds no IP packet. */
  constructor(
    readonly image: Uint8Array<ArrayBuffer>,
    policy: Policy,
    file: Uint8Array<ArrayBuffer>,
    readonly seconds: number,
  ) {
    const scene: Scene = { hook: policy.hooks[0]!, in: "", out: "", mark: 0, time: 0n };
    this.#packets = packetsOf(file, readCapture(file).frames, scene);
    this.#count = this.#packets.records.byteLength / RECORDS.packet.size;
    if (this.#count === 0) throw new Error("the capture holds no IP packet");
  }

  async measure({ batch, workers, split }: Setting, signal: AbortSignal): Promise<Sample> {
    await using engine = new Engine(this.image);
    engine.share({ workers: Number(workers), split: split === "rules" ? "rules" : "packets" });
    const sample: Figures[] = [];
    for (const rate of [...CAPTURE_RATES, undefined]) {
      await Promise.resolve();
      signal.throwIfAborted();
      sample.push(this.#offer(engine, Number(batch), rate));
    }
    return sample;
  }

  /** Synchronous: a turn of the event loop would be longer than a batch. */
  #offer(engine: Engine, batch: number, rate: number | undefined): Figures {
    const { records, bytes, names } = this.#packets, { size } = RECORDS.packet;
    const helpersBefore = helpersCpuNs();
    const latencies: number[] = [];
    const start = performance.now(), end = start + this.seconds * 1000;
    let done = 0, busyMs = 0, now = start;
    while (now < end) {
      const arrived = rate ? Math.floor((now - start) / 1000 * rate) : Infinity;
      const from = done % this.#count;
      const count = Math.min(batch, arrived - done, this.#count - from);
      if (count > 0) {
        const chosen = records.subarray(from * size, (from + count) * size);
        engine.replay({ records: chosen, bytes, names });
        const finished = performance.now();
        busyMs += finished - now;
        // The oldest of the batch has waited longest.
        const since = rate ? start + done / rate * 1000 : now;
        latencies.push((finished - since) * 1000);
        done += count;
      }
      now = performance.now();
    }
    latencies.sort((a, b) => a - b);
    const at = (quantile: number) => latencies[Math.floor(quantile * (latencies.length - 1))]!;
    return {
      rate,
      packetsPerSecond: done / (now - start) * 1000,
      lost: 0,
      cpuNsPerPacket: (busyMs * 1e6 + helpersCpuNs() - helpersBefore) / done,
      p50Us: at(0.5),
      p99Us: at(0.99),
    };
  }
}

/** Of all threads but the one that offers, which is never idle. */
function helpersCpuNs(): number {
  return cpuNs(Deno.pid) - threadCpuNs(Deno.pid, Deno.pid);
}
