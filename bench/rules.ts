/**
 * Rule files of the three kinds that classifiers are measured with, seeded: `acl` (access lists:
 * narrow addresses, one service), `fw` (firewalls: wide addresses, ranges of ports) and `ipc`
 * (chains of a host: both mixed). Our own distributions, after what published sets have in common.
 *
 * @module
 */
import { Random } from "../test/support/policy.ts";

export type Kind = "acl" | "fw" | "ipc";

const SERVICES = [22, 25, 53, 80, 110, 123, 143, 389, 443, 445, 993, 1433, 3306, 3389, 5432, 8080];

interface Shape {
  /** Prefix lengths of IPv4 networks, as often as they stand here; IPv6 takes them times three plus 32. */
  readonly lengths: readonly number[];
  /** Of a hundred rules, those without a source, without a destination, with a range of ports. */
  readonly anySource: number;
  readonly anyTarget: number;
  readonly range: number;
}

const SHAPES: Readonly<Record<Kind, Shape>> = {
  acl: { lengths: [24, 24, 28, 30, 32, 32, 32, 32], anySource: 35, anyTarget: 5, range: 15 },
  fw: { lengths: [16, 20, 24, 24, 28, 32, 32], anySource: 30, anyTarget: 15, range: 30 },
  ipc: { lengths: [16, 24, 24, 28, 30, 32, 32], anySource: 20, anyTarget: 20, range: 20 },
};

/** A rule file of one forward chain with `size` rules. */
export function ruleFile(kind: Kind, size: number, family: 4 | 6, seed = 1): string {
  const random = new Random(seed);
  const shape = SHAPES[kind];
  const networks = Array.from(
    { length: Math.max(64, size >> 2) },
    () => network(random, family, random.pick(shape.lengths)),
  );
  const ports = [...SERVICES, ...Array.from({ length: 200 }, () => 1024 + random.below(60000))];
  const rules = Array.from({ length: size }, () => {
    const verdict = random.below(10) < 7 ? "accept" : "drop";
    const from = random.below(100) < shape.anySource ? "" : ` from ${random.pick(networks)}`;
    // No rule for everything: it would make all behind it dead.
    const to = from && random.below(100) < shape.anyTarget ? "" : ` to ${random.pick(networks)}`;
    return `  ${verdict}${service(random, ports, shape.range)}${from}${to}`;
  });
  return `chain forward default drop {\n${rules.join("\n")}\n}\n`;
}

function network(random: Random, family: 4 | 6, length: number): string {
  const bits = (0x0a000000 | random.below(1 << 24)) >>> 0;
  const kept = length === 32 ? bits : bits & ~((1 << (32 - length)) - 1);
  if (family === 4) {
    return `${[24, 16, 8, 0].map((s) => (kept >>> s) & 255).join(".")}/${length}`;
  }
  const groups = [0x20010db8, kept >>> 0].flatMap((word) => [word >>> 16, word & 0xffff]);
  return `${groups.map((g) => g.toString(16)).join(":")}::/${32 + length}`;
}

function service(random: Random, ports: readonly number[], range: number): string {
  const kind = random.below(100);
  if (kind >= 95) return kind < 98 ? " type 8" : "";
  const proto = kind < 72 ? " tcp" : " udp";
  if (random.below(100) < 3) return proto;
  if (random.below(100) >= range) return `${proto} dport ${random.pick(ports)}`;
  const from = random.below(4) === 0 ? 1024 : 1024 + random.below(60000);
  const to = from === 1024 ? 65535 : Math.min(65535, from + random.below(300));
  return `${proto} dport ${from}-${to}`;
}

/**
 * An `acl` rule file of `size` rules each of which asks for one field more that others seldom ask
 * for, of which `values` are told apart, if it has so many.
 */
export function rareFields(size: number, values: number, seed = 1): string {
  const random = new Random(seed);
  const below = (most: number) => random.below(Math.min(most, values));
  const clauses: readonly (() => string)[] = [
    () => `mark ${1 + below(60_000)}`,
    () => `mac 02:00:00:00:${below(256).toString(16).padStart(2, "0")}:01`,
    () => `length 60-${100 + below(1400)}`,
    () => `ttl ${1 + below(250)}`,
    () => `dscp ${below(64)}`,
    () => `state ${random.pick(["new", "established", "related"])}`,
  ];
  return ruleFile("acl", size, 4, seed).replace(
    /^ {2}.*$/gm,
    (rule) => `${rule} ${random.pick(clauses)()}`,
  );
}

/**
 * A rule file of `size` rules that name two to five of fourteen fields, one in four also what is
 * true only for a time. `wide`: three fields and most values of each, so that all overlap and
 * nearly every packet is taken by some.
 */
export function manyFields(size: number, seed = 1, wide = false): string {
  const random = new Random(seed);
  const range = (most: number) => {
    const from = random.below(wide ? most >> 2 : most);
    return `${from}-${Math.min(most, from + (wide ? most >> 1 : 1 + random.below(most >> 4)))}`;
  };
  const address = () => wide ? `! ${network(random, 4, 24)}` : network(random, 4, 24);
  const clauses: readonly (() => string)[] = [
    () => `from ${address()}`,
    () => `to ${address()}`,
    () => `sport ${range(65535)}`,
    () => `dport ${range(65535)}`,
    () => `in on ${wide ? "! " : ""}eth${random.below(8)}`,
    () => `out on ${wide ? "! " : ""}eth${random.below(8)}`,
    () => `state ${wide ? "! " : ""}${random.pick(["new", "established", "related"])}`,
    () => `mark ${wide ? "! " : ""}${random.below(8)}/0x7`,
    () => `length ${range(1500)}`,
    () => `ttl ${range(255)}`,
    () => `dscp ${range(63)}`,
    () => `mac ${wide ? "! " : ""}02:00:00:00:00:0${random.below(8)}`,
    () => `flags ${random.pick(["syn/syn,ack", "none/syn,fin", "ack/ack"])}`,
  ];
  const literals = [
    "limit 10/second",
    "limit 3/minute per source",
    "time 08:00-18:00",
    "until 2030-01-01",
  ];
  const rules = Array.from({ length: size }, () => {
    const all = clauses.map((clause) => ({ clause, place: random.below(1 << 16) }))
      .sort((a, b) => a.place - b.place);
    const named = all.slice(0, wide ? 3 : 2 + random.below(4)).map(({ clause }) => clause());
    const extra = random.chance(4) ? ` ${random.pick(literals)}` : "";
    const verb = random.pick(["accept", "drop"]);
    return `  ${verb} tcp ${named.join(" ")}${extra}`;
  });
  return `chain forward default drop {\n  accept fragment\n${rules.join("\n")}\n}\n`;
}
