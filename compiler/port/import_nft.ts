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
  const from = files.map(({ name }) => name).join(" and ");
  return writeRules(readRuleset(files.flatMap(objectsOf)), from);
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
  const used = new UsedSets(sets);
  const outside: Outside[] = [];
  const reached = reachable(chains, chains.filter((c) => c.base && !isIdle(c, chains)));
  const carried = chains.filter((chain) => reached.has(chain)).map((chain): Chain => ({
    name: uniqueName(chain, chains),
    family: chain.family,
    ...(chain.base && { base: chain.base }),
    statements: chain.rules.flatMap((rule) => statementsOf(rule, chain, chains, sets, used)),
  }));
  for (const chain of chains) {
    if (reached.has(chain)) continue;
    const why = chain.outside ?? "no packet that is filtered here comes to its chain";
    outside.push(...chain.rules.map((rule) => ({
      source: `${chain.key}: ${sourceOf(rule)}`,
      why,
      lost: chain.outside !== undefined && mayDeny(rule, chain, chains, sets),
    })));
    if (chain.outside && chain.drops) {
      outside.push({ source: `${chain.key}: policy drop`, why, lost: true });
    }
  }
  return { chains: carried, sets: [...used.lines.values()], outside };
}

/** The sets of the rule file. */
class UsedSets {
  /** The line that defines each, by its name. */
  readonly lines = new Map<string, string>();
  readonly #names = new Map<string, string>();

  constructor(private readonly sets: readonly NftSet[]) {}

  /** Notes that a set is used, defined by what follows its name. What it is called. */
  use(set: NftSet, definition: string): string {
    const known = this.#names.get(set.key);
    if (known !== undefined) return known;
    const plain = uniqueName(set, this.sets).replace(/[^\w-]/g, "-").replace(/^(?=\d)/, "s-");
    let name = plain;
    for (let i = 2; this.lines.has(name); i++) name = `${plain}-${i}`;
    this.#names.set(set.key, name);
    this.lines.set(name, `set ${name} ${definition}`);
    return name;
  }
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

/** The chains that packets of some chains come to, with those themselves. */
function reachable(chains: readonly Known[], from: readonly Known[]): ReadonlySet<Known> {
  const reached = new Set(from);
  for (const chain of reached) {
    for (const target of targetsOf(chain.rules, chain, chains)) reached.add(target);
  }
  return reached;
}

/** The chains that rules of a chain lead to. A verdict map may lead anywhere in the table. */
function targetsOf(rules: readonly Json[], chain: Known, chains: readonly Known[]): Known[] {
  const text = JSON.stringify(rules);
  const names = new Set(
    [...text.matchAll(/"(?:jump|goto)":\{"target":"([^"]+)"\}/g)].map(([, name]) => name),
  );
  const anywhere = text.includes('"vmap"');
  const prefix = chain.key.slice(0, -chain.name.length);
  return chains.filter((other) =>
    other.key === prefix + other.name && !other.outside && (anywhere || names.has(other.name))
  );
}

/** Whether a packet that comes to a rule may be denied, there or in a chain that it leads to. */
function mayDeny(
  rule: Json,
  chain: Known,
  chains: readonly Known[],
  sets: readonly NftSet[],
): boolean {
  const below = reachable(chains, targetsOf([rule], chain, chains));
  const prefix = chain.key.slice(0, -chain.name.length);
  const maps = sets.filter(({ key }) => key.startsWith(prefix)).map(({ elem }) => elem);
  const text = JSON.stringify([rule, ...[...below].map(({ rules }) => rules)]);
  return DENIES.test(text) || (text.includes('"vmap"') && DENIES.test(JSON.stringify(maps)));
}

const DENIES = /"(drop|reject)":/;

/** The name of a chain or a set, with its table's where another table has one of that name. */
function uniqueName<T extends Pick<Known, "key" | "name" | "table">>(
  named: T,
  all: readonly T[],
): string {
  const alike = all.filter(({ name }) => name === named.name);
  if (alike.length === 1) return named.name;
  const [family] = named.key.split(" ");
  return alike.some((other) => other !== named && other.table === named.table)
    ? `${named.table}-${family}-${named.name}`
    : `${named.table}-${named.name}`;
}

function sourceOf(rule: Json): string {
  return (rule.expr ?? []).map(wordsOf).join(" ");
}

function statementsOf(
  rule: Json,
  chain: Known,
  chains: readonly Known[],
  sets: readonly NftSet[],
  used: UsedSets,
): Statement[] {
  const prefix = chain.key.slice(0, -chain.name.length);
  const known: Sets = {
    named: (name) => sets.find(({ key }) => key === prefix + name),
    use: (set, definition) => used.use(set, definition),
    chain: (name) => {
      const target = chains.find(({ key }) => key === prefix + name);
      return target && uniqueName(target, chains);
    },
  };
  return new NftRule(known, chain.family, sourceOf(rule), rule.comment).read(rule.expr ?? []);
}
