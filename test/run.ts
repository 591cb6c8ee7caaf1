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

/**
 * Tests that only reckon, in two shares of about the same time, for two cores. Those that measure, or
 * have namespaces and threads of their own, come behind them, alone.
 */
const SIDE_BY_SIDE = [["differential"], ["unit", "fuzz"]];
const ALONE = [...Deno.readDirSync(import.meta.dirname!)]
  .filter(({ isDirectory, name }) => isDirectory && !SIDE_BY_SIDE.flat().includes(name))
  .map(({ name }) => name);

const results = Deno.args.length > 0 ? [await runTests(Deno.args)] : [
  ...await Promise.all(SIDE_BY_SIDE.map((share, i) => runTests(share.map(under), i > 0))),
  await runTests(ALONE.map(under)),
];
const sum = (count: "passed" | "failed" | "skipped") =>
  results.reduce((sum, result) => sum + result[count], 0);
const [passed, failed, skipped] = [sum("passed"), sum("failed"), sum("skipped")];
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
Deno.exit(results.every(({ good }) => good) && passed > 0 && failed === 0 ? 0 : 1);

function under(folder: string): string {
  return `${import.meta.dirname}/${folder}`;
}

/**
 * Runs `deno test`, and counts what came of it. `good`: it ended with 0. What it prints comes at
 * once, or `later`, in one piece.
 */
async function runTests(
  what: readonly string[],
  later = false,
): Promise<ReturnType<typeof totals> & { good: boolean }> {
  const report = await Deno.makeTempFile({ suffix: ".xml" });
  try {
    const output = later ? "piped" : "inherit";
    const ended = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", `--junit-path=${report}`, ...what],
      stdout: output,
      stderr: output,
    }).output();
    for (const bytes of later ? [ended.stderr, ended.stdout] : []) {
      await new Response(bytes).body!.pipeTo(Deno.stdout.writable, { preventClose: true });
    }
    return { ...totals(await Deno.readTextFile(report)), good: ended.success };
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
