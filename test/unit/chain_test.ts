import { assertEquals } from "@std/assert";
import { check } from "../../compiler/mod.ts";

/** Codes and lines of what is found in a file. */
function found(text: string): string[] {
  const { sources, diagnostics } = check("main.fw", text);
  return diagnostics.map(({ code, span }) => `${sources.position(span.start).line} ${code}`);
}

Deno.test("a jump must lead to a subroutine that there is", () => {
  const text = "chain input default drop {\njump lna\njump forward }\nchain lan { }";
  assertEquals(found(text), ["2 FW020", "3 FW024"]);
});

Deno.test("a circle of jumps is an error, told once", () => {
  const text =
    "chain input default drop { jump a jump a }\nchain a {\njump b }\nchain b {\njump a }";
  assertEquals(found(text), ["5 FW023"]);
});

Deno.test("jumps and names that lead on too deep are an error, not an overflow", () => {
  const numbers = Array.from({ length: 5000 }, (_, i) => i);
  const chains = numbers.map((i) => `chain c${i} { jump c${i + 1} }`).join("\n");
  const jumps = `${chains}\nchain c5000 { accept }\nchain input default drop { jump c0 }`;
  assertEquals(found(jumps), ["256 FW029"]);
  const names = numbers.map((i) => `define n${i + 1} = $n${i}`).join("\n");
  const text = `${names}\ndefine n0 = 80\nchain input default drop { accept tcp dport $n5000 }`;
  assertEquals(found(text), ["4937 FW029"]);
});

Deno.test("a subroutine takes no default", () => {
  assertEquals(found("chain input default drop { }\nchain lan default drop { }"), ["2 FW026"]);
});

Deno.test("mistakes in a subroutine that nothing jumps to are told", () => {
  assertEquals(found("chain input default drop { }\nchain lan {\naccept from @no }"), ["3 FW020"]);
});

Deno.test("a mistake in a subroutine that is reached twice is told once", () => {
  const text = "chain input default drop { jump a jump a udp }\nchain a {\naccept dport 99999 }";
  assertEquals(found(text), ["3 FW214"]);
});

Deno.test("a clause that contradicts the when around it is an error", () => {
  assertEquals(found("chain input default drop {\nwhen tcp {\naccept udp } }"), ["3 FW302"]);
});

Deno.test("a subroutine's rule that a jump cannot reach is no error", () => {
  assertEquals(found("chain input default drop { jump a tcp } chain a { accept udp }"), []);
});

Deno.test("a clause is impossible where its hook has no such field", () => {
  const text = "chain input default drop {\naccept uid 0 }\nchain output default drop {\n" +
    "accept mac 02:00:00:00:00:01 }\nchain forward default drop {\njump a }\nchain a {\naccept gid 0 }";
  assertEquals(found(text), ["2 FW301", "4 FW301", "8 FW301"]);
});

Deno.test("only the mark takes a mask, and what a tuple compares must fit the set", () => {
  const text = "set s : addr . port = { 10.0.0.1 . 22 }\nchain input default drop {\n" +
    "accept ttl 1/2\naccept tuple (from, sport) in @s\naccept tuple (from, to) in @s\n" +
    "accept tuple (from) in @s\naccept from @s }";
  assertEquals(found(text), ["1 FW208", "3 FW009", "5 FW208", "6 FW208"]);
});

Deno.test("a mark that was set may not be tested after, unless the bits are others", () => {
  const chain = (rules: string) => `chain input default drop {\n${rules}\n}`;
  assertEquals(found(chain("match set mark 1/0xf\naccept mark 1/0xf")), ["3 FW012"]);
  assertEquals(found(chain("match set mark 1/0xf\naccept mark 0x10/0xf0")), []);
  const returned = "match set mark 1/0xf\nreturn mark 1/0xf\ndrop\naccept mark 2/0xf";
  assertEquals(found(chain(returned)), ["3 FW012", "5 FW012"]);
  assertEquals(found(chain("when mark 2/0xf {\nmatch set mark 1/0xf\naccept\n}")), ["4 FW012"]);
  assertEquals(found(chain("accept udp set mark 1/0xf\naccept mark 1/0xf")), []);
  assertEquals(found(chain("match set mark 0x1000000\nmatch set mark 2/1")), [
    "2 FW214",
    "3 FW302",
  ]);
});

Deno.test("a set without members matches nothing, and is no contradiction", () => {
  const text = "set s = { } chain input default drop { accept from @s label x }";
  assertEquals(found(text), []);
  assertEquals(check("main.fw", text).policy!.rules[0]!.regions, []);
});

Deno.test("rules of a subroutine have their name once a jump", () => {
  const text = "chain input default drop { jump a tcp jump a udp } chain a { accept label x }";
  const { policy } = check("main.fw", text);
  assertEquals(policy!.rules.map(({ name }) => name), ["x", "x", "input:default"]);
});
