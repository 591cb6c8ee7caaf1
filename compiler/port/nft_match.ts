/**
 * What the comparisons of a rule of nft ask for, in the words of the language.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
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
import { wordsOf } from "./nft_words.ts";
import type { Condition, Fidelity } from "./ruleset.ts";
import { Never, rangeText, Unsaid } from "./words.ts";

/** Members that a set which changes may have. */
const MAX_SIZE = 1 << 20;

/** A set or a map of a table. */
export interface NftSet {
  readonly key: string;
  readonly name: string;
  readonly table: string;
  readonly type: string | readonly string[];
  readonly elem?: readonly Json[];
  readonly flags?: string | readonly string[];
  readonly timeout?: number;
}

/** What a rule may refer to. */
export interface Sets {
  readonly named: (name: string) => NftSet | undefined;
  /** Notes that a set is used, defined by what follows its name. What it is called here. */
  readonly use: (set: NftSet, definition: string) => string;
  /** What a chain is called here. */
  readonly chain: (name: string) => string | undefined;
}

/** Reads the comparisons of one rule. */
export class NftMatch {
  constructor(
    private readonly sets: Sets,
    private readonly family: Family | "both",
    /** What the rule has asked for before. */
    private readonly given: () => readonly Way[],
    /** Takes note that a comparison is said only nearly. */
    private readonly inexact: (fidelity: Fidelity, why: string) => void,
  ) {}

  /** The elements of a named set or map, as they are now. */
  elements(name: string, negated = false): readonly Json[] {
    const set = this.sets.named(name);
    if (!set) throw new Unsaid(`there is no set ${name}`);
    if (changes(set)) {
      this.inexact(
        negated ? "matches more" : "matches fewer",
        `what the kernel puts into ${name} later is not known here`,
      );
    }
    return set.elem ?? [];
  }

  /** Ways in which a comparison can be true. */
  ways(op: string, left: Json, right: Json): Way[] {
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
      const asked = this.#values(right).map(familyOf);
      const families = [V4, V6].filter((family) => asked.includes(family) === (op !== "!="));
      if (families.length === 0) throw new Never();
      return families.map((family) => [family]);
    }
    const key = keyOf(inner);
    if (!mask && inner.payload?.protocol === "ip6" && inner.payload.field === "nexthdr") {
      return this.#nextHeader(key, op, right);
    }
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
    const values = this.#values(right, negated).map((value) => valueText(value, key));
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
    const addresses = key.clause === "from" || key.clause === "to";
    const elements = (set.elem ?? []).map(plainElement).map((value) => valueText(value, key));
    const list = `{ ${elements.join(", ")} }`;
    if (!changes(set)) return `@${this.sets.use(set, `= ${list}`)}`;
    if (!addresses) return undefined;
    const timeout = set.timeout ? ` timeout ${set.timeout}s` : "";
    const size = roomFor(elements.length);
    const known = this.sets.use(set, `: addr${timeout} size ${size} = ${list}`);
    this.inexact(
      negated ? "matches more" : "matches fewer",
      `what the kernel puts into the set later is not put into @${known}`,
    );
    return `@${known}`;
  }

  /** The values of the right side of a comparison. */
  #values(right: Json, negated = false): readonly Json[] {
    if (Array.isArray(right)) return right;
    if (typeof right === "string" && right.startsWith("@")) {
      return this.elements(right.slice(1), negated).map(plainElement);
    }
    return right?.set ? [right.set].flat().map(plainElement) : [right];
  }

  /** The first header's own field: behind an extension header is another. */
  #nextHeader(key: Key, op: string, right: Json): Way[] {
    const plain = this.#values(right).map((value) => valueText(value, key));
    if (plain.some((text) => EXTENSION_HEADERS.test(text)) || /[<>]/.test(op)) {
      throw new Unsaid("which extension header comes first cannot be asked for");
    }
    const ways = this.#compare(key, op, right);
    return op === "!=" ? [...ways, [V6, word("exthdr any")]] : ways;
  }

  #concat(op: string, keys: readonly Json[], right: Json): Way[] {
    if (op === "!=") throw new Unsaid("what is left out of a concatenation cannot be said");
    const values = this.#values(right);
    if (values.length === 0) throw new Never();
    return values.flatMap((value) => {
      const parts = value.concat ?? [];
      if (parts.length !== keys.length) throw new Unsaid("its concatenation is of another length");
      return keys.reduce<Way[]>(
        (ways, key, i) => {
          const next = this.ways("==", key, plainElement(parts[i]));
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
    const ported = this.given().every((way) => way.some(({ text }) => hasPorts(text)));
    const header = word("sport any");
    if (mask === 0x3fff && right === 0x2000 && is && ported) {
      return [[V4, word("fragment"), header]];
    }
    if (mask === 0x1fff && right === 0 && is !== undefined) {
      // All but later fragments have the header of a protocol that has ports.
      if (is && ported) return [[V4, header]];
      this.inexact(
        is ? "matches fewer" : "matches more",
        "the language does not tell first fragments from later ones",
      );
      return [[V4, word(is ? "! fragment" : "fragment")]];
    }
    throw new Unsaid("this comparison of the fragment offset cannot be said");
  }

  #extension(op: string, { name, field }: Json, right: Json): Way[] {
    if (name === "frag" && field === "frag-off" && op === "==" && right === 0) {
      // What is no later fragment has the header of its transport.
      const header = this.given().every((way) => way.some(({ text }) => hasPorts(text)))
        ? "sport any"
        : this.given().every((way) => way.some(({ text }) => text === "icmpv6"))
        ? "type any"
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
      this.inexact(
        negated ? "matches more" : "matches fewer",
        right === "local"
          ? "anycast addresses are not looked for"
          : "only 255.255.255.255 is known, not the broadcast address of each network",
      );
    }
    const families = this.family === "both" ? ["ipv4", "ipv6"] as const : [this.family];
    return families.flatMap((family) =>
      of[family] === ""
        ? negated ? [[V6]] : []
        : [[family === "ipv4" ? V4 : V6, word(`${side} ${negated ? "! " : ""}${of[family]}`)]]
    );
  }
}

/** The size of a set that has so many members now, and is to have more. */
function roomFor(members: number): number {
  if (members > MAX_SIZE) throw new Unsaid(`a set that changes has room for ${MAX_SIZE} members`);
  return Math.min(MAX_SIZE, Math.max(65536, 2 ** Math.ceil(Math.log2(2 * members))));
}

/** Whether more may come into a set than it has now. */
function changes({ flags, elem = [] }: NftSet): boolean {
  const list = [flags ?? []].flat();
  return list.includes("timeout") || list.includes("dynamic") || elem.length === 0;
}

/** Numbers of IPv6's own headers, and ranges, which may have one in them. */
const EXTENSION_HEADERS = /^(0|43|44|51|60)$|-/;

function familyOf(name: Json): Condition {
  if (name === "ipv4" || name === "ip") return V4;
  if (name === "ipv6" || name === "ip6") return V6;
  throw new Unsaid(`the protocol ${wordsOf(name)} is not filtered here`);
}

function hasPorts(text: string): boolean {
  return /^(tcp|udp|sctp)$/.test(text) || /^proto \{ ((tcp|udp|sctp)(, )?)+ \}$/.test(text);
}
