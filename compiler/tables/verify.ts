/**
 * Translation validation: whether the tables of an image do with every packet what the rules say.
 *
 * It reads the image as the engine does, and knows nothing of how the tables were made. What it
 * finds odd is a suspicion: a set of packets in which the tables may be wrong. Each is followed to
 * a packet that no earlier rule takes, which is then decided by the tables and by the definition.
 *
 * @module
 */
import type { Ordinals } from "../analysis/ordinals.ts";
import type { Literals } from "../analysis/literals.ts";
import { type Box } from "../analysis/space.ts";
import { uncovered } from "../analysis/uncovered.ts";
import { decide } from "../policy/decide.ts";
import type { Packet } from "../policy/field.ts";
import { type IntervalSet, setOf, span } from "../policy/interval.ts";
import { V6_BASE } from "../policy/field.ts";
import { conditionsOf, type Literal, type Policy, type Rule } from "../policy/policy.ts";
import { classify, openImage, type Tables } from "./classify.ts";
import { Ground, WrongTables } from "./ground.ts";
import { LISTS, NO_RULE, readRecord, RECORDS } from "./layout.ts";
import { checkParted } from "./verify_parted.ts";
import { checkRows } from "./verify_rows.ts";

/** Packets in which tables may be wrong. */
export interface Suspect {
  readonly shape: number;
  /** Of each field of the space. */
  readonly sets: readonly Ordinals[];
  readonly literals?: Literals | undefined;
  /** All of these are packets of the entry, or ought to be told from them. */
  readonly entry?: number;
  /** The tables name this rule for them, though it does not match them all. */
  readonly rule?: number;
}

/** Throws WrongTables unless the image does with every packet what the policy says. */
export function verify(policy: Policy, image: Uint8Array<ArrayBuffer>): void {
  const tables = openImage(image);
  try {
    const ground = new Ground(policy, tables);
    const examiner = new Examiner(ground);
    checkRecords(examiner);
    const parted = LISTS.back_end.names[tables.header.back_end] === "parted";
    const decisions = parted ? checkParted(ground) : checkRows(ground, "decide");
    for (const list of [checkRows(ground, "effect"), decisions]) {
      for (const suspect of list) examiner.examine(suspect);
    }
    examiner.finish();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new WrongTables(`The tables lead outside of the image: ${error.message}`);
  }
}

/** Suspicions that may come to nothing before the tables are called wrong for their number. */
const MOST = 1000;

/** Follows suspicions to packets. */
class Examiner {
  readonly #byShape = new Map<number, readonly Box[]>();
  #open = 0;
  #first: string | undefined;

  constructor(readonly ground: Ground) {}

  /** Throws WrongTables if the tables are wrong about a packet of a suspicion. */
  examine({ shape, sets, literals, entry, rule }: Suspect): void {
    const { space, entries, policy: { rules } } = this.ground;
    const box: Box = { shape, sets, narrow: sets.map((_, f) => f), literals, owner: -1 };
    const number = rule ?? entries[entry!]!.rule;
    const all = this.#boxes(shape);
    const own = rule === undefined ? [] : all.filter(({ owner }) => owner === rule);
    if (own.length > 0 && uncovered(box, own).kind === "covered") return;
    const earlier = all.filter(({ owner }) =>
      owner < number && rules[owner]!.verdict.name !== "next"
    );
    const found = uncovered(box, [...own, ...earlier]);
    if (found.kind === "covered") return;
    const shown = space.point(found.kind === "escapes" ? found.witness : box);
    this.#show(space.packet(shown), (literal) => space.holds(shown, literal));
    this.leave(`The tables of \`${rules[number]?.name}\` could not be proved`);
  }

  /** Throws WrongTables if the tables are wrong about a packet of which some literals hold. */
  #show(packet: Packet, truth: (literal: number) => boolean): void {
    const { policy, tables } = this.ground;
    const { rule, passed } = decide(policy, packet, truth);
    const found = classify(tables, packet, truth);
    const expected = rule ? policy.rules.indexOf(rule) : NO_RULE;
    const counted = passed.map((rule) => policy.rules.indexOf(rule));
    if (found.rule !== expected) {
      throw new WrongTables(
        `${this.#nameOf(found.rule)} decides, and ought to be ${this.#nameOf(expected)}`,
        packet,
      );
    }
    if (found.passed.join() !== counted.join()) {
      const names = (list: readonly number[]) => list.map((n) => this.#nameOf(n)).join(", ");
      throw new WrongTables(
        `${names(found.passed) || "no rule"} counts, and ought to be ${names(counted) || "none"}`,
        packet,
      );
    }
  }

  /** Something is odd, and no packet shows it yet. */
  leave(what: string): void {
    this.#first ??= what;
    if (++this.#open >= MOST) this.finish();
  }

  /** Throws WrongTables if something was left open. */
  finish(): void {
    if (this.#first !== undefined) throw new WrongTables(this.#first);
  }

  #nameOf(rule: number): string {
    return rule === NO_RULE ? "no rule" : `\`${this.ground.policy.rules[rule]?.name}\``;
  }

  /** Follows the packets of an entry, and those that the tables take for it by asking `needs`. */
  doubt(entry: number, needs: ReadonlyMap<number, boolean>): void {
    const { space, entries } = this.ground;
    const { rule, region } = entries[entry]!;
    for (const { shape, sets, literals } of space.boxes(region)) {
      this.examine({ shape, sets, literals, entry });
    }
    for (const { shape, sets } of space.boxes({ ...region, dynamic: needs })) {
      this.examine({ shape, sets, literals: needs, rule });
    }
  }

  /** Throws WrongTables about what a rule does, with a packet, if there is one that meets the rule. */
  fault(what: string, rule: number): void {
    const { ground: { entries, space, policy: { rules } } } = this;
    for (const { region } of entries.filter((entry) => entry.rule === rule)) {
      for (const box of space.boxes(region)) {
        const earlier = this.#boxes(box.shape).filter(({ owner }) =>
          owner < rule && rules[owner]!.verdict.name !== "next"
        );
        const found = uncovered(box, earlier);
        if (found.kind === "escapes") throw new WrongTables(what, space.packet(found.witness));
      }
    }
  }

  /** All entries in a shape; a box belongs to the rule. */
  #boxes(shape: number): readonly Box[] {
    const { space, entries } = this.ground;
    const known = this.#byShape.get(shape) ??
      entries.flatMap(({ region, rule }) => space.boxes(region, rule))
        .filter((box) => box.shape === shape);
    this.#byShape.set(shape, known);
    return known;
  }
}

/** What stands in the image beside its tables: what rules do, literals, sets, the header. */
function checkRecords(examiner: Examiner): void {
  const { policy, tables, entries } = examiner.ground;
  const { view, header } = tables;
  const number = (at: number, i: number) => view.getUint32(at + 4 * i, true);
  const same = (
    what: string,
    found: unknown,
    expected: unknown,
    rules?: () => readonly number[],
  ) => {
    if (String(found) === String(expected)) return;
    const fault = `${what} is ${found}, and ought to be ${expected}`;
    if (!rules) throw new WrongTables(fault);
    for (const rule of rules()) examiner.fault(fault, rule);
  };
  same("the number of rules", header.rule_count, policy.rules.length);
  for (const [i, rule] of policy.rules.entries()) {
    const { fields } = RECORDS.rule;
    const at = header.rules_at + i * RECORDS.rule.size;
    for (const [name, value] of Object.entries(ruleRecord(rule))) {
      const { type, at: offset } = fields[name as keyof typeof fields];
      const found = type === "u64"
        ? view.getBigUint64(at + offset, true)
        : view.getUint32(at + offset, true);
      same(`\`${name}\` of \`${rule.name}\``, found, value, () => [i]);
    }
  }
  const effects = entries.filter(({ effect }) => effect).length;
  same("the number of deciding regions", header.decide_count, entries.length - effects);
  same("the number of other regions", header.effect_count, effects);
  const parted = LISTS.back_end.names[header.back_end] === "parted";
  let decideBit = 0, effectBit = 0;
  for (const [i, { rule, effect, region }] of entries.entries()) {
    const bit = effect ? effectBit++ : decideBit++;
    if (!effect && parted) continue;
    const found = number(effect ? header.effect_at : header.decide_at, bit);
    const needs = effect ? needsAt(tables, bit) : [];
    const right = found === rule && String(needs) === String(conditionsOf(policy, region));
    if (!right) examiner.doubt(i, new Map(needs));
  }
  /** The rules that ask certain literals. */
  const asking = (wanted: (literal: number) => boolean) => () =>
    entries.flatMap(({ rule, region }) =>
      [...region.dynamic?.keys() ?? []].some(wanted) ? rule : []
    );
  same("the number of literals", header.literal_count, policy.literals.length);
  for (const [n, literal] of policy.literals.entries()) {
    const found = literalAt(tables, n);
    for (const [name, value] of Object.entries(literalFields(literal))) {
      same(`\`${name}\` of literal ${n}`, found[name], value, asking((other) => other === n));
    }
  }
  same("the number of sets", header.set_count, policy.sets.length);
  for (const [n, set] of policy.sets.entries()) {
    const { fields, size } = RECORDS.set;
    const at = header.sets_at + n * size;
    const rules = asking((l) => {
      const literal = policy.literals[l]!;
      return literal.kind === "member" && literal.set === n;
    });
    same(
      `the timeout of @${set.name}`,
      view.getBigUint64(at + fields.timeout.at, true),
      set.timeoutNs,
      rules,
    );
    same(`the size of @${set.name}`, view.getUint32(at + fields.size.at, true), set.size, rules);
    const first = view.getUint32(at + fields.first.at, true);
    const count = view.getUint32(at + fields.count.at, true);
    const text = (set: IntervalSet) => set.map(({ lo, hi }) => `${lo}-${hi}`).join();
    same(
      `what @${set.name} holds`,
      text(membersAt(tables, first, count)),
      text(set.members),
      rules,
    );
  }
  const self = policy.sets.findIndex(({ name }) => name === "self");
  same("the set of own addresses", header.self_set, self < 0 ? NO_RULE : self);
  same("whether all is accepted", header.dry_run, Number(policy.options["dry-run"]));
  same("the size of the flow cache", header.flow_cache, policy.options["flow-cache"]);
  same("the bits of the mark that count", header.mark_bits, policy.markBits);
  same(
    "the verdict of malformed packets",
    LISTS.verdict.names[header.malformed],
    policy.options.malformed,
  );
  const ours = policy.rules.some(({ regions, verdict }) =>
    verdict.name === "reject" || regions.some(({ state }) => state)
  );
  same(
    "the bits of the mark that are ours",
    header.mark_mask,
    ours ? policy.options["mark-mask"] : 0,
  );
}

function ruleRecord({ verdict, mark, log }: Rule): Record<string, number | bigint> {
  return {
    verdict: LISTS.verdict.names.indexOf(verdict.name),
    reject: verdict.reject ? LISTS.reject.names.indexOf(verdict.reject) : 0,
    mark_value: mark?.value ?? 0,
    mark_clear: mark?.clear ?? 0,
    log: log === undefined ? 0 : log.pcap ? 2 : 1,
    log_every: log?.everyNs ?? 0n,
  };
}

/** What a bit of an effect row asks of literals, in order. */
function needsAt({ view, header }: Tables, bit: number): (readonly [number, boolean])[] {
  const need = readRecord(view, header.needs_at + bit * RECORDS.need.size, RECORDS.need);
  return Array.from({ length: need.count }, (_, i) => {
    const condition = view.getUint32(header.conditions_at + 4 * (need.first + i), true);
    return [condition >>> 1, (condition & 1) === 1];
  });
}

function literalAt({ view, header }: Tables, n: number): Record<string, number | bigint> {
  const { size, fields } = RECORDS.literal;
  const at = header.literals_at + n * size;
  return {
    ...readRecord(view, at, RECORDS.literal),
    interval: view.getBigUint64(at + fields.interval.at, true),
  };
}

/** The fields of a literal's record that matter to its kind. */
function literalFields(literal: Literal): Record<string, number | bigint> {
  const kind = LISTS.literal.names.indexOf(literal.kind);
  switch (literal.kind) {
    case "limit": {
      const { intervalNs, burst, source, destination, sport, dport } = literal;
      const keys = [source, destination, sport, dport];
      return {
        kind,
        interval: intervalNs,
        burst,
        keys: keys.reduce<number>((bits, key, i) => key ? bits | 1 << i : bits, 0),
        ...source && { source4: source.v4, source6: source.v6 },
        ...destination && { destination4: destination.v4, destination6: destination.v6 },
      };
    }
    case "time":
      return {
        kind,
        from: literal.from,
        to: literal.to,
        days: [...new Set(literal.days)].reduce((sum, day) => sum + 2 ** day, 0),
      };
    case "until":
      return { kind, until: literal.day };
    case "member":
      return { kind, set: literal.set, of: literal.of === "dst" ? 1 : 0 };
  }
}

function membersAt({ view, header }: Tables, first: number, count: number): IntervalSet {
  const { size, fields } = RECORDS.member;
  return setOf(Array.from({ length: count }, (_, i) => {
    const at = header.members_at + (first + i) * size;
    const half = (offset: number) => view.getBigUint64(at + offset, true);
    const six = view.getUint32(at + fields.family.at, true) === 1;
    const length = view.getUint32(at + fields.length.at, true);
    const lo = (half(fields.hi.at) << 64n | half(fields.lo.at)) + (six ? V6_BASE : 0n);
    return span(lo, lo + (1n << BigInt((six ? 128 : 32) - length)) - 1n)[0]!;
  }));
}
