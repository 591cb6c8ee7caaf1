import { assert, assertEquals } from "@std/assert";
import { check, compile, formatted, severityOf } from "../../compiler/mod.ts";
import { Random, randomCases, randomRules } from "../support/policy.ts";

const GOLDEN = new URL("../golden/fmt/", import.meta.url);

Deno.test("everything.fw is written as everything.txt", () => {
  const result = form(Deno.readTextFileSync(new URL("everything.fw", GOLDEN)));
  const path = new URL("everything.txt", GOLDEN);
  if (Deno.env.has("UPDATE_GOLDEN")) Deno.writeTextFileSync(path, result);
  assertEquals(result, Deno.readTextFileSync(path));
});

Deno.test("the canonical form is its own canonical form", () => {
  const once = form(Deno.readTextFileSync(new URL("everything.fw", GOLDEN)));
  assertEquals(form(once), once);
});

Deno.test("a file with a syntax error, or none at all, is left alone", () => {
  assertEquals(formatted("x", "chain input {").text, undefined);
  assertEquals(formatted("x", "").text, "");
  assertEquals(formatted("x", "\n\n# only this\r\n\n").text, "# only this\n");
});

Deno.test("commas that part nothing go, and one stands before the comment behind its member", () => {
  assertEquals(form("set a = { 10.0.0.1,, 10.0.0.3,, }"), "set a = { 10.0.0.1, 10.0.0.3 }\n");
  assertEquals(
    form("set a = { 10.0.0.1 # one\n , 10.0.0.3,\n # end\n}"),
    "set a = {\n  10.0.0.1,  # one\n  10.0.0.3,\n  # end\n}\n",
  );
});

Deno.test("a line of CRLF and a byte order mark become plain", () => {
  const crlf = "\uFEFFchain input default drop {\r\n  accept in on lo # yes\r\n}\r\n";
  assertEquals(form(crlf), "chain input default drop {\n  accept in on lo  # yes\n}\n");
});

Deno.test("however a policy is laid out, its form is one, keeps comments, and compiles to the same image", () => {
  const { seed, cases } = randomCases(200);
  let images = 0;
  for (let s = seed; s < seed + cases; s++) {
    const random = new Random(s);
    const text = randomRules(random, 12);
    const odd = disarrange(random, text);
    const where = `seed ${s}\n${odd}`;
    const once = form(odd);
    assertEquals(form(once), once, where);
    assertEquals(comments(once), comments(odd), where);
    const [before, after] = [check("x", text).policy, check("x", once).policy];
    assertEquals(!before, !after, where);
    if (!before || !after) continue;
    assertEquals(compile(after), compile(before), where);
    images++;
  }
  assert(images > cases / 2, `${images} images`);
});

function form(text: string): string {
  const { text: result, diagnostics } = formatted("x", text);
  const errors = diagnostics.filter((diagnostic) => severityOf(diagnostic) === "error");
  assertEquals(errors.map(({ message }) => message), []);
  return result!;
}

/** The same words with other spaces, line ends and comments between them. */
function disarrange(random: Random, text: string): string {
  let n = 0;
  return text.replace(/ +|\n/g, () => {
    const gap = random.pick([" ", " ", " ", "   ", "\t", "\n", "\n\n\n", "#"]);
    return gap === "#" ? `${random.pick([" ", "\n"])}# ${n++}\n` : gap;
  });
}

function comments(text: string): string[] {
  return text.match(/# ?\d+/g) ?? [];
}
