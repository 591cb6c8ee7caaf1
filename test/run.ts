/**
 * `deno task test`: installs and builds what the tests need, runs them all, and ends with the line
 * "N passed, N failed". Arguments go to `deno test`; without any, everything under test/ is run.
 *
 * @module
 */
import { buildLibrary, requirePackages } from "../native/build.ts";

requirePackages(["clang", "iproute2", "iptables", "nftables", "iputils-ping", "procps"]);
buildLibrary();

const report = await Deno.makeTempFile({ suffix: ".xml" });
try {
  const here = import.meta.dirname!;
  const args = [
    "test",
    "-A",
    `--junit-path=${report}`,
    ...Deno.args.length > 0 ? Deno.args : [here],
  ];
  const { code } = await new Deno.Command(Deno.execPath(), { args }).spawn().status;
  const { passed, failed, skipped } = totals(await Deno.readTextFile(report));
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  Deno.exit(code === 0 && passed > 0 && failed === 0 ? 0 : 1);
} finally {
  await Deno.remove(report);
}

/** Counts the test cases of a JUnit report. One that could not be loaded has none, and fails. */
function totals(xml: string): { passed: number; failed: number; skipped: number } {
  const count = (pattern: RegExp) => xml.match(pattern)?.length ?? 0;
  const failed = count(/<(failure|error)[ >]/g);
  const skipped = count(/<skipped/g);
  return { passed: count(/<testcase /g) - failed - skipped, failed, skipped };
}
