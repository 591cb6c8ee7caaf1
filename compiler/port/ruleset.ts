/**
 * A foreign rule set on its way to a rule file: chains of rules whose conditions are already in the
 * words of the language, but whose jumps, returns and base chains are still the kernel's.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import type { Hook } from "../policy/field.ts";

/** How well a rule is said in the language. */
export type Fidelity = "exact" | "matches more" | "matches fewer" | "left out";

/** How well a rule is said, and why no better. */
export interface Judgement {
  readonly fidelity: Fidelity;
  readonly why: string;
}

/** The first that was found of a rule; what changes its packets before what does not. */
export function worse(known: Judgement | undefined, found: Judgement): Judgement {
  return known && (known.fidelity !== "exact" || found.fidelity === "exact") ? known : found;
}

/** A part of a rule that all of a packet must meet. */
export interface Condition {
  /** Clauses, as in `tcp dport 22`. */
  readonly text: string;
  /** The one family that they can be true of. */
  readonly family?: Family;
  /** What packets of some hooks lack; the condition is then false, or true if it is `negated`. */
  readonly asks?: "in" | "out" | "mac" | "user";
  readonly negated?: boolean;
}

export type Verb =
  | { readonly kind: "verdict"; readonly text: string }
  | { readonly kind: "match" | "return" }
  | { readonly kind: "jump" | "goto"; readonly chain: string };

/** One rule of the foreign set. */
export interface Statement {
  /** As it was written. */
  readonly source: string;
  /** Lists of conditions; a packet matches that meets all of one list. */
  readonly ways: readonly (readonly Condition[])[];
  /** What it does besides: `log` and `set mark` clauses. */
  readonly effects: readonly string[];
  readonly verb: Verb;
  readonly label?: string;
  readonly fidelity: Fidelity;
  /** Why it is not exact, or what else is lost. */
  readonly why?: string;
  /** It is left out, and no packet gets another verdict for it. */
  readonly harmless?: boolean;
  /** It is a further part of the rule before it. */
  readonly further?: boolean;
}

/** Where packets enter a chain. */
export interface Base {
  readonly hook: Hook;
  /** Chains of one hook are passed in this order. */
  readonly priority: number;
  readonly policy: "accept" | "drop";
}

export interface Chain {
  readonly name: string;
  /** The packets that come here at all. */
  readonly family: Family | "both";
  readonly base?: Base;
  readonly statements: readonly Statement[];
}

/** A part of the set that is not carried over as a whole. */
export interface Outside {
  readonly source: string;
  readonly why: string;
  /** Whether packets may get another verdict without it. */
  readonly lost: boolean;
}

export interface Ruleset {
  readonly chains: readonly Chain[];
  /** Definitions of sets, each a line of the language. */
  readonly sets: readonly string[];
  readonly outside: readonly Outside[];
}

/** A rule that is not carried over. */
export function leftOut(source: string, why: string, harmless = false): Statement {
  const verb = { kind: "match" } as const;
  return { source, ways: [], effects: [], verb, fidelity: "left out", why, harmless };
}

/** The text of a file is not what it should be; the message says where. */
export class ImportError extends Error {
  override name = "ImportError";
}

/**
 * Two rule sets, one for each family, as one: what both say alike is said once.
 */
export function merged(four: Ruleset, six: Ruleset): Ruleset {
  const chains: Chain[] = [];
  for (const chain of four.chains) {
    const other = six.chains.find(({ name }) => name === chain.name);
    if (!other) chains.push(chain);
    else if (chain.base?.policy !== other.base?.policy) chains.push(chain, other);
    else {
      const statements = interleaved(chain.statements, other.statements);
      chains.push({ ...chain, family: "both", statements });
    }
  }
  chains.push(
    ...six.chains.filter(({ name }) => four.chains.every((chain) => chain.name !== name)),
  );
  return {
    chains,
    sets: [...new Set([...four.sets, ...six.sets])],
    outside: [...four.outside, ...six.outside],
  };
}

/** The longest common subsequence once, and what is between for its family only. */
function interleaved(four: readonly Statement[], six: readonly Statement[]): Statement[] {
  const [a, b] = [four.map((s) => keyOf(s, "ipv4")), six.map((s) => keyOf(s, "ipv6"))];
  const length = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length - 1; j >= 0; j--) {
      length[i]![j] = a[i] === b[j]
        ? length[i + 1]![j + 1]! + 1
        : Math.max(length[i + 1]![j]!, length[i]![j + 1]!);
    }
  }
  const result: Statement[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      result.push(four[i]!);
      i++;
      j++;
    } else if (j === b.length || (i < a.length && length[i + 1]![j]! >= length[i]![j + 1]!)) {
      result.push(ofFamily(four[i++]!, "ipv4"));
    } else {
      result.push(ofFamily(six[j++]!, "ipv6"));
    }
  }
  return result;
}

/** The same for rules that say the same. Each family has its own bucket of a limit for all packets. */
function keyOf({ source: _, ...said }: Statement, family: Family): string {
  const limited = said.ways.flat().some(({ text }) => /^limit (?!.* per )/.test(text));
  return (limited ? family : "") + JSON.stringify(said);
}

/** The rule for the packets of one family only. */
function ofFamily(statement: Statement, family: Family): Statement {
  const ways = statement.ways.map((way) =>
    way.some((condition) => condition.family === family) ? way : [{ text: family, family }, ...way]
  );
  return { ...statement, ways };
}
