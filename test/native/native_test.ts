/** Runs the C tests, each under the sanitizers that can find what it looks for, and the fuzzers. */
import { assertEquals } from "@std/assert";
import {
  buildLibrary,
  missingPackages,
  type PackageName,
  requirePackages,
} from "../../native/build.ts";

const BUILD = new URL("../../native/build/", import.meta.url).pathname;

/** Exit code of a program that found it cannot test here; it has printed why. */
const SKIPPED = 77;

const FUZZ_SECONDS = 5;

/** Runs a program of the Makefile's; resolves to what it said if it failed, and prints what else it says. */
async function complaint(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await new Deno.Command(`${BUILD}${program}`, { args }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (code !== 0 && code !== SKIPPED) return `exit ${code}\n${text(stdout)}${text(stderr)}`;
  if (stdout.length > 0) console.log(`${program}: ${text(stdout).trim()}`);
  return "";
}

/** A test that needs packages, or root besides; without them it says so and is ignored. */
function test(
  name: string,
  { packages, root }: { packages: readonly PackageName[]; root: boolean },
  fn: () => Promise<void>,
): void {
  const user = Deno.uid() !== 0;
  const missing = user ? missingPackages(packages) : [];
  const why = user && root ? "needs root" : missing.length > 0 ? `needs ${missing.join(", ")}` : "";
  if (why) console.log(`ignored: ${name}: ${why}`);
  Deno.test({
    name,
    ignore: why !== "",
    fn: async () => {
      requirePackages(packages);
      await fn();
    },
  });
}

function testProgram(
  name: string,
  program: string,
  needs = { packages: [] as readonly PackageName[], root: false },
): void {
  test(name, needs, async () => {
    buildLibrary(`build/${program}`);
    assertEquals(await complaint(program), "");
  });
}

/** In a network namespace of its own. */
const NETNS = { packages: ["iproute2", "iptables"] as const, root: true };

testProgram("what lasts for a time lasts so long, however the clock is set", "asan/dynamic_test");
testProgram("buckets are kept by key, and the key used longest ago goes", "asan/limit_test");
testProgram("a run-time set is what was added to it and has not gone", "asan/set_test");
testProgram("the log's ring gives whole lines in order, and counts the others", "tsan/ring_test");

testProgram(
  "every packet, cut at every byte, is parsed or malformed for the right reason, and in bounds",
  "asan/packet_test",
);
testProgram(
  "an image with any byte changed, or cut anywhere, is refused or safe to decide with",
  "asan/image_test",
);
testProgram(
  "the classifier agrees with a naive reading of random tables, for every batch size",
  "asan/classify_test",
);
testProgram(
  "behind a flow cache of any size every packet gets what the tables give it",
  "asan/flows_test",
);
testProgram(
  "rejects are settled, marks cleared, `match` rules counted once and malformed packets by reason",
  "asan/decide_test",
);
testProgram("a batch is counted by its size and by the time to its verdicts", "asan/counts_test");
testProgram("a service manager hears what it is told, and is not waited for", "asan/notify_test");
testProgram(
  "runs of verdicts give every packet the answer that was meant for it",
  "asan/nfq_test",
);
testProgram(
  "packets are let gather under a steady flow, never at rest and never at full batches",
  "asan/coalesce_test",
);
testProgram(
  "the library refuses what is out of range, and replays from unaligned buffers",
  "asan/fw_test",
);
testProgram("an interface's class follows its name, in bounds", "asan/links_test", NETNS);
testProgram("an interface's class follows its name, without races", "tsan/links_test", NETNS);
testProgram(
  "a pump answers every real packet as its rule says, idle or stopped in traffic, in bounds",
  "asan/pump_test",
  NETNS,
);
testProgram(
  "a pump answers every real packet while others read its counters, without races",
  "tsan/pump_test",
  NETNS,
);

testProgram(
  "the pool runs each chunk once: held up at every window, over 10,000 lives, forked, on one core",
  "asan/pool_test",
);
testProgram(
  "threads keep to the whole cores of a real cgroup's quota, its own or one above, also one set later",
  "asan/cores_test",
);
testProgram(
  "ten million packets get the same verdicts from any number of workers and size of batch",
  "asan/share_test",
);
testProgram("workers that share a batch have no races", "tsan/share_test");
testProgram("the pool's threads, held up at every window, have no races", "tsan/pool_test");

for (const subject of ["packet", "image"]) {
  test(
    `${FUZZ_SECONDS} seconds of fuzzing find no ${subject} that leads astray`,
    { packages: ["clang", "libclang-rt-dev"], root: false },
    async () => {
      const program = `fuzz/fuzz_${subject}`;
      buildLibrary(`build/${program}`);
      const args = [`-max_total_time=${FUZZ_SECONDS}`, "-max_len=8192", "-verbosity=0"];
      assertEquals(await complaint(program, ...args, `-artifact_prefix=${BUILD}fuzz/`), "");
    },
  );
}
