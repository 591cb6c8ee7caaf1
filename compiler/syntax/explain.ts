/**
 * What the lexer and the grammar stumbled over, in the user's words. No text names a token class
 * or a production.
 *
 * @module
 */
import type { IRecognitionException, IToken } from "chevrotain";
import { type Diagnostic, nearest } from "../diagnostic.ts";
import type { Span } from "../source.ts";
import type { Translation } from "./foreign.ts";
import type { Mistake } from "./grammar.ts";
import type { Mended } from "./habits.ts";
import * as T from "./token.ts";

const { K } = T;

const VERBS = ["accept", "drop", "reject", "match", "jump", "return", "when", "include"];
const ITEMS = ["include", "define", "set", "option", "chain", "test"];
const CLAUSES = T.KEYWORDS.slice(T.KEYWORDS.indexOf("from"), T.KEYWORDS.indexOf("expect"))
  .filter((word) => !["over", "burst", "per", "days", "every", "pcap", "on"].includes(word));

/** What a clause is followed by: in words, and as written. */
const OPERANDS: Readonly<Record<string, readonly [what: string, example: string]>> = {
  from: ["an address", "from 192.0.2.0/24"],
  to: ["an address", "to 192.0.2.1"],
  sport: ["a port", "sport 1024-65535"],
  dport: ["a port", "dport { 80, 443 }"],
  type: ["an ICMP type", "type echo-request"],
  code: ["an ICMP code", "code port-unreachable"],
  exthdr: ["a header's name", "exthdr rt"],
  on: ["an interface", "in on eth0"],
  proto: ["a protocol", "proto gre"],
  mark: ["a mark", "mark 0x1/0xff"],
  length: ["a length", "length 0-128"],
  ttl: ["a number", "ttl 255"],
  dscp: ["a DSCP value", "dscp 46"],
  mac: ["a MAC address", "mac 02:00:00:00:00:01"],
  uid: ["a user", "uid 1000"],
  gid: ["a group", "gid 100"],
};

/** What else is followed by something. */
const FOLLOWED: Readonly<Record<string, readonly [what: string, example: string]>> = {
  ...OPERANDS,
  fw: ["the version of the language", "fw 1"],
  include: ["a file name in quotes", 'include "lan.fw"'],
  define: ["a name", "define lan = br-lan"],
  set: ["a name", "set lan = { 10.0.0.0/8 }"],
  option: ["an option's name", "option queue 0"],
  chain: ["a name", "chain input default drop {"],
  default: ["accept, drop or reject", "chain input default drop {"],
  with: ["a way to reject", "reject with icmp-admin"],
  jump: ["a chain's name", "jump from-lan"],
  when: ["a clause", "when in on eth0 {"],
  in: ["`on` and an interface", "in on eth0"],
  out: ["`on` and an interface", "out on eth0"],
  flags: ["TCP flags", "flags syn/syn,ack"],
  state: ["states", "state established, related"],
  tuple: ["fields in parentheses", "tuple (from, dport) in @allowed"],
  limit: ["a rate", "limit 10/second burst 20"],
  over: ["a rate", "limit over 10/second"],
  burst: ["a number of packets", "limit 10/second burst 20"],
  per: ["a field", "limit 10/second per source"],
  time: ["hours", "time 08:00-18:00"],
  days: ["days", "time 08:00-18:00 days mon, tue"],
  until: ["a day", "until 2030-12-31"],
  every: ["a duration", 'log "spoof " every 10s'],
  label: ["a name", "label admin"],
  test: ["a name in quotes", 'test "ssh is closed" {'],
  expect: ["a chain and a verdict", "expect input drop tcp dport 22"],
  by: ["a label", "expect input accept by admin tcp dport 22"],
  timeout: ["a duration", "set seen : addr timeout 10m = {}"],
  size: ["a number", "set seen : addr size 1000 = {}"],
  file: ["a file name in quotes", 'set bad : addr file "bad.txt"'],
};

/** What stands in the middle of a sentence, by the token and what it belongs to. */
const MISSING: Readonly<Record<string, Readonly<Record<string, readonly [string, string]>>>> = {
  define: { Equals: ["`=`", "define lan = br-lan"] },
  set: { Equals: ["`=` and a list", "set lan = { 10.0.0.0/8 }"] },
  chainHead: { LBrace: ["`{`", "chain input default drop {"] },
  whenHead: { LBrace: ["`{` or a clause", "when in on eth0 {"] },
  testHead: { LBrace: ["`{`", 'test "ssh is closed" {'] },
  knownClause: { "'on'": ["`on`", "in on eth0"], "'mark'": ["`mark`", "set mark 0x1"] },
  tuple: {
    LParen: ["`(`", "tuple (from, dport) in @allowed"],
    RParen: ["`,` or `)`", "tuple (from, dport) in @allowed"],
    "'in'": ["`in`", "tuple (from, dport) in @allowed"],
    SetRef: ["a set", "tuple (from, dport) in @allowed"],
  },
  limit: { Slash: ["`/` and a unit", "limit 10/second"], Name: ["a unit", "limit 10/second"] },
  time: { Dash: ["`-` and an end", "time 08:00-18:00"], Clock: ["an hour", "time 08:00-18:00"] },
};

/** Words that stand in the middle of a sentence only, and what they are part of. */
const PARTS: Readonly<Record<string, string>> = {
  ...{ default: "chain", with: "reject", by: "expect", over: "limit", burst: "limit" },
  ...{ per: "limit", days: "time", every: "log", timeout: "set", size: "set", file: "set" },
};

/** What the lexer could not read. */
export function explainCharacter(token: IToken): Diagnostic {
  const span = spanOf(token);
  const bad = token.image.slice(0, 12);
  if (bad.startsWith('"')) {
    return {
      code: "FW006",
      message: "this string has no end",
      span,
      help: 'close it with `"` on the same line',
    };
  }
  if (bad.startsWith("\ufffd")) {
    return {
      code: "FW008",
      message: "this is not UTF-8 text",
      span,
      help: "save the file as UTF-8",
    };
  }
  const code = bad.codePointAt(0)!;
  if (code < 32 || code === 127) {
    return {
      code: "FW008",
      message: code === 0
        ? "there is a NUL byte here; is this a text file?"
        : `there is a control character here (code ${code})`,
      span,
      help: "remove it",
    };
  }
  const script = SCRIPTS.find(([, letters]) => letters.test(bad))?.[0];
  if (script) {
    return {
      code: "FW008",
      message: `\`${bad}\` is written in ${script} letters`,
      span,
      help: "type the word in Latin letters; strings and comments may have any",
    };
  }
  const [like, help] = LOOKALIKES[String.fromCodePoint(code)] ?? [];
  return {
    code: "FW008",
    message: `\`${bad}\` means nothing in a rule file${like ? `; \`${like}\` does` : ""}`,
    span,
    ...(help && { help }),
  };
}

/** A file that is no text at all. */
export function explainBinary(span: Span): Diagnostic {
  return {
    code: "FW008",
    message: "this is not a text file",
    span,
    help: "name the rule file itself; one in UTF-16 must be saved as UTF-8",
  };
}

/** Alphabets whose letters look like ours. */
const SCRIPTS: readonly (readonly [name: string, letters: RegExp])[] = [
  ["Cyrillic", /^\p{Script=Cyrillic}/u],
  ["Greek", /^\p{Script=Greek}/u],
];

/** Characters that people type for others. */
const LOOKALIKES: Readonly<Record<string, readonly [like: string, help: string]>> = {
  "'": ['"', 'put strings in `"`'],
  "\u201c": ['"', 'put strings in `"`'],
  "\u201d": ['"', 'put strings in `"`'],
  "\u2013": ["-", "write `-`"],
  "\u2014": ["-", "write `-`"],
  "[": ["{", "write lists as `{ 80, 443 }`"],
  "]": ["}", "write lists as `{ 80, 443 }`"],
  "~": ["!", "negate with `!`"],
  "^": ["!", "negate with `!`"],
  "\u00a0": ["", "it is a no-break space: write a plain one"],
  "\ufeff": ["", "it is a byte order mark: remove it"],
  "&": ["", "clauses are joined by standing side by side"],
  "\\": ["", "leave it out: a rule may go on in the next line"],
  "*": ["", "an interface's name may end in it, as `eth*` does; leave the clause out for any"],
  "|": [",", "join alternatives in a list, as in `{ 80, 443 }`"],
  "<": ["", "a range is `0-1023`, and a set is named `@name`"],
  ">": ["", "a range is `1024-65535`"],
  "+": ["", "any number of letters is `*`, as in `in on eth*`"],
  "$": ["", "a constant is `$name`"],
  "@": ["", "a set is `@name`"],
  "%": ["", "the interface of an address is said by `in on` or `out on`"],
};

/** A word or phrase that stands where something else must. */
export function explainMistake({ at, word, after }: Mistake): Diagnostic {
  const { span, text } = word;
  switch (at) {
    case "outside":
      return {
        code: "FW009",
        message: `\`${text}\` stands outside a chain`,
        span,
        help: "put the rule inside `chain input default drop { … }`",
      };
    case "order": {
      const verb = /^(.*)\b(accept|drop|reject|match|return|jump [\w-]+)(.*)$/s.exec(text);
      const put = verb && `${verb[2]} ${verb[1]!.trim()}${verb[3]}`;
      return {
        code: "FW009",
        message: verb ? "the verb of a rule stands first" : "a rule starts with its verb",
        span: verb ? part(span, verb[1]!.length, verb[2]!.length) : firstWord(word),
        help: put
          ? `write \`${put}\``
          : /^(log|label|set)\b/.test(text)
          ? `write \`match ${text}\``
          : `write \`accept ${text}\`, or \`drop ${text}\``,
      };
    }
    case "expectation": {
      const meant = nearest(text, ["expect"]);
      return {
        code: "FW001",
        message: `unknown expectation \`${text}\``,
        span,
        ...(meant && { label: `did you mean \`${meant}\`?` }),
        note: "a test holds lines as `expect input drop tcp dport 22`",
      };
    }
    case "default":
      return {
        code: "FW009",
        message: "a chain's default stands in its head",
        span,
        help: `write it behind the chain's name, as in \`${FOLLOWED.chain![1]}\``,
      };
    case "junk": {
      const whole = Object.hasOwn(PARTS, text) ? PARTS[text] : undefined;
      return {
        code: "FW009",
        message: after
          ? `\`${text}\` cannot follow \`${after}\``
          : `\`${text}\` cannot begin anything here`,
        span,
        ...(whole && {
          help: `it is part of \`${whole}\`: write it as in \`${FOLLOWED[text]![1]}\``,
        }),
        ...(text === "," && { help: "put several values in braces, as in `dport { 22, 80 }`" }),
      };
    }
    default: {
      const [what, candidates, note] = {
        word: ["word", [...ITEMS, ...VERBS], undefined],
        item: ["item", ITEMS, `a file holds ${listed(ITEMS)}`],
        verb: ["verb", VERBS, "a rule starts with accept, drop, reject, match, jump or return"],
        clause: ["clause", [...CLAUSES, ...VERBS], undefined],
      }[at] as [string, readonly string[], string | undefined];
      const meant = nearest(text, candidates);
      return {
        code: at === "clause" ? "FW003" : "FW001",
        message: `unknown ${what} \`${text}\``,
        span,
        ...(meant && { label: `did you mean \`${meant}\`?` }),
        ...(note && { note }),
        ...(meant && { fix: [{ span, text: meant }] }),
      };
    }
  }
}

/** Where a sentence broke off. The message of the exception is the name of what it wanted. */
export function explainError(
  error: IRecognitionException & { readonly previousToken?: IToken },
  text: string,
): Diagnostic {
  const production = error.context.ruleStack.at(-1) ?? "file";
  const found = error.token;
  const before = error.previousToken;
  const atEnd = !(found.startOffset >= 0);
  const end = before && before.startOffset >= 0 ? before.startOffset + before.image.length : 0;
  const onNextLine = !atEnd && text.slice(end, found.startOffset).includes("\n");
  const over = atEnd || onNextLine || found.tokenType === T.RBrace;
  const span = over && end > 0 ? spanOf(before!) : atEnd ? { start: end, end } : spanOf(found);
  const word = `\`${found.image}\``;
  const last = before?.image ?? "";

  const missingOperand = (what: string, example: string): Diagnostic => {
    const meant = nearest(found.image, WORDS_IN[production] ?? []);
    return {
      code: "FW004",
      message: over
        ? `${what} is missing after \`${last}\``
        : `expected ${what} after \`${last}\`, found ${word}`,
      span,
      ...(meant && meant !== found.image && !over && { label: `did you mean \`${meant}\`?` }),
      help: `write it as in \`${example}\``,
    };
  };
  if (production === "list" && error.message === "LBrace") {
    return missingOperand("a list in braces", "set lan = { 10.0.0.0/8 }");
  }
  if (production === "list" || production === "element") {
    if (found.tokenType === T.LBrace) {
      return { code: "FW009", message: "a list holds no list", span, help: "write one list" };
    }
    if (found.tokenType === T.Equals || found.tokenType === T.Bang) {
      const help = found.tokenType === T.Bang
        ? "negate the whole list, as in `dport ! { 22, 80 }`"
        : "leave it out";
      return { code: "FW009", message: `a member of a list has no ${word}`, span, help };
    }
    return {
      code: "FW005",
      message: `a comma is missing before ${word}`,
      span,
      help: `write \`${last}, ${found.image}\``,
      fix: [{ span: { start: end, end }, text: "," }],
    };
  }
  const missing = MISSING[production]?.[error.message] ??
    (error.name === "NoViableAltException" && production === "set"
      ? MISSING.set!.Equals
      : undefined);
  if (missing) {
    const sentence = text.slice(text.lastIndexOf("set", end), end);
    // It may begin empty: members come at run time.
    const fills = production === "set" && over && /\s(timeout|size)\s/.test(sentence);
    return missingOperand(missing[0], fills ? `${sentence} = {}` : missing[1]);
  }
  const followed = before && isWord(before) && Object.hasOwn(FOLLOWED, last)
    ? FOLLOWED[last]
    : undefined;
  if (followed) return missingOperand(...followed);
  if (production === "expectation") return missingOperand("a verdict", "expect input drop tcp");
  if (production === "tuple") return missingOperand("a field", "tuple (from, dport) in @allowed");
  if (production === "mask") return missingOperand("a number", "mark 0x1/0xff");
  if (Object.hasOwn(VALUE_AFTER, last)) {
    return missingOperand(VALUE_AFTER[last]!, EXAMPLE_AFTER[last]!);
  }
  if (production === "optionItem" || production === "operand" || production === "value") {
    return missingOperand("a value", text.slice(end - last.length, end) + " 0");
  }
  if (found.tokenType === T.LBrace) {
    return { code: "FW009", message: "no block can open here", span };
  }
  return {
    code: "FW009",
    message: last === "" ? `${word} cannot stand here` : `${word} cannot follow \`${last}\``,
    span,
  };
}

const VALUE_AFTER: Readonly<Record<string, string>> = {
  "!": "a value, `fragment` or states",
  "=": "a value",
  "-": "the end of the range",
  "/": "a number or a name",
  ",": "one more",
  ":": "a type",
};
const EXAMPLE_AFTER: Readonly<Record<string, string>> = {
  "!": "from ! 10.0.0.0/8",
  "=": "define lan = br-lan",
  "-": "dport 1024-65535",
  "/": "limit 10/second",
  ",": "state established, related",
  ":": "set lan : addr = { 10.0.0.0/8 }",
};

/** Words that may stand in the middle of a sentence. */
const WORDS_IN: Readonly<Record<string, readonly string[]>> = {
  chainHead: ["default", "log"],
  set: ["timeout", "size", "file"],
  expectation: ["accept", "drop", "reject", "deny"],
  verdict: ["accept", "drop", "reject"],
};

/** A slip in a line that is ours otherwise. `start` is where the line begins in the file. */
export function explainSlip({ message, span, write }: Mended, start: number): Diagnostic {
  return {
    code: "FW009",
    message,
    span: { start: start + span.start, end: start + span.end },
    ...(write && { help: `write \`${write}\`` }),
  };
}

/** A line of another firewall. `start` is where it begins in the file. */
export function explainForeign(found: Translation, line: string, start: number): Diagnostic {
  const [first, ...also] = found.words.map((word) => ({
    start: word.start + start,
    end: word.end + start,
  }));
  const shown = line.replace(/#.*$/, "").trim();
  const whole = {
    start: start + line.length - line.trimStart().length,
    end: start + line.trimEnd().length,
  };
  const why = found.why ? `; ${found.why}` : "";
  return {
    code: "FW002",
    message: `\`${shown.length > 60 ? `${shown.slice(0, 59)}…` : shown}\` is ${found.of} syntax`,
    span: first ?? whole,
    ...(also.length > 0 && { also }),
    help: found.write === undefined
      ? found.why ?? ""
      : found.write === ""
      ? `leave it out${why}`
      : `write \`${found.write}\`${why}`,
  };
}

function isWord(token: IToken): boolean {
  return (token.tokenType.CATEGORIES ?? []).includes(T.Ident) && token.tokenType !== T.Name &&
    token.tokenType !== K.any;
}

function spanOf(token: IToken): Span {
  return { start: token.startOffset, end: token.startOffset + token.image.length };
}

function part(span: Span, offset: number, length: number): Span {
  return { start: span.start + offset, end: span.start + offset + length };
}

function firstWord({ span, text }: { span: Span; text: string }): Span {
  return { start: span.start, end: span.start + (text.match(/^\S+/)?.[0].length ?? 1) };
}

function listed(words: readonly string[]): string {
  return `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}
