/**
 * What `nft -j list ruleset` prints, as a rule set in the words of the language.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import { type Hook, HOOKS } from "../policy/field.ts";
import type { Json } from "./nft_key.ts";
import type { NftSet, Sets } from "./nft_match.ts";
import { NftRule } from "./nft_rule.ts";
import { wordsOf } from "./nft_words.ts";
import { type Chain, ImportError, type Outside, type Ruleset, type Statement } from "./ruleset.ts";
import { type Imported, writeRules } from "./write.ts";

const FAMILY: Readonly<Record<string, Family | "both">> = {
  ip: "ipv4",
  ip6: "ipv6",
  inet: "both",
};

/** One chain, and the table that it is in. */
interface Known {
  readonly key: string;
  readonly name: string;
  readonly table: string;
  readonly family: Family | "both";
  readonly base: Chain["base"];
  /** Whether its policy is to drop. */
  readonly drops: boolean;
  /** Why its rules are not carried over. */
  readonly outside: string | undefined;
  readonly rules: Json[];
}

/** The rule file of a rule set as JSON. Throws ImportError on a text that nft does not print. */
export function importNft(files: readonly { name: string; text: string }[]): Imported {
  const title = `Imported from ${files.map(({ name }) => name).join(" and ")}`;
  return writeRules(readRuleset(files.flatMap(objectsOf)), title);
}

function objectsOf({ name, text }: { name: string; text: string }): Json[] {
  try {
    const { nftables } = JSON.parse(text);
    if (Array.isArray(nftables)) return nftables;
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
  }
  throw new ImportError(`${name} is not what \`nft -j list ruleset\` prints`);
}

function readRuleset(objects: readonly Json[]): Ruleset {
  const chains = objects.flatMap(({ chain }) => chain ? knownChain(chain) : []);
  const named = (key: string) => chains.find((chain) => chain.key === key);
  const rules = objects.flatMap(({ rule }) => rule ?? []);
  for (const rule of rules) named(keyOf(rule, rule.chain))?.rules.push(rule);
  const sets: NftSet[] = objects.flatMap((object) => {
    const set = object.set ?? object.map;
    return set ? { ...set, key: keyOf(set, set.name) } : [];
  });
  const used = new Map<string, string>();
  const outside: Outside[] = [];
  const reached = reachable(chains);
  const carried = chains.filter((chain) => reached.has(chain)).map((chain): Chain => ({
    name: uniqueName(chain, chains),
    family: chain.family,
    ...(chain.base && { base: chain.base }),
    statements: chain.rules.flatMap((rule) => statementsOf(rule, chain, chains, sets, used)),
  }));
  for (const chain of chains) {
    if (reached.has(chain)) continue;
    const why = chain.outside ?? "no packet that is filtered here comes to its chain";
    const denies = (expression: Json) => "drop" in expression || "reject" in expression;
    outside.push(...chain.rules.map((rule) => ({
      source: `${chain.key}: ${sourceOf(rule)}`,
      why,
      lost: chain.outside !== undefined && (rule.expr ?? []).some(denies),
    })));
    if (chain.outside && chain.drops) {
      outside.push({ source: `${chain.key}: policy drop`, why, lost: true });
    }
  }
  return { chains: carried, sets: [...used.values()], outside };
}

function keyOf({ family, table }: Json, name: string): string {
  return `${family} ${table} ${name}`;
}

function knownChain(chain: Json): Known {
  const family = Object.hasOwn(FAMILY, chain.family) ? FAMILY[chain.family]! : "both";
  const hook = HOOKS.find((hook) => hook === chain.hook);
  const filters = chain.type === "filter" && hook !== undefined;
  const foreign = !Object.hasOwn(FAMILY, chain.family);
  const outside = foreign
    ? `the family ${chain.family} is not filtered here`
    : chain.hook === undefined || filters
    ? undefined
    : chain.type === "nat"
    ? "addresses are translated where they were, not here"
    : `the hook ${chain.hook} of type ${chain.type} is not filtered here`;
  return {
    key: keyOf(chain, chain.name),
    name: chain.name,
    table: chain.table,
    family,
    base: filters && !foreign
      ? {
        hook: hook as Hook,
        priority: Number(chain.prio ?? 0),
        policy: chain.policy === "drop" ? "drop" : "accept",
      }
      : undefined,
    drops: chain.policy === "drop",
    outside,
    rules: [],
  };
}

/**
 * Whether a base chain does nothing, as those do that the iptables of nft leaves behind: it has no
 * rules and accepts, and others of its hook have all packets of its family.
 */
function isIdle(chain: Known, chains: readonly Known[]): boolean {
  const { base, family } = chain;
  const works = (other: Known) =>
    other.base?.hook === base?.hook && (other.rules.length > 0 || other.drops);
  return base !== undefined && !works(chain) &&
    (["ipv4", "ipv6"] as const).every((one) =>
      family !== "both" && family !== one ||
      chains.some((other) => works(other) && (other.family === "both" || other.family === one))
    );
}

/** The chains that packets of a hook come to, but for those that do nothing. */
function reachable(chains: readonly Known[]): ReadonlySet<Known> {
  const reached = new Set(chains.filter((chain) => chain.base && !isIdle(chain, chains)));
  for (const chain of reached) {
    const text = JSON.stringify(chain.rules);
    const targets = [...text.matchAll(/"(?:jump|goto)":\{"target":"([^"]+)"\}/g)];
    const prefix = chain.key.slice(0, -chain.name.length);
    // A verdict map may lead anywhere in the table.
    for (const other of chains) {
      const here = other.key === prefix + other.name && !other.outside;
      const named = targets.some(([, target]) => target === other.name);
      if (here && (named || text.includes('"vmap"'))) reached.add(other);
    }
  }
  return reached;
}

/** The name of a chain, with its table's where another table has one of that name. */
function uniqueName(chain: Known, chains: readonly Known[]): string {
  const alike = chains.filter(({ name }) => name === chain.name);
  if (alike.length === 1) return chain.name;
  const [family] = chain.key.split(" ");
  return alike.some((other) => other !== chain && other.table === chain.table)
    ? `${chain.table}-${family}-${chain.name}`
    : `${chain.table}-${chain.name}`;
}

function sourceOf(rule: Json): string {
  return (rule.expr ?? []).map(wordsOf).join(" ");
}

function statementsOf(
  rule: Json,
  chain: Known,
  chains: readonly Known[],
  sets: readonly NftSet[],
  used: Map<string, string>,
): Statement[] {
  const prefix = chain.key.slice(0, -chain.name.length);
  const known: Sets = {
    named: (name) => sets.find(({ key }) => key === prefix + name),
    use: (name, line) => void used.set(name, line),
    chain: (name) => {
      const target = chains.find(({ key }) => key === prefix + name);
      return target && uniqueName(target, chains);
    },
  };
  return new NftRule(known, chain.family, sourceOf(rule), rule.comment).read(rule.expr ?? []);
}
