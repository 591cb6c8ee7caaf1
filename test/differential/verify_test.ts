/**
 * Bugs planted in what the builder makes: each must be caught, by a packet that shows it, wherever
 * it makes a difference. And tables that are right must pass.
 */
import { assert, assertEquals } from "@std/assert";
import { check, type Policy, type Rule, WrongTables } from "../../compiler/mod.ts";
import { decide } from "../../compiler/policy/decide.ts";
import type { Packet } from "../../compiler/policy/field.ts";
import { classify, openImage } from "../../compiler/tables/classify.ts";
import type { Piece } from "../../compiler/tables/classes.ts";
import { image } from "../../compiler/tables/image.ts";
import { LISTS, LONE, NO_RULE, RECORDS } from "../../compiler/tables/layout.ts";
import { type BackEnd, type Plan, plan } from "../../compiler/tables/plan.ts";
import { verify } from "../../compiler/tables/verify.ts";
import { Random, randomCases, randomPacket, randomRules } from "../support/policy.ts";

/** Changes something of what the builder made; false if there is nothing of the kind. */
type Plant = (random: Random, made: Changeable<Plan>, policy: Changeable<Policy>) => boolean;
type Changeable<T> = T extends (infer E)[] | readonly (infer E)[] ? Changeable<E>[]
  : T extends Uint16Array | Uint32Array | ReadonlyMap<unknown, unknown> ? T
  : T extends object ? { -readonly [K in keyof T]: Changeable<T[K]> }
  : T;

const ALL: readonly BackEnd[] = ["dense", "sparse", "parted"];
/** Up to so few classes, rare fields get axes of their own. */
const NEAR = 8;

/** The kinds of bugs, and the back ends that can have them. */
const BUGS: Readonly<Record<string, { readonly in: readonly BackEnd[]; readonly plant: Plant }>> = {
  "a piece of an address begins one value late": {
    in: ALL,
    plant: (random, { axes }) => {
      const piece = later(
        random,
        axes.flatMap(({ addresses }) => addresses?.pieces.slice(1) ?? []),
      );
      if (piece) piece.start++;
      return piece !== undefined;
    },
  },
  "a piece of an address has another's class": {
    in: ALL,
    plant: (random, { axes }) => {
      const pieces = later(
        random,
        axes.flatMap(({ addresses }) => addresses ? [addresses.pieces] : []),
      );
      return pieces !== undefined && exchange(random, pieces);
    },
  },
  "a piece of a scalar field has another's class": {
    in: ALL,
    plant: (random, { axes }) => {
      const steps = axes.flatMap(({ folds }) => folds).flatMap(({ steps }) => steps);
      const step = later(random, steps.filter(({ classes }) => classes.count > 1));
      return step !== undefined && exchange(random, step.classes.pieces);
    },
  },
  "a product names another class": {
    in: ALL,
    plant: (random, { axes }) => {
      const fold = later(random, axes.flatMap(({ folds }) => folds));
      return fold !== undefined && replace(random, fold.product);
    },
  },
  "a dense row has a bit too many or too few": {
    in: ["dense"],
    plant: (random, { axes, decide }) => {
      const rows = random.pick(axes).dense!;
      rows[2 * random.below(rows.length / 2)]! ^= 1 << random.below(Math.min(32, decide.length));
      return true;
    },
  },
  "a sparse row has a bit too many or too few": {
    in: ALL,
    plant: (random, { backEnd, rows: { words }, decide, effect }) => {
      const bits = Math.min(32, effect.length, backEnd === "sparse" ? decide.length : 32);
      if (bits === 0) return false;
      const bit = random.below(bits);
      const at = Math.floor(random.below(words.length) / 2) * 2;
      words[at] = (words[at]! ^ 1 << bit) >>> 0;
      return true;
    },
  },
  "a row has another class's blocks": {
    in: ALL,
    plant: (random, { axes }) => {
      const lists = axes.flatMap(({ sparse, effects }) => [sparse, effects])
        .filter((rows) => rows !== undefined);
      const rows = later(random, lists.filter((rows) => rows.length > 1));
      if (rows) rows[random.below(rows.length)] = rows[random.below(rows.length)]!;
      return rows !== undefined;
    },
  },
  "a bit leads to another rule": {
    in: ["dense", "sparse"],
    plant: (random, { decide }) => replace(random, decide),
  },
  "a bit of a row that counts leads to another rule": {
    in: ALL,
    plant: (random, { effect }) => replace(random, effect),
  },
  "a condition is turned round": {
    in: ALL,
    plant: (random, { needs }) => {
      const need = later(random, needs.filter((need) => need.length > 0));
      if (!need) return false;
      const condition = random.pick(need);
      need[need.indexOf(condition)] = [condition[0] as number, !condition[1]];
      return true;
    },
  },
  "a condition is forgotten": {
    in: ALL,
    plant: (random, { needs }) =>
      later(random, needs.filter((need) => need.length > 0))?.pop() !== undefined,
  },
  "a pair of numbers leads to another row": {
    in: ["parted"],
    plant: (random, { parted }) => replace(random, later(random, direct(parted))),
  },
  "an address has another part": {
    in: ["parted"],
    plant: (random, { parted }) =>
      replaceInRecord(random, random.pick([parted!.sources, parted!.destinations]), true),
  },
  "an address has another row": {
    in: ["parted"],
    plant: (random, { parted }) =>
      replaceInRecord(random, random.pick([parted!.sources, parted!.destinations]), false),
  },
  "an address is said to be in no pair, or in one": {
    in: ["parted"],
    plant: (random, { parted }) => {
      const { width, words } = random.pick([parted!.sources, parted!.destinations]);
      words[(random.below(words.length / width) + 1) * width - 1]! ^= LONE;
      return true;
    },
  },
  "a list has another rule": {
    in: ["parted"],
    plant: (random, { parted }) => replaceCandidate(random, parted!.lists, 0),
  },
  "a rule of a list asks for something else": {
    in: ["parted"],
    plant: (random, { parted }) => replaceCandidate(random, parted!.lists, 1),
  },
  "a long row has another rule": {
    in: ["parted"],
    plant: (random, { parted }) => replace(random, parted!.tables),
  },
  "a class has a combination too many or too few": {
    in: ["parted"],
    plant: (random, { parted, axes }) => {
      const { dense, classes } = random.pick(axes.slice(2));
      const combination = random.below(2 ** parted!.combinationBits);
      const row = random.below(classes) * dense!.length / classes;
      dense![row + (combination >>> 5)]! ^= 1 << (combination & 31);
      return true;
    },
  },
  "a combination asks for something else on the axes behind the first": {
    in: ["parted"],
    plant: (random, { parted }) => replace(random, parted!.others),
  },
  "a slot has lost its pair": {
    in: ["parted"],
    plant: (random, { parted }) => {
      const table = later(random, hashed(parted));
      const lost = table && later(random, rowsIn(table));
      if (lost === undefined) return false;
      table!.slots.fill(0, lost - lost % table!.width, lost + 1);
      return true;
    },
  },
  "a slot leads its pair to another row": {
    in: ["parted"],
    plant: (random, { parted }) => {
      const table = later(random, hashed(parted));
      const rows = table ? rowsIn(table) : [];
      const place = later(random, rows), other = later(random, rows);
      if (place === undefined || table!.slots[place] === table!.slots[other!]) return false;
      table!.slots[place] = table!.slots[other!]!;
      return true;
    },
  },
  "a rule has another verdict": {
    in: ALL,
    plant: (random, _, { rules }) => {
      const rule = random.pick(rules);
      const other = rule.verdict.name === "drop" ? "accept" : "drop";
      if (rule.verdict.name !== "next") rule.verdict = { name: other };
      return rule.verdict.name !== "next";
    },
  },
  "a rule sets another mark": {
    in: ALL,
    plant: (random, _, { rules }) => {
      const rule = random.pick(rules);
      rule.mark = { value: (rule.mark?.value ?? 0) ^ 1, clear: 1 };
      return true;
    },
  },
  "a rule does not log": {
    in: ALL,
    plant: (random, _, { rules }) => {
      const rule = later(random, rules.filter(({ log }) => log));
      return rule !== undefined && delete rule.log;
    },
  },
  "a limit has another rate": {
    in: ALL,
    plant: (random, _, { literals }) => {
      const limit = later(random, literals.filter((literal) => literal.kind === "limit"));
      if (limit) limit.intervalNs++;
      return limit !== undefined;
    },
  },
  "a set begins with other members": {
    in: ALL,
    plant: (_, __, { sets }) => sets[0]?.members.pop() !== undefined,
  },
};

/** A member of a list, undefined if it has none. */
function later<T>(random: Random, list: readonly T[]): T | undefined {
  return list.length > 0 ? random.pick(list) : undefined;
}

/** Puts a number of a list in another's place. */
function replace(random: Random, list: Uint16Array | Uint32Array | number[] | undefined): boolean {
  const other = list && later(random, [...new Set(list)]);
  const places = [...list?.keys() ?? []].filter((i) => list![i] !== other);
  if (other === undefined || places.length === 0) return false;
  list![random.pick(places)] = other;
  return true;
}

function exchange(random: Random, pieces: Changeable<Piece>[]): boolean {
  random.pick(pieces).cls = random.pick(pieces).cls;
  return true;
}

/** The rows of groups with one for each pair, and the pairs of the others. */
function direct(parted: Changeable<Plan>["parted"]) {
  return parted!.groups.flatMap(({ map }) => "rows" in map ? [map.rows] : []);
}

/** Puts a part, or a row, of a record in another's place. */
function replaceInRecord(
  random: Random,
  { width, words }: { readonly width: number; readonly words: Uint32Array },
  part: boolean,
): boolean {
  const all = [...words.keys()].filter((i) => (i % width === width - 1) === part);
  const other = later(random, all);
  const places = all.filter((i) => words[i] !== words[other!]);
  if (places.length === 0) return false;
  words[random.pick(places)] = words[other!]!;
  return true;
}

function hashed(parted: Changeable<Plan>["parted"]) {
  return parted!.groups.flatMap(({ map }) => "hashed" in map ? [map.hashed] : []);
}

/** Where the rows of a table of pairs are. */
function rowsIn({ width, slots }: { readonly width: number; readonly slots: Uint32Array }) {
  const at = width === 2 ? 1 : 2;
  return [...slots.keys()].filter((i) => i % width === at && slots[i] !== 0);
}

/** Gives a rule of a list another's number (0) or combination (1). */
function replaceCandidate(random: Random, lists: Uint32Array, which: 0 | 1): boolean {
  const rules = [...lists.keys()].filter((i) => i % 2 === 0 && lists[i] !== NO_RULE);
  const other = later(random, rules);
  const places = rules.filter((i) => lists[i + which] !== lists[other! + which]);
  if (places.length === 0) return false;
  lists[random.pick(places) + which] = lists[other! + which]!;
  return true;
}

/** Rules that ask and do everything a bug can be about, with packets enough for all of it. */
function randomFile(random: Random): string {
  const limits = ["limit 1/second burst 2", "from @bad", "to ! @bad", "limit 3/minute per source"];
  const more = ["drop", "match", "match set mark 1", "accept log"].map((verb) =>
    `${verb} ${random.pick(["", "tcp", "from 10.0.0.0/31"])} ${random.pick(limits)}\n`
  );
  return "set bad : addr size 10 = { 10.0.0.2/31, fd00::1, 192.168.0.1 }\n" +
    randomRules(random, 8).replace(/^(chain input .*)$/m, `$1\n${more.join("")}`);
}

/**
 * So many hosts that networks are wide, and every group of the parted tables has rules, of which some
 * ask for a rare field, too.
 */
function manyHosts(random: Random, rare: readonly string[]): string {
  const host = (net: number) => `10.0.${net}.${random.below(HOSTS)}`;
  const wide = ["", "10.0.0.0/15", "10.0.0.0/24"];
  // So many that not every row can be a table.
  const port = () => `dport ${1 + random.below(400)}`;
  const rule = () => {
    const from = random.chance(2) ? host(0) : random.pick(wide);
    const to = random.chance(2) ? host(1) : random.pick(["", "10.0.1.0/24", "10.0.0.0/15"]);
    const clauses = [
      from && `from ${from}`,
      to && `to ${to}`,
      random.pick(["", "tcp", "dport 1-3", port(), port(), port()]),
      rare.length > 0 && random.chance(12) && random.pick(rare),
    ];
    return `  ${random.pick(["accept", "drop", "reject"])} ${clauses.filter(Boolean).join(" ")}\n`;
  };
  // The rules about pairs of hosts stand first, where no other takes their packets.
  const hosts = (text: string) => text.match(/\.\d+ |\.\d+\n/g)?.length ?? 0;
  const rules = Array.from({ length: 3 * HOSTS }, rule).sort((a, b) => hosts(b) - hosts(a));
  // A rule about all that comes would leave nothing for others.
  return `chain input default drop {\n${rules.filter((text) => /\d/.test(text)).join("")}}\n`;
}

const HOSTS = 90;

/** Packets between those hosts, now and then from elsewhere. */
function samplePacket(random: Random, policy: Policy, hosts: boolean): Packet {
  const packet = randomPacket(random, policy.hooks);
  const own = hosts && packet.family === 0n && !random.chance(8);
  const address = (net: number) => BigInt((10 << 24) + (net << 8) + random.below(HOSTS + 1));
  return {
    ...packet,
    mark: packet.mark & BigInt(policy.markBits),
    ...own && { src: address(0), dst: address(1) },
  };
}

Deno.test("tables pass unless they are wrong, and what is wrong is shown by a packet", () => {
  const { seed, cases } = randomCases(16);
  const caught = new Map<string, number>(Object.keys(BUGS).map((bug) => [bug, 0]));
  let harmless = 0, odd = 0, apart = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const hosts = s % 2 === 0;
    const rare = s % 4 === 0 ? ["ttl 0-9", "dscp 3", "state new"] : [];
    const text = hosts ? manyHosts(random, rare) : randomFile(random);
    const { policy } = check("random.fw", text);
    if (!policy) continue; // clauses that contradict are refused
    const sample = Array.from({ length: 200 }, () => samplePacket(random, policy, hosts));
    const plans = (hosts ? [] : ALL).map((backEnd) => plan(policy, backEnd));
    for (const good of [...plans, plan(policy, "parted", NEAR)]) {
      const { backEnd } = good;
      if (backEnd === "parted" && good.axes.length > 3) apart++;
      verify(policy, image(policy, good));
      for (const [bug, kind] of Object.entries(BUGS)) {
        if (!kind.in.includes(backEnd)) continue;
        const made = structuredClone(good) as unknown as Changeable<Plan>;
        const meant = structuredClone(policy) as unknown as Changeable<Policy>;
        if (!kind.plant(random, made, meant)) continue;
        const where = `seed ${s}, ${backEnd} of ${good.axes.length} axes: ${bug}\n${text}`;
        const bytes = image(meant as Policy, made as unknown as Plan);
        const shown = sample.find((packet) => differs(policy, meant as Policy, bytes, packet));
        const found = faultOf(policy, bytes);
        if (!found) {
          assert(!shown, `not caught: ${where}`);
          harmless++;
          continue;
        }
        if (!found.packet) {
          assert(!shown, `no packet: ${found.message}: ${where}`);
          odd++;
          continue;
        }
        const real = differs(policy, meant as Policy, bytes, found.packet) ||
          JSON.stringify(literals(meant as Policy)) !== JSON.stringify(literals(policy));
        assert(real, `nothing is wrong about ${found.message}: ${where}`);
        caught.set(bug, caught.get(bug)! + 1);
      }
    }
  }
  console.log([...caught].map(([bug, n]) => `${n} × ${bug}`).join("\n"));
  console.log(`${harmless} made no difference; of ${odd} more that was not proved`);
  assert(apart > 0 || cases < 10, "no rare field was apart");
  for (const [bug, n] of caught) assert(n > 0 || cases < 10, `never caught: ${bug}`);
});

function faultOf(policy: Policy, bytes: Uint8Array<ArrayBuffer>): WrongTables | undefined {
  try {
    verify(policy, bytes);
    return undefined;
  } catch (error) {
    if (error instanceof WrongTables) return error;
    throw error;
  }
}

/** Whether an image, made for rules that may have been changed, does anything else with a packet. */
function differs(
  policy: Policy,
  meant: Policy,
  bytes: Uint8Array<ArrayBuffer>,
  packet: Packet,
): boolean {
  const tables = openImage(bytes);
  return Array.from({ length: 2 ** policy.literals.length }, (_, ways) => ways).some((ways) => {
    const holds = (literal: number) => (ways >>> literal & 1) === 1;
    const { rule, passed } = decide(policy, packet, holds);
    const numbers = [...passed, rule].map((rule) => policy.rules.indexOf(rule!));
    const found = classify(tables, packet, holds);
    const effects = (rules: readonly Rule[]) =>
      JSON.stringify(
        numbers.map((n) => [rules[n]?.verdict, rules[n]?.mark, rules[n]?.log?.prefix]),
      );
    return [...found.passed, found.rule].join() !== numbers.join() ||
      effects(meant.rules) !== effects(policy.rules);
  });
}

function literals({ literals, sets }: Policy): unknown {
  return JSON.parse(
    JSON.stringify(
      [literals, sets],
      (_, value) => typeof value === "bigint" ? String(value) : value,
    ),
  );
}

Deno.test("what a fault says names the packet, the rule that decides and the one that ought to", () => {
  const { policy } = check(
    "t.fw",
    "chain input default drop {\n  accept tcp dport 22 label ssh\n}\n",
  );
  const made = plan(policy!);
  const last = policy!.rules.length - 1;
  const bytes = image(policy!, { ...made, decide: made.decide.map(() => last) });
  const message = faultOf(policy!, bytes)?.message ?? "";
  assert(/`input .* tcp .*:22 .*`: .*`input:default`.*`ssh`/.test(message), message);
});

Deno.test("tables pass at every width of a row of bits, and beyond", () => {
  for (const width of [1, 64, 128, 256, 512, 1024]) {
    for (const rules of [width - 1, width]) {
      const lines = Array.from({ length: rules }, (_, i) => {
        return `  accept tcp dport ${1 + i % 90} from 10.0.${i >> 8}.${i & 255}\n`;
      });
      const { policy } = check("rules.fw", `chain input default drop {\n${lines.join("")}}\n`);
      verify(policy!, image(policy!, plan(policy!)));
    }
  }
});

Deno.test("a leaf that sets another host apart, or calls it another class, is shown by a packet", () => {
  const hosts = ["fd00::1", "fd00:0:0:1::", "fd00:0:0:2:ffff:ffff:ffff:ffff"];
  const rules = hosts.map((host, i) => `  accept from ${host} dport ${i + 1}\n`);
  const { policy } = check("rules.fw", `chain input default drop {\n${rules.join("")}}\n`);
  const good = image(policy!, plan(policy!));
  const { view, axes, trees } = openImage(good);
  const tree = trees[axes.find(({ kind }) => LISTS.axis.names[kind] === "source")!.v6_tree]!;
  const { size, fields: { lo, own, other } } = RECORDS.leaf;
  const apart = Array.from({ length: tree.value_count }, (_, n) => tree.values_at + n * size)
    .filter((at) => view.getUint32(at + own.at, true) !== view.getUint32(at + other.at, true));
  assertEquals(apart.map((at) => view.getBigUint64(at + lo.at, true)), [1n, 0n, 2n ** 64n - 1n]);
  for (const at of apart) {
    const moved = good.slice();
    new DataView(moved.buffer).setBigUint64(at + lo.at, 5n, true);
    assert(faultOf(policy!, moved)?.packet);
    const none = good.slice();
    new DataView(none.buffer).setUint32(at + own.at, view.getUint32(at + other.at, true), true);
    assert(faultOf(policy!, none)?.packet);
  }
});
