/**
 * Where sentences begin and blocks end, told before parsing by reserved words and line starts, so
 * that a mistake stays in its own sentence.
 *
 * A valid file is not changed by it. In a broken one, braces come out balanced: what is missing is
 * put in, what closes nothing is left out, and either is reported here and nowhere else.
 *
 * @module
 */
import { createTokenInstance, type IToken, type TokenType } from "chevrotain";
import type { Diagnostic } from "../diagnostic.ts";
import * as T from "./token.ts";

const { K } = T;

export interface Outline {
  /** The tokens with braces balanced. */
  readonly tokens: readonly IToken[];
  /** First tokens of items, statements and expectations, ascending. */
  readonly starts: ReadonlySet<IToken>;
  /** Braces of blocks, as opposed to those of lists. */
  readonly blocks: ReadonlySet<IToken>;
  readonly problems: readonly Diagnostic[];
}

/** Blocks in blocks beyond this are refused: no policy needs them, and the parser's stack ends. */
const MAX_DEPTH = 64;

const VERBS = new Set([K.accept, K.drop, K.reject, K.match, K.jump, K.return]);
const ITEMS = new Set([K.define, K.option, K.chain, K.test]);
const STATEMENTS = new Set([...VERBS, ...ITEMS, K.when, K.include, K.expect]);
const BLOCK_HEADS = new Set([K.chain, K.when, K.test]);
/** What a line that continues a rule begins with. */
const CLAUSES = new Set([
  ...[K.tcp, K.udp, K.icmp, K.icmpv6, K.sctp, K.ipv4, K.ipv6, K.proto, K.from, K.to, K.sport],
  ...[K.dport, K.in, K.out, K.type, K.code, K.flags, K.state, K.mark],
]);
/** Clauses, too, that somebody may take for a line of their own. */
const ASIDE = new Set([K.log, K.limit, K.label, K.time, K.until, K.set, K.length, K.fragment]);
/** Behind these a list may open. */
const LISTED = new Set([
  ...[T.Equals, T.Bang, K.from, K.to, K.sport, K.dport, K.type, K.code, K.exthdr, K.on, K.proto],
  ...[K.sni, K["http-host"], K.dns, K.mark, K.length, K.ttl, K.dscp, K.mac, K.uid, K.gid],
]);
/** Behind these any word is a name. */
const NAMING = new Set([
  ...[K.label, K.jump, K.chain, K.define, K.set, K.option, K.by, K.expect, K.default, K.with],
]);
/** Behind these a sentence cannot be over. */
const OPEN = new Set([
  ...LISTED,
  ...NAMING,
  ...[T.Comma, T.Dash, T.Slash, T.Colon, T.Dot, T.LParen, K.in, K.out, K.flags, K.state, K.limit],
  ...[K.over, K.burst, K.per, K.time, K.days, K.until, K.every, K.tuple, K.file, K.include],
]);

interface Open {
  readonly brace: IToken;
  /** First word of the sentence that opened it. */
  readonly head: TokenType | undefined;
  readonly list: boolean;
  /** Column of the line's first token, in characters. */
  readonly indent: number;
}

/** The outline of a file's tokens. Linear, and without recursion. */
export function outline(tokens: readonly IToken[], text: string): Outline {
  const plain = trace(tokens, text, false);
  // Only a file whose braces do not add up is read by its indentation.
  return plain.unclosed ? trace(tokens, text, true) : plain;
}

function trace(
  tokens: readonly IToken[],
  text: string,
  byIndent: boolean,
): Outline & { unclosed: boolean } {
  const result: IToken[] = [];
  const starts = new Set<IToken>();
  const blocks = new Set<IToken>();
  const problems: Diagnostic[] = [];
  const open: Open[] = [];
  let head: TokenType | undefined;
  let previous: IToken | undefined;
  let lineHead: IToken | undefined;
  let indent = 0, headIndent = 0, lineStart = 0, unclosed = false, tooDeep = 0;
  // Whether the sentence has yet to open its block.
  let headless = false;
  // Whether the sentence is none of ours and has its verb: as in nft, it ends with its line.
  let verbLast = false;

  /** Closes the innermost brace where the next token stands. */
  const close = (why: string) => {
    const top = open.pop()!;
    const at = previous!.startOffset + previous!.image.length;
    const brace = createTokenInstance(T.RBrace, "", at, at, 0, 0, 0, 0);
    if (!top.list) blocks.add(brace);
    result.push(brace);
    if (top.brace.image === "") return;
    unclosed = true;
    problems.push({
      code: "FW007",
      message: `${why} inside ${top.list ? "a list" : "a block"} that is still open`,
      span: T.spanOf(top.brace),
      label: "opened here, never closed",
      help: `add the missing \`}\``,
    });
  };

  for (const [i, token] of tokens.entries()) {
    const type = token.tokenType;
    const end = previous ? previous.startOffset + previous.image.length : 0;
    const gap = text.slice(end, token.startOffset);
    const newLine = gap.lastIndexOf("\n");
    const firstOnLine = !previous || newLine >= 0;
    if (newLine >= 0) lineStart = end + newLine + 1;
    if (firstOnLine) indent = token.startOffset - lineStart;

    if (tooDeep > 0) {
      if (type === T.LBrace) tooDeep++;
      if (type === T.RBrace) tooDeep--;
      if (tooDeep === 0) result.push(token);
      previous = token;
      continue;
    }
    const isItem = ITEMS.has(type) || (type === K.set && tokens[i + 1]?.tokenType !== K.mark);
    const named = previous && NAMING.has(previous.tokenType);
    const opens = firstOnLine && !named && (isItem || STATEMENTS.has(type));
    if (opens && open.at(-1)?.list) close(`\`${token.image}\` stands`);
    if (opens && isItem && open.every((o) => o.list || BLOCK_HEADS.has(o.head!))) {
      while (open.length > 0) close(`\`${token.image}\` stands`);
    }
    const afterSentence = !previous || previous.tokenType === T.Semicolon ||
      blocks.has(result.at(-1)!);
    const midLine = (VERBS.has(type) || type === K.when) && !firstOnLine && VERBS.has(head!) &&
      !open.at(-1)?.list && !OPEN.has(previous!.tokenType);
    if (firstOnLine) lineHead = token;
    if (
      midLine && type !== K.when && !afterSentence && lineHead && !starts.has(lineHead) &&
      CLAUSES.has(lineHead.tokenType)
    ) {
      if (problems.at(-1)?.span.start === lineHead.startOffset) problems.pop();
      problems.push(backToFront(token, lineHead));
    }
    if (
      firstOnLine && VERBS.has(head!) && indent <= headIndent && !afterSentence && !isItem &&
      (CLAUSES.has(type) || ASIDE.has(type)) && !open.at(-1)?.list && !OPEN.has(previous!.tokenType)
    ) {
      problems.push(goesOn(token));
    }
    const brace = type === T.LBrace || type === T.RBrace;
    const odd = type === T.Name || !(type.CATEGORIES ?? []).includes(T.Ident);
    const foreign = head === T.Name || CLAUSES.has(head!);
    const fresh = firstOnLine && !brace && !open.at(-1)?.list && previous;
    const firstWord = fresh &&
      (verbLast || (odd && (head === T.Name || !OPEN.has(previous!.tokenType))));
    if (headless && (firstWord || (opens && !isItem))) {
      problems.push({
        code: "FW004",
        message: `\`{\` is missing after \`${previous!.image}\``,
        span: T.spanOf(previous!),
        help: `write it as in \`${
          head === K.test
            ? 'test "ssh is closed" {'
            : head === K.when
            ? "when in on eth0 {"
            : "chain input default drop {"
        }\``,
      });
      const at = previous!.startOffset + previous!.image.length;
      const opened = createTokenInstance(T.LBrace, "", at, at, 0, 0, 0, 0);
      open.push({ brace: opened, head, list: false, indent: -1 });
      blocks.add(opened);
      result.push(opened);
      headless = false;
    }
    if (!brace && (afterSentence || opens || midLine || firstWord)) {
      starts.add(token);
      head = type;
      headIndent = indent;
      verbLast = false;
      headless = BLOCK_HEADS.has(type);
    }

    if (foreign && !firstOnLine && VERBS.has(type)) verbLast = true;

    if (type === T.LBrace) {
      const list = opensList(tokens, i, previous, head);
      if (open.length === MAX_DEPTH) {
        // What is in it is not read.
        tooDeep = 1;
        result.push(token);
        if (!list) blocks.add(token);
        problems.push({
          code: "FW029",
          message: `blocks are nested more than ${MAX_DEPTH} deep`,
          span: T.spanOf(token),
          help: "put the inner rules in a chain of their own",
        });
        previous = token;
        continue;
      }
      open.push({ brace: token, head, list, indent });
      if (!list) headless = false;
      if (!list) blocks.add(token);
    } else if (type === T.RBrace) {
      if (byIndent && firstOnLine) {
        const opener = open.findLastIndex((o) => o.indent === indent);
        while (opener >= 0 && open.length > opener + 1) close("`}` of an outer block stands");
      }
      const top = open.pop();
      if (!top) {
        problems.push({
          code: "FW009",
          message: "this `}` closes nothing",
          span: T.spanOf(token),
          help: "remove it",
        });
        previous = token;
        continue;
      }
      if (!top.list) blocks.add(token);
      else head = head ?? top.head;
    }
    result.push(token);
    previous = token;
  }
  if (tooDeep > 0) {
    // Which braces are missing cannot be told in what was not read.
    result.push(createTokenInstance(T.RBrace, "", text.length, text.length, 0, 0, 0, 0));
    while (open.length > 0) close("");
    problems.splice(problems.findIndex((p) => p.code === "FW029") + 1);
  }
  while (open.length > 0) close("the file ends");
  return { tokens: result, starts, blocks, problems, unclosed };
}

/** `tcp dport 22 accept`: the clauses are of the rule above, and the verb stands alone. */
function backToFront(verb: IToken, lineHead: IToken): Diagnostic {
  return {
    code: "FW704",
    message: `\`${lineHead.image}\` belongs to the rule above, not to this \`${verb.image}\``,
    span: T.spanOf(verb),
    label: "a rule begins here",
    help: `to make it one rule, write \`${verb.image} ${lineHead.image} …\`; the verb stands first`,
  };
}

/** `log "x"` in a line of its own, as far left as the rule above: it is a clause of that. */
function goesOn(clause: IToken): Diagnostic {
  return {
    code: "FW704",
    message: `\`${clause.image}\` belongs to the rule above, though its line looks like another`,
    span: T.spanOf(clause),
    help: `indent it, or begin the line with a verb, as in \`match ${clause.image} …\``,
  };
}

/** Whether the brace at `i` opens a list of values rather than a block of sentences. */
function opensList(
  tokens: readonly IToken[],
  i: number,
  previous: IToken | undefined,
  head: TokenType | undefined,
): boolean {
  if (!previous) return false;
  if (tokens[i - 2]?.tokenType === K.chain) return false; // a name, whatever else it means
  if (LISTED.has(previous.tokenType) || head === K.option) return true;
  if (BLOCK_HEADS.has(head!)) return false;
  if (VERBS.has(head!) || head === K.expect) return true;
  const [first, second] = [tokens[i + 1]?.tokenType, tokens[i + 2]?.tokenType];
  return first !== undefined && !STATEMENTS.has(first) &&
    (second === T.Comma || second === T.RBrace || second === T.Dash);
}
