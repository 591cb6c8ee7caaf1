/**
 * A chain's body to rules: `when`, `jump` and `return` are carried out by intersection.
 *
 * What a statement can still see is a list of regions, its reach. A `when` and a `jump` narrow it for
 * what they guard; a `return` takes its packets away from the rest of the subroutine. So every rule
 * comes out with the exact union of regions that it matches, and nothing has to be followed later.
 *
 * @module
 */
import { type Diagnostic, notYet, type Report, suggestion } from "../diagnostic.ts";
import type { Sources, Span } from "../source.ts";
import type * as Ast from "../syntax/ast.ts";
import { type Clauses, isEffect, nameOf, type Part, type Reading } from "./clause.ts";
import { type Field, type Hook, HOOKS } from "./field.ts";
import { span } from "./interval.ts";
import type { Rule, Verdict } from "./policy.ts";
import { emptyField, isPossible, product, type Region, without } from "./region.ts";
import { readVerdict } from "./verdict.ts";

/** Regions that one rule may fall apart into, and rules that one hook may come to. */
const MAX_REGIONS = 4096;
const MAX_RULES = 1 << 20;

/** Jumps that may lead from one to the next. */
const MAX_JUMPS = 256;

/** Fields that no packet of a hook has. */
const ABSENT: Readonly<Record<Hook, readonly Field[]>> = {
  input: ["out", "uid", "gid"],
  forward: ["uid", "gid"],
  output: ["in", "mac"],
};

/** One run through a chain or a subroutine. */
interface Frame {
  readonly chain: Ast.Chain;
  /** The jumps that lead here, the outermost first. */
  readonly via?: readonly Span[];
  /** The packets that come to the next statement, before the `when`s around it. */
  reach: readonly Region[];
}

/** Turns the hook chains of a file into rules. */
export class Chains {
  readonly #subroutines: ReadonlyMap<string, Ast.Chain>;
  readonly #clauses: Clauses;
  readonly #sources: Sources;
  readonly #report: Report;
  readonly #reported = new Set<Ast.Clause | Ast.Statement>();

  /** Whether it was told of a clause that it tests a mark which was set before. */
  testsLate = false;

  constructor(
    subroutines: ReadonlyMap<string, Ast.Chain>,
    clauses: Clauses,
    sources: Sources,
    report: Report,
  ) {
    this.#subroutines = subroutines;
    this.#clauses = clauses;
    this.#sources = sources;
    this.#report = report;
  }

  /** The rules of a hook chain in the order they are tried, without its default. */
  rulesOf(hook: Hook, chain: Ast.Chain): Rule[] {
    const frame = { chain, reach: [{ hook: span(HOOKS.indexOf(hook)) }] };
    const rules: Rule[] = [];
    new Walk(this, hook, rules).body(chain.body, [], frame, [chain.name.text]);
    return rules;
  }

  /** Reports what is wrong with a subroutine that no jump leads to, and with every jump. */
  checkBody(body: readonly Ast.Statement[]): void {
    for (const statement of body) {
      if (statement.kind === "include") continue; // it was followed, or that was reported
      this.read(statement);
      if (statement.kind === "when") this.checkBody(statement.body);
      else if (statement.verb.kind === "jump") this.target(statement);
      else if (statement.verb.kind !== "return") readVerdict(statement.verb, this.#once(statement));
    }
  }

  /** The clauses of a statement. */
  read(statement: Ast.Rule | Ast.When): Reading | undefined {
    if (statement.kind === "when") {
      const effect = statement.clauses.find(isEffect);
      if (effect) {
        this.reportOnce(effect, () => ({
          code: "FW301",
          message: `${nameOf(effect)} cannot stand on a \`when\`, which only asks`,
          span: effect.span,
          help: "put it on the rules inside",
        }));
      }
    }
    return this.#clauses.read(statement.clauses);
  }

  /** The subroutine that a jump leads to. */
  target(rule: Ast.Rule): Ast.Chain | undefined {
    const target = rule.verb.target!;
    const chain = this.#subroutines.get(target.text);
    if (chain) return chain;
    this.reportOnce(rule, () =>
      HOOKS.some((hook) => hook === target.text)
        ? {
          code: "FW024",
          message: `\`${target.text}\` is where packets enter; a jump cannot lead there`,
          span: target.span,
          help: "move the rules to a chain of another name, and jump to that from both",
        }
        : {
          code: "FW020",
          message: `there is no chain \`${target.text}\``,
          span: target.span,
          ...suggestion(target.text, this.#subroutines.keys()),
          help: `define it: chain ${target.text} { … }`,
        });
    return undefined;
  }

  verdictOf(rule: Ast.Rule): Verdict | undefined {
    return readVerdict(rule.verb, this.#once(rule));
  }

  /** What a rule without a label is called: `chain:line`, or `chain:file:line` in another file. */
  nameOf(chain: Ast.Chain, place: Span): string {
    const { source, line } = this.#sources.position(place.start);
    const file = source.base === 0 ? "" : `${source.name.split("/").at(-1)}:`;
    return `${chain.name.text}:${file}${line}`;
  }

  /** Reports a mistake unless one was reported for this node: a subroutine may be run many times. */
  reportOnce(node: Ast.Clause | Ast.Statement, finding: () => Parameters<Report>[0]): void {
    if (this.#reported.has(node)) return;
    this.#reported.add(node);
    this.#report(finding());
  }

  #once(node: Ast.Statement): Report {
    return (diagnostic) => this.reportOnce(node, () => diagnostic);
  }
}

/** That a mark is tested, by a clause or a rule, which an earlier rule of the chain has set. */
export function lateTest(span: Span, setHere: Span): Diagnostic {
  return {
    ...notYet("testing a mark that an earlier rule of the chain sets", span),
    related: [{ span: setHere, message: "set here" }],
    help: "give `mark` and `set mark` masks of different bits",
  };
}

/** The way through one hook chain and the subroutines it jumps to. */
class Walk {
  /** The rules on the way that have set bits of the mark, the first for each bit. */
  readonly #setters: { readonly bits: number; readonly span: Span }[] = [];

  constructor(
    private readonly chains: Chains,
    private readonly hook: Hook,
    private readonly rules: Rule[],
  ) {}

  /** Goes through statements under the clauses of the `when`s around them. */
  body(
    body: readonly Ast.Statement[],
    guards: readonly Part[],
    frame: Frame,
    path: readonly string[],
  ): void {
    for (const statement of body) {
      if (statement.kind === "include") continue; // it was followed, or that was reported
      const reading = this.chains.read(statement);
      if (!reading) continue;
      this.#refuseLateTests(reading);
      const parts = [...guards, ...reading.parts];
      if (!this.#possible(statement, parts)) continue;
      if (statement.kind === "when") this.body(statement.body, parts, frame, path);
      else this.#rule(statement, reading, parts, frame, path);
    }
  }

  #rule(
    rule: Ast.Rule,
    reading: Reading,
    parts: readonly Part[],
    frame: Frame,
    path: readonly string[],
  ): void {
    const regions = this.#regions(rule, frame.reach, parts);
    if (!regions) return;
    const { label, mark, log } = reading;
    const noted = label ?? mark ?? log;
    const name = label?.text ?? this.chains.nameOf(frame.chain, rule.span);
    const add = (verdict: Verdict) => {
      this.rules.push({
        name,
        hook: this.hook,
        verdict,
        regions,
        ...(mark && { mark }),
        ...(log && { log }),
        span: rule.span,
        ...(frame.via && { via: frame.via }),
      });
      if (verdict.name === "next" && mark) this.#noteBits(mark.clear, rule.span);
    };
    switch (rule.verb.kind) {
      case "jump": {
        const chain = this.chains.target(rule);
        if (noted) add({ name: "next" });
        if (chain) this.#jump(rule, chain, regions, frame, path);
        return;
      }
      case "return":
        if (noted) add({ name: "next" });
        frame.reach = regions.reduce<readonly Region[]>(
          (reach, taken) => reach.flatMap((region) => without(region, taken)),
          frame.reach,
        );
        return;
      default: {
        const verdict = this.chains.verdictOf(rule);
        if (verdict) add(verdict);
      }
    }
  }

  #jump(
    rule: Ast.Rule,
    chain: Ast.Chain,
    reach: readonly Region[],
    from: Frame,
    path: readonly string[],
  ): void {
    const name = chain.name.text;
    if (path.includes(name)) {
      this.chains.reportOnce(rule, () => ({
        code: "FW023",
        message: `this jump closes a circle: ${
          [...path.slice(path.indexOf(name)), name].join(" → ")
        }`,
        span: rule.verb.span,
      }));
      return;
    }
    if (path.length > MAX_JUMPS) {
      this.chains.reportOnce(rule, () => ({
        code: "FW029",
        message: `jumps lead on more than ${MAX_JUMPS} deep`,
        span: rule.verb.span,
        help: "put the rules that it leads to here",
      }));
      return;
    }
    // No packet comes here, so nothing in there could be reached.
    if (reach.length === 0) return;
    const via = [...from.via ?? [], rule.span];
    this.body(chain.body, [], { chain, reach, via }, [...path, name]);
  }

  /** The packets that come to a rule and match it; undefined if that was too much to say. */
  #regions(
    rule: Ast.Rule,
    reach: readonly Region[],
    parts: readonly Part[],
  ): readonly Region[] | undefined {
    let regions = reach;
    for (const part of parts) {
      if (regions.length * part.regions.length <= MAX_REGIONS * MAX_REGIONS) {
        regions = product(regions, part.regions);
      }
      if (regions.length > MAX_REGIONS || this.rules.length > MAX_RULES) {
        this.chains.reportOnce(rule, () => ({
          code: "FW198",
          message: "this rule falls apart into too many cases",
          span: rule.span,
          note: "each `return` before it and each tuple multiplies them",
        }));
        return undefined;
      }
    }
    // Those that ask no literal first: a packet of theirs takes no token.
    return regions.filter((region) => isPossible(region))
      .toSorted((a, b) => (a.dynamic?.size ?? 0) - (b.dynamic?.size ?? 0));
  }

  /** Whether some packet of the hook can match all parts; says which part leaves none. */
  #possible(statement: Ast.Statement, parts: readonly Part[]): boolean {
    if (parts.some((part) => this.#refuseAbsent(part))) return false;
    if (this.#somePacket(parts)) return true;
    const last = parts.findIndex((_, i) => !this.#somePacket(parts.slice(0, i + 1)));
    const other = parts.slice(0, last).findLastIndex((p) => !this.#somePacket([p, parts[last]!]));
    this.chains.reportOnce(statement, () => ({
      code: "FW302",
      message: other < 0
        ? "no packet can have all that this rule asks for"
        : "no packet can match both of these clauses",
      span: parts[last]!.clause.span,
      ...(other >= 0 && {
        related: [{ span: parts[other]!.clause.span, message: "contradicts this" }],
      }),
    }));
    return false;
  }

  #somePacket(parts: readonly Part[]): boolean {
    const start: readonly Region[] = [{ hook: span(HOOKS.indexOf(this.hook)) }];
    return parts.filter((part) => !isEmptySet(part))
      .reduce((regions, part) => product(regions, part.regions), start)
      .some((region) => isPossible(region));
  }

  #noteBits(bits: number, span: Span): void {
    const fresh = this.#setters.reduce((left, setter) => left & ~setter.bits, bits);
    if (fresh !== 0) this.#setters.push({ bits: fresh, span });
  }

  /** Rules test marks as packets came, so what was set on the way here cannot be tested. */
  #refuseLateTests({ parts }: Reading): void {
    for (const { clause, regions } of this.#setters.length > 0 ? parts : []) {
      if (regions.every((region) => !region.mark)) continue;
      const mask = clause.kind === "field" && clause.mask ? Number(clause.mask.text) : ~0;
      const setter = this.#setters.find(({ bits }) => (bits & mask) !== 0);
      if (!setter) continue;
      this.chains.testsLate = true;
      this.chains.reportOnce(clause, () => lateTest(clause.span, setter.span));
    }
  }

  /** Whether a clause compares what no packet of the hook has; says so. */
  #refuseAbsent({ regions, clause }: Part): boolean {
    const { hook } = this;
    const field = ABSENT[hook].find((field) => regions.some((region) => region[field]));
    if (!field) return false;
    this.chains.reportOnce(clause, () => {
      if (field !== "in" && field !== "out") {
        const message = `the ${field} of a packet is not known in ${hook}`;
        return { code: "FW301", message, span: clause.span };
      }
      return {
        code: "FW301",
        message: `a packet of ${hook} has no ${field}put interface`,
        span: clause.span,
        help: `write \`${field === "in" ? "out" : "in"} on\`, or move the rule to forward`,
      };
    });
    return true;
  }
}

/** Whether a clause names a set that has no members now: that is no contradiction. */
function isEmptySet({ regions, clause }: Part): boolean {
  const named = clause.kind === "tuple" || (clause.kind === "field" && !clause.operand.negated);
  return named && regions.every(emptyField);
}
