/**
 * Entries of Cisco access lists.
 *
 * @module
 */
import { prefixLength, Words } from "./words.ts";

/** `access-list 101 permit tcp any host 10.0.0.1 eq 22` */
export function cisco(words: Words): string | undefined {
  if (words.skipForeign(/^access-list$/)) words.foreignly();
  words.skipForeign(/^(extended|standard|\d+)$/);
  const verb = { permit: "accept", deny: "drop" }[words.foreignly()];
  const clauses: string[] = [];
  // A standard list has the source alone.
  const standard = /^(any|host|\d.*)$/.test(words.peek());
  if (!standard && !words.skipForeign(/^ip$/)) clauses.push(words.protocol());
  const from = side(words, "from", "sport");
  const to = standard ? [] : side(words, "to", "dport");
  if (!verb || !from || !to) return undefined;
  clauses.push(...from, ...to);
  let log = "";
  const CISCO: Readonly<Record<string, () => unknown>> = {
    established: () => clauses.push("state established, related"),
    log: () => log = "log",
    ...Object.fromEntries(
      Object.entries(ICMP).map(([word, type]) => [word, () => clauses.push(`type ${type}`)]),
    ),
  };
  if (!words.each(CISCO, new Set(Object.keys(CISCO)))) return undefined;
  return [verb, ...clauses, log].filter((part) => part !== "").join(" ");
}

const ICMP: Readonly<Record<string, string>> = {
  echo: "echo-request",
  "echo-reply": "echo-reply",
  unreachable: "destination-unreachable",
  "time-exceeded": "time-exceeded",
};

/** `host 10.0.0.1 eq 22`; undefined if it is none. */
function side(words: Words, end: "from" | "to", port: "sport" | "dport"): string[] | undefined {
  const clauses: string[] = [];
  if (words.skipForeign(/^host$/)) clauses.push(words.address(end));
  else if (/^\d+\.\d+\.\d+\.\d+$/.test(words.peek())) {
    const address = words.next();
    const mask = /^\d+\.\d+\.\d+\.\d+$/.test(words.peek()) ? words.foreignly() : undefined;
    const length = mask === undefined ? 32 : prefixLength(mask);
    if (length === undefined) return undefined;
    clauses.push(`${end} ${address}${length === 32 ? "" : `/${length}`}`);
  } else if (words.skip(/^any[46]?$/)) clauses.push("");
  else clauses.push(words.address(end));
  const how = { eq: "", neq: "!= ", gt: "> ", lt: "< ", range: "" }[words.peek()];
  if (how === undefined) return clauses;
  const range = words.foreignly() === "range";
  const text = range ? `${words.next()}:${words.next()}` : how + words.next();
  return [...clauses, new Words(text).ports(port)];
}
