/**
 * Commands of ufw.
 *
 * @module
 */
import { serviceClauses, Words } from "./words.ts";

const UFW_ONLY = new Set(["in", "port"]);

/** `ufw allow from 10.0.0.0/8 to any port 22 proto tcp` */
export function ufw(words: Words): string | undefined {
  words.skipForeign(/^ufw$/);
  if (words.skipForeign(/^default$/)) return ufwDefault(words);
  const verb = { allow: "accept", deny: "drop", reject: "reject", limit: "accept" }[words.peek()];
  const limited = words.foreignly() === "limit" ? "limit 6/minute per source" : "";
  const clauses: string[] = [];
  if (!["from", "to", "in", "out", "proto", ""].includes(words.peek())) {
    const [port, proto] = words.foreignly().split("/") as [string, string?];
    const service = serviceClauses(port, proto);
    if (!service && !/^\d[\d:,]*$/.test(port)) return undefined;
    clauses.push(service ?? `${proto ?? ""} ${new Words(port).ports("dport")}`.trim());
  }
  const UFW: Readonly<Record<string, () => unknown>> = {
    in: () => {},
    on: () => clauses.push(`in on ${words.interface()}`),
    from: () => clauses.push(words.address("from")),
    to: () => clauses.push(words.address("to")),
    port: () => clauses.push(words.ports("dport")),
    proto: () => clauses.unshift(words.protocol()),
  };
  if (!words.each(UFW, UFW_ONLY) || !verb) return undefined;
  return [verb, ...clauses, limited].filter((part) => part !== "").join(" ");
}

/** `ufw default deny incoming` */
function ufwDefault(words: Words): string | undefined {
  const verdict = { allow: "accept", deny: "drop", reject: "reject" }[words.foreignly()];
  const chain = { incoming: "input", outgoing: "output", routed: "forward" }[words.foreignly()];
  words.why = "a chain says itself what becomes of packets that no rule decides";
  return verdict && chain && `chain ${chain} default ${verdict} {`;
}
