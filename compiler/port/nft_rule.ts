/**
 * One rule of nft, from its JSON to statements.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import { type Json, plainElement, V4, V6, type Way, word } from "./nft_key.ts";
import { type LimitKey, limitKey, limitText } from "./nft_limit.ts";
import { NftMatch, type Sets } from "./nft_match.ts";
import {
  type Fidelity,
  type Judgement,
  leftOut,
  type Statement,
  type Verb,
  worse,
} from "./ruleset.ts";
import { Never, REJECTS, UNEQUAL_LIMIT, Unsaid } from "./words.ts";

/** Lists of conditions, of which a rule may be expanded into so many. */
const MAX_WAYS = 512;

/** Expressions by which a rule may give a packet another verdict. */
const DECIDING = [
  "accept",
  "drop",
  "reject",
  "return",
  "jump",
  "goto",
  "vmap",
  "queue",
  "xt",
  "synproxy",
];

/** Reads one rule. */
export class NftRule {
  #ways: Way[] = [[]];
  #effects: string[] = [];
  #limited = false;
  #inexact: Judgement | undefined;
  readonly #statements: Statement[] = [];
  readonly #match: NftMatch;

  constructor(
    private readonly sets: Sets,
    private readonly family: Family | "both",
    private readonly source: string,
    private readonly label: string | undefined,
  ) {
    const note = (fidelity: Fidelity, why: string) => this.#note(fidelity, why);
    this.#match = new NftMatch(sets, family, () => this.#ways, note);
  }

  /** The statements that its expressions come to, in order. */
  read(expressions: readonly Json[]): Statement[] {
    try {
      let ended = false;
      for (const expression of expressions) ended = this.#expression(expression) || ended;
      if (!ended && (this.#statements.length === 0 || this.#effects.length > 0)) {
        this.#end({ kind: "match" });
      }
      if (this.#statements.length === 0) throw new Never();
      return this.#statements;
    } catch (error) {
      const decides = expressions.some((one) => DECIDING.some((kind) => kind in one));
      if (error instanceof Never) {
        if (this.#statements.length > 0) return this.#statements;
        const { source } = this;
        if (this.#inexact && this.#inexact.fidelity !== "exact") {
          return [leftOut(source, this.#inexact.why, !decides)];
        }
        return [{ source, ways: [], effects: [], verb: { kind: "match" }, fidelity: "exact" }];
      }
      if (!(error instanceof Unsaid)) throw error;
      const rest = leftOut(this.source, error.message, error.harmless || !decides);
      return [...this.#statements, { ...rest, further: this.#statements.length > 0 }];
    }
  }

  #note(fidelity: Fidelity, why: string) {
    this.#inexact = worse(this.#inexact, { fidelity, why });
  }

  #end(verb: Verb, ways: readonly Way[] = this.#ways) {
    const { source, label } = this;
    this.#statements.push({
      source,
      ways: ways.map(tidy),
      effects: this.#effects,
      verb,
      ...(label !== undefined && { label }),
      fidelity: "exact",
      ...this.#inexact,
      further: this.#statements.length > 0,
    });
    this.#effects = [];
  }

  /** Whether it ends the rule. */
  #expression(expression: Json): boolean {
    const [[kind = "", body] = []] = Object.entries(expression) as [string, Json][];
    switch (kind) {
      case "counter":
      case "comment":
        return false;
      case "match":
        this.#before();
        this.#any(this.#match.ways(body.op, body.left, body.right));
        return false;
      case "vmap": {
        this.#before();
        this.#verdictMap(body.key, body.data);
        return true;
      }
      case "limit":
        this.#before();
        this.#any([[word(limitText(body))]]);
        this.#limited = true;
        return false;
      case "log": {
        const prefix = body?.prefix;
        this.#effects.push(prefix ? `log ${JSON.stringify(prefix)}` : "log");
        return false;
      }
      case "mangle":
        this.#effects.push(markChange(body));
        return false;
      case "accept":
      case "drop":
      case "return":
      case "jump":
      case "goto":
      case "reject": {
        const verb = this.#verb(kind, body);
        this.#end(verb);
        return true;
      }
      case "continue":
        return false;
      case "set":
      case "meter":
        this.#addToSet(body);
        return false;
      case "xt":
        throw new Unsaid("it is a rule of iptables, which `import iptables-save` reads");
      default:
        throw new Unsaid(`nothing here does what \`${kind}\` does`);
    }
  }

  /** What is done before a further question is done to more packets. */
  #before() {
    if (this.#effects.length > 0) this.#end({ kind: "match" });
    if (!this.#limited) return;
    this.#note("matches more", UNEQUAL_LIMIT);
  }

  #any(lists: readonly Way[]) {
    if (this.#ways.length * lists.length > MAX_WAYS) {
      throw new Unsaid(`it falls apart into more than ${MAX_WAYS} cases`);
    }
    this.#ways = this.#ways.flatMap((way) => lists.map((list) => [...way, ...list]));
  }

  /** An address that is put into a set: a question only if it comes with a limit. */
  #addToSet({ set, elem, key, stmt }: Json) {
    const asked = [stmt ?? elem?.elem?.stmt ?? []].flat();
    if (asked.length === 0) {
      this.#note("exact", `nothing is put into ${set} here`);
      return;
    }
    const element = elem?.elem?.val ?? elem ?? key?.elem?.val ?? key;
    const keys = (element?.concat ?? [element]).map(limitKey);
    if (asked.length > 1 || !asked[0].limit) throw new Unsaid("only a limit a key can be said");
    this.#before();
    this.#any([[...keys.flatMap(({ also }: LimitKey) => also), {
      text: `${limitText(asked[0].limit)} per ${keys.map(({ word }: LimitKey) => word).join(", ")}`,
    }]]);
    this.#limited = true;
  }

  #verb(kind: string, body: Json): Verb {
    switch (kind) {
      case "jump":
      case "goto": {
        const chain = this.sets.chain(body.target);
        if (chain === undefined) throw new Unsaid(`there is no chain ${body.target}`);
        return { kind, chain };
      }
      case "return":
        return { kind };
      case "reject": {
        const { type = "icmpx", expr = "port-unreachable" } = body ?? {};
        if (type === "tcp reset") {
          this.#any([[word("tcp")]]);
          return { kind: "verdict", text: "reject with tcp-reset" };
        }
        if (type === "icmp" && this.family !== "ipv4") this.#any([[V4]]);
        if (type === "icmpv6" && this.family !== "ipv6") this.#any([[V6]]);
        if (!Object.hasOwn(REJECTS, expr)) {
          this.#note("exact", `the answer is icmp-port, not ${expr}`);
        }
        return { kind: "verdict", text: `reject with ${REJECTS[expr] ?? "icmp-port"}` };
      }
      default:
        return { kind: "verdict", text: kind };
    }
  }

  #verdictMap(key: Json, data: Json) {
    const entries = typeof data === "string" ? this.#match.elements(data.slice(1)) : data.set ?? [];
    const ways = this.#ways;
    const inexact = this.#inexact;
    for (const entry of entries as Json[]) {
      const [value, verdict] = entry;
      const [[kind = "", body] = []] = Object.entries(verdict) as [string, Json][];
      if (kind === "continue") continue;
      this.#ways = ways;
      this.#inexact = inexact;
      try {
        this.#any(this.#match.ways("==", key, plainElement(value)));
      } catch (error) {
        if (error instanceof Never) continue; // the next entries may be met
        throw error;
      }
      this.#end(this.#verb(kind, body));
    }
  }
}

/** Each condition once, and no family that an address tells. */
function tidy(way: Way): Way {
  const addressed = way.some(({ text }) => /^(from|to) (?!.*(@|self))/.test(text));
  return way.filter((condition, i) =>
    way.findIndex(({ text }) => text === condition.text) === i &&
    !(addressed && (condition === V4 || condition === V6))
  );
}

function markChange({ key, value }: Json): string {
  const isMark = (expression: Json) => expression?.meta?.key === "mark";
  if (!isMark(key)) throw new Unsaid("only the packet's mark can be changed");
  const hex = (bits: number) => `0x${(bits >>> 0).toString(16)}`;
  const text = (value: number, clear: number) =>
    clear >>> 0 === 0xffffffff ? `set mark ${hex(value)}` : `set mark ${hex(value)}/${hex(clear)}`;
  if (typeof value === "number") return text(value, 0xffffffff);
  const [whole, set] = value?.["|"] ?? [value, 0];
  const [mark, keep] = whole?.["&"] ?? [whole, 0xffffffff];
  if (!isMark(mark) || typeof keep !== "number" || typeof set !== "number") {
    throw new Unsaid("it changes the mark in another way than to a value");
  }
  return text(set, ~keep | set);
}
