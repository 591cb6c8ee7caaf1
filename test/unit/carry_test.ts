import { assert, assertEquals, assertThrows } from "@std/assert";
import { addressText, carry, check, compile, type Policy } from "../../compiler/mod.ts";
import { readCapture } from "../../runtime/capture.ts";
import { Engine, type Member, NativeError, type Past } from "../../runtime/native.ts";
import { replay } from "../../runtime/replay.ts";
import { capturePackets } from "../support/capture.ts";

const SECOND_NS = 1_000_000_000n;
const START_NS = BigInt(Date.UTC(2026, 6, 1)) * 1_000_000n;

/** A policy in force, which can be changed for another. */
class Force {
  #policy: Policy;
  readonly engine: Engine;

  constructor(text: string) {
    this.#policy = policyOf(text);
    this.engine = new Engine(imageOf(this.#policy));
  }

  change(text: string): Past {
    const before = this.#policy;
    this.#policy = policyOf(text);
    return this.engine.swap(imageOf(this.#policy), carry(before, this.#policy));
  }

  /** How many of `count` packets to UDP port 53 are accepted at a time. */
  accepted(count: number, seconds = 0n): number {
    const file = capturePackets(Array.from({ length: count }, () => ({ proto: "udp", dport: 53 })));
    const scene = { in: "", out: "", mark: 0, time: START_NS + seconds * SECOND_NS } as const;
    const outcomes = replay(this.engine, file, readCapture(file).frames, {
      ...scene,
      hook: "input",
    });
    return [...outcomes].filter((outcome) => outcome?.verdict === "accept").length;
  }

  /** Members of the first set, as text. */
  members(): string[] {
    return this.engine.members(0).map(({ six, bits }) => addressText(six, bits)).sort();
  }
}

function policyOf(text: string): Policy {
  const { policy, diagnostics } = check("carry.fw", text);
  assert(policy, diagnostics.map(({ message }) => message).join());
  return policy;
}

function imageOf(policy: Policy): Uint8Array<ArrayBuffer> {
  const image = compile(policy);
  assert(image instanceof Uint8Array);
  return image;
}

function limited(limit: string, label = "dns"): string {
  return `chain input default drop { accept udp dport 53 limit ${limit} label ${label} }`;
}

Deno.test("a bucket goes on through a change of other rules", async () => {
  const force = new Force(limited("1/hour burst 10"));
  await using _ = force.engine;
  assertEquals(force.accepted(7), 7);
  force.change(limited("1/hour burst 10").replace("{", "{ drop tcp"))[Symbol.dispose]();
  assertEquals(force.accepted(7), 3);
  force.change(limited("1/hour burst 10"))[Symbol.dispose]();
  assertEquals(force.accepted(7), 0);
});

Deno.test("a limit with other figures, or of another rule, begins with a full bucket", async () => {
  const force = new Force(limited("1/hour burst 10"));
  await using _ = force.engine;
  assertEquals(force.accepted(20), 10);
  force.change(limited("1/hour burst 11"))[Symbol.dispose]();
  assertEquals(force.accepted(20), 11);
  force.change(limited("1/hour burst 11", "names"))[Symbol.dispose]();
  assertEquals(force.accepted(20), 11);
});

Deno.test("what rules have counted is read from the past, and totals go on", async () => {
  const force = new Force(limited("1/hour burst 10"));
  await using _ = force.engine;
  force.accepted(15);
  {
    using past = force.change(limited("1/hour burst 10"));
    assertEquals(past.counters().map(({ packets }) => packets), [10n, 5n]);
    assertEquals(force.engine.counters().map(({ packets }) => packets), [0n, 0n]);
  }
  force.accepted(1);
  assertEquals(force.engine.counters().map(({ packets }) => packets), [0n, 1n]);
  assertEquals(force.engine.stats().received, 16n);
});

function withSet(declared: string, size = 10): string {
  return `set bad : addr size ${size} = { ${declared} }
    chain input default accept { drop from @bad }`;
}

function address(last: number): Member {
  return { six: false, bits: 0x0a000000n + BigInt(last), length: 32, stayNs: 0n };
}

Deno.test("a set keeps what was added and misses what was deleted at run time", async () => {
  const force = new Force(withSet("10.0.0.1, 10.0.0.2"));
  await using _ = force.engine;
  force.engine.addMember(0, address(9));
  force.engine.deleteMember(0, address(2));
  force.change(withSet("10.0.0.1, 10.0.0.2", 20))[Symbol.dispose]();
  assertEquals(force.members(), ["10.0.0.1", "10.0.0.9"]);
});

Deno.test("members that the file gains come into a set, and those that it loses go", async () => {
  const force = new Force(withSet("10.0.0.1, 10.0.0.3"));
  await using _ = force.engine;
  force.engine.addMember(0, address(9));
  force.change(withSet("10.0.0.3, 10.0.0.5"))[Symbol.dispose]();
  assertEquals(force.members(), ["10.0.0.3", "10.0.0.5", "10.0.0.9"]);
});

Deno.test("a set that has become too small is refused, and nothing has changed", async () => {
  const force = new Force(withSet("10.0.0.1"));
  await using _ = force.engine;
  for (let last = 2; last < 8; last++) force.engine.addMember(0, address(last));
  const error = assertThrows(() => force.change(withSet("10.0.0.1", 4)));
  assertEquals((error as NativeError).code, "ENOSPC");
  assertEquals(force.members().length, 7);
});
