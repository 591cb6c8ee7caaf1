/**
 * A page in headless Chromium, as a test sees it: over the DevTools protocol.
 *
 * @module
 */

/** What a reader sees of the charts. */
export interface Seen {
  readonly charts: number;
  readonly figures: number;
  readonly smallestText: number;
  readonly overflow: number;
  /** Texts that lie upon others of their chart, or reach out of it. */
  readonly unreadable: readonly string[];
  /** The least part of a chart's width that is drawn on, beside its texts. */
  readonly drawn: number;
  /** The least difference in lightness, 0 to 255, of a chart's text and the page. */
  readonly contrast: number;
}

const LOOK = `(() => {
  const light = (css) => {
    const [r, g, b] = css.match(/[\\d.]+/g).map(Number);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const shown = [...document.querySelectorAll("svg")].filter((s) => s.getBoundingClientRect().width > 0);
  const texts = shown.flatMap((svg) => [...svg.querySelectorAll("text")]);
  const back = light(getComputedStyle(document.body).backgroundColor);
  const box = (element) => element.getBoundingClientRect();
  const meet = (a, b) =>
    a.left + 1 < b.right && b.left + 1 < a.right && a.top + 3 < b.bottom && b.top + 3 < a.bottom;
  const unreadable = shown.flatMap((svg) => {
    const own = [...svg.querySelectorAll("text")], { left, right } = box(svg);
    return own.filter((text, i) =>
      box(text).left < left - 1 || box(text).right > right + 1 ||
      own.slice(i + 1).some((other) => meet(box(text), box(other)))
    ).map((text) => text.textContent);
  });
  return {
    unreadable,
    charts: shown.length,
    figures: document.querySelectorAll("figure").length,
    smallestText: Math.min(...texts.map((t) => parseFloat(getComputedStyle(t).fontSize))),
    overflow: document.documentElement.scrollWidth - innerWidth,
    drawn: Math.min(...shown.map((svg) => {
      const boxes = [...svg.querySelectorAll("path")].map(box).filter((b) => b.width + b.height > 0);
      const right = Math.max(...boxes.map((b) => b.right)), left = Math.min(...boxes.map((b) => b.left));
      return (right - left) / box(svg).width;
    })),
    contrast: Math.min(...texts.map((t) => Math.abs(light(getComputedStyle(t).fill) - back))),
  };
})()`;

/** A browser with one page. `await using` ends it. */
export class Browser implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #profile: string;
  /** All its processes hold its standard error, so this is done when the last of them is gone. */
  readonly #ended: Promise<void>;
  readonly #port = Promise.withResolvers<string>();
  readonly #answers = new Map<number, (result: Record<string, unknown>) => void>();
  #socket: WebSocket | undefined;
  #next = 1;
  #loaded = Promise.withResolvers<void>();
  /** Exceptions, console errors and failed requests of the page so far. */
  readonly errors: string[] = [];

  private constructor(process: Deno.ChildProcess, profile: string) {
    this.#process = process;
    this.#profile = profile;
    this.#ended = this.#listen();
  }

  static async start(): Promise<Browser> {
    const profile = await Deno.makeTempDir();
    const process = new Deno.Command("chromium", {
      args: [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"],
        `--user-data-dir=${profile}`,
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const browser = new Browser(process, profile);
    try {
      await browser.#connect();
      return browser;
    } catch (error) {
      await browser[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Reads what it says, to the end. */
  async #listen() {
    let said = "";
    for await (const text of this.#process.stderr.pipeThrough(new TextDecoderStream())) {
      const port = (said += text).match(/ws:\/\/127\.0\.0\.1:(\d+)\//)?.[1];
      if (port) this.#port.resolve(port);
    }
    this.#port.reject(new Error(`chromium did not start: ${said}`));
  }

  async #connect() {
    const page = await fetch(`http://127.0.0.1:${await this.#port.promise}/json/new`, {
      method: "PUT",
    });
    this.#socket = new WebSocket((await page.json()).webSocketDebuggerUrl);
    this.#socket.onmessage = ({ data }) => this.#hear(JSON.parse(data));
    const open = Promise.withResolvers<void>();
    this.#socket.onopen = () => open.resolve();
    await open.promise;
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await this.#ask(`${domain}.enable`);
  }

  #hear(
    message: { id?: number; method?: string; result?: Record<string, unknown>; params?: unknown },
  ) {
    if (message.id !== undefined) this.#answers.get(message.id)?.(message.result ?? {});
    if (message.method === "Page.loadEventFired") this.#loaded.resolve();
    const wrong = ["Runtime.exceptionThrown", "Log.entryAdded", "Network.loadingFailed"];
    if (wrong.includes(message.method ?? "")) this.errors.push(JSON.stringify(message.params));
  }

  #ask(method: string, params: unknown = {}): Promise<Record<string, unknown>> {
    const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>();
    this.#answers.set(this.#next, resolve);
    this.#socket!.send(JSON.stringify({ id: this.#next++, method, params }));
    return promise;
  }

  /** Opens a file or an address in a window of that width, with that colour scheme. */
  async open(page: string, width: number, scheme: "light" | "dark"): Promise<void> {
    const metrics = { width, height: 900, deviceScaleFactor: 1, mobile: false };
    await this.#ask("Emulation.setDeviceMetricsOverride", metrics);
    const features = [{ name: "prefers-color-scheme", value: scheme }];
    await this.#ask("Emulation.setEmulatedMedia", { features });
    this.#loaded = Promise.withResolvers();
    await this.#ask("Page.navigate", { url: page.startsWith("/") ? `file://${page}` : page });
    await this.#loaded.promise;
  }

  /** The value of a script's expression in the page. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = await this.#ask("Runtime.evaluate", { expression, returnByValue: true });
    return (answer.result as { value: T }).value;
  }

  /** What the charts of the page look like. */
  look(): Promise<Seen> {
    return this.evaluate(LOOK);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket?.close();
    this.#process.kill("SIGKILL");
    await Promise.all([this.#process.status, this.#ended]);
    await Deno.remove(this.#profile, { recursive: true });
  }
}
