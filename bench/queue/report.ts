/**
 * What the bench of the queue says: a line of JSON a contestant and case, a table a case, and a
 * report with charts.
 *
 * @module
 */
import { chart, htmlTable, page, paragraph } from "../html.ts";
import { machine, summarize, type Summary, table } from "../report.ts";
import { CONTESTANTS } from "./contestants.ts";
import type { Scenario } from "./scenarios.ts";

const BUILD = new URL("build/", import.meta.url).pathname;

/** One scenario with one number of rules: for each contestant, the figures of each round. */
export interface Case {
  readonly name: string;
  readonly scenario: Scenario;
  readonly rules: number;
  readonly samples: ReadonlyMap<string, readonly (readonly number[])[]>;
}

export async function conclude(
  cases: readonly Case[],
  { seed, rounds, windowMs }: {
    readonly seed: number;
    readonly rounds: number;
    readonly windowMs: number;
  },
): Promise<void> {
  const where = { machine: machine(), seed, rounds, windowMs };
  const lines = cases.flatMap((c) => linesOf(c, where));
  for (const line of lines) console.log(line);
  for (const c of cases) console.log(`\n${titleOf(c)}\n${table(rowsOf(c))}`);
  await Deno.mkdir(BUILD, { recursive: true });
  await Deno.writeTextFile(`${BUILD}measurements.jsonl`, `${lines.join("\n")}\n`);
  const parts = cases.flatMap((c) => [chartOf(c), htmlTable(rowsOf(c))]);
  const how =
    `${rounds} rounds of ${windowMs / 1000} s; median (least to most); ratios are of the ` +
    "same round";
  const html = page("What a packet costs that a program answers", [
    paragraph(machine()),
    paragraph(how),
    ...parts,
  ]);
  await Deno.writeTextFile(`${BUILD}report.html`, html);
  console.log(`\nmachine: ${machine()}\nreport: ${BUILD}report.html`);
}

function titleOf({ scenario, rules }: Case): string {
  return `${scenario.title}; ${rules} rules`;
}

function nameOf(contestant: string): string {
  return CONTESTANTS[contestant]!.name;
}

/** Of one figure over all rounds; undefined if this contestant has none. */
function figure({ scenario, samples }: Case, contestant: string, column: number) {
  const values = samples.get(contestant)!.map((sample) => sample[column]!);
  const known = values.every((value) => Number.isFinite(value));
  return known ? summarize(values, scenario.columns[column]!.digits) : undefined;
}

/** Of one figure's ratio to another contestant's of the same round. */
function ratio({ samples }: Case, contestant: string, other: string, column: number) {
  const own = samples.get(contestant)!, others = samples.get(other)!;
  const values = own.map((sample, round) => sample[column]! / others[round]![column]!);
  return values.every((value) => Number.isFinite(value)) ? summarize(values, 2) : undefined;
}

/** Figures that are compared, and to whom. */
function comparisons({ scenario }: Case): { column: number; other: string }[] {
  return scenario.columns.flatMap(({ compared }, column) =>
    compared ? scenario.against.map((other) => ({ column, other })) : []
  );
}

function linesOf(c: Case, where: Readonly<Record<string, unknown>>): string[] {
  const { name: scenario, rules, samples } = c, { columns } = c.scenario;
  return [...samples.keys()].map((contestant) => {
    const figures = columns.map(({ label }, i) => [label, figure(c, contestant, i)]);
    const ratios = comparisons(c).map(({ column, other }) => [
      `${columns[column]!.label} / ${nameOf(other)}`,
      ratio(c, contestant, other, column),
    ]);
    const measured = Object.fromEntries([...figures, ...ratios]);
    return JSON.stringify({
      ...{ bench: "queue", scenario, rules, contestant: nameOf(contestant) },
      ...where,
      ...measured,
    });
  });
}

function rowsOf(c: Case): string[][] {
  const { columns } = c.scenario;
  const compared = comparisons(c);
  const text = (s: Summary | undefined) => s ? `${s.median} (${s.min} to ${s.max})` : "-";
  return [
    [
      "",
      ...columns.map(({ label }) => label),
      ...compared.map(({ column, other }) => `${columns[column]!.label} / ${nameOf(other)}`),
    ],
    ...[...c.samples.keys()].map((contestant) => [
      nameOf(contestant),
      ...columns.map((_, i) => text(figure(c, contestant, i))),
      ...compared.map(({ column, other }) =>
        contestant === other ? "1" : text(ratio(c, contestant, other, column))
      ),
    ]),
  ];
}

/** The first figure, a bar a contestant. */
function chartOf(c: Case): string {
  const names = [...c.samples.keys()].toReversed();
  return chart(`${titleOf(c)}: ${c.scenario.columns[0]!.label}`, {
    legend: { show: false },
    grid: { left: 8, right: 24, top: 8, bottom: 24, containLabel: true },
    xAxis: { type: "value", axisLabel: { hideOverlap: true } },
    yAxis: { type: "category", data: names.map(nameOf), axisLabel: { interval: 0 } },
    series: [{ type: "bar", data: names.map((name) => figure(c, name, 0)?.median ?? "-") }],
  });
}
