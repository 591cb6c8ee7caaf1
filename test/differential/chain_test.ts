import { assertEquals } from "@std/assert";
import { check } from "../../compiler/mod.ts";
import { decide } from "../../compiler/policy/decide.ts";
import type { Packet } from "../../compiler/policy/field.ts";
import { hasPacket } from "../../compiler/policy/region.ts";
import { Random, randomCases, randomPacket } from "../support/policy.ts";

/** A statement as it is run, not as it is compiled. */
type Statement =
  | { kind: "verdict" | "match" | "return"; clauses: string; label: string }
  | { kind: "jump"; clauses: string; target: string }
  | { kind: "when"; clauses: string; body: Statement[] };

const CLAUSES = [
  ...[
    "",
    "tcp",
    "udp",
    "from 10.0.0.0/31",
    "to ! 10.0.0.1",
    "tcp dport 1-3",
    "ttl 64",
    "state new",
  ],
  ...["icmp type { 0, 8 }", "ipv6", "fragment", "length 28-41"],
];

Deno.test("when, jump and return mean what running them would do", () => {
  const { seed, cases } = randomCases(300);
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const chains = { input: body(random, 2), one: body(random, 1), two: body(random, 0) };
    const text = Object.entries(chains).map(([name, body]) =>
      `chain ${name}${name === "input" ? " default drop" : ""} {\n${print(body)}}\n`
    ).join("");
    const { policy } = check("random.fw", text);
    // Clauses that contradict within one statement are refused; that is tested elsewhere.
    if (!policy) continue;
    for (let i = 0; i < 200; i++) {
      const packet = randomPacket(random, ["input"]);
      const passed: string[] = [];
      const by = run(chains.input, chains, packet, passed) ?? "input:default";
      const decision = decide(policy, packet);
      const where = `seed ${s}\n${text}`;
      assertEquals(decision.rule?.name, by === "return" ? "input:default" : by, where);
      assertEquals(decision.passed.map(({ name }) => name), passed, where);
    }
  }
});

let labels = 0;

function body(random: Random, depth: number): Statement[] {
  return Array.from({ length: random.below(6) }, (): Statement => {
    const clauses = random.pick(CLAUSES);
    switch (random.below(7)) {
      case 0:
        return { kind: "return", clauses, label: `r${labels++}` };
      case 1:
        return { kind: "match", clauses, label: `m${labels++}` };
      case 2:
        if (depth === 0) break;
        return { kind: "jump", clauses, target: depth === 2 ? random.pick(["one", "two"]) : "two" };
      case 3:
        if (depth === 0 || clauses === "") break;
        return { kind: "when", clauses, body: body(random, depth) };
    }
    return { kind: "verdict", clauses, label: `v${labels++}` };
  });
}

function print(body: readonly Statement[]): string {
  return body.map((s) => {
    switch (s.kind) {
      case "jump":
        return `jump ${s.target} ${s.clauses}\n`;
      case "when":
        return `when ${s.clauses} {\n${print(s.body)}}\n`;
      default:
        return `${s.kind === "verdict" ? "accept" : s.kind} ${s.clauses} label ${s.label}\n`;
    }
  }).join("");
}

/** The label that decides, "return", or undefined at the end. Notes what is passed by the way. */
function run(
  body: readonly Statement[],
  chains: Record<string, Statement[]>,
  packet: Packet,
  passed: string[],
): string | undefined {
  for (const s of body) {
    if (!matches(s.clauses, packet)) continue;
    if (s.kind === "verdict") return s.label;
    if (s.kind === "match" || s.kind === "return") passed.push(s.label);
    if (s.kind === "return") return "return";
    if (s.kind === "when") {
      const by = run(s.body, chains, packet, passed);
      if (by !== undefined) return by;
    }
    if (s.kind === "jump") {
      const by = run(chains[s.target]!, chains, packet, passed);
      if (by !== undefined && by !== "return") return by;
    }
  }
  return undefined;
}

const regions = new Map(CLAUSES.map((clauses) => {
  const { policy } = check("one.fw", `chain input default drop { accept ${clauses} }`);
  return [clauses, policy!.rules[0]!.regions] as const;
}));

function matches(clauses: string, packet: Packet): boolean {
  return regions.get(clauses)!.some((region) => hasPacket(region, packet));
}
