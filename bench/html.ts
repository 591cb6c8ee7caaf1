/**
 * A report as one file that needs nothing else: headings, tables, and charts drawn by Apache
 * ECharts, which draws SVG without a browser, so the page holds no script and asks no network.
 * Each chart is drawn for a narrow and a wide page, in light and dark; the page shows the one
 * that fits.
 *
 * @module
 */
import * as echarts from "echarts";

export type Chart = echarts.EChartsOption;

/** There is no canvas to measure text on, so it is taken to be as wide as in a wide font. */
echarts.setPlatformAPI({
  measureText(text, font = "12px") {
    const size = Number(/(\d+(?:\.\d+)?)px/.exec(font)?.[1] ?? 12);
    return { width: text.length * size * 0.62 };
  },
});

const WIDTHS = { narrow: 330, wide: 900 } as const;
const THEMES = [undefined, "dark"] as const;

/** One chart, as HTML. */
export function chart(title: string, option: Chart): string {
  const drawn = Object.entries(WIDTHS).flatMap(([name, width]) =>
    THEMES.map((theme) => {
      const svg = draw(option, width, theme);
      return `<div class="${name} ${theme ?? "light"}">${svg}</div>`;
    })
  );
  return `<figure><figcaption>${escape(title)}</figcaption>${drawn.join("")}</figure>`;
}

function draw(option: Chart, width: number, theme: "dark" | undefined): string {
  const height = width === WIDTHS.wide ? 420 : 360;
  const drawing = echarts.init(null, theme, { renderer: "svg", ssr: true, width, height });
  try {
    drawing.setOption({
      animation: false,
      backgroundColor: "transparent",
      legend: { top: 0, type: "plain", itemGap: 8, textStyle: { fontSize: 12 } },
      grid: { left: 8, right: 36, bottom: 32, top: 56, containLabel: true },
      ...option,
    });
    return drawing.renderToSVGString();
  } finally {
    drawing.dispose();
  }
}

/** A table, the first row its heading; all columns but the first are numbers. */
export function htmlTable(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escape(cell)}</${tag}>`).join("")}</tr>`;
  const lines = body.map((cells) => row(cells, "td")).join("\n");
  return `<div class="table"><table>${row(head, "th")}\n${lines}</table></div>`;
}

export function paragraph(text: string): string {
  return `<p>${escape(text)}</p>`;
}

/** What is shown only when it is asked for. */
export function details(title: string, content: string): string {
  return `<details><summary>${escape(title)}</summary>${content}</details>`;
}

/** The whole page. */
export function page(title: string, parts: readonly string[]): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>${escape(title)}</title>
<style>${STYLE}</style>
<main>
<h1>${escape(title)}</h1>
${parts.join("\n")}
</main>
</html>
`;
}

const STYLE = `
:root { color-scheme: light dark; --text: #1b1f24; --back: #ffffff; --line: #d0d7de }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --back: #15191f; --line: #3d444d } }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--text); background: var(--back) }
main { max-width: 900px; margin: auto; padding: 12px }
h1, p { overflow-wrap: anywhere } figure { margin: 2em 0 } figcaption { font-weight: 600 }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: 14px }
td, th { padding: 2px 10px; white-space: nowrap; border-bottom: 1px solid var(--line); text-align: right }
td:first-child, th:first-child { text-align: left; min-width: 9em; white-space: normal }
.wide, .dark { display: none }
@media (min-width: 930px) { .narrow { display: none } .wide.light { display: block } }
@media (prefers-color-scheme: dark) { .light { display: none !important } .narrow.dark { display: block } }
@media (prefers-color-scheme: dark) and (min-width: 930px) {
  .narrow.dark { display: none } .wide.dark { display: block }
}
`;

function escape(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
