/**
 * What is odd about a file by its text alone: what is never used, said twice, or past its day.
 *
 * @module
 */
import type { Diagnostic, Edit } from "../diagnostic.ts";
import { readV4, readV6 } from "../policy/address.ts";
import type { Interval } from "../policy/interval.ts";
import type { Span } from "../source.ts";
import type {
  Atom,
  Chain,
  Clause,
  Element,
  File,
  LogClause,
  Rule,
  SetDefinition,
} from "../syntax/ast.ts";
import type { Statement } from "../syntax/ast.ts";

/** Longest log prefix that the kernel's own log can show, in bytes. */
const MAX_PREFIX = 63;
/** Days ahead that an `until` is pointed out. */
const SOON = 14;

/**
 * Findings about a sound file. `written` is the file as it was before anything was included.
 * `today` is a day as `2030-12-31`; without it no rule expires.
 */
export function hygiene(file: File, written: File, today?: string): Diagnostic[] {
  const chains = file.items.filter((item) => item.kind === "chain");
  const sets = file.items.filter((item) => item.kind === "set");
  const rules = chains.flatMap(({ body }) => rulesOf(body));
  return [
    ...unused(file, written),
    ...sets.flatMap(emptySet),
    ...listsOf(file).flatMap(members),
    ...sets.flatMap(fileMembers),
    ...logs(chains, rules),
    ...(today === undefined ? [] : rules.flatMap((rule) => expiry(rule, today))),
  ];
}

function rulesOf(body: readonly Statement[]): Rule[] {
  return body.flatMap((statement) =>
    statement.kind === "rule"
      ? [statement]
      : statement.kind === "when"
      ? rulesOf(statement.body)
      : []
  );
}

function clausesOf(body: readonly Statement[]): Clause[] {
  return body.flatMap((statement) =>
    statement.kind === "include"
      ? []
      : [...statement.clauses, ...(statement.kind === "when" ? clausesOf(statement.body) : [])]
  );
}

/**
 * FW201 and FW203: constants, sets and subroutines that nothing, or one thing only, names. What an
 * included file defines may be for others that include it.
 */
function unused(file: File, written: File): Diagnostic[] {
  const uses = new Map<string, number>();
  const use = (name: string) => uses.set(name, (uses.get(name) ?? 0) + 1);
  const elements = (list: readonly Element[]) => {
    for (const { lo, hi } of list.flatMap(({ parts }) => parts)) {
      for (const value of hi ? [lo, hi] : [lo]) {
        if (value.kind === "const" || value.kind === "set") use(value.text);
      }
    }
  };
  const clauses = (list: readonly Clause[]) => {
    for (const clause of list) {
      if (clause.kind === "field") elements(clause.operand.elements);
      if (clause.kind === "tuple") use(clause.set.text);
    }
  };
  for (const item of file.items) {
    if (item.kind === "define" || item.kind === "option") elements(item.value.elements);
    if (item.kind === "set") elements(item.elements ?? []);
    if (item.kind === "test") item.expectations.forEach((wanted) => clauses(wanted.clauses));
    if (item.kind === "chain") {
      clauses(clausesOf(item.body));
      for (const { verb } of rulesOf(item.body)) if (verb.target) use(`jump ${verb.target.text}`);
    }
  }
  return written.items.flatMap((item): Diagnostic[] => {
    if (item.kind !== "define" && item.kind !== "set" && item.kind !== "chain") return [];
    if (item.kind === "chain" && item.default) return [];
    const name = { define: "$", set: "@", chain: "jump " }[item.kind] + item.name.text;
    const count = uses.get(name) ?? 0;
    if (count === 0) {
      const removable = item.kind !== "chain";
      return [{
        code: "FW201",
        message: `\`${item.kind === "chain" ? item.name.text : name}\` is never used`,
        span: item.name.span,
        help: "remove it, or use it",
        ...(removable && { fix: [{ span: item.span, text: "" }] }),
      }];
    }
    if (item.kind !== "set" || count > 1 || item.elements?.length !== 1) return [];
    return [{
      code: "FW203",
      message: `\`${name}\` has one member and is used once`,
      span: item.name.span,
      help: "write the member where it is used",
    }];
  });
}

/** FW202 */
function emptySet({ name, elements, timeout, size }: SetDefinition): Diagnostic[] {
  if (!elements || elements.length > 0 || timeout || size) return [];
  return [{
    code: "FW202",
    message: `\`@${name.text}\` has no members, so nothing matches it`,
    span: name.span,
    help: "add members, or remove it and its rules",
  }];
}

/** The lists that a file has in sets, constants and clauses; not those that are files themselves. */
function listsOf({ items }: File): (readonly Element[])[] {
  const operands = (clauses: readonly Clause[]) =>
    clauses.flatMap((clause) => clause.kind === "field" ? [clause.operand.elements] : []);
  return items.flatMap((item) => {
    switch (item.kind) {
      case "set":
        return item.elements && !item.file ? [item.elements] : [];
      case "define":
        return [item.value.elements];
      case "chain":
        return operands(clausesOf(item.body));
      case "test":
        return item.expectations.flatMap(({ clauses }) => operands(clauses));
      default:
        return [];
    }
  });
}

/** FW204 to FW206: the members of a list among themselves. */
function members(elements: readonly Element[]): Diagnostic[] {
  const read = elements.flatMap((element, i) => {
    const interval = element.parts.length === 1 ? intervalOf(element.parts[0]!) : undefined;
    return interval ? [{ ...interval, element, i }] : [];
  });
  // Widest first among those that start together: what covers a member stands before it.
  const order = read.toSorted((a, b) =>
    a.lo !== b.lo ? (a.lo < b.lo ? -1 : 1) : a.hi !== b.hi ? (a.hi > b.hi ? -1 : 1) : a.i - b.i
  );
  const found: Diagnostic[] = [];
  let cover = order[0];
  for (const member of order.slice(1)) {
    if (member.hi > cover!.hi) {
      if (member.lo === cover!.hi + 1n && merge(cover!, member)) {
        found.push({
          code: "FW206",
          message: `\`${textOf(cover!.element)}\` and \`${textOf(member.element)}\` are one range`,
          span: member.element.span,
          related: [{ span: cover!.element.span, message: "its neighbour" }],
        });
      }
      cover = member;
      continue;
    }
    const same = member.lo === cover!.lo && member.hi === cover!.hi;
    found.push({
      code: same ? "FW204" : "FW205",
      message: same
        ? `\`${textOf(member.element)}\` is in this list twice`
        : `\`${textOf(cover!.element)}\` covers \`${textOf(member.element)}\``,
      span: member.element.span,
      related: [{ span: cover!.element.span, message: same ? "first here" : "the wider one" }],
      help: "remove it",
      fix: [removal(elements, member.i)],
    });
  }
  return found;
}

/** The same of a set's file: told once, for lists come from others, and hold thousands. */
function fileMembers({ file, elements }: SetDefinition): Diagnostic[] {
  const [first, ...more] = file && elements ? members(elements) : [];
  if (!first) return [];
  const { fix: _, help: __, ...found } = first;
  const note = `so it is with ${more.length} more of this file`;
  return [{ ...found, ...(more.length > 0 && { note }) }];
}

/** The values of a literal member; the line of numbers does not matter, only that it is one. */
function intervalOf({ lo, hi }: Atom): Interval | undefined {
  const read = (value: Atom["lo"]): Interval | undefined => {
    if (value.kind === "ipv4") return readV4(value.text).set[0];
    if (value.kind === "ipv6") return readV6(value.text).set[0];
    if (value.kind === "number") return { lo: BigInt(value.text), hi: BigInt(value.text) };
    return undefined;
  };
  const [first, last] = [read(lo), read(hi ?? lo)];
  return first && last && { lo: first.lo, hi: last.hi };
}

/** Whether two neighbours make one member: halves of a prefix, or numbers and ranges. */
function merge(a: Interval, b: Interval): boolean {
  const size = a.hi - a.lo;
  return size === b.hi - b.lo && (a.lo & (2n * size + 1n)) === 0n;
}

function textOf(element: Element): string {
  return element.parts.map(({ lo, hi }) => hi ? `${lo.text}-${hi.text}` : lo.text).join(" . ");
}

/** Takes a member and one comma out of a list. */
function removal(elements: readonly Element[], i: number): Edit {
  const [before, here, after] = [elements[i - 1], elements[i]!, elements[i + 1]];
  if (before) return { span: { start: before.span.end, end: here.span.end }, text: "" };
  return { span: { start: here.span.start, end: after?.span.start ?? here.span.end }, text: "" };
}

/** FW501 and FW503: logs that flood, and prefixes that do not tell rules apart. */
function logs(chains: readonly Chain[], rules: readonly Rule[]): Diagnostic[] {
  const all = [
    ...chains.flatMap(({ log }) => log ? [{ log, limited: false }] : []),
    ...rules.flatMap(({ clauses }) => {
      const limited = clauses.some(({ kind }) => kind === "limit");
      return clauses.flatMap((log) => log.kind === "log" ? [{ log, limited }] : []);
    }),
  ].toSorted((a, b) => a.log.span.start - b.log.span.start);
  const first = new Map<string, Span>();
  return all.flatMap(({ log, limited }): Diagnostic[] => [
    ...(log.every || limited ? [] : [flood(log)]),
    ...prefix(log, first),
  ]);
}

function flood(log: LogClause): Diagnostic {
  return {
    code: "FW501",
    message: "this log has no rate, so a flood of packets is a flood of lines",
    span: log.span,
    help: "add `every 10s`",
    fix: [{ span: { start: log.span.end, end: log.span.end }, text: " every 10s" }],
  };
}

function prefix(log: LogClause, first: Map<string, Span>): Diagnostic[] {
  if (!log.prefix) return [];
  const { text, span } = log.prefix;
  const earlier = first.get(text);
  first.set(text, earlier ?? span);
  if (new TextEncoder().encode(text).length > MAX_PREFIX) {
    return [{ code: "FW503", message: `this prefix is over ${MAX_PREFIX} bytes`, span }];
  }
  if (!earlier) return [];
  return [{
    code: "FW503",
    message: "two logs have this prefix, so their lines look alike",
    span,
    related: [{ span: earlier, message: "first here" }],
  }];
}

/** FW702 and FW703: rules past their day, and rules whose day is near. */
function expiry(rule: Rule, today: string): Diagnostic[] {
  return rule.clauses.flatMap((clause): Diagnostic[] => {
    if (clause.kind !== "until") return [];
    const days = (Date.parse(clause.day.text) - Date.parse(today)) / 86_400_000;
    if (Number.isNaN(days) || days > SOON) return [];
    const { span } = clause;
    if (days < 0) {
      const help = "remove the rule, or give it a new day";
      return [{ code: "FW702", message: "this rule has expired", span, help }];
    }
    const when = days === 0 ? "today" : days === 1 ? "tomorrow" : `in ${days} days`;
    return [{ code: "FW703", message: `this rule expires ${when}`, span }];
  });
}
