/**
 * The limits of nft, and what they have buckets for.
 *
 * @module
 */
import { readV4, readV6 } from "../policy/address.ts";
import { V6_BASE } from "../policy/field.ts";
import { type Json, keyOf, V6, type Way } from "./nft_key.ts";
import { wordsOf } from "./nft_words.ts";
import { Unsaid } from "./words.ts";

export interface LimitKey {
  readonly word: string;
  readonly also: Way;
}

/** What a limit has a bucket for. */
export function limitKey(key: Json): LimitKey {
  const masked = key?.["&"];
  const { clause, also } = keyOf(masked ? masked[0] : key);
  const name = { from: "source", to: "dest", sport: "sport", dport: "dport" }[clause];
  if (!name) throw new Unsaid(`a limit per ${clause} cannot be said`);
  if (!masked) return { word: name, also };
  const length = maskLength(String(masked[1]));
  // The language takes a short prefix for one of IPv4.
  if (length === undefined || (also.includes(V6) && length <= 32)) {
    throw new Unsaid(`a limit per ${wordsOf(key)} cannot be said`);
  }
  return { word: `${name}/${length}`, also };
}

/** The length of a mask that is an address, undefined if its bits have a gap. */
function maskLength(mask: string): number | undefined {
  const { set } = mask.includes(":") ? readV6(mask) : readV4(mask);
  const width = mask.includes(":") ? 128 : 32;
  if (set.length === 0) return undefined;
  const bits = (set[0]!.lo % V6_BASE).toString(2).padStart(width, "0");
  return /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : undefined;
}

export function limitText(limit: Json): string {
  if (typeof limit === "string") {
    throw new Unsaid("a limit that several rules share cannot be said");
  }
  const { rate, per, burst, inv, rate_unit } = limit;
  if (rate_unit && rate_unit !== "packets") throw new Unsaid("a limit of bytes cannot be said");
  if (!["second", "minute", "hour", "day"].includes(per)) {
    throw new Unsaid(`a limit per ${per} cannot be said`);
  }
  return `limit ${inv ? "over " : ""}${rate}/${per} burst ${burst || 5}`;
}
