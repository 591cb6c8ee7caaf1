/**
 * What `top` shows: news of a run become lines of a terminal of some size.
 *
 * @module
 */
import { duration } from "../status.ts";
import { cut, type Line, type Style, wrapped } from "./line.ts";
import type { News } from "./observer.ts";
import { type Histogram, inFront } from "./snapshot.ts";
import { growth, type Ranked, type View } from "./view.ts";

/** What the user has chosen. */
export interface Choice {
  readonly by: "rate" | "packets";
}

/** Lines of the table of rules that come before anything else but the head: its own head, and four. */
const LEAST_TABLE = 5;

/** The screen: at most `rows` lines, none wider than `columns`. What there is no room for is left out. */
export function screen(view: View, choice: Choice, columns: number, rows: number): Line[] {
  const foot: Line = [[
    "faint",
    `q quits, s sorts by ${choice.by === "rate" ? "packets" : "rate"}`,
  ]];
  const body = Math.max(0, rows - 1);
  const spare = (lines: readonly Line[]) => body - LEAST_TABLE - lines.length;
  const short = headLines(view);
  const whole = short.flatMap((line) => wrapped(line, columns));
  const head = [...spare(whole) > 0 ? whole : short, []];
  const why = [...causes(view, rows < 30 ? 2 : 4), []];
  const below = spare([...head, ...why]) >= 0 ? why : [];
  const bars = [...histograms(view, columns), []];
  const above = spare([...head, ...bars, ...below]) >= 0 ? bars : [];
  const parts = [...head, ...above, ...below];
  const table = ruleLines(view, choice, columns, Math.max(0, body - parts.length));
  return [...[...parts, ...table].slice(0, body), foot].map((line) => cut(line, columns));
}

function headLines(view: View): Line[] {
  const { now, depths } = view;
  const { totals, queues, health } = now;
  const state: Line[number] = !health.ok
    ? ["bad", "at fault"]
    : now.enforcing
    ? ["good", "enforcing"]
    : ["bad", "dry run"];
  const rate = (figure: "accepted" | "dropped" | "rejected") =>
    rateText(growth(view, ({ totals, chains }) => totals[figure] + inFront(chains)[figure]));
  const pushed = (news: News) => news.chains.reduce((sum, { pushed }) => sum + pushed, 0);
  const all = rateText(growth(view, (news) => news.totals.received + pushed(news)));
  const waiting = queues.map(({ number, waiting }) => `queue ${number}: ${waiting}`).join(", ");
  return [
    [
      ["bold", "Barrage"],
      " ",
      state,
      ` ${now.file}, up ${duration(now.upMs)}, `,
      `${now.reloads} reload${now.reloads === 1 ? "" : "s"}, `,
      now.backend ? `hooks by ${now.backend}` : "no hooks installed",
    ],
    ...health.faults.map((fault): Line => [["bad", fault]]),
    [
      ["bold", all.padStart(6)],
      " packets/s: ",
      ["accept", `${rate("accepted")} accepted`],
      ", ",
      ["drop", `${rate("dropped")} dropped`],
      ", ",
      ["reject", `${rate("rejected")} rejected`],
      ...(pushed(now) > 0 ? [`; ${rateText(growth(view, pushed))} of them in the kernel`] : []),
    ],
    [
      ["bold", String(depths.at(-1) ?? 0).padStart(6)],
      ` waiting ${bars(depths.slice(-20))} (${waiting || "no queue"}); lost: `,
      `${totals.kernelDropped} queue full, ${totals.userDropped} socket full`,
    ],
  ];
}

const EIGHTHS = "▁▂▃▄▅▆▇█";

/** A bar for each figure, the largest of full height; a space for none. */
function bars(figures: readonly number[]): string {
  const most = Math.max(...figures, 1);
  return figures.map((n) => n === 0 ? " " : EIGHTHS[Math.ceil((n / most) * 8) - 1]).join("");
}

/** Columns of a histogram's bar with its label and a space, and bars at most and at least. */
const CELL = 6, MOST_CELLS = 10, LEAST_CELLS = 6;

/** The two histograms beside each other if there is room, else one below the other. */
function histograms({ now, before }: View, columns: number): Line[] {
  const beside = columns >= 2 * CELL * LEAST_CELLS;
  const cells = Math.min(MOST_CELLS, Math.floor(columns / CELL / (beside ? 2 : 1)));
  const batches = histogram("answered at once", now.batches, before?.batches, short, cells);
  const times = histogram(
    "receipt to verdict",
    now.verdictSeconds,
    before?.verdictSeconds,
    time,
    cells,
  );
  if (!beside) return [...batches, ...times].map((text) => [text]);
  return batches.map((text, i) => [text, times[i]!]);
}

/** Since the news before, if there were any such; else since the start. The first bar has all below. */
function histogram(
  title: string,
  now: Histogram,
  before: Histogram | undefined,
  text: (bound: number) => string,
  cells: number,
): string[] {
  const grown = now.counts.map((n, i) => n - (before?.counts[i] ?? 0));
  const counts = grown.some((n) => n > 0) ? grown : now.counts;
  const all = counts.reduce((sum, n) => sum + n, 0);
  const last = Math.max(cells - 1, counts.findLastIndex((n) => n > 0));
  const first = last - cells + 1;
  const below = counts.slice(0, first).reduce((sum, n) => sum + n, 0);
  const shown = counts.slice(first, last + 1).map((n, i) => i === 0 ? n + below : n);
  const labels = [...now.bounds.map(text), `>${text(now.bounds.at(-1)!)}`].slice(first, last + 1);
  const most = Math.max(...shown, 1);
  /** Of a bar of two lines: eighths of a line. */
  const heights = shown.map((n) => n === 0 ? 0 : Math.max(1, Math.round((n / most) * 16)));
  const line = (base: number) =>
    heights.map((height) => {
      const eighths = Math.min(8, Math.max(0, height - base));
      return (eighths === 0 ? " " : EIGHTHS[eighths - 1]!).repeat(CELL - 2).padEnd(CELL);
    }).join("");
  const shares = shown.map((n) => n === 0 ? "" : `${Math.round((n / all) * 100)}%`);
  const row = (cells: readonly string[]) => cells.map((cell) => cell.padEnd(CELL)).join("");
  return [
    `${title}, at most`,
    line(8),
    line(0),
    row(labels),
    row(all === 0 ? ["none yet"] : shares),
  ].map((text) => text.padEnd(CELL * cells));
}

function time(seconds: number): string {
  return seconds < 1e-3 ? `${Math.round(seconds * 1e6)}µs` : `${Math.round(seconds * 1e3)}ms`;
}

/** What did not pass, by cause, the most first. */
function causes(view: View, most: number): Line[] {
  const { now, rules } = view;
  const ofRules = [...rules.values()].filter(({ verdict }) => /drop|reject/.test(verdict))
    .map(({ chain, rule, verdict, rate, packets }) => ({
      text: `${verdict} by ${rule.startsWith(`${chain}:`) ? rule : `${chain}: ${rule}`}`,
      rate,
      packets,
    }));
  const malformed = Object.entries(now.malformed).map(([reason, packets]) => ({
    text: `malformed: ${reason.replaceAll("_", " ")}`,
    rate: growth(view, (news) => news.malformed[reason] ?? 0),
    packets,
  }));
  const found = [...ofRules, ...malformed].filter(({ packets }) => packets > 0)
    .sort((a, b) => b.rate - a.rate || b.packets - a.packets).slice(0, most);
  return [
    [["bold", "not passed, by cause"]],
    ...found.map(({ text, rate, packets }): Line => [
      `${rateText(rate).padStart(9)}/s ${short(packets).padStart(7)}  ${text}`,
    ]),
    ...(found.length === 0 ? [[["faint", "everything passed"]] as Line] : []),
  ];
}

/** What the table of rules tells of each besides its name. */
const FIGURES = {
  chain: { head: "chain".padEnd(7), width: 7 },
  verdict: { head: "verdict", width: 7 },
  rate: { head: "rate".padStart(9), width: 9 },
  packets: { head: "packets".padStart(9), width: 9 },
  last: { head: "last hit".padStart(9), width: 9 },
} as const;
type Figure = keyof typeof FIGURES;

/** Columns that a long name has before figures that can be done without. */
const LEAST_NAME = 16;
const GAP = "  ";

/** The figures that there is room for beside names of a length. */
function figuresFor({ by }: Choice, columns: number, longest: number): Figure[] {
  const spare: Figure[] = ["last", "chain", by === "rate" ? "packets" : "rate"];
  let shown = Object.keys(FIGURES) as Figure[];
  while (spare.length > 0 && columns - widthOf(shown) < Math.min(longest, LEAST_NAME)) {
    const next = spare.shift();
    shown = shown.filter((figure) => figure !== next);
  }
  return shown;
}

function widthOf(figures: readonly Figure[]): number {
  return figures.reduce((sum, figure) => sum + GAP.length + FIGURES[figure].width, 0);
}

function ruleLines(view: View, choice: Choice, columns: number, room: number): Line[] {
  const { by } = choice;
  const ranked = [...view.rules.values()].sort((a, b) => b[by] - a[by] || b.packets - a.packets);
  const shown = ranked.slice(0, Math.max(0, room - 1));
  const longest = Math.max(4, ...shown.map(({ rule }) => rule.length));
  const figures = figuresFor(choice, columns, longest);
  const wide = Math.max(4, Math.min(longest, columns - widthOf(figures)));
  const row = (name: string, cell: (figure: Figure) => Line[number]): Line => [
    name.slice(0, wide).padEnd(wide),
    ...figures.flatMap((figure) => [GAP, cell(figure)]),
  ];
  const cellOf = (
    { chain, verdict, rate, packets, lastMs }: Ranked,
  ): Record<Figure, Line[number]> => ({
    chain: chain.padEnd(7),
    verdict: [verdict as Style, verdict.padEnd(7)],
    rate: `${rateText(rate)}/s`.padStart(9),
    packets: short(packets).padStart(9),
    last: ago(view.now.nowMs - lastMs, lastMs).padStart(9),
  });
  const head = row("rule", (figure) => FIGURES[figure].head);
  return [
    [["bold", head.join("")]],
    ...shown.map((rule) => row(rule.rule, (figure) => cellOf(rule)[figure])),
  ];
}

function ago(ms: number, lastMs: number): string {
  if (lastMs === 0) return "never";
  return ms < 2000 ? "now" : duration(ms).split(" ").slice(0, 2).join(" ");
}

function rateText(rate: number): string {
  return rate > 0 && rate < 10 ? rate.toFixed(1) : short(rate);
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });

function short(n: number): string {
  return compact.format(n);
}
