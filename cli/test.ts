import { runTests, severityOf, type Sources, type TestReport } from "../compiler/mod.ts";
import type { Arguments } from "./command.ts";
import { checkFile, show } from "./policy.ts";
import { writeFile } from "./report.ts";

/** Proves or refutes the `test` blocks of a rule file; 1 if one does not hold. */
export async function test(args: Arguments): Promise<number> {
  const { sources, diagnostics, policy } = await checkFile(args);
  for (const diagnostic of diagnostics) {
    console.error(`${show(diagnostic, sources, Deno.stderr)}\n`);
  }
  if (!policy) return 1;
  const report = runTests(policy);
  const findings = report.tested.flatMap(({ finding }) => finding ?? []);
  const quiet = args.options.untested ? report.untested : [];
  for (const diagnostic of [...findings, ...quiet]) {
    console.log(`${show(diagnostic, sources, Deno.stdout)}\n`);
  }
  const failed = findings.filter((finding) => severityOf(finding) === "error").length;
  console.log(`${args.operands[0]}: ${summary(report, failed)}`);
  const { junit } = args.options;
  if (typeof junit === "string") {
    await writeFile(junit, new TextEncoder().encode(junitText(report, sources)));
  }
  return failed > 0 ? 1 : 0;
}

function summary({ tested, exercised, live }: TestReport, failed: number): string {
  const coverage = live === 0 ? "100" : (100 * exercised / live).toFixed(0);
  const proved = tested.length - failed;
  return `${proved} ${proved === 1 ? "expectation" : "expectations"} proved, ${failed} failed; ` +
    `${exercised} of ${live} rules that can decide are exercised (${coverage} %)`;
}

/** The report as JUnit's XML: a suite a test, a case an expectation. */
function junitText({ tested }: TestReport, sources: Sources): string {
  const suites = Map.groupBy(tested, ({ expectation }) => expectation.test);
  const lines = [...suites].flatMap(([name, cases]) => {
    const failures = cases.filter(({ finding }) => finding && severityOf(finding) === "error");
    return [
      `  <testsuite name="${escape(name)}" tests="${cases.length}" failures="${failures.length}">`,
      ...cases.flatMap(({ expectation, finding }) => {
        const { source, line } = sources.position(expectation.span.start);
        const at = `name="line ${line}" classname="${escape(source.name)}"`;
        if (!finding || severityOf(finding) !== "error") return [`    <testcase ${at}/>`];
        const why = `message="${escape(finding.message)}">${escape(finding.note ?? "")}`;
        return [`    <testcase ${at}><failure ${why}</failure></testcase>`];
      }),
      "  </testsuite>",
    ];
  });
  return ['<?xml version="1.0"?>', "<testsuites>", ...lines, "</testsuites>", ""].join("\n");
}

function escape(text: string): string {
  const entities: Record<string, string> = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
  };
  return text.replace(/[&<>"]/g, (c) => entities[c]!);
}
