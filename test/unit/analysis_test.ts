import { assertEquals } from "@std/assert";
import {
  check,
  checkRelations,
  diff,
  fixed,
  lint,
  regionText,
  runTests,
} from "../../compiler/mod.ts";
import { PacketError, readPacket } from "../../compiler/policy/packet.ts";
import { span } from "../../compiler/policy/interval.ts";
import { sample } from "../../compiler/analysis/sample.ts";
import { namesFrom } from "../../compiler/policy/field.ts";

/** Codes and lines of what is odd about the rules of an input chain that drops by default. */
function oddities(...lines: readonly string[]): string[] {
  const { policy, sources } = check("t.fw", `chain input default drop {\n${lines.join("\n")}\n}\n`);
  return checkRelations(policy!).map(({ code, span }) =>
    `${code} ${sources.position(span.start).line - 1}`
  );
}

Deno.test("a rule that several others together cover is shadowed", () => {
  assertEquals(
    oddities(
      "accept tcp dport 1-100",
      "accept tcp dport 101-65535",
      "accept tcp dport 0",
      "drop tcp sport 7",
    ),
    ["FW111 1", "FW101 4"],
  );
});

Deno.test("a rule that needs a fragment without ports is not covered by rules about ports", () => {
  const codes = oddities("accept tcp dport 0-65535", "reject tcp");
  assertEquals(codes, ["FW104 2"]);
});

Deno.test("pings too long to be honest, dropped first, are not nearly all of the pings", () => {
  const text = "chain input default drop {\n  drop icmp length 1025-65535\n  accept icmp\n}\n";
  const found = checkRelations(check("t.fw", text).policy!);
  assertEquals(found.map(({ code, severity }) => [code, severity]), [["FW104", undefined]]);
});

Deno.test("a rule repeated word for word names the first", () => {
  assertEquals(oddities("accept tcp dport 22", "accept tcp dport 22"), ["FW110 2"]);
});

Deno.test("a rule is repeated, or not needed, whatever `drop state invalid` takes of it before", () => {
  const { policy } = check(
    "t.fw",
    `chain input default drop {
       drop state invalid label invalid
       accept udp dport { 53, 123 } label first
       accept udp dport { 53, 123 }
       accept udp dport 53
       drop udp dport 53
     }`,
  );
  const found = checkRelations(policy!).map(({ code, help }) => `${code} ${help}`);
  assertEquals(found, [
    "FW110 remove it",
    "FW101 remove it: what `invalid` leaves of it, other rules decide in the same way",
    "FW101 move it above `first`, or remove it",
  ]);
});

Deno.test("neighbours that differ in one field could be one rule", () => {
  assertEquals(oddities("accept tcp dport 22", "accept tcp dport 80"), ["FW111 1"]);
});

Deno.test("loopback addresses on another interface are impossible, unless that is only a part", () => {
  assertEquals(oddities("accept in on wan0 from 127.0.0.1"), ["FW113 1"]);
  assertEquals(oddities("accept in on wan0 from { 127.0.0.1, 10.0.0.1 }"), []);
});

Deno.test("a rule in a subroutine is dead only if it is behind every jump", () => {
  const text = (rule: string) =>
    `chain input default drop {\n  ${rule}\n  jump web\n}\n` +
    "chain forward default drop { jump web }\n" +
    "chain web { accept tcp dport 80 }\n";
  const codes = (rule: string) =>
    checkRelations(check("t.fw", text(rule)).policy!).map(({ code }) => code);
  assertEquals(codes("reject tcp dport 80"), ["FW112"], "it is the jump that is idle");
});

Deno.test("of idle jumps in each other the outermost is named", () => {
  const idle = (subroutine: string) => {
    const text = "chain input default drop {\n  accept tcp\n  jump outer udp dport 1-5\n" +
      `  jump outer tcp\n}\nchain outer { jump inner }\nchain inner { ${subroutine} }\n`;
    return checkRelations(check("t.fw", text).policy!).filter(({ code }) => code === "FW112")
      .map(({ span }) => text.slice(span.start, span.end));
  };
  assertEquals(idle("accept dport 1-9"), ["jump outer tcp"]);
  assertEquals(idle("accept dport 1-9\n drop sctp"), ["jump outer tcp"]);
});

Deno.test("lint --fix takes out rules that are not needed, but none that a test or a reader knows", () => {
  const text = `chain input default drop {
  accept tcp dport 22
  accept tcp dport { 22, 23 } from 10.0.0.0/8
  accept tcp dport 22
  accept tcp dport 22 from 10.0.0.1 label admin
  accept tcp dport 22 from 10.0.0.2 label other
  drop udp dport 53
  drop udp dport 54 log every 5s
  drop udp dport 55 label dns
}
test "t" { expect some input accept by admin tcp dport 22 }
`;
  const { sources, diagnostics } = lint("t.fw", text, { correlated: true });
  assertEquals(
    fixed(sources, diagnostics)[0]!.text,
    `chain input default drop {
  accept tcp dport 22
  accept tcp dport { 22, 23 } from 10.0.0.0/8
  accept tcp dport 22 from 10.0.0.1 label admin
  drop udp dport 54 log every 5s
  drop udp dport 55 label dns
}
test "t" { expect some input accept by admin tcp dport 22 }
`,
  );
});

Deno.test("lint --fix leaves a rule that keeps a dead one from deciding", () => {
  const text = `chain output default accept {
  accept udp
  drop udp dport 53
}
`;
  const { diagnostics } = lint("t.fw", text, { correlated: true });
  const found = diagnostics.filter(({ code }) => code === "FW101" || code === "FW103");
  assertEquals(found.map(({ code, fix }) => [code, fix]), [["FW103", undefined], [
    "FW101",
    undefined,
  ]]);
});

Deno.test("a rule is needed while it keeps packets from a subroutine that others come to", () => {
  const { policy } = check(
    "t.fw",
    `chain input default accept {
       accept tcp dport 22
       jump web tcp dport 22
       jump web tcp dport 23
     }
     chain web { drop tcp }`,
  );
  assertEquals(checkRelations(policy!).map(({ code }) => code), ["FW112"]);
});

Deno.test("a rule that could not be decided may still take packets", () => {
  const { policy } = check(
    "t.fw",
    `chain input default accept {
       accept tcp sport 1-65535
       accept tcp dport 1-65535
       accept tcp ttl 1-255
       accept tcp dscp 1-63
       accept tcp state ! new
       accept tcp from ! 10.0.0.1
       accept tcp to ! 10.0.0.2
       drop tcp dport 0-65535
     }`,
  );
  const codes = checkRelations(policy!, { budget: 1 }).map(({ code }) => code);
  assertEquals(codes.at(-1), "FW199");
  assertEquals(codes.filter((code) => code !== "FW199"), []);
});

Deno.test("an expectation shows the packet and the rule that it fails by", () => {
  const { policy } = check(
    "t.fw",
    `chain input default drop { accept tcp dport 22 from 10.0.0.0/8 label admin }
     test "ssh" { expect input drop tcp dport 22  expect input accept by admin tcp from 10.1.2.3 dport 22 }`,
  );
  const { tested, exercised, live } = runTests(policy!);
  assertEquals(tested.map(({ finding }) => finding?.note), [
    "`input in wan0 tcp 10.0.0.1:40000 > 192.0.2.1:22 flags syn` meets accept by `admin`",
    undefined,
  ]);
  assertEquals([exercised, live], [2, 2]);
});

Deno.test("an expectation that no packet is about is pointed out", () => {
  const { policy } = check(
    "t.fw",
    'chain input default drop {} test "t" { expect input drop in on lo tcp flags syn,fin/syn,rst,fin }',
  );
  assertEquals(runTests(policy!).tested[0]!.finding?.code, undefined);
  const narrow = check(
    "t.fw",
    'chain input default drop {} test "t" { expect input drop exthdr frag }',
  );
  assertEquals(runTests(narrow.policy!).tested[0]!.finding?.code, undefined);
});

Deno.test("a text that is no packet is told from one by the word that is wrong", () => {
  for (
    const [text, why] of [
      ["sideways tcp 10.0.0.1 > 10.0.0.2", 'expected input, forward or output, found "sideways"'],
      ["input tcp 10.0.0.1 > fd00::1", "its addresses are of different families"],
      ["input icmp 10.0.0.1:1 > 10.0.0.2", "such a packet has no ports"],
      ["input tcp 10.0.0.1:70000 > 10.0.0.2", '"70000" is not a port'],
      [
        "input tcp dport > 22",
        '"dport" is not an address: write it as in `input tcp 192.0.2.9:40000 > 192.0.2.1:22`',
      ],
      [
        "input tcp 10.0.0.1:1 > 10.0.0.2:2 flags syn sort",
        '"sort" is nothing that a packet has: flags, state, type, mark, uid, gid, length, ttl, ' +
        "dscp, exthdr, mac, fragment",
      ],
      ["input tcp 10.0.0.1:1 > 10.0.0.2:2 flags", 'nothing follows "flags"'],
      ["output in eth0 tcp 10.0.0.1 > 10.0.0.2", "a packet of output has no input interface"],
    ] as const
  ) {
    try {
      readPacket(text);
      throw new Error(`${text} was read`);
    } catch (error) {
      assertEquals(error instanceof PacketError && error.message, why);
    }
  }
});

Deno.test("an interval of numbers that are no interface names has no sample", () => {
  const { lo } = namesFrom("eth0");
  assertEquals(sample("in", { lo: lo + 1n, hi: lo + 5n }, 0), undefined);
  assertEquals(sample("in", { lo, hi: lo + 5n }, 0), lo);
});

Deno.test("a mark's sample has no bit that no rule tests", () => {
  assertEquals(sample("mark", { lo: 2n, hi: 3n }, 0b101), undefined);
  assertEquals(sample("mark", { lo: 2n, hi: 9n }, 0b101), 4n);
});

Deno.test("a region reads as the clauses that a person would write", () => {
  const text = regionText({
    hook: span(0),
    src: span(10n << 24n, (11n << 24n) - 1n),
    dport: [...span(22), ...span(80, 90)],
  });
  assertEquals(text, "input from 10.0.0.0/8 dport { 22, 80-90 }");
  const unless25 = { dport: [...span(0, 24), ...span(26, 65536)] };
  assertEquals(regionText(unless25), "dport { 0-24, 26-65535, none }");
});

Deno.test("diff takes a limit for the same in both files by what it says, not by its place", () => {
  const file = (...rules: readonly string[]) =>
    check("t.fw", `chain input default drop {\n${rules.join("\n")}\n}\n`).policy!;
  const one = file("accept udp limit 1/second", "accept tcp time 08:00-18:00");
  assertEquals(diff(one, file("accept tcp time 08:00-18:00", "accept udp limit 1/second")), []);
  const other = file("accept udp limit 2/second", "accept tcp time 08:00-18:00");
  assertEquals(diff(one, other).length > 0, true);
});

Deno.test("diff takes a plain reject for what it comes to: a reset for TCP, an ICMP message else", () => {
  const file = (rules: string) =>
    check("t.fw", `chain input default drop {\n${rules}\n}\n`).policy!;
  const plain = file("reject tcp\nreject");
  assertEquals(diff(plain, file("reject with tcp-reset tcp ! fragment\nreject")), []);
  assertEquals(diff(plain, file("reject tcp\nreject with icmp-port")), []);
  assertEquals(
    diff(plain, file("reject tcp\nreject with icmp-host")).length > 0,
    true,
  );
  // A later fragment has no header to answer with a reset.
  const regions = diff(plain, file("reject with tcp-reset tcp\nreject"))
    .map(({ region }) => regionText(region));
  assertEquals(regions.every((text) => text.includes("fragment later")), true, regions.join("\n"));
});

Deno.test("diff tells of marks and logs only if asked to", () => {
  const file = (rule: string) => check("t.fw", `chain input default drop {\n${rule}\n}\n`).policy!;
  const before = file(`accept tcp dport 22 log "ssh" every 10s label ssh`);
  const after = file("accept tcp dport 22 set mark 1 label ssh");
  assertEquals(diff(before, after), []);
  assertEquals(
    diff(before, after, { effects: true })
      .map(({ region, effect }) => `${regionText(region)}: ${effect!.text} ${effect!.side}`)
      .sort(),
    [
      'input ipv4 tcp dport 22: logged "ssh" every 10s before',
      "input ipv4 tcp dport 22: marked 0x1/0xffffff after",
      'input ipv6 tcp dport 22: logged "ssh" every 10s before',
      "input ipv6 tcp dport 22: marked 0x1/0xffffff after",
    ],
  );
});
