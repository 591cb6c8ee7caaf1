/**
 * The `test` blocks of a rule file: each expectation is shown for every packet of its region, or
 * refuted with one.
 *
 * @module
 */
import type { Diagnostic } from "../diagnostic.ts";
import {
  DOMAIN,
  FRAGMENT,
  interfaceNumber,
  NO_EXTENSIONS,
  NO_FLAGS,
  TCP_FLAGS,
} from "../policy/field.ts";
import { span, subtract } from "../policy/interval.ts";
import { packetText } from "../policy/packet.ts";
import type { Expectation, Policy, Rule } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { deciders, decides, OutOfBudget, Ruleset, spaceOf } from "./ruleset.ts";
import { uncovered } from "./uncovered.ts";
import { verdictText } from "./verdict.ts";

export interface Tested {
  readonly expectation: Expectation;
  /** Why it does not hold, or why that says nothing; undefined if it holds. */
  readonly finding: Diagnostic | undefined;
}

export interface TestReport {
  readonly tested: readonly Tested[];
  /** FW803: the rules that could decide something and that no expectation asks about. */
  readonly untested: readonly Diagnostic[];
  /** Rules that some expectation exercises, among those that can decide. */
  readonly exercised: number;
  readonly live: number;
}

/** Proves or refutes every expectation of a policy. */
export function runTests(policy: Policy): TestReport {
  const expectations = policy.expectations ?? [];
  const within = policy.literals.flatMap(({ kind }, i) =>
    kind === "limit" ? [[i, true] as const] : []
  );
  const regions = expectations.map(({ regions }) =>
    regions.map((region) => withDefaults(region, within))
  );
  const rules = new Ruleset(policy, spaceOf([policy], regions.flat()));
  const exercised = new Set<number>();
  const tested = expectations.map((expectation, i) => ({
    expectation,
    finding: examine(rules, expectation, regions[i]!, exercised),
  }));
  const live = policy.rules.flatMap((rule, i) =>
    decides(rule) &&
      rules.above(i).some((above, b) => uncovered(rules.boxes[i]![b]!, above).kind === "escapes")
      ? [i]
      : []
  );
  const untested = live.filter((i) => !exercised.has(i)).map((i): Diagnostic => ({
    code: "FW803",
    message: `no test exercises \`${policy.rules[i]!.name}\``,
    span: policy.rules[i]!.span,
  }));
  return { tested, untested, exercised: live.length - untested.length, live: live.length };
}

/** Marks the rules that decide packets of the region, and says what speaks against it. */
function examine(
  rules: Ruleset,
  expectation: Expectation,
  regions: readonly Region[],
  exercised: Set<number>,
): Diagnostic | undefined {
  const { space, policy } = rules;
  const boxes = regions.flatMap((region) => space.boxes(region));
  const finding = (code: "FW199" | "FW801" | "FW802", message: string, more = {}) => ({
    code,
    message,
    span: expectation.span,
    ...more,
  });
  if (boxes.length === 0) {
    return finding("FW802", "no packet is what this expectation is about", {
      note: "unless named, state is new, TCP is SYN, nothing is a fragment, no interface is lo",
    });
  }
  let found;
  try {
    found = deciders(rules, space, boxes);
  } catch (error) {
    if (!(error instanceof OutOfBudget)) throw error;
    return finding("FW199", "whether this holds was not found out", {
      severity: "error",
      note: error.message,
    });
  }
  for (const { rule } of found) exercised.add(rule);
  const good = ({ rule }: { rule: number }) => meets(expectation, policy.rules[rule]!);
  const against = found.find((decider) => !good(decider));
  if (expectation.some ? found.some(good) : !against) return undefined;
  const { rule, witness } = against!;
  const by = policy.rules[rule]!;
  return finding(
    "FW801",
    expectation.some ? "no packet meets this expectation" : "this expectation does not hold",
    {
      label: `expected ${wanted(expectation)}`,
      related: [{ span: by.span, message: `${verdictText(by)}, by this rule` }],
      note: `${expectation.some ? "for example, " : ""}\`${
        packetText(space.packet(witness))
      }\` meets ${verdictText(by)} by \`${by.name}\``,
    },
  );
}

function meets({ verdicts, by }: Expectation, { name, verdict }: Rule): boolean {
  return (by === undefined || by === name) &&
    verdicts.some((wanted) =>
      wanted.name === verdict.name &&
      (wanted.reject === undefined || wanted.reject === verdict.reject)
    );
}

function wanted({ verdicts, by }: Expectation): string {
  const verdict = verdicts.map((verdict) => verdictText({ verdict })).join(" or ");
  return by === undefined ? verdict : `${verdict} by \`${by}\``;
}

/**
 * What an expectation means where it is silent: a new connection's first packet, whole, without
 * extension headers, not on `lo`, within limits. SYN is only assumed of new connections.
 */
function withDefaults(region: Region, within: readonly (readonly [number, boolean])[]): Region {
  const notLo = subtract(DOMAIN.in, span(interfaceNumber("lo")));
  return {
    state: span(0),
    fragment: span(FRAGMENT.whole),
    // A fragment of IPv6 has the header that says so.
    ...(!region.fragment && { exthdr: [...span(0), ...span(NO_EXTENSIONS)] }),
    ...(!region.state && { flags: [...span(TCP_FLAGS.syn!), ...span(NO_FLAGS)] }),
    in: notLo,
    out: notLo,
    ...region,
    ...(within.length > 0 && { dynamic: new Map([...within, ...region.dynamic ?? []]) }),
  };
}
