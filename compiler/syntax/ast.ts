/**
 * What the user wrote, nothing added: names are not looked up and values are not typed.
 *
 * @module
 */
import type { Span } from "../source.ts";

interface Node {
  readonly span: Span;
}

/** One word, number or string; a string's quotes and escapes are resolved. */
export interface Word extends Node {
  readonly text: string;
}

export interface File {
  readonly version?: Word;
  readonly items: readonly Item[];
  /** Names, with their sigil, that sentences with a syntax error would define. */
  readonly lost?: readonly string[];
  readonly comments: readonly Word[];
}

export type Item = Include | Define | SetDefinition | Option | Chain | Test;

export interface Include extends Node {
  readonly kind: "include";
  readonly path: Word;
}

export interface Define extends Node {
  readonly kind: "define";
  readonly name: Word;
  readonly value: Operand;
}

export interface SetDefinition extends Node {
  readonly kind: "set";
  readonly name: Word;
  readonly types: readonly Word[];
  readonly timeout?: Word;
  readonly size?: Word;
  /** Either the members, or the file that lists them. */
  readonly elements?: readonly Element[];
  readonly file?: Word;
}

export interface Option extends Node {
  readonly kind: "option";
  readonly name: Word;
  readonly value: Operand;
  /** `option lint FW104 off` */
  readonly setting?: Word;
}

export interface Chain extends Node {
  readonly kind: "chain";
  readonly name: Word;
  readonly default?: Verb;
  readonly log?: LogClause;
  readonly body: readonly Statement[];
}

export type Statement = Include | When | Rule;

export interface When extends Node {
  readonly kind: "when";
  readonly clauses: readonly Clause[];
  readonly body: readonly Statement[];
}

export interface Rule extends Node {
  readonly kind: "rule";
  readonly verb: Verb;
  readonly clauses: readonly Clause[];
}

export interface Verb extends Node {
  readonly kind: "accept" | "drop" | "reject" | "match" | "jump" | "return";
  /** `reject with NAME` */
  readonly with?: Word;
  /** `jump NAME` */
  readonly target?: Word;
}

export type Clause =
  | FieldClause
  | KeywordClause
  | FlagsClause
  | StateClause
  | FragmentClause
  | TupleClause
  | LimitClause
  | TimeClause
  | UntilClause
  | LogClause
  | SetMarkClause
  | LabelClause;

export type FieldName =
  | ("from" | "to" | "sport" | "dport" | "in" | "out" | "type" | "code" | "proto" | "mark")
  | ("exthdr" | "length" | "ttl" | "dscp" | "mac" | "uid" | "gid" | "sni" | "http-host" | "dns");

/** A clause that compares one field with an operand. */
export interface FieldClause extends Node {
  readonly kind: "field";
  readonly field: FieldName;
  readonly operand: Operand;
  readonly mask?: Word;
}

/** A family or protocol that stands alone. */
export interface KeywordClause extends Node {
  readonly kind: "keyword";
  readonly word: "ipv4" | "ipv6" | "tcp" | "udp" | "icmp" | "icmpv6" | "sctp";
}

export interface FlagsClause extends Node {
  readonly kind: "flags";
  readonly value: readonly Word[];
  readonly mask?: readonly Word[];
}

export interface StateClause extends Node {
  readonly kind: "state";
  readonly negated: boolean;
  readonly names: readonly Word[];
}

export interface FragmentClause extends Node {
  readonly kind: "fragment";
  readonly negated: boolean;
}

export interface TupleClause extends Node {
  readonly kind: "tuple";
  readonly keys: readonly Word[];
  readonly set: Word;
}

export interface LimitClause extends Node {
  readonly kind: "limit";
  readonly over: boolean;
  readonly amount: Word;
  readonly unit: Word;
  readonly burst?: Word;
  readonly per: readonly { readonly key: Word; readonly length?: Word }[];
}

export interface TimeClause extends Node {
  readonly kind: "time";
  readonly from: Word;
  readonly to: Word;
  readonly days: readonly Word[];
}

export interface UntilClause extends Node {
  readonly kind: "until";
  readonly day: Word;
}

export interface LogClause extends Node {
  readonly kind: "log";
  readonly prefix?: Word;
  readonly every?: Word;
  readonly pcap: boolean;
}

export interface SetMarkClause extends Node {
  readonly kind: "set-mark";
  readonly value: Value;
  readonly mask?: Word;
}

export interface LabelClause extends Node {
  readonly kind: "label";
  readonly name: Word;
}

/** What a field is compared with. A single value is a list of one. */
export interface Operand extends Node {
  readonly negated: boolean;
  readonly elements: readonly Element[];
}

/** One member: an atom, or several joined with `.` in a set of tuples. */
export interface Element extends Node {
  readonly parts: readonly Atom[];
}

/** A value, or a range of values. */
export interface Atom extends Node {
  readonly lo: Value;
  readonly hi?: Value;
}

/** A typed word. What it means depends on the field it stands with. */
export interface Value extends Word {
  readonly kind:
    | ("ipv4" | "ipv6" | "mac" | "number" | "string" | "name" | "glob" | "const" | "set")
    | ("any" | "self" | "duration");
}

export interface Test extends Node {
  readonly kind: "test";
  readonly name: Word;
  readonly expectations: readonly Expectation[];
}

export interface Expectation extends Node {
  readonly some: boolean;
  readonly chain: Word;
  /** `deny` is drop or reject. */
  readonly verdict: Verb | "deny";
  readonly by?: Word;
  readonly clauses: readonly Clause[];
}
