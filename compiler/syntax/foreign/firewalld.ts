/**
 * Rich rules of firewalld, and the commands that open a port.
 *
 * @module
 */
import { serviceClauses, type Words } from "./words.ts";

/** `rule family="ipv4" source address="10.0.0.0/8" service name="ssh" accept` */
export function richRule(words: Words): string | undefined {
  const { text } = words;
  const value = (pattern: RegExp) => pattern.exec(text)?.[1];
  const end = (word: string, ours: string) => {
    const [, not, address] =
      new RegExp(`\\b${word}\\s+(not\\s+)?address="([^"]*)"`, "i").exec(text) ?? [];
    return address ? `${ours} ${not ? "! " : ""}${address}` : "";
  };
  const verb = value(/\b(accept|drop|reject)\b/);
  const name = value(/\bservice\s+name="([^"]*)"/);
  const service = name === undefined ? "" : serviceClauses(name);
  const [, port, protocol] = /\bport\s+port="([^"]*)"\s+protocol="([^"]*)"/.exec(text) ?? [];
  if (!verb || service === undefined) return undefined;
  words.all();
  return [
    verb,
    value(/\bfamily="(ipv[46])"/) ?? "",
    end("source", "from"),
    end("destination", "to"),
    service,
    port ? `${protocol} dport ${port}` : "",
    value(/\bprotocol\s+value="([^"]*)"/) ?? "",
    /\blog\b/.test(text)
      ? `log ${value(/\bprefix="([^"]*)"/) ? value(/\bprefix=("[^"]*")/) : ""}`
      : "",
  ].map((part) => part.trim()).filter((part) => part !== "").join(" ");
}

/** `firewall-cmd --permanent --add-service=ssh` */
export function firewallCmd(words: Words): string | undefined {
  const [, kind, what = ""] = /--add-(service|port|rich-rule)=(\S+)/.exec(words.text) ?? [];
  const [port, protocol] = what.split("/");
  const clauses = kind === "service"
    ? serviceClauses(what)
    : kind === "port" && protocol
    ? `${protocol} dport ${port}`
    : undefined;
  if (!clauses) return undefined;
  words.all();
  return `accept ${clauses}`;
}
