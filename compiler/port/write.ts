/**
 * A foreign rule set to a rule file, each rule with a comment that says what it was and how well
 * it is said.
 *
 * A base chain's accept is not the end in the kernel: the base chains of the same hook that come
 * later must accept, too. So an accept goes on with them, and only the last one's is final.
 *
 * @module
 */
import { type Diagnostic, severityOf } from "../diagnostic.ts";
import type { Family } from "../kernel/cases.ts";
import { type Hook, HOOKS } from "../policy/field.ts";
import { resolve } from "../policy/resolve.ts";
import { Sources } from "../source.ts";
import { format } from "../syntax/format.ts";
import { parse } from "../syntax/parse.ts";
import {
  type Chain,
  type Condition,
  type Fidelity,
  ImportError,
  type Outside,
  type Ruleset,
  type Statement,
} from "./ruleset.ts";
import { nameText } from "./words.ts";

/** What became of one rule of the foreign set. */
export interface Row {
  readonly chain: string;
  readonly source: string;
  readonly fidelity: Fidelity;
  readonly why?: string;
  /** Whether packets may get another verdict than they got. */
  readonly lost: boolean;
}

export interface Imported {
  /** The rule file, in its canonical form. */
  readonly text: string;
  readonly rows: readonly Row[];
  readonly outside: readonly Outside[];
  /** What a person should know besides. */
  readonly notes: readonly string[];
}

/** Fields that no packet of a hook has. */
const LACKING: Readonly<Record<Hook, readonly Condition["asks"][]>> = {
  input: ["out", "user"],
  forward: ["user"],
  output: ["in", "mac"],
};

/** Lists of conditions that the language refuses, with what it says of them in each place. */
type Refused = Map<readonly Condition[], Map<string, Diagnostic>>;

/** The rule file of a foreign set, found in the files `from`. Throws ImportError if it filters nothing. */
export function writeRules(set: Ruleset, from: string): Imported {
  if (!set.chains.some(({ base }) => base)) {
    throw new ImportError(`${from}: no chain here filters input, forward or output`);
  }
  const title = `Imported from ${from}`;
  const refused: Refused = new Map();
  for (;;) {
    const writer = new Writer(set, refused);
    const lines = writer.file(title);
    const text = lines.map(({ text }) => text).join("\n") + "\n";
    const { errors, sources, formatted } = read(text);
    if (errors.length === 0) {
      return {
        text: formatted,
        rows: rowsOf(set, refused),
        outside: set.outside,
        notes: writer.notes,
      };
    }
    let news = false;
    for (const error of errors) {
      const { line } = sources.position(error.span.start);
      const { way, place } = lines[line - 1] ?? {};
      if (!way || place === undefined) continue;
      const places = refused.get(way) ?? new Map<string, Diagnostic>();
      news ||= !places.has(place);
      refused.set(way, places.set(place, error));
    }
    if (news) continue;
    const { line } = sources.position(errors[0]!.span.start);
    throw new Error(`Cannot write line ${line}, ${lines[line - 1]?.text}: ${errors[0]!.message}`);
  }
}

function read(text: string): { errors: Diagnostic[]; sources: Sources; formatted: string } {
  const errors: Diagnostic[] = [];
  const report = (found: Diagnostic) => {
    if (severityOf(found) === "error") errors.push(found);
  };
  const sources = new Sources();
  const file = parse(sources.add("import", text), report);
  if (errors.length === 0) resolve(file, sources, report);
  return { errors, sources, formatted: errors.length === 0 ? format(text, file) : "" };
}

/** No packet can have all of it, so that it is exact to leave it out. */
function isImpossible(diagnostic: Diagnostic): boolean {
  return diagnostic.code === "FW302" && diagnostic.message.startsWith("no packet can");
}

function rowsOf(set: Ruleset, refused: Refused): Row[] {
  const rows: Row[] = [];
  for (const chain of set.chains) {
    for (const statement of chain.statements) {
      const { fidelity, why } = judged(statement, refused);
      const decides = statement.verb.kind !== "match" || fidelity === "left out";
      const lost = fidelity !== "exact" && decides && !statement.harmless;
      const row = {
        chain: chain.name,
        source: statement.source,
        fidelity,
        ...(why && { why }),
        lost,
      };
      const before = statement.further ? rows.at(-1) : undefined;
      // A rule in several parts is as good as the worst.
      if (!before) rows.push(row);
      else if (fidelity !== "exact") rows.splice(-1, 1, { ...row, lost: lost || before.lost });
    }
  }
  return rows;
}

function judged(
  { ways, fidelity, why }: Statement,
  refused: Refused,
): Pick<Statement, "fidelity" | "why"> {
  // What is impossible in one place may be possible in another; what cannot be said never can.
  const bad = ways.flatMap((way) =>
    [...refused.get(way)?.values() ?? []].filter((found) => !isImpossible(found)).slice(0, 1)
  );
  if (fidelity === "left out" || bad.length === 0) return { fidelity, ...(why && { why }) };
  return {
    fidelity: bad.length === ways.length ? "left out" : "matches fewer",
    why: bad[0]!.message,
  };
}

interface Line {
  readonly text: string;
  readonly way?: readonly Condition[];
  /** The chain that it is written in. */
  readonly place?: string;
  /** What the rule may be called, if no other is. */
  readonly label?: string;
}

/** What is written, chain by chain. */
class Writer {
  readonly notes: string[] = [];
  /** The chains that are jumped to, in the order they are needed. */
  readonly #written: { name: string; origin: string; lines: Line[] }[] = [];
  readonly #known = new Map<string, string>();

  /** Whether any hook has more than a default that accepts: those that have not then need no chain. */
  readonly #filters: boolean;

  constructor(private readonly set: Ruleset, private readonly refused: Refused) {
    this.#filters = set.chains.some(filters);
  }

  file(title: string): Line[] {
    const hooks = HOOKS.flatMap((hook) => this.#hook(hook));
    const labels = new Set<string>();
    const chains = [
      ...this.#written.flatMap(({ name, lines }) => [
        { text: `chain ${name} {` },
        ...lines,
        { text: "}" },
      ]),
      ...hooks,
    ];
    // Not those that only rules ask for that are left out.
    const asked = new Set(
      chains.flatMap(({ text }) =>
        text.startsWith("#") ? [] : [...text.matchAll(/@([\w-]+)/g)].map(([, name]) => name)
      ),
    );
    const sets = this.set.sets.filter((text) => asked.has(/^set ([\w-]+)/.exec(text)![1]));
    const lines = [
      { text: `# ${title}` },
      { text: "fw 1" },
      ...sets.map((text) => ({ text })),
      ...chains,
    ];
    return lines.map((line: Line) => {
      const { label } = line;
      if (label === undefined || !isFree(label, labels)) return line;
      labels.add(label);
      return { ...line, text: `${line.text} label ${nameText(label)}` };
    });
  }

  #hook(hook: Hook): Line[] {
    const bases = this.set.chains.filter(({ base }) => base?.hook === hook)
      .toSorted((a, b) => a.base!.priority - b.base!.priority);
    if (bases.length === 0 || (this.#filters && !bases.some(filters))) return [];
    const of = (family: Family) => bases.filter((b) => b.family === "both" || b.family === family);
    const [four, six] = [of("ipv4"), of("ipv6")];
    const policies = [four, six].filter((list) => list.length > 0).map(policyOf);
    const byDefault = policies.includes("drop") ? "drop" : "accept";
    const same = four.length === six.length && four.every((base, i) => base === six[i]);
    const body = same
      ? this.#bases(four, hook, byDefault, hook)
      : (["ipv4", "ipv6"] as const).flatMap((family): Line[] => {
        const list = family === "ipv4" ? four : six;
        if (list.length === 0) {
          const name = family === "ipv4" ? "IPv4" : "IPv6";
          this.notes.push(
            `${hook}: nothing is said of ${name}; its packets get the default, ${byDefault}`,
          );
          return [];
        }
        const lines = this.#bases(list, hook, byDefault, `${hook} ${family}`);
        return lines.length === 0 ? [] : [{ text: `when ${family} {` }, ...lines, { text: "}" }];
      });
    return [{ text: `chain ${hook} default ${byDefault} {` }, ...body, { text: "}" }];
  }

  /** The base chains of one hook in their order; what falls off the end gets `byDefault`. */
  #bases(bases: readonly Chain[], hook: Hook, byDefault: string, place: string): Line[] {
    const [only, ...rest] = bases;
    if (!only) return [];
    const policy = only.base!.policy;
    const returns = only.statements.some(({ verb }) =>
      verb.kind === "return" || verb.kind === "goto"
    );
    if (rest.length === 0 && (policy === byDefault || !returns)) {
      const lines = only.statements.flatMap((statement) =>
        this.#statement(statement, hook, [], place)
      );
      return policy === byDefault ? lines : [...lines, { text: policy }];
    }
    return [
      { text: `jump ${this.#chain(only, hook, rest)}` },
      ...(policy === "drop" || rest.length === 0
        ? [{ text: policy }]
        : this.#bases(rest, hook, byDefault, place)),
    ];
  }

  /** The name of a chain as it is for packets of a hook; an accept there goes on with `rest`. */
  #chain(chain: Chain, hook: Hook, rest: readonly Chain[]): string {
    const key = `${chain.name} ${chain.family} ${hook} ${rest.map(({ name }) => name).join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const lines = chain.statements.flatMap((statement) =>
      this.#statement(statement, hook, rest, key)
    );
    return this.#add(key, chain.name, hook, lines);
  }

  /** The name of a chain that decides by the base chains `rest`. */
  #rest(rest: readonly Chain[], hook: Hook): string {
    const key = `then ${hook} ${rest.map(({ name }) => name).join(" ")}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    return this.#add(key, `then-${rest[0]!.name}`, hook, this.#bases(rest, hook, "", key));
  }

  /** Chains that come out the same for several hooks are one. */
  #add(key: string, origin: string, hook: Hook, lines: Line[]): string {
    const body = lines.map(({ text }) => text).join("\n");
    const same = this.#written.find((written) =>
      written.origin === origin && written.lines.map(({ text }) => text).join("\n") === body
    );
    const name = same?.name ?? this.#free(origin, hook);
    if (!same) this.#written.push({ name, origin, lines });
    this.#known.set(key, name);
    return name;
  }

  #free(origin: string, hook: Hook): string {
    const plain = origin.replace(/[^\w.-]/g, "-").replace(/[-.]{2,}/g, "-")
      .replace(/^[-.]+|[-.]+$/g, "").replace(/^(?=\d)/, "c-") || "c";
    const taken = (name: string) =>
      HOOKS.some((hook) => hook === name) || this.#written.some((chain) => chain.name === name);
    for (const name of [plain, `${plain}-${hook}`]) if (!taken(name)) return name;
    for (let i = 2;; i++) if (!taken(`${plain}-${i}`)) return `${plain}-${i}`;
  }

  #statement(statement: Statement, hook: Hook, rest: readonly Chain[], place: string): Line[] {
    const { source, verb, label, effects } = statement;
    const { fidelity, why } = judged(statement, this.refused);
    const note = { text: `# ${fidelity}${why ? ` (${why})` : ""}: ${source}` };
    const comment = statement.further && fidelity === "exact" ? [] : [note];
    if (fidelity === "left out") return comment;
    const ways = statement.ways.map((way) => [way, conditionsOf(way, hook)] as const)
      .filter(([way, conditions]) => conditions && !this.refused.get(way)?.has(place));
    if (ways.length === 0) {
      return [{ text: `# exact (no packet of ${hook} can match): ${source}` }];
    }
    const named = ways.length === 1 && label !== undefined ? { label } : {};
    // Several rules have one bucket if they stand in a block that has the limit.
    const limits = ways.length === 1 ? [] : ways[0]![1]!.map(({ text }) => text).filter(isLimit);
    const rules = ways.flatMap(([way, conditions]): Line[] => {
      const line = (text: string) => ({ text, way, place });
      const asked = conditions!.map(({ text }) => text).filter((text) => !limits.includes(text));
      const simple = (words: string) => [
        { ...line([words, ...asked, ...effects].join(" ")), ...named },
      ];
      const guarded = (...body: string[]) => {
        const inner = [...(effects.length > 0 ? [`match ${effects.join(" ")}`] : []), ...body];
        const lines = inner.map(line);
        return asked.length === 0
          ? lines
          : [line(`when ${asked.join(" ")} {`), ...lines, line("}")];
      };
      switch (verb.kind) {
        case "match":
        case "return":
          return simple(verb.kind);
        case "verdict":
          if (verb.text !== "accept" || rest.length === 0) return simple(verb.text);
          return simple(`jump ${this.#rest(rest, hook)}`);
        case "jump":
        case "goto": {
          const target = this.set.chains.find((chain) => chain.name === verb.chain && !chain.base);
          if (!target) throw new Error(`Cannot find chain ${verb.chain}`);
          const jump = `jump ${this.#chain(target, hook, rest)}`;
          return verb.kind === "jump" ? simple(jump) : guarded(jump, "return");
        }
      }
    });
    if (limits.length === 0) return [...comment, ...rules];
    const block = { text: `when ${limits.join(" ")} {`, way: ways[0]![0], place };
    return [...comment, block, ...rules, { text: "}" }];
  }
}

function isLimit(text: string): boolean {
  return text.startsWith("limit ");
}

/** Whether a base chain may do anything but accept. */
function filters({ base, statements }: Chain): boolean {
  return base !== undefined && (base.policy === "drop" || statements.length > 0);
}

/** The policy of the last base chain: what becomes of a packet that no rule decides. */
function policyOf(bases: readonly Chain[]): "accept" | "drop" {
  return bases.at(-1)!.base!.policy;
}

/** The conditions that are left for packets of a hook; undefined if one can never be met. */
function conditionsOf(way: readonly Condition[], hook: Hook): Condition[] | undefined {
  const lacks = ({ asks }: Condition) => asks !== undefined && LACKING[hook].includes(asks);
  if (way.some((condition) => lacks(condition) && !condition.negated)) return undefined;
  return way.filter((condition) => !lacks(condition));
}

/** Whether a text can be a label: no other rule has it, and Barrage gives no such name itself. */
function isFree(label: string, taken: ReadonlySet<string>): boolean {
  return /^[ -~]+$/.test(label) && !/["\\]/.test(label) && !/:(\d+|default)$/.test(label) &&
    !taken.has(label);
}
