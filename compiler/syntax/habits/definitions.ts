/**
 * Habits in how a file is written, and in what it defines: sets, options, chains, tests.
 *
 * @module
 */
import { KEYWORDS } from "../token.ts";
import { type Habit, sign, VERDICT } from "./habit.ts";

export const DEFINITIONS: readonly Habit[] = [
  // Letters, quotes and comments.
  {
    says: "words are written in lower case",
    sign: /(?<![$@\w.-])[A-Z][A-Za-z0-9]+(?![\w.-])/g,
    write: ([word]) => lowered(word!),
  },
  {
    says: 'strings stand in `"`',
    sign: /['\u201c\u2018]([^'"\u201c\u201d\u2018\u2019]*)['\u201d\u2019]/g,
    write: ([, text]) => `"${text}"`,
  },
  {
    says: "a comment begins with `#`",
    sign: /(?<=^|\s)(?:\/\/|;|--(?=\s))(?!.*\*\/)(.*)$/g,
    write: ([, text]) => `#${text}`,
  },
  {
    says: "a comment begins with `#` and ends with its line",
    sign: /\/\*(.*?)\*\/(.*)$/g,
    write: ([, text, rest]) => `${rest} #${text!.trimEnd()}`,
  },

  // What defines.
  {
    says: "a name is defined without its sigil",
    sign: /(?<=^\s*(?:define|set)\s+)[$@](?=[A-Za-z_])/g,
    write: () => "",
  },
  {
    says: "a constant is defined by `define`",
    sign: /^\s*(?:let|const|var)\s+(?=[A-Za-z_][\w-]*\s*=)/g,
    write: () => "define ",
  },
  {
    says: "a set's type stands behind `:`",
    sign: sign`(?<=^\s*set\s+[\w-]+)\s*(?:\((\w+)\)|(addr|port|proto|iface|mac|mark|uid)\b)`,
    write: ([, inside, plain]) => ` : ${inside || plain}`,
  },
  {
    says: "`=` stands before a set's members",
    sign: /(?<=^\s*set\s+[\w-]+(?:\s*:\s*\w+)?)\s*:?\s*(?=\{)/g,
    write: () => " = ",
  },
  {
    says: "a set's members stand in braces",
    sign: /(?<=^\s*set\s+(?!mark\b)[^={]*=\s*)([^\s{][^{}#]*?)(?=\s*(?:#|$))/g,
    write: ([, members]) => `{ ${members} }`,
  },
  {
    says: "an option has no `=`",
    sign: /(?<=^\s*option\s+[\w-]+)\s*[=:]\s*/g,
    write: () => " ",
  },
  {
    says: "the name of a file stands in quotes",
    sign: /(?<=^\s*include\s+)[<]?([\w./*-]+)>?(?=\s*$)/g,
    write: ([, path]) => `"${path}"`,
  },

  // Chains, blocks and tests.
  {
    says: "a chain begins with `chain`",
    sign: /^\s*(input|forward|output)\b(?=[^{]*\{)/g,
    write: ([, name]) => `chain ${name}`,
  },
  {
    says: "the name says where a chain hooks in",
    sign: /(?<=^\s*chain\s+[\w-]+)\s*(?::|\bhook\s+\w+)(?=\s)/g,
    write: () => "",
  },
  {
    says: "rules under a condition stand in `when … { }`",
    sign: /^\s*if\s+(?=[^{]*\{)/g,
    write: () => "when ",
  },
  {
    says: "the verb of a rule stands first, and is all the condition there is",
    sign: sign`^\s*if\s+(.*?)\s*(?:\bthen\b|:)?\s*\b(${VERDICT})\s*;?\s*$`,
    write: ([, clauses, verb]) => `${verb} ${clauses}`,
  },
  {
    says: "a chain is entered by `jump`",
    sign: /^\s*(?:call|exec|goto)\s+(?=[\w-]+\s*$)/g,
    write: () => "jump ",
  },
  {
    says: "the name of a test stands in quotes",
    sign: /(?<=^\s*test\s+)([A-Za-z_][^"{}]*?)(?=\s*\{)/g,
    write: ([, name]) => `"${name}"`,
  },
  {
    says: "a test holds expectations",
    sign: /^\s*(?:assert|check|verify|ensure|require)\s+/g,
    write: () => "expect ",
  },
  {
    says: "the chain stands before the verdict",
    sign: sign`(?<=^\s*expect\s+(?:some\s+)?)(${VERDICT}|deny)\s+(\w+)`,
    write: ([, verdict, chain]) => `${chain} ${verdict}`,
  },
  {
    says: "`by` stands behind the verdict",
    sign: sign`(?<=^\s*expect\s+(?:some\s+)?\w+\s+(?:${VERDICT}|deny)\s)(.*?)\s*\bby\s+([\w-]+)`,
    write: ([, clauses, label]) => clauses ? `by ${label} ${clauses}` : undefined,
  },
];

/** A word of ours in capitals; not one that iptables writes so, which is told as iptables'. */
function lowered(word: string): string | undefined {
  if (["ACCEPT", "DROP", "REJECT", "RETURN", "LOG"].includes(word)) return undefined;
  const low = word.toLowerCase();
  return KEYWORDS.some((keyword) => keyword === low) ? low : undefined;
}
