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
    case "ip option":
    case "tcp option":
      return [kind, body.name, body.field].filter(Boolean).join(" ");
    case "ct helper":
      return `ct helper set ${body}`;
    case "ct count":
      return `ct count ${body.inv ? "over " : ""}${body.val}`;
    case "quota":
      return typeof body === "string"
        ? `quota name ${body}`
        : `quota ${body.inv ? "over " : ""}${body.val} ${body.val_unit}`;
    case "meter":
      return `meter ${body.name} { ${wordsOf(body.key)} ${wordsOf(body.stmt)} }`;
    case "prefix":
      return `${body.addr}/${body.len}`;
    case "range":
      return `${wordsOf(body[0])}-${wordsOf(body[1])}`;
    case "set":
      if (body?.elem) {
        const asked = [body.stmt ?? []].flat().map((stmt: Json) => ` ${wordsOf(stmt)}`).join("");
        return `${body.op} ${body.set} { ${wordsOf(body.elem)}${asked} }`;
      }
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
    case "masquerade":
    case "notrack":
      return kind;
    case "jump":
    case "goto":
      return `${kind} ${body.target}`;
    case "log":
      return body?.prefix ? `log prefix ${JSON.stringify(body.prefix)}` : "log";
    case "limit":
      return typeof body === "string"
        ? `limit name ${body}`
        : `limit rate ${body.inv ? "over " : ""}${body.rate}/${body.per}`;
    case "reject":
      return body?.type ? `reject with ${body.type}${body.expr ? ` ${body.expr}` : ""}` : "reject";
    case "mangle":
      return `${wordsOf(body.key)} set ${wordsOf(body.value)}`;
    default:
      return JSON.stringify(expression);
  }
}
