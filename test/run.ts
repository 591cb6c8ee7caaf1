/**
 * `deno task test`: installs and builds what the tests need, runs them all, and ends with the line
 * "N passed, N failed". Arguments go to `deno test`; without any, everything under test/ is run.
 *
 * @module
 */
import { buildLibrary, requirePackages } from "../native/build.ts";

requirePackages([
  "clang",
  "libclang-rt-dev",
  "iproute2",
  "iptables",
  "nftables",
  "iputils-ping",
  "ethtool",
  "procps",
  "tshark", // reads what `log pcap` has kept
  "zsh", // completes by our scripts, as fish and bash do
  "fish",
  "groff-base", // reads our manual pages
]);
buildLibrary();

const { passed, failed, skipped, good } = await runTests();
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
Deno.exit(good && passed > 0 && failed === 0 ? 0 : 1);

/** Runs `deno test`, and counts what came of it. `good`: it ended with 0. */
async function runTests(): Promise<ReturnType<typeof totals> & { good: boolean }> {
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const what = Deno.args.length > 0 ? Deno.args : [import.meta.dirname!];
    const args = ["test", "-A", `--junit-path=${report}`, ...what];
    const { success } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
    return { ...totals(await Deno.readTextFile(report)), good: success };
  } finally {
    await Deno.remove(report);
  }
}

/** Counts the test cases of a JUnit report. One that could not be loaded has none, and fails. */
function totals(xml: string): { passed: number; failed: number; skipped: number } {
  const count = (pattern: RegExp) => xml.match(pattern)?.length ?? 0;
  const failed = count(/<(failure|error)[ >]/g);
  const skipped = count(/<skipped/g);
  return { passed: count(/<testcase /g) - failed - skipped, failed, skipped };
}
