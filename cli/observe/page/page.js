// The live page: server-sent snapshots become rates, charts and tables. See ../snapshot.ts for what
// a snapshot holds; after the first, its `rules` are only those hit since, until a reload.
"use strict";

/** Seconds that the charts over time go back, and that the histograms sum up. */
const SPAN = 300, WINDOW = 60;
const SHOWN_RULES = 100, SHOWN_LINES = 100;
const VERDICTS = ["accept", "drop", "reject"];

const $ = (id) => document.getElementById(id);
const theme = matchMedia("(prefers-color-scheme: dark)");

/** What is known: snapshots of the last SPAN seconds without their rules, and rules by name. */
let history = [];
let rules = new Map();
let lines = [];

// --- words for numbers

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const bytesOf = new Intl.NumberFormat("en", {
  notation: "compact",
  style: "unit",
  unit: "byte",
  unitDisplay: "narrow",
  maximumSignificantDigits: 3,
});

const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** A rule without a label already bears its chain's name. */
function named(chain, rule) {
  return rule.startsWith(`${chain}:`) ? rule : `${chain}: ${rule}`;
}

function rateText(rate) {
  if (rate === 0) return "0";
  return rate < 10 ? rate.toFixed(1) : short.format(rate);
}

function ago(ms, nowMs) {
  if (ms === 0) return "never";
  const s = Math.max(0, Math.round((nowMs - ms) / 1000));
  if (s < 2) return "now";
  if (s < 120) return `${s} s ago`;
  if (s < 7200) return `${Math.floor(s / 60)} min ago`;
  return s < 172800 ? `${Math.floor(s / 3600)} h ago` : `${Math.floor(s / 86400)} d ago`;
}

function duration(ms) {
  const s = Math.floor(ms / 1000);
  const [d, h, m] = [Math.floor(s / 86400), Math.floor(s / 3600) % 24, Math.floor(s / 60) % 60];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  return m > 0 ? `${m} min ${s % 60} s` : `${s} s`;
}

function timeText(seconds) {
  return seconds < 1e-3 ? `${Math.round(seconds * 1e6)} µs` : `${Math.round(seconds * 1e3)} ms`;
}

// --- taking note

function hear(news) {
  const before = history.at(-1);
  const seconds = before ? Math.max(0.001, (news.upMs - before.upMs) / 1000) : 0;
  const fresh = !before || before.reloads !== news.reloads || before.pid !== news.pid;
  if (fresh) rules = new Map();
  for (const rule of rules.values()) rule.rate = 0;
  for (const rule of news.rules) {
    const key = `${rule.chain} ${rule.rule}`;
    const known = rules.get(key);
    const rate = known && seconds > 0 ? Math.max(0, rule.packets - known.packets) / seconds : 0;
    rules.set(key, { ...rule, rate, order: known?.order ?? rules.size });
  }
  if (before && before.pid !== news.pid) history = [];
  lines = [...news.log.map((line) => JSON.parse(line)).reverse(), ...lines].slice(0, SHOWN_LINES);
  const { rules: _, log: __, ...rest } = news;
  history = [...history, rest].filter(({ upMs }) => news.upMs - upMs <= SPAN * 1000);
  show();
}

/** A figure's growth a second, between the last two snapshots. */
function rateOf(read) {
  const [before, now] = history.slice(-2);
  if (!now) return 0;
  return Math.max(0, read(now) - read(before)) / Math.max(0.001, (now.upMs - before.upMs) / 1000);
}

const lostOf = ({ totals }) => totals.kernelDropped + totals.userDropped;
const waitingOf = ({ queues }) => queues.reduce((sum, queue) => sum + queue.waiting, 0);
const total = (figure) => ({ totals }) => totals[figure];
/** Packets that got a verdict, by us or by the kernel in front of the queue. */
const decided = (verdict) => ({ chains }) =>
  chains.reduce((sum, c) => c.verdict === verdict ? sum + c.packets + c.pushed : sum, 0);
const inFront = ({ chains }) => chains.reduce((sum, { pushed }) => sum + pushed, 0);

// --- showing

function show() {
  const now = history.at(-1);
  showState(now);
  $("received").textContent = rateText(
    rateOf((snapshot) => snapshot.totals.received + inFront(snapshot)),
  );
  $("kernel").textContent = rateText(rateOf(inFront));
  $("accepted").textContent = rateText(rateOf(decided("accept")));
  $("dropped").textContent = rateText(rateOf(decided("drop")));
  $("rejected").textContent = rateText(rateOf(decided("reject")));
  $("waiting").textContent = whole.format(waitingOf(now));
  $("lost").textContent = short.format(lostOf(now));
  $("lost").className = lostOf(now) > 0 ? "bad" : "";
  showCharts();
  showRules(now);
  showDrops(now);
  showLog();
}

function showState(now) {
  const healthy = now.health.ok && now.enforcing;
  setText($("badge"), !now.health.ok ? "at fault" : now.enforcing ? "enforcing" : "dry run");
  $("badge").className = `badge ${healthy ? "good" : "bad"}`;
  const hooks = now.backend ? `hooks by ${now.backend}` : "no hooks installed";
  $("about").textContent = `${now.file} · up ${duration(now.upMs)} · ` +
    `${now.reloads} reload${now.reloads === 1 ? "" : "s"} · ${hooks} · version ${now.version}`;
  setText($("faults"), now.health.faults.join(" "));
  $("faults").hidden = now.health.ok;
}

/** Only what changed, so that a screen reader is not told again and again. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function showRules(now) {
  const wanted = $("filter").value.toLowerCase();
  const found = [...rules.values()].filter(({ rule, chain, verdict }) =>
    `${chain} ${rule} ${verdict}`.toLowerCase().includes(wanted)
  );
  const sorted = found.sort((a, b) =>
    b.rate - a.rate || b.packets - a.packets || a.order - b.order
  );
  const rows = sorted.slice(0, SHOWN_RULES);
  setText(
    $("shown"),
    rows.length < rules.size ? `${rows.length} of ${whole.format(rules.size)} rules` : "",
  );
  fill(
    $("rules"),
    rows.map((rule) => [
      rule.rule,
      [rule.chain, "wide"],
      [rule.verdict, rule.verdict],
      [rateText(rule.rate), "n"],
      [whole.format(rule.packets), "n"],
      [bytesOf.format(rule.bytes), "n wide"],
      [ago(rule.lastMs, now.nowMs), rule.lastMs === 0 ? "n none" : "n"],
    ]),
    "There are no such rules.",
  );
}

function showDrops(now) {
  const ofRules = [...rules.values()].filter(({ verdict }) =>
    verdict === "drop" || verdict === "reject"
  )
    .map(({ rule, chain, verdict, rate, packets }) => ({
      cause: `${verdict} by ${named(chain, rule)}`,
      rate,
      packets,
    }));
  const malformed = Object.keys(now.malformed).map((reason) => ({
    cause: `malformed: ${reason.replaceAll("_", " ")}`,
    rate: rateOf((snapshot) => snapshot.malformed[reason]),
    packets: now.malformed[reason],
  }));
  const lost = [["kernelDropped", "queue full"], ["userDropped", "socket full"]].map(
    ([figure, cause]) => ({ cause, rate: rateOf(total(figure)), packets: now.totals[figure] }),
  );
  const causes = [...ofRules, ...malformed, ...lost].filter(({ packets }) => packets > 0)
    .sort((a, b) => b.packets - a.packets);
  const all = causes.reduce((sum, { packets }) => sum + packets, 0);
  fill(
    $("drops"),
    causes.slice(0, 30).map(({ cause, rate, packets }) => [
      cause,
      [rateText(rate), "n"],
      [whole.format(packets), "n"],
      share(packets / all),
    ]),
    "Everything passed so far.",
  );
}

function share(part) {
  const meter = document.createElement("meter");
  meter.value = part;
  const text = `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`;
  meter.setAttribute("aria-label", text);
  const cell = document.createElement("td");
  cell.className = "wide";
  cell.append(meter, ` ${text}`);
  return cell;
}

function showLog() {
  fill(
    $("log"),
    lines.map((line) => [
      clock.format(new Date(line.time)),
      named(line.chain, line.rule),
      [line.verdict, line.verdict],
      packetText(line),
    ]),
    "No rule has logged a packet; `log` behind a rule makes it do so.",
  );
}

function packetText({ in: from, out: to, src, dst, proto, sport, dport, length, suppressed }) {
  const end = (address, port) =>
    port === undefined
      ? address
      : address.includes(":")
      ? `[${address}]:${port}`
      : `${address}:${port}`;
  const links = [from && `in ${from}`, to && `out ${to}`].filter(Boolean).join(" ");
  const more = suppressed > 0 ? `, ${suppressed} not shown` : "";
  return `${proto} ${end(src, sport)} → ${end(dst, dport)} ${links} (${length} bytes${more})`;
}

/** Rows of cells: a text, a text and a class, or a cell; the first heads its row. */
function fill(body, rows, none) {
  if (rows.length === 0) {
    const cell = document.createElement("td");
    cell.colSpan = 9;
    cell.className = "none";
    cell.textContent = none;
    const row = document.createElement("tr");
    row.append(cell);
    body.replaceChildren(row);
    return;
  }
  body.replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell, i) => {
      if (cell instanceof Node) return cell;
      const [text, name] = Array.isArray(cell) ? cell : [cell];
      const element = document.createElement(i === 0 ? "th" : "td");
      if (i === 0) element.scope = "row";
      if (name) element.className = name;
      element.textContent = text;
      return element;
    }));
    return row;
  }));
}

// --- charts

const drawings = new Map();

/** What a chart says, in the colours of the page. */
function draw(id, option, words) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  if (!drawings.has(id)) drawings.set(id, echarts.init($(id), null, { renderer: "svg" }));
  const faint = { color: colour("faint"), fontSize: 12 };
  const axis = {
    axisLabel: faint,
    axisLine: { lineStyle: { color: colour("line") } },
    splitLine: { lineStyle: { color: colour("line") } },
    nameTextStyle: faint,
  };
  const { xAxis, yAxis, ...rest } = option(colour);
  drawings.get(id).setOption({
    animation: false,
    textStyle: { fontFamily: "system-ui, sans-serif" },
    grid: { left: 4, right: 30, top: 30, bottom: 4, containLabel: true },
    legend: { top: 0, left: 0, itemHeight: 10, itemWidth: 16, textStyle: faint },
    tooltip: {
      trigger: "axis",
      backgroundColor: colour("card"),
      borderColor: colour("line"),
      textStyle: { color: colour("text") },
    },
    xAxis: { ...axis, splitLine: { show: false }, ...xAxis },
    yAxis: { ...axis, ...yAxis },
    ...rest,
  }, true);
  $(id).setAttribute("aria-label", words);
}

/** The time since the first snapshot that is known. */
function timeAxis(colour) {
  const now = history.at(-1);
  return {
    type: "time",
    min: Math.min(history[0].nowMs, now.nowMs - 30_000),
    max: now.nowMs,
    splitNumber: 4,
    axisLabel: {
      color: colour("faint"),
      fontSize: 12,
      hideOverlap: true,
      showMinLabel: false,
      showMaxLabel: false,
      formatter: (ms) => clock.format(ms),
    },
  };
}

function showCharts() {
  const now = history.at(-1);
  const names = { accept: "accepted", drop: "dropped", reject: "rejected" };
  const series = (colour, name, data, more) => ({
    name,
    type: "line",
    symbol: "none",
    lineStyle: { width: 1.5 },
    color: colour,
    data,
    ...more,
  });
  draw(
    "rates",
    (colour) => ({
      xAxis: timeAxis(colour),
      yAxis: { type: "value", minInterval: 1, axisLabel: labels(colour, short) },
      series: VERDICTS.map((verdict) =>
        series(colour(verdict), names[verdict], rates(decided(verdict)), {
          stack: "packets",
          areaStyle: { opacity: 0.35 },
        })
      ),
    }),
    `Packets a second: ${
      VERDICTS.map((v) => `${rateText(rateOf(decided(v)))} ${names[v]}`).join(", ")
    }`,
  );
  draw("depth", (colour) => ({
    xAxis: timeAxis(colour),
    yAxis: { type: "value", minInterval: 1, axisLabel: labels(colour, short) },
    series: now.queues.map(({ number }, i) =>
      series(
        colour(["blue", "reject", "accept", "drop"][i % 4]),
        `queue ${number}`,
        history.map(({ nowMs, queues }) => [nowMs, queues[i]?.waiting ?? 0]),
      )
    ),
  }), `Packets waiting: ${now.queues.map((q) => `${q.waiting} in queue ${q.number}`).join(", ")}`);
  const batches = recent("batches"), times = recent("verdictSeconds");
  bars("batches", batches, "batches", (bound) => `${bound}`, "blue");
  bars("times", times, "packets", (bound) => `${timeText(bound)}`, "accept");
}

function labels(colour, format) {
  return { color: colour("faint"), fontSize: 12, formatter: (value) => format.format(value) };
}

/** A figure's growth a second, as a point at each snapshot. */
function rates(read) {
  return history.slice(1).map((now, i) => {
    const before = history[i];
    const seconds = Math.max(0.001, (now.upMs - before.upMs) / 1000);
    return [now.nowMs, Math.max(0, read(now) - read(before)) / seconds];
  });
}

/** What a histogram took up within WINDOW seconds; all it holds if nothing earlier is known. */
function recent(figure) {
  const now = history.at(-1);
  const before = history.find(({ upMs }) => now.upMs - upMs <= WINDOW * 1000);
  const since = before === now ? undefined : before[figure];
  const counts = now[figure].counts.map((n, i) => n - (since?.counts[i] ?? 0));
  const seconds = since ? Math.round((now.upMs - before.upMs) / 1000) : undefined;
  return { bounds: now[figure].bounds, counts, seconds };
}

/** A histogram as bars of shares: the last names what is above all bounds. */
function bars(id, { bounds, counts, seconds }, what, text, name) {
  const all = counts.reduce((sum, n) => sum + n, 0);
  const ends = [...bounds.map((bound) => `≤ ${text(bound)}`), `> ${text(bounds.at(-1))}`];
  const last = Math.max(counts.findLastIndex((n) => n > 0), Math.min(7, bounds.length));
  const first = Math.max(0, Math.min(counts.findIndex((n) => n > 0), last - 7));
  const shares = counts.slice(first, last + 1).map((n) => all > 0 ? (n / all) * 100 : 0);
  const span = seconds === undefined ? "since the start" : `of the last ${seconds} s`;
  let seen = 0;
  const half = ends[counts.findIndex((n) => (seen += n) * 2 >= all)];
  draw(id, (colour) => ({
    xAxis: {
      type: "category",
      data: ends.slice(first, last + 1),
      axisLabel: { color: colour("faint"), fontSize: 12, hideOverlap: true },
    },
    yAxis: {
      type: "value",
      axisLabel: { color: colour("faint"), fontSize: 12, formatter: "{value} %" },
    },
    tooltip: { trigger: "axis", valueFormatter: (value) => `${value.toFixed(1)} %` },
    series: [{
      name: `${what} ${span}, in percent`,
      type: "bar",
      color: colour(name),
      barCategoryGap: "20%",
      data: shares,
    }],
  }), all > 0 ? `Half of the ${what} ${span}: ${half}` : `No ${what} ${span}`);
}

// --- going

const resized = new ResizeObserver(() => drawings.forEach((drawing) => drawing.resize()));
resized.observe(document.querySelector("main"));
theme.addEventListener("change", () => history.length > 0 && showCharts());
$("filter").addEventListener("input", () => history.length > 0 && showRules(history.at(-1)));

const source = new EventSource("events");
source.onmessage = ({ data }) => hear(JSON.parse(data));
source.onerror = () => {
  $("badge").className = "badge bad";
  setText($("badge"), "no connection");
};
