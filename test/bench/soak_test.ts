// The soak's judgement of memory: what is collected later is no leak, what is never collected is one.
import { assertEquals } from "@std/assert";
import { flat, type Sample } from "../../bench/soak/account.ts";

/** Two hours' samples of memory that rises by 40 MB until it is collected, and by `leak` KB each. */
function samplesWith(leak: number): Sample[] {
  return Array.from({ length: 720 }, (_, i) => ({
    minutes: i / 6,
    rssKb: 180_000 + (i * 7 % 20) * 2000 + i * leak,
    descriptors: 40,
    threads: 9,
    guardKb: 100,
    cpu: 0.1,
    received: 3000 * i,
    waiting: 0,
    kernelDropped: 0,
    userDropped: 0,
    reloads: 3 * i,
    logLines: i,
  }));
}

const memoryHolds = (samples: Sample[]) =>
  flat(samples).find(({ what }) => what === "memory, MB")!.holds;

Deno.test("memory that rises until it is collected is flat", () => {
  assertEquals(memoryHolds(samplesWith(0)), true);
});

Deno.test("memory of which a little is never collected is not", () => {
  assertEquals(memoryHolds(samplesWith(20)), false);
});
