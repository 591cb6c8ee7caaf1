/**
 * An expression of nft's JSON in words much like nft's own.
 *
 * @module
 */
import type { Json } from "./nft_key.ts";

export function wordsOf(expression: Json): string {
  if (expression === null || typeof expression !== "object") return String(expression);
  if (Array.isArray(expression)) return expression.map(wordsOf).join(",");
  const [[kind = "", body] = []] = Object.entries(expression) as [string, Json][];
  switch (kind) {
    case "match": {
      const op = body.op === "==" || body.op === "in" ? "" : `${body.op} `;
      return `${wordsOf(body.left)} ${op}${wordsOf(body.right)}`;
    }
    case "payload":
      return body.protocol ? `${body.protocol} ${body.field}` : JSON.stringify(expression);
    case "meta":
    case "ct":
      return `${kind} ${body.key}`;
    case "fib":
      return `fib ${wordsOf(body.flags)} ${body.result}`;
    case "exthdr":
      return ["exthdr", body.name, body.field].filter(Boolean).join(" ");
    case "prefix":
      return `${body.addr}/${body.len}`;
    case "range":
      return `${wordsOf(body[0])}-${wordsOf(body[1])}`;
    case "set":
      if (body?.elem) return `${body.op} ${body.set} { ${wordsOf(body.elem)} }`;
      return `{ ${[body].flat().map(wordsOf).join(", ")} }`;
    case "concat":
      return body.map(wordsOf).join(" . ");
    case "elem":
      return wordsOf(body.val);
    case "&":
    case "|":
      return `${wordsOf(body[0])} ${kind} ${wordsOf(body[1])}`;
    case "vmap":
      return `${wordsOf(body.key)} vmap ${
        typeof body.data === "string"
          ? body.data
          : `{ ${
            (body.data.set ?? []).map((entry: Json) => entry.map(wordsOf).join(" : ")).join(", ")
          } }`
      }`;
    case "counter":
    case "accept":
    case "drop":
    case "return":
      return kind;
    case "jump":
    case "goto":
      return `${kind} ${body.target}`;
    case "log":
      return body?.prefix ? `log prefix ${JSON.stringify(body.prefix)}` : "log";
    case "limit":
      return `limit rate ${body.inv ? "over " : ""}${body.rate}/${body.per}`;
    case "reject":
      return body?.type ? `reject with ${body.type}${body.expr ? ` ${body.expr}` : ""}` : "reject";
    case "mangle":
      return `${wordsOf(body.key)} set ${wordsOf(body.value)}`;
    default:
      return JSON.stringify(expression);
  }
}
