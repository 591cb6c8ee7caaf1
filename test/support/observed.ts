/**
 * A run without a kernel, to be observed: a real engine that has decided what it was shown.
 *
 * @module
 */
import { Running } from "../../cli/running.ts";
import { check, compile } from "../../compiler/mod.ts";
import { Engine, type PushedCount, readCapture, replay, type Service } from "../../runtime/mod.ts";
import { capturePackets, type Sketch } from "./capture.ts";

/** A run of a policy of which the kernel has decided `pushed`, by rule, and a way to show its engine packets of the input hook. */
export interface Observed extends AsyncDisposable {
  readonly running: Running;
  show(...sketches: Sketch[]): void;
}

export function observed(
  text: string,
  pushed: ReadonlyMap<number, PushedCount> = new Map(),
): Observed {
  const { policy } = check("observed.fw", text);
  const image = policy && compile(policy);
  if (!(image instanceof Uint8Array)) throw new Error("the policy does not compile");
  const engine = new Engine(image);
  const service: Service = {
    backend: "nft",
    engine,
    pushed: () => Promise.resolve(pushed),
    change: () => Promise.reject(new Error("nothing is changed here")),
    fault: () => undefined,
    ended: engine.ended(),
    fail: () => Promise.resolve(),
    stop: () => Promise.resolve(),
  };

  return {
    running: new Running("observed.fw", policy!, service),
    show(...sketches) {
      const file = capturePackets(sketches);
      const scene = { hook: "input", in: "eth0", out: "", mark: 0, time: NOW_NS } as const;
      for (const _ of replay(engine, file, readCapture(file).frames, scene));
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

/** When all of them were seen: 2026-01-02T03:04:05.678Z. */
export const NOW_NS = 1_767_323_045_678_000_000n;
