/**
 * `limit` and `hashlimit` of iptables.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import { Unsaid } from "./words.ts";

/** The clause that a rule's options of a limit come to, by their names; undefined if it has none. */
export function limitText(
  options: Readonly<Record<string, string>>,
  family: Family,
): string | undefined {
  const { limit, ...more } = options;
  const upto = options["limit-upto"] ?? limit;
  const above = options["limit-above"];
  const rate = upto ?? above;
  if (rate === undefined) {
    if (Object.keys(more).length > 0) throw new Unsaid("its limit has no rate");
    return undefined;
  }
  const [, amount, unit = "second"] = /^(\d+)(?:\/(\w+))?$/.exec(rate) ?? [];
  const full = ["second", "minute", "hour", "day"].find((name) => name.startsWith(unit));
  if (amount === undefined || !full) throw new Unsaid(`a limit of ${rate} cannot be said`);
  const burst = options["limit-burst"] ?? "5";
  const keys = (options["limit-mode"] ?? "").split(",").filter(Boolean).map((mode) => {
    const key = { srcip: "source", dstip: "dest", srcport: "sport", dstport: "dport" }[mode];
    if (!key) throw new Unsaid(`a limit per ${mode} cannot be said`);
    const mask = { source: "limit-srcmask", dest: "limit-dstmask" }[key];
    const length = mask && options[mask];
    if (length === undefined || Number(length) === (family === "ipv4" ? 32 : 128)) {
      return key;
    }
    // The language takes a short prefix for one of IPv4.
    if (family === "ipv6" && Number(length) <= 32) {
      throw new Unsaid(`a limit per ${mode}/${length} cannot be said`);
    }
    return `${key}/${length}`;
  });
  const per = keys.length > 0 ? ` per ${keys.join(", ")}` : "";
  return `limit ${above ? "over " : ""}${amount}/${full} burst ${burst}${per}`;
}
