/**
 * Random rule files over a tiny space of values, where rules collide often enough to matter, and
 * packets of that space. The same seed gives the same cases on every machine.
 *
 * @module
 */
import {
  EXTENSIONS,
  FRAGMENT,
  HOOKS,
  ICMPV6_BASE,
  interfaceNumber,
  IPV4,
  IPV6,
  NO_EXTENSIONS,
  NO_FLAGS,
  NO_ID,
  NO_INTERFACE,
  NO_MAC,
  NO_PORT,
  NO_TYPE,
  type Packet,
  PROTO,
  TCP_FLAGS,
  V6_BASE,
} from "../../compiler/policy/field.ts";
import { leastLength } from "./packet.ts";

/** A small, fast, seedable generator (mulberry32, by Tommy Ettinger). */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed;
  }
  /** An integer from 0 to n - 1. */
  below(n: number): number {
    let t = this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  }
  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Seed and number of cases of a random test, from FW_SEED and FW_CASES. Prints the seed. */
export function randomCases(cases: number): { seed: number; cases: number } {
  const seed = Number(Deno.env.get("FW_SEED") ?? 1);
  const count = Number(Deno.env.get("FW_CASES") ?? cases);
  console.log(`seeds ${seed} to ${seed + count - 1}; replay one with FW_SEED=N FW_CASES=1`);
  return { seed, cases: count };
}

const INTERFACES = ["lo", "eth0", "eth1", "wan0"];
const V4 = ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "192.168.0.1"];
const V6 = ["fd00::", "fd00::1", "fd00::2", "fd00::3", "2001:db8::1"];
const V4_PREFIXES = ["10.0.0.0/31", "10.0.0.2/31", "10.0.0.0/30", "0.0.0.0/1", "0.0.0.0/0"];
const V6_PREFIXES = ["fd00::/127", "fd00::2/127", "fd00::/64", "8000::/1", "::/0"];
const PORTS = [0, 1, 2, 3, 4, 80, 65535];
const FLAGS = Object.keys(TCP_FLAGS);
const STATES = ["new", "established", "related", "invalid", "untracked"];
const TTLS = [0, 1, 64, 255];
const DSCPS = [0, 10, 46, 63];
const EXTHDRS = Object.keys(EXTENSIONS);
const ALL_EXTENSIONS = 31 & ~EXTENSIONS.frag!;
const FIRST_EXTENSIONS = EXTENSIONS.hbh! | EXTENSIONS.rt!;
const MACS = ["00:00:00:00:00:00", "02:00:00:00:00:01", "02:00:00:00:00:02", "ff:ff:ff:ff:ff:ff"];
const IDS = [0, 1000, 1001, 4294967294];
const V4_TYPES = [0, 3, 8, 11];
const V6_TYPES = [1, 128, 135];

/** A rule file of one to three hook chains, each with up to `rules` rules. Always without errors. */
export function randomRules(random: Random, rules: number): string {
  const hooks = HOOKS.filter((_, i) => i === 0 || random.chance(2));
  const subroutines = ["one", "two"].map((name, i) => {
    // A subroutine is reached from every hook: its rules ask for nothing that some hook has not.
    const lines = randomBody(random, "any", random.below(4), i === 0 ? ["two"] : []);
    return [`chain ${name} {`, ...lines, "}", ""].join("\n");
  });
  const sets = PAIRS.map((name) => `set ${name} = { ${pairs(random)}, ${pairs(random)} }\n`);
  const chains = hooks.map((hook) => {
    const lines = randomBody(random, hook, random.below(rules + 1), ["one", "two"]);
    const byDefault = random.pick(["accept", "drop", "reject"]);
    return [`chain ${hook} default ${byDefault} {`, ...lines, "}", ""].join("\n");
  });
  return [...sets, ...subroutines, ...chains].join("");
}

const PAIRS = ["first", "second"];

/** A member of a set of addresses with ports. */
function pairs(random: Random): string {
  return `${random.pick([...V4, ...V6, "10.0.0.0/30"])} . ${random.pick(["80", "1-3", "0-65535"])}`;
}

/** Statements, some of them under a `when`, some that jump to a subroutine or return. */
function randomBody(
  random: Random,
  hook: string,
  size: number,
  subroutines: readonly string[],
): string[] {
  return Array.from({ length: size }, () => {
    const { verb, clauses } = randomRule(random, hook);
    if (random.chance(10)) return `  return ${clauses}`;
    if (random.chance(10) && subroutines.length > 0) {
      return `  jump ${random.pick(subroutines)} ${clauses}`;
    }
    if (random.chance(10)) return `  ${verb} tuple (from, dport) in @${random.pick(PAIRS)}`;
    if (random.chance(10)) {
      const guard = random.pick(["from 10.0.0.0/30", "ttl ! 64", "state new, invalid"]);
      const inner = randomBody(random, hook, random.below(3), subroutines);
      return [`  when ${guard} {`, ...inner, "  }"].join("\n");
    }
    return `  ${verb} ${clauses}`;
  });
}

function randomRule(random: Random, hook: string): { verb: string; clauses: string } {
  const verb = random.pick([
    "accept",
    "accept",
    "drop",
    "drop",
    "match",
    "reject",
    "reject with icmp-host",
  ]);
  const family = random.pick(["v4", "v6", "both"] as const);
  const clauses = [
    ...(random.chance(2) ? [protocolClauses(random, family)] : []),
    ...(random.chance(2) ? [`from ${addresses(random, family)}`] : []),
    ...(random.chance(3) ? [`to ${addresses(random, family)}`] : []),
    ...(random.chance(4) ? [stateClause(random)] : []),
    ...(random.chance(5) ? [`mark ${random.pick(["", "! "])}${random.below(4)}/0x3`] : []),
    ...(random.chance(8) ? [`mark ${random.pick(["", "! "])}${random.pick([0, 4])}/0x4`] : []),
    ...(random.chance(3) ? [attributes(random, hook, family)] : []),
    ...(random.chance(5) && mayAsk(hook, "output") ? [`in on ${interfaces(random)}`] : []),
    ...(random.chance(5) && mayAsk(hook, "input") ? [`out on ${interfaces(random)}`] : []),
  ];
  return { verb, clauses: clauses.join(" ") };
}

function protocolClauses(random: Random, family: "v4" | "v6" | "both"): string {
  switch (random.below(7)) {
    case 0:
      return "udp";
    case 1:
      return `proto ${random.pick(["", "! "])}{ tcp, 47, ${random.below(20)} }`;
    case 2:
      return `tcp flags ${random.pick(["syn", "syn/syn,ack", "none/all", "fin,ack/fin,ack,rst"])}`;
    case 3:
      if (family === "v6") return `icmpv6 type ${random.pick(["", "! "])}${random.pick(V6_TYPES)}`;
      return family === "v4"
        ? `icmp type { ${random.pick(V4_TYPES)}, ${random.pick(V4_TYPES)} }`
        : "type 8";
    default:
      return [
        random.pick(["", "tcp ", "udp ", "sctp "]) +
        (random.chance(2) ? `dport ${ports(random)}` : `sport ${ports(random)}`),
        ...(random.chance(3) ? [random.chance(2) ? `dport ${ports(random)}` : "fragment"] : []),
      ].join(" ");
  }
}

function addresses(random: Random, family: "v4" | "v6" | "both"): string {
  const one = () => {
    const v4 = family === "v4" || (family === "both" && random.chance(2));
    const [hosts, prefixes] = v4 ? [V4, V4_PREFIXES] : [V6, V6_PREFIXES];
    if (random.chance(3)) return random.pick(prefixes);
    if (random.chance(4)) return `${hosts[random.below(2)]}-${hosts[2 + random.below(2)]}`;
    return random.pick(hosts);
  };
  const negated = random.chance(4) ? "! " : "";
  // The rest of a prefix of length 0 is nothing, which no rule may ask for.
  const list = Array.from({ length: 1 + random.below(3) }, one);
  const safe = negated ? list.map((a) => a.endsWith("/0") ? V4[0]! : a) : list;
  return `${negated}{ ${safe.join(", ")} }`;
}

function ports(random: Random): string {
  const negated = random.chance(5) ? "! " : "";
  if (random.chance(3)) return `${negated}${random.below(3) + 1}-${random.below(3) + 3}`;
  return `${negated}{ ${random.pick(PORTS)}, ${random.pick(PORTS)} }`;
}

/** Whether a rule of a hook, or of "any", may ask for what packets of one hook do not have. */
function mayAsk(hook: string, lacking: string): boolean {
  return hook !== lacking && hook !== "any";
}

/** A clause on what is neither address nor transport. */
function attributes(random: Random, hook: string, family: "v4" | "v6" | "both"): string {
  const not = random.pick(["", "! "]);
  switch (random.below({ output: 6, any: 4 }[hook] ?? 5)) {
    case 0:
      return `length ${not}${random.pick(["28-40", "{ 41, 48, 60-61 }", "0-100"])}`;
    case 1:
      return `ttl ${not}{ ${random.pick(TTLS)}, ${random.pick(TTLS)} }`;
    case 2:
      return `dscp ${not}{ ${random.pick(["ef", "af11", "63", "0-10"])} }`;
    case 3:
      return family === "v4" ? "ttl 64" : `exthdr ${not}{ ${random.pick([...EXTHDRS, "any"])} }`;
    case 4:
      if (hook === "output") return `gid ${not}${random.pick(IDS)}`;
      return `mac ${not}{ ${random.pick(MACS)}, ${random.pick(MACS)} }`;
    default:
      return `uid ${not}{ ${random.pick(IDS)}, 1000-2000 }`;
  }
}

function stateClause(random: Random): string {
  return `state ${random.pick(["", "! "])}${random.pick(STATES)}, ${random.pick(STATES)}`;
}

function interfaces(random: Random): string {
  return `${random.pick(["", "! "])}{ ${random.pick([...INTERFACES, "eth*", "w*"])} }`;
}

/** A packet of the tiny space, as the kernel could show it at its hook. */
export function randomPacket(random: Random, hooks: readonly string[] = HOOKS): Packet {
  const hook = random.pick(hooks);
  const v4 = random.chance(2);
  const proto = random.pick([PROTO.tcp, PROTO.udp, PROTO.sctp, PROTO.icmp, PROTO.icmpv6, 47n]);
  const fragment = random.chance(6)
    ? random.pick([FRAGMENT.first, FRAGMENT.later])
    : FRAGMENT.whole;
  const later = fragment === FRAGMENT.later;
  const hasPorts = !later && (proto === PROTO.tcp || proto === PROTO.udp || proto === PROTO.sctp);
  const hasType = !later && proto === (v4 ? PROTO.icmp : PROTO.icmpv6);
  const type = BigInt(random.pick(v4 ? V4_TYPES : V6_TYPES));
  const name = () => interfaceNumber(random.pick(INTERFACES));
  const address = () => v4 ? v4Bits(random.pick(V4)) : V6_BASE + v6Bits(random.pick(V6));
  const output = hook === "output";
  // What follows the header of a later fragment is payload.
  const mayHave = later ? FIRST_EXTENSIONS : ALL_EXTENSIONS;
  const fragmentHeader = fragment !== FRAGMENT.whole || random.chance(8) ? EXTENSIONS.frag! : 0;
  const extensions = (random.chance(3) ? random.below(32) & mayHave : 0) | fragmentHeader;
  const packet = {
    hook: BigInt(HOOKS.indexOf(hook as (typeof HOOKS)[number])),
    family: v4 ? IPV4 : IPV6,
    proto,
    src: address(),
    dst: address(),
    sport: hasPorts ? BigInt(random.pick(PORTS)) : NO_PORT,
    dport: hasPorts ? BigInt(random.pick(PORTS)) : NO_PORT,
    type: hasType ? (v4 ? type : ICMPV6_BASE + type) : NO_TYPE,
    code: hasType ? (v4 ? 0n : ICMPV6_BASE) + BigInt(random.below(3)) : NO_TYPE,
    flags: !later && proto === PROTO.tcp ? BigInt(randomFlags(random)) : NO_FLAGS,
    fragment,
    state: BigInt(random.below(STATES.length)),
    mark: BigInt(random.below(8)),
    in: hook === "output" ? NO_INTERFACE : name(),
    out: hook === "input" ? NO_INTERFACE : name(),
    ttl: BigInt(random.pick(TTLS)),
    dscp: BigInt(random.pick(DSCPS)),
    exthdr: v4 ? NO_EXTENSIONS : BigInt(extensions),
    mac: output ? NO_MAC : BigInt(`0x${random.pick(MACS).replaceAll(":", "")}`),
    uid: output && !random.chance(4) ? BigInt(random.pick(IDS)) : NO_ID,
    gid: output && !random.chance(4) ? BigInt(random.pick(IDS)) : NO_ID,
  };
  return { ...packet, length: leastLength(packet) + BigInt(random.below(4)) };
}

function randomFlags(random: Random): number {
  if (random.chance(4)) return 0;
  return TCP_FLAGS[random.pick(FLAGS)]! | TCP_FLAGS[random.pick(FLAGS)]!;
}

function v4Bits(text: string): bigint {
  return text.split(".").reduce((sum, octet) => sum << 8n | BigInt(octet), 0n);
}

/** Of `a::b` and `a:b::c`, the only forms in use here. */
function v6Bits(text: string): bigint {
  const [head, tail] = text.split("::") as [string, string];
  const groups = head.split(":");
  const high = groups.reduce((sum, group) => sum << 16n | BigInt(`0x${group}`), 0n);
  return high << BigInt(128 - 16 * groups.length) | BigInt(`0x${tail || "0"}`);
}
