/**
 * Syntax tree to policy: names are looked up, values typed, clauses turned into regions.
 *
 * Every mistake is reported and the rest goes on; the policy is sound only if nothing of severity
 * "error" was.
 *
 * @module
 */
import { duplicate, type Report, suggestion } from "../diagnostic.ts";
import type { Sources } from "../source.ts";
import type * as Ast from "../syntax/ast.ts";
import { Chains, lateTest } from "./chain.ts";
import { Clauses } from "./clause.ts";
import { readLog } from "./dynamic.ts";
import { type Hook, HOOKS, PROTO } from "./field.ts";
import { span, within } from "./interval.ts";
import { Marks } from "./mark.ts";
import { Operands } from "./operand.ts";
import { DEFAULTS, OPTION_NAMES, type Options, readOption } from "./options.ts";
import type { Expectation, Policy, Rule } from "./policy.ts";
import { narrow, type Region, valuesOf } from "./region.ts";
import { readVerdict } from "./verdict.ts";

/** The version of the language that `fw N` may name. */
const VERSION = 1;

/**
 * What the file means. `override` holds options of the command line, which win over the file's.
 */
export function resolve(
  file: Ast.File,
  sources: Sources,
  report: Report,
  override: Partial<Options> = {},
): Policy {
  if (file.version && Number(file.version.text) !== VERSION) {
    report({
      code: "FW011",
      message: `version ${file.version.text} of the language is not known here`,
      span: file.version.span,
      help: `write \`fw ${VERSION}\``,
    });
  }
  const of = <K extends Ast.Item["kind"]>(kind: K) =>
    file.items.filter((item): item is Extract<Ast.Item, { kind: K }> => item.kind === kind);

  const options = { ...DEFAULTS, ...resolveOptions(of("option"), report), ...override };
  const operands = new Operands(of("define"), of("set"), report);
  const tests = of("test");
  const marks = new Marks(markTests(of("chain"), tests), operands, options["mark-mask"], report);
  const { hooks, subroutines } = declareChains(of("chain"), report);
  const clauses = new Clauses(operands, marks, report);
  const chains = new Chains(subroutines, clauses, sources, report);
  const rules = HOOKS.flatMap((hook) => {
    const chain = hooks.get(hook);
    return chain ? resolveHook(hook, chain, chains, report) : [];
  });
  for (const { body } of subroutines.values()) chains.checkBody(body);
  checkNames(rules, report);
  if (!chains.testsLate) checkMarks(rules, marks.bits, report);
  checkResets(rules, report);
  return {
    rules,
    hooks: HOOKS.filter((hook) => hooks.has(hook)),
    markBits: marks.bits,
    literals: clauses.literals,
    sets: operands.runtime,
    options,
    expectations: resolveTests(tests, hooks, rules, chains, report),
  };
}

function resolveTests(
  tests: readonly Ast.Test[],
  hooks: ReadonlyMap<Hook, Ast.Chain>,
  rules: readonly Rule[],
  chains: Chains,
  report: Report,
): Expectation[] {
  return tests.flatMap((test) =>
    test.expectations.flatMap((expectation) => {
      const { chain, verdict, by, some, span } = expectation;
      const hook = HOOKS.find((name) => name === chain.text && hooks.has(name));
      if (!hook) {
        report({
          code: "FW020",
          message: `there is no chain \`${chain.text}\` that packets enter`,
          span: chain.span,
          ...suggestion(chain.text, hooks.keys()),
        });
        return [];
      }
      const names = rules.filter((rule) => rule.hook === hook).map((rule) => rule.name);
      if (by && !names.includes(by.text)) {
        report({
          code: "FW020",
          message: `no rule of \`${hook}\` has the label \`${by.text}\``,
          span: by.span,
          ...suggestion(by.text, names),
        });
        return [];
      }
      const wanted = verdict === "deny" ? undefined : readVerdict(verdict, report);
      // Its clauses mean what they would on the only rule of the chain.
      const verb = { kind: "accept" as const, span: chain.span };
      const body = [{ kind: "rule" as const, verb, clauses: expectation.clauses, span }];
      const [rule] = chains.rulesOf(hook, { kind: "chain", name: chain, body, span });
      if (!rule || (verdict !== "deny" && !wanted)) return [];
      const verdicts = !wanted
        ? [{ name: "drop" as const }, { name: "reject" as const }]
        : [wanted.reject === "auto" ? { name: wanted.name } : wanted];
      const { regions } = rule;
      const given = { some, verdicts, ...(by && { by: by.text }), regions, span };
      return [{ test: test.name.text, hook, ...given }];
    })
  );
}

function resolveOptions(items: readonly Ast.Option[], report: Report): Partial<Options> {
  const first = new Map<string, Ast.Option>();
  let options: Partial<Options> = {};
  for (const item of items) {
    const { name, value, setting } = item;
    // What the linter shall say is the linter's business.
    if (name.text === "lint") continue;
    if (setting) {
      report({
        code: "FW031",
        message: `option \`${name.text}\` has one value`,
        span: setting.span,
        help: "remove it",
      });
    }
    const earlier = first.get(name.text);
    first.set(name.text, earlier ?? item);
    if (earlier) {
      report(duplicate(`option \`${name.text}\``, name.span, earlier.span));
    } else if (!OPTION_NAMES.includes(name.text)) {
      report({
        code: "FW030",
        message: `unknown option \`${name.text}\``,
        span: name.span,
        ...suggestion(name.text, OPTION_NAMES),
        note: `the options are ${OPTION_NAMES.join(", ")}`,
      });
    } else {
      const written = optionText(value);
      const read = readOption(name.text, written);
      if ("takes" in read) {
        const words = read.takes.split(/,? or |, /).filter((word) => /^[a-z]+$/.test(word));
        report({
          code: "FW031",
          message: `option \`${name.text}\` takes ${read.takes}`,
          span: value.span,
          ...suggestion(written, words),
        });
      } else options = { ...options, ...read };
    }
  }
  return options;
}

function optionText({ elements, negated }: Ast.Operand): string {
  const atoms = elements.flatMap((element) => element.parts);
  const text = atoms.map(({ lo, hi }) => hi ? `${lo.text}-${hi.text}` : lo.text).join(" ");
  return negated ? `! ${text}` : text;
}

/** The chains by name: those of hooks, and subroutines. */
function declareChains(
  items: readonly Ast.Chain[],
  report: Report,
): { hooks: Map<Hook, Ast.Chain>; subroutines: Map<string, Ast.Chain> } {
  const hooks = new Map<Hook, Ast.Chain>();
  const subroutines = new Map<string, Ast.Chain>();
  for (const chain of items) {
    const name = chain.name.text;
    const hook = HOOKS.find((hook) => hook === name);
    const earlier = hook ? hooks.get(hook) : subroutines.get(name);
    if (earlier) report(duplicate(`chain \`${name}\``, chain.name.span, earlier.name.span));
    else if (hook) hooks.set(hook, chain);
    else subroutines.set(name, chain);
    if (hook && !chain.default) {
      report({
        code: "FW025",
        message: `chain \`${name}\` does not say what becomes of packets that no rule decides`,
        span: chain.name.span,
        help: `write \`chain ${name} default drop {\``,
      });
    }
    if (!hook && chain.default) {
      const misspelt = suggestion(name, HOOKS);
      report({
        code: "FW026",
        message:
          `chain \`${name}\` is a subroutine: what it does not decide goes on after the jump`,
        span: misspelt.label ? chain.name.span : chain.default.span,
        ...misspelt,
        help: `remove the default; the chains that packets enter are ${HOOKS.join(", ")}`,
      });
    }
  }
  if (hooks.size === 0 && !items.some((chain) => chain.default)) {
    const [only] = items;
    report({
      code: "FW027",
      message: only
        ? "no packet enters any chain of this file, so it filters nothing"
        : "the file has no chain, so it filters nothing",
      span: only?.name.span ?? { start: 0, end: 0 },
      ...(only && suggestion(only.name.text, HOOKS)),
      help: "write `chain input default drop { … }`",
    });
  }
  return { hooks, subroutines };
}

function resolveHook(hook: Hook, chain: Ast.Chain, chains: Chains, report: Report): Rule[] {
  const rules = chains.rulesOf(hook, chain);
  const verdict = chain.default && readVerdict(chain.default, report);
  const regions = [{ hook: span(HOOKS.indexOf(hook)) }];
  const name = `${hook}:default`;
  const log = chain.log && { log: readLog(chain.log, report) };
  if (verdict) rules.push({ name, hook, verdict, regions, ...log, span: chain.span });
  return rules;
}

/** The same of rules that a mark tested before has narrowed: the kernel's would see the new one. */
function checkMarks(rules: readonly Rule[], markBits: number, report: Report): void {
  for (const hook of HOOKS) {
    const own = rules.filter((rule) => rule.hook === hook);
    const sets = own.findIndex(({ mark, verdict }) =>
      verdict.name === "next" && mark && (mark.clear & markBits) !== 0
    );
    const tests = sets < 0
      ? undefined
      : own.slice(sets + 1).find((rule) => rule.regions.some((region) => region.mark));
    if (!tests) continue;
    report(lateTest(tests.span, own[sets]!.span));
  }
}

/** The kernel can reset TCP only, and drops what else is to be reset. */
function checkResets(rules: readonly Rule[], report: Report): void {
  const isTcp = (region: Region) => within(valuesOf(narrow(region), "proto"), span(PROTO.tcp));
  for (const rule of rules) {
    if (rule.verdict.reject !== "tcp_reset" || rule.regions.every(isTcp)) continue;
    report({
      code: "FW302",
      message: "a reset answers TCP only, and here other packets come too",
      span: rule.span,
      help: "add `tcp`, or write plain `reject`, which resets TCP and answers the rest by ICMP",
    });
  }
}

/** All `mark` clauses of some chains, inside `when`s too, and of tests. */
function* markTests(
  chains: readonly Ast.Chain[],
  tests: readonly Ast.Test[],
): Generator<Ast.FieldClause> {
  for (const { clauses } of tests.flatMap((test) => test.expectations)) {
    for (const clause of clauses) {
      if (clause.kind === "field" && clause.field === "mark") yield clause;
    }
  }
  const open = chains.map((chain) => chain.body);
  for (let body = open.pop(); body; body = open.pop()) {
    for (const statement of body) {
      if (statement.kind === "include") continue;
      if (statement.kind === "when") open.push(statement.body);
      for (const clause of statement.clauses) {
        if (clause.kind === "field" && clause.field === "mark") yield clause;
      }
    }
  }
}

/** A label is an identity: no two rules of a file may have the same, nor one that Barrage gives. */
function checkNames(rules: readonly Rule[], report: Report): void {
  const first = new Map<string, Rule>();
  const given = /:(\d+|default)$/;
  for (const rule of rules) {
    if (given.test(rule.name)) continue;
    const earlier = first.get(rule.name);
    // A rule of a subroutine is there once a jump that leads to it.
    if (earlier && earlier.span !== rule.span) {
      report(duplicate(`label \`${rule.name}\``, rule.span, earlier.span));
    } else first.set(rule.name, rule);
  }
}
