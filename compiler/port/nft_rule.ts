/**
 * One rule of nft, from its JSON to statements.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import { readV4, readV6 } from "../policy/address.ts";
import { V6_BASE } from "../policy/field.ts";
import {
  flagWays,
  type Json,
  type Key,
  keyOf,
  plainElement,
  V4,
  V6,
  valueText,
  type Way,
  word,
} from "./nft_key.ts";
import { type Fidelity, leftOut, type Statement, type Verb } from "./ruleset.ts";
import { Never, rangeText, REJECTS, Unsaid } from "./words.ts";

/** A set or a map of a table. */
export interface NftSet {
  readonly key: string;
  readonly name: string;
  readonly type: string | readonly string[];
  readonly elem?: readonly Json[];
  readonly flags?: string | readonly string[];
  readonly timeout?: number;
}

/** What a rule may refer to. */
export interface Sets {
  readonly named: (name: string) => NftSet | undefined;
  /** Notes that a set of the rule file is used, with the line that defines it. */
  readonly use: (name: string, line: string) => void;
  /** What a chain is called here. */
  readonly chain: (name: string) => string | undefined;
}

/** Lists of conditions, of which a rule may be expanded into so many. */
const MAX_WAYS = 512;

/** Expressions by which a rule may give a packet another verdict. */
const DECIDING = ["accept", "drop", "reject", "return", "jump", "goto", "vmap", "queue", "xt"];

/** Reads one rule. */
export class NftRule {
  #ways: Way[] = [[]];
  #effects: string[] = [];
  #limited = false;
  #inexact: { fidelity: Fidelity; why: string } | undefined;
  readonly #statements: Statement[] = [];

  constructor(
    private readonly sets: Sets,
    private readonly family: Family | "both",
    private readonly source: string,
    private readonly label: string | undefined,
  ) {}

  /** The statements that its expressions come to, in order. */
  read(expressions: readonly Json[]): Statement[] {
    try {
      let ended = false;
      for (const expression of expressions) ended = this.#expression(expression) || ended;
      if (!ended && (this.#statements.length === 0 || this.#effects.length > 0)) {
        this.#end({ kind: "match" });
      }
      return this.#statements;
    } catch (error) {
      if (error instanceof Never) {
        if (this.#statements.length > 0) return this.#statements;
        const { source } = this;
        return [{ source, ways: [], effects: [], verb: { kind: "match" }, fidelity: "exact" }];
      }
      if (!(error instanceof Unsaid)) throw error;
      const decides = expressions.some((one) => DECIDING.some((kind) => kind in one));
      const rest = leftOut(this.source, error.message, error.harmless || !decides);
      return [...this.#statements, { ...rest, further: this.#statements.length > 0 }];
    }
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
        this.#any(this.#match(body.op, body.left, body.right));
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
    this.#inexact ??= {
      fidelity: "matches more",
      why: "its limit counts packets that the rest of the rule does not match",
    };
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
      this.#inexact ??= { fidelity: "exact", why: `nothing is put into ${set} here` };
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
          this.#inexact ??= { fidelity: "exact", why: `the answer is icmp-port, not ${expr}` };
        }
        return { kind: "verdict", text: `reject with ${REJECTS[expr] ?? "icmp-port"}` };
      }
      default:
        return { kind: "verdict", text: kind };
    }
  }

  #verdictMap(key: Json, data: Json) {
    const entries = typeof data === "string" ? this.#elements(data.slice(1)) : data.set ?? [];
    const ways = this.#ways;
    const inexact = this.#inexact;
    for (const entry of entries as Json[]) {
      const [value, verdict] = entry;
      const [[kind = "", body] = []] = Object.entries(verdict) as [string, Json][];
      if (kind === "continue") continue;
      this.#ways = ways;
      this.#inexact = inexact;
      this.#any(this.#match("==", key, plainElement(value)));
      this.#end(this.#verb(kind, body));
    }
  }

  /** The elements of a named set or map, as they are now. */
  #elements(name: string): readonly Json[] {
    const set = this.sets.named(name);
    if (!set) throw new Unsaid(`there is no set ${name}`);
    return set.elem ?? [];
  }

  /** Ways in which a comparison can be true. */
  #match(op: string, left: Json, right: Json): Way[] {
    if (left.concat) return this.#concat(op, left.concat, right);
    const mask = left["&"];
    const inner = mask ? mask[0] : left;
    if (inner.payload?.protocol === "tcp" && inner.payload.field === "flags") {
      return flagWays(op, mask?.[1], right).map((text) => [word("tcp"), word(text)]);
    }
    if (inner.payload?.protocol === "ip" && inner.payload.field === "frag-off") {
      return this.#fragment(op, mask?.[1], right);
    }
    if (inner.exthdr) return this.#extension(op, inner.exthdr, right);
    if (inner.fib) return this.#addressType(op, inner.fib, right);
    if (inner.meta?.key === "nfproto" || inner.meta?.key === "protocol") {
      const six = ["ipv6", "ip6"].includes(String(right));
      if (!six && !["ipv4", "ip"].includes(String(right))) {
        throw new Unsaid(`the protocol ${right} is not filtered here`);
      }
      return [[six === (op !== "!=") ? V6 : V4]];
    }
    const key = keyOf(inner);
    if (!mask) return this.#compare(key, op, right);
    if (key.clause !== "mark") throw new Unsaid(`\`${key.clause}\` takes no mask in the language`);
    return this.#compare({ ...key, mask: Number(mask[1]) }, op, right);
  }

  #compare(key: Key, op: string, right: Json): Way[] {
    const { clause, also, asks } = key;
    const negated = op === "!=";
    const order = { "<": [0, -1], "<=": [0, 0], ">": [1, 0], ">=": [0, 0] }[op];
    const suffix = key.mask === undefined ? "" : `/0x${key.mask.toString(16)}`;
    const say = (text: string): Way[] => [[
      ...also,
      {
        text: `${clause} ${negated ? "! " : ""}${text}${suffix}`,
        // Without a socket or a hardware address nft compares nothing, and is never true.
        ...(asks && { asks, negated: negated && (asks === "in" || asks === "out") }),
      },
    ]];
    if (order) {
      const bound = Number(right) + order[0]! + order[1]!;
      const [lo, hi] = op.startsWith("<") ? [0, bound] : [bound, key.max];
      if (key.max === 0 || lo > hi) {
        throw key.max === 0 ? new Unsaid(`\`${clause}\` has no order`) : new Never();
      }
      return say(rangeText(lo, Math.min(hi, key.max)));
    }
    if (op !== "==" && op !== "!=" && op !== "in") throw new Unsaid(`it compares by \`${op}\``);
    if (typeof right === "string" && right.startsWith("@")) {
      const reference = this.#reference(right.slice(1), key, negated);
      if (reference) return say(reference);
    }
    const values = this.#values(right).map((value) => valueText(value, key));
    if (values.length === 0) {
      if (negated) return [also];
      throw new Never();
    }
    if (clause === "state") return say(values.join(", "));
    const [first] = values;
    if (clause === "proto" && !negated && values.length === 1 && /^(tcp|udp|sctp)$/.test(first!)) {
      return [[...also, word(first!)]];
    }
    return say(values.length === 1 ? first! : `{ ${values.join(", ")} }`);
  }

  /** A named set as it stands in a rule, after its definition was noted; undefined to write it out. */
  #reference(name: string, key: Key, negated: boolean): string | undefined {
    const set = this.sets.named(name);
    if (!set || !["from", "to", "sport", "dport"].includes(key.clause)) return undefined;
    const known = name.replace(/[^\w-]/g, "-").replace(/^(?=\d)/, "s-");
    const addresses = key.clause === "from" || key.clause === "to";
    const elements = (set.elem ?? []).map(plainElement).map((value) => valueText(value, key));
    const flags = [set.flags ?? []].flat();
    const changes = flags.includes("timeout") || flags.includes("dynamic") || elements.length === 0;
    const list = `{ ${elements.join(", ")} }`;
    if (!changes) {
      this.sets.use(known, `set ${known} = ${list}`);
      return `@${known}`;
    }
    if (!addresses) return undefined;
    const timeout = set.timeout ? ` timeout ${set.timeout}s` : "";
    this.sets.use(known, `set ${known} : addr${timeout} size 65536 = ${list}`);
    this.#inexact ??= {
      fidelity: negated ? "matches more" : "matches fewer",
      why: `what the kernel puts into the set later is not put into @${known}`,
    };
    return `@${known}`;
  }

  /** The values of the right side of a comparison. */
  #values(right: Json): readonly Json[] {
    if (Array.isArray(right)) return right;
    if (typeof right === "string" && right.startsWith("@")) {
      return this.#elements(right.slice(1)).map(plainElement);
    }
    return right?.set ? [right.set].flat().map(plainElement) : [right];
  }

  #concat(op: string, keys: readonly Json[], right: Json): Way[] {
    if (op === "!=") throw new Unsaid("what is left out of a concatenation cannot be said");
    return this.#values(right).flatMap((value) => {
      const parts = value.concat ?? [];
      if (parts.length !== keys.length) throw new Unsaid("its concatenation is of another length");
      return keys.reduce<Way[]>(
        (ways, key, i) => {
          const next = this.#match("==", key, plainElement(parts[i]));
          return ways.flatMap((way) => next.map((more) => [...way, ...more]));
        },
        [[]],
      );
    });
  }

  /** Offset and "more fragments" of IPv4, under a mask. */
  #fragment(op: string, mask: Json, right: Json): Way[] {
    const is = op === "==" ? true : op === "!=" ? false : undefined;
    if (mask === 0x3fff && right === 0 && is !== undefined) {
      return [[V4, word(is ? "! fragment" : "fragment")]];
    }
    const ported = this.#ways.every((way) => way.some(({ text }) => hasPorts(text)));
    const header = word("sport 0-65535");
    if (mask === 0x3fff && right === 0x2000 && is && ported) {
      return [[V4, word("fragment"), header]];
    }
    if (mask === 0x1fff && right === 0 && is !== undefined) {
      // All but later fragments have the header of a protocol that has ports.
      if (is && ported) return [[V4, header]];
      this.#inexact ??= {
        fidelity: is ? "matches fewer" : "matches more",
        why: "the language does not tell first fragments from later ones",
      };
      return [[V4, word(is ? "! fragment" : "fragment")]];
    }
    throw new Unsaid("this comparison of the fragment offset cannot be said");
  }

  #extension(op: string, { name, field }: Json, right: Json): Way[] {
    if (name === "frag" && field === "frag-off" && op === "==" && right === 0) {
      // What is no later fragment has the header of its transport.
      const header = this.#ways.every((way) => way.some(({ text }) => hasPorts(text)))
        ? "sport 0-65535"
        : this.#ways.every((way) => way.some(({ text }) => text === "icmpv6"))
        ? "type 0-255"
        : undefined;
      if (header) return [[V6, word("exthdr frag"), word(header)]];
    }
    const known = ["hbh", "rt", "frag", "dst"].includes(name);
    if (!known || field !== undefined || typeof right !== "boolean") {
      throw new Unsaid(`the field ${field ?? ""} of the header ${name} cannot be asked for`);
    }
    return [[V6, word(`exthdr ${right === (op === "==") ? "" : "! "}${name}`)]];
  }

  #addressType(op: string, { result, flags }: Json, right: Json): Way[] {
    const side = [flags].flat().includes("daddr") ? "to" : "from";
    const negated = op === "!=";
    const of: Record<Family, string> | undefined = {
      local: { ipv4: "{ self, 127.0.0.0/8 }", ipv6: "{ self, ::1 }" },
      multicast: { ipv4: "224.0.0.0/4", ipv6: "ff00::/8" },
      broadcast: { ipv4: "255.255.255.255", ipv6: "" },
    }[String(right)];
    if (result !== "type" || !of || [flags].flat().length !== 1) {
      throw new Unsaid("what the routing table says cannot be asked for");
    }
    if (right !== "multicast") {
      this.#inexact ??= {
        fidelity: negated ? "matches more" : "matches fewer",
        why: right === "local"
          ? "anycast addresses are not looked for"
          : "only 255.255.255.255 is known, not the broadcast address of each network",
      };
    }
    const families = this.family === "both" ? ["ipv4", "ipv6"] as const : [this.family];
    return families.flatMap((family) =>
      of[family] === ""
        ? negated ? [[V6]] : []
        : [[family === "ipv4" ? V4 : V6, word(`${side} ${negated ? "! " : ""}${of[family]}`)]]
    );
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

function hasPorts(text: string): boolean {
  return /^(tcp|udp|sctp)$/.test(text) || /^proto \{ ((tcp|udp|sctp)(, )?)+ \}$/.test(text);
}

interface LimitKey {
  readonly word: string;
  readonly also: Way;
}

/** What a limit has a bucket for. */
function limitKey(key: Json): LimitKey {
  const masked = key?.["&"];
  const { clause, also } = keyOf(masked ? masked[0] : key);
  const name = { from: "source", to: "dest", sport: "sport", dport: "dport" }[clause];
  if (!name) throw new Unsaid(`a limit per ${clause} cannot be said`);
  if (!masked) return { word: name, also };
  const length = maskLength(String(masked[1]));
  // The language takes a short prefix for one of IPv4.
  if (length === undefined || (also.includes(V6) && length <= 32)) {
    throw new Unsaid(`a limit per ${wordsOf(key)} cannot be said`);
  }
  return { word: `${name}/${length}`, also };
}

/** The length of a mask that is an address, undefined if its bits have a gap. */
function maskLength(mask: string): number | undefined {
  const { set } = mask.includes(":") ? readV6(mask) : readV4(mask);
  const width = mask.includes(":") ? 128 : 32;
  if (set.length === 0) return undefined;
  const bits = (set[0]!.lo % V6_BASE).toString(2).padStart(width, "0");
  return /^1*0*$/.test(bits) ? bits.replaceAll("0", "").length : undefined;
}

function limitText({ rate, per, burst, inv, rate_unit }: Json): string {
  if (rate_unit && rate_unit !== "packets") throw new Unsaid("a limit of bytes cannot be said");
  if (!["second", "minute", "hour", "day"].includes(per)) {
    throw new Unsaid(`a limit per ${per} cannot be said`);
  }
  return `limit ${inv ? "over " : ""}${rate}/${per} burst ${burst || 5}`;
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

/** A rule's expression in words much like nft's own. */
export function wordsOf(expression: Json): string {
  if (expression === null || typeof expression !== "object") return String(expression);
  if (Array.isArray(expression)) return expression.map(wordsOf).join(",");
  const [[kind = "", body] = []] = Object.entries(expression) as [string, Json][];
  switch (kind) {
    case "match": {
      const op = body.op === "==" || body.op === "in" ? "" : `${body.op} `;
      return `${wordsOf(body.left)} ${op}${wordsOf(body.right)}`;
    }
    case "payload":
      return body.protocol ? `${body.protocol} ${body.field}` : JSON.stringify(expression);
    case "meta":
    case "ct":
      return `${kind} ${body.key}`;
    case "fib":
      return `fib ${wordsOf(body.flags)} ${body.result}`;
    case "exthdr":
      return ["exthdr", body.name, body.field].filter(Boolean).join(" ");
    case "prefix":
      return `${body.addr}/${body.len}`;
    case "range":
      return `${wordsOf(body[0])}-${wordsOf(body[1])}`;
    case "set":
      if (body?.elem) return `${body.op} ${body.set} { ${wordsOf(body.elem)} }`;
      return `{ ${[body].flat().map(wordsOf).join(", ")} }`;
    case "concat":
      return body.map(wordsOf).join(" . ");
    case "elem":
      return wordsOf(body.val);
    case "&":
    case "|":
      return `${wordsOf(body[0])} ${kind} ${wordsOf(body[1])}`;
    case "vmap":
      return `${wordsOf(body.key)} vmap ${
        typeof body.data === "string"
          ? body.data
          : `{ ${
            (body.data.set ?? []).map((entry: Json) => entry.map(wordsOf).join(" : ")).join(", ")
          } }`
      }`;
    case "counter":
    case "accept":
    case "drop":
    case "return":
      return kind;
    case "jump":
    case "goto":
      return `${kind} ${body.target}`;
    case "log":
      return body?.prefix ? `log prefix ${JSON.stringify(body.prefix)}` : "log";
    case "limit":
      return `limit rate ${body.inv ? "over " : ""}${body.rate}/${body.per}`;
    case "reject":
      return body?.type ? `reject with ${body.type}${body.expr ? ` ${body.expr}` : ""}` : "reject";
    case "mangle":
      return `${wordsOf(body.key)} set ${wordsOf(body.value)}`;
    default:
      return JSON.stringify(expression);
  }
}
