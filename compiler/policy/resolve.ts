/**
 * Syntax tree to policy: names are looked up, values typed, clauses turned into regions.
 *
 * Every mistake is reported and the rest goes on; the policy is sound only if nothing of severity
 * "error" was.
 *
 * @module
 */
import { duplicate, notYet, type Report, suggestion } from "../diagnostic.ts";
import type { Sources } from "../source.ts";
import type * as Ast from "../syntax/ast.ts";
import { Clauses } from "./clause.ts";
import { type Hook, HOOKS } from "./field.ts";
import { span } from "./interval.ts";
import { Operands } from "./operand.ts";
import { DEFAULTS, FUTURE_OPTIONS, OPTION_NAMES, type Options, readOption } from "./options.ts";
import type { Policy, RejectKind, Rule, Verdict } from "./policy.ts";

/** The version of the language that `fw N` may name. */
const VERSION = 1;

const REJECTS: Readonly<Record<string, RejectKind>> = {
  "tcp-reset": "tcp_reset",
  "icmp-port": "icmp_port",
  "icmp-host": "icmp_host",
  "icmp-net": "icmp_net",
  "icmp-admin": "icmp_admin",
};

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
  for (const item of file.items) {
    if (item.kind === "include" || item.kind === "test") {
      report(notYet(`\`${item.kind}\``, item.span));
    }
  }
  const of = <K extends Ast.Item["kind"]>(kind: K) =>
    file.items.filter((item): item is Extract<Ast.Item, { kind: K }> => item.kind === kind);

  const options = { ...DEFAULTS, ...resolveOptions(of("option"), report), ...override };
  const operands = new Operands(of("define"), of("set"), report);
  const clauses = new Clauses(operands, of("chain"), options["mark-mask"], report);
  const chains = resolveChains(of("chain"), report);
  const rules = HOOKS.flatMap((hook) => {
    const chain = chains.get(hook);
    return chain ? resolveRules(hook, chain, clauses, sources, report) : [];
  });
  checkNames(rules, report);
  return {
    rules,
    hooks: HOOKS.filter((hook) => chains.has(hook)),
    markBits: clauses.markBits,
    options,
  };
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
    } else if (FUTURE_OPTIONS.includes(name.text)) {
      report(notYet(`option \`${name.text}\``, item.span));
    } else if (!OPTION_NAMES.includes(name.text)) {
      report({
        code: "FW030",
        message: `unknown option \`${name.text}\``,
        span: name.span,
        ...suggestion(name.text, OPTION_NAMES),
        note: `the options are ${OPTION_NAMES.join(", ")}`,
      });
    } else {
      const read = readOption(name.text, optionText(value));
      if ("takes" in read) {
        report({
          code: "FW031",
          message: `option \`${name.text}\` takes ${read.takes}`,
          span: value.span,
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

/** The hook chains by hook. */
function resolveChains(items: readonly Ast.Chain[], report: Report): Map<Hook, Ast.Chain> {
  const chains = new Map<Hook, Ast.Chain>();
  for (const chain of items) {
    const hook = HOOKS.find((name) => name === chain.name.text);
    if (!hook) {
      report({
        ...notYet(`the subroutine \`${chain.name.text}\``, chain.name.span),
        ...suggestion(chain.name.text, HOOKS),
        help: `the chains that packets enter are ${HOOKS.join(", ")}`,
      });
      continue;
    }
    const earlier = chains.get(hook);
    if (earlier) report(duplicate(`chain \`${hook}\``, chain.name.span, earlier.name.span));
    else chains.set(hook, chain);
    if (chain.log) report(notYet("`log`", chain.log.span));
    if (!chain.default) {
      report({
        code: "FW025",
        message: `chain \`${hook}\` does not say what becomes of packets that no rule decides`,
        span: chain.name.span,
        help: `write \`chain ${hook} default drop {\``,
      });
    }
  }
  if (chains.size === 0 && items.length === 0) {
    report({
      code: "FW027",
      message: "the file has no chain, so it filters nothing",
      span: { start: 0, end: 0 },
      help: "write `chain input default drop { … }`",
    });
  }
  return chains;
}

function resolveRules(
  hook: Hook,
  chain: Ast.Chain,
  clauses: Clauses,
  sources: Sources,
  report: Report,
): Rule[] {
  const rules: Rule[] = [];
  for (const statement of chain.body) {
    if (statement.kind !== "rule") {
      report(notYet(`\`${statement.kind}\``, statement.span));
      continue;
    }
    const verdict = resolveVerdict(statement.verb, report);
    const region = clauses.region(hook, statement);
    if (!verdict || !region) continue;
    const label = statement.clauses.find((clause) => clause.kind === "label");
    rules.push({
      name: label?.name.text ?? `${hook}:${sources.position(statement.span.start).line}`,
      hook,
      verdict,
      regions: [region],
      span: statement.span,
    });
  }
  const verdict = chain.default && resolveVerdict(chain.default, report);
  const regions = [{ hook: span(HOOKS.indexOf(hook)) }];
  if (verdict) rules.push({ name: `${hook}:default`, hook, verdict, regions, span: chain.span });
  return rules;
}

function resolveVerdict(verb: Ast.Verb, report: Report): Verdict | undefined {
  switch (verb.kind) {
    case "accept":
    case "drop":
      return { name: verb.kind };
    case "match":
      return { name: "next" };
    case "reject": {
      if (!verb.with) return { name: "reject", reject: "auto" };
      const reject = REJECTS[verb.with.text];
      if (reject) return { name: "reject", reject };
      report({
        code: "FW218",
        message: `\`${verb.with.text}\` is not a way to reject`,
        span: verb.with.span,
        ...suggestion(verb.with.text, Object.keys(REJECTS)),
        note: `the ways are ${Object.keys(REJECTS).join(", ")}`,
      });
      return undefined;
    }
    case "jump":
    case "return":
      report(notYet(`\`${verb.kind}\``, verb.span));
      return undefined;
  }
}

/** A label is an identity: no two rules of a file may have the same, nor one that Barrage gives. */
function checkNames(rules: readonly Rule[], report: Report): void {
  const first = new Map<string, Rule>();
  const given = /^(input|forward|output):(\d+|default)$/;
  for (const rule of rules) {
    if (given.test(rule.name)) continue;
    const earlier = first.get(rule.name);
    if (earlier) report(duplicate(`label \`${rule.name}\``, rule.span, earlier.span));
    else first.set(rule.name, rule);
  }
}
