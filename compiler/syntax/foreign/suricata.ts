/**
 * Rules of Suricata, and of Snort before it.
 *
 * @module
 */
import { Words } from "./words.ts";

/** What Suricata's protocols travel in. */
const CARRIERS: Readonly<Record<string, string>> = {
  ...{ ip: "", tcp: "tcp", udp: "udp", icmp: "icmp", dns: "udp", dhcp: "udp", ntp: "udp" },
  ...{ http: "tcp", http2: "tcp", tls: "tcp", ssh: "tcp", ftp: "tcp", smtp: "tcp", smb: "tcp" },
};

/** `alert tcp $HOME_NET any -> any 80 (msg:"x"; sid:1;)` */
export function suricata(words: Words): string | undefined {
  const [, action = "", proto = "", from = "", sport = "", to = "", dport = ""] =
    /^\s*(\w+) (\w+) (\S+) (\S+) (?:->|<>) (\S+) (\S+?)\s*(?:\(|$)/.exec(words.text) ?? [];
  const message = /msg:\s*"([^"]*)"/.exec(words.text)?.[1];
  const verb = { alert: "match", pass: "accept", drop: "drop", reject: "reject" }[action];
  const carrier = Object.hasOwn(CARRIERS, proto) ? CARRIERS[proto]! : undefined;
  if (!verb || carrier === undefined || /[\[,]!/.test(words.text)) return undefined;
  words.all();
  const side = new Words(`${from} ${sport} ${to} ${dport}`);
  const clauses = [
    carrier,
    side.address("from"),
    side.ports("sport"),
    side.address("to"),
    side.ports("dport"),
    action === "alert" ? `log${message ? ` "${message}"` : ""}` : "",
  ];
  words.why = "a rule here sees headers; what is inside the payload is not matched";
  return [verb, ...clauses.filter((clause) => clause !== "")].join(" ");
}
