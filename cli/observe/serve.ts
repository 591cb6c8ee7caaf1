/**
 * The HTTP side of a run: `/metrics` for Prometheus, `/health` for whoever restarts it, and a live
 * page at `/`. It only tells; nothing can be changed here.
 *
 * @module
 */
import charts from "echarts/dist/echarts.min.js" with { type: "text" };
import { why } from "../report.ts";
import { CONTENT_TYPE, metricsText } from "./metrics.ts";
import type { Observer } from "./observer.ts";
import html from "./page/index.html" with { type: "text" };
import script from "./page/page.js" with { type: "text" };
import style from "./page/page.css" with { type: "text" };

const INTERVAL_MS = 1000;

const FILES: Readonly<Record<string, readonly [type: string, text: string]>> = {
  "/": ["text/html", html],
  "/page.js": ["text/javascript", script],
  "/page.css": ["text/css", style],
  "/charts.js": ["text/javascript", charts],
};

/** The page loads nothing from elsewhere, and nobody frames it. */
const HEADERS = {
  "cache-control": "no-store",
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data:; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** The address cannot be listened at. */
export class ServeError extends Error {
  override name = "ServeError";
}

/** Serves at an address, as 127.0.0.1:9477, until stopped. Throws ServeError. */
export function serve(address: string, observer: Observer): { url: string; stop(): Promise<void> } {
  const at = new URL(`http://${address}`);
  const stopped = new AbortController();
  let server: Deno.HttpServer<Deno.NetAddr>;
  try {
    server = Deno.serve({
      hostname: at.hostname.replace(/^\[|\]$/g, ""),
      port: Number(at.port || 80),
      signal: stopped.signal,
      onListen() {},
      onError: () => new Response("internal error\n", { status: 500 }),
    }, (request) => answer(request, observer));
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new ServeError(`cannot serve metrics at ${address}: ${why(error)}`);
  }
  return {
    url: `http://${at.hostname}:${server.addr.port}/`,
    async stop() {
      stopped.abort();
      await server.finished;
    },
  };
}

/** What is answered to a request. */
export async function answer(request: Request, observer: Observer): Promise<Response> {
  const { pathname } = new URL(request.url);
  if (!isOurName(request.headers.get("host") ?? "")) {
    return text(421, "ask by address, by localhost or by this host's own name\n");
  }
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text(405, "only GET\n", { allow: "GET, HEAD" });
  }
  const file = Object.hasOwn(FILES, pathname) ? FILES[pathname] : undefined;
  if (file) return text(200, file[1], { "content-type": `${file[0]}; charset=utf-8` });
  switch (pathname) {
    case "/metrics":
      return text(200, metricsText(await observer.snapshot()), { "content-type": CONTENT_TYPE });
    case "/health": {
      const { health } = await observer.snapshot();
      return text(health.ok ? 200 : 503, `${JSON.stringify(health)}\n`, {
        "content-type": "application/json",
      });
    }
    case "/events":
      return new Response(ReadableStream.from(events(observer)), {
        headers: { ...HEADERS, "content-type": "text/event-stream" },
      });
    default:
      return text(404, "there are /, /metrics and /health\n");
  }
}

/**
 * A page of another site that has its own name resolve to this address (DNS rebinding) asks by that
 * name. An address cannot be made to mean another, nor can localhost.
 */
function isOurName(host: string): boolean {
  const name = host.replace(/:\d+$/, "").toLowerCase();
  const own = ownName();
  return /^(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:.]+\])$/.test(name) ||
    name !== "" && [own, own.split(".")[0], "localhost"].includes(name);
}

/** "" if we may not know it. */
function ownName(): string {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  return state === "granted" ? Deno.hostname().toLowerCase() : "";
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  const type = { "content-type": "text/plain; charset=utf-8" };
  return new Response(body, { status, headers: { ...HEADERS, ...type, ...headers } });
}

/** News as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
async function* events(observer: Observer): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  for await (const news of observer.follow(INTERVAL_MS)) {
    yield encoder.encode(`data: ${JSON.stringify(news)}\n\n`);
  }
}
