/**
 * What a habit is, and the pieces that the signs of several are made of.
 *
 * @module
 */

/** A slip, or a habit of another language, and how it is put right. */
export interface Habit {
  readonly says: string;
  readonly sign: RegExp;
  /** What stands instead of the match, told its groups; undefined if it is no habit after all. */
  readonly write: (groups: readonly string[]) => string | undefined;
}

/** An expression for all its places; spaces are left out. */
export function sign(parts: TemplateStringsArray, ...values: string[]): RegExp {
  return new RegExp(String.raw(parts, ...values), "g");
}

/** Behind the word, a negation and an open list, perhaps. */
export function after(words: string): string {
  return String.raw`(?<=\b(?:${words})\s+(?:!\s*)?(?:\{[^{}]*)?)`;
}

export const FIELDS =
  "from|to|sport|dport|type|code|exthdr|on|proto|mark|length|ttl|dscp|mac|uid|gid";
export const PROTOCOL = "(?:tcp|udp|icmp|icmpv6|sctp)";
/** Protocols that only `proto` names. */
export const RARE_PROTOCOL = "(?:igmp|ipip|dccp|gre|esp|ah|ospf|vrrp|udplite)";
export const STATE = "(?:new|established|related|invalid|untracked)";
export const VERDICT = "(?:accept|drop|reject)";
export const V4 = String.raw`\d+\.\d+\.\d+\.\d+`;
export const VALUE = String.raw`[^\s,{}|!=<>()]+`;
export const BETWEEN = String.raw`\s*(?:,|\bor\b|\|\|?)\s*`;
