/**
 * The words of a rule file.
 *
 * Keywords and names share the category `Ident`, used wherever any word may be a name
 * (`label dns`, `chain time {`). Addresses with their prefix length are one token each.
 *
 * @module
 */
import { createToken, type IToken, type ITokenConfig, Lexer, type TokenType } from "chevrotain";
import type { Span } from "../source.ts";

/** Every reserved word. */
export const KEYWORDS = [
  ...["fw", "include", "define", "set", "option", "chain", "test", "default", "when", "with"],
  ...["accept", "drop", "reject", "match", "jump", "return"],
  ...["from", "to", "sport", "dport", "in", "out", "on", "any", "self"],
  ...["tcp", "udp", "icmp", "icmpv6", "sctp", "proto", "ipv4", "ipv6"],
  ...["type", "code", "flags", "state", "fragment", "exthdr", "length", "ttl", "dscp"],
  ...["mark", "mac", "uid", "gid", "sni", "http-host", "dns", "tuple"],
  ...["limit", "over", "burst", "per", "time", "days", "until", "log", "every", "pcap", "label"],
  ...["expect", "some", "deny", "by", "file", "timeout", "size"],
] as const;
export type Keyword = (typeof KEYWORDS)[number];

const order: TokenType[] = [];

/** What may be a name. */
export const Ident: TokenType = createToken({ name: "Ident", pattern: Lexer.NA });
/** What every token is. */
export const Anything: TokenType = createToken({ name: "Anything", pattern: Lexer.NA });

function token(
  name: string,
  pattern: NonNullable<ITokenConfig["pattern"]>,
  { categories = [], ...more }: Omit<ITokenConfig, "name" | "categories"> & {
    categories?: TokenType[];
  } = {},
): TokenType {
  const type = createToken({ name, pattern, categories: [...categories, Anything], ...more });
  order.push(type);
  return type;
}

/** Matches at an offset as a sticky expression does, when `accept` likes the text. */
function sticky(pattern: RegExp, accept: (text: string) => boolean) {
  const expression = new RegExp(pattern, "y");
  return (text: string, offset: number): [string] | null => {
    expression.lastIndex = offset;
    const found = expression.exec(text)?.[0];
    return found !== undefined && accept(found) ? [found] : null;
  };
}

/** An IPv6 address has `::` or eight groups, so that a clock (`21:30`) is never taken for one. */
function looksLikeV6(text: string): boolean {
  const address = text.replace(/\/\d*$/, "");
  return address.includes("::") || address.split(":").length === 8;
}

const HEX_DIGITS = [..."0123456789abcdefABCDEF"];

const Space = token("Space", /[ \t\r\n\uFEFF]+/, { group: Lexer.SKIPPED, line_breaks: true });
export const Comment: TokenType = token("Comment", /#[^\n]*/, { group: "comments" });
export const Str: TokenType = token("Str", /"(?:[^"\\\n]|\\.)*"/);
export const SetRef: TokenType = token("SetRef", /@[A-Za-z_][\w-]*/);
export const VarRef: TokenType = token("VarRef", /\$[A-Za-z_][\w-]*/);
export const Mac: TokenType = token(
  "Mac",
  /[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f:])/,
);
export const V6: TokenType = token(
  "V6",
  sticky(/[0-9A-Fa-f]{0,40}:[0-9A-Fa-f:]{0,40}(?:\.\d{1,9}){0,4}(?:\/\d{1,9})?/, looksLikeV6),
  { start_chars_hint: [...HEX_DIGITS, ":"], line_breaks: false },
);
/** An address and a port. */
export const Endpoint: TokenType = token("Endpoint", /\d+\.\d+\.\d+\.\d+:\d+/);
export const V4: TokenType = token("V4", /\d+\.\d+\.\d+\.\d+(?:\/\d+)?/);
export const Day: TokenType = token("Day", /\d{4}-\d{2}-\d{2}(?!\d)/);
export const Clock: TokenType = token("Clock", /\d{1,2}:\d{2}/);
export const Hex: TokenType = token("Hex", /0[xX][0-9A-Fa-f]+/);
export const Duration: TokenType = token("Duration", /\d+(?:ms|s|m|h|d)\b/);
export const Int: TokenType = token("Int", /\d+/);

export const Name: TokenType = createToken({
  name: "Name",
  categories: [Ident, Anything],
  pattern: /[A-Za-z_]\w*(?:[-.]\w+)*/,
});
export const Glob: TokenType = token("Glob", /[A-Za-z_][\w.-]*\*/);

/** The token of each keyword; the longer word is tried first. */
export const K = Object.fromEntries(
  KEYWORDS.toSorted((a, b) => b.length - a.length).map((word) => [
    word,
    token(`'${word}'`, new RegExp(word), { longer_alt: [Glob, Name], categories: [Ident] }),
  ]),
) as Readonly<Record<Keyword, TokenType>>;
order.push(Name);

export const LBrace: TokenType = token("LBrace", /\{/);
export const RBrace: TokenType = token("RBrace", /\}/);
export const LParen: TokenType = token("LParen", /\(/);
export const RParen: TokenType = token("RParen", /\)/);
export const Comma: TokenType = token("Comma", /,/);
export const Equals: TokenType = token("Equals", /=/);
export const Bang: TokenType = token("Bang", /!/);
export const Dash: TokenType = token("Dash", /-/);
export const Slash: TokenType = token("Slash", /\//);
export const Colon: TokenType = token("Colon", /:/);
export const Semicolon: TokenType = token("Semicolon", /;/);
export const Dot: TokenType = token("Dot", /\./);

/** What is no word of ours, in runs: a string without an end, other alphabets, odd characters. */
export const Unknown: TokenType = token("Unknown", /"[^\r\n]*|[^ -~\t\r\n]+|([^ \t\r\n])\1*/, {
  line_breaks: false,
});
/** What the parser never sees. */
export const SKIPPED: readonly TokenType[] = [Space, Comment];
export const VOCABULARY: readonly TokenType[] = [Ident, Anything, ...order];

export const lexer: Lexer = new Lexer(order, { positionTracking: "onlyOffset" });

/** Where a token stands. */
export function spanOf(token: IToken): Span {
  return { start: token.startOffset, end: token.startOffset + token.image.length };
}
