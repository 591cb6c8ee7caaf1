/**
 * How long do lexing, parsing, resolving and linting take, and do they grow with the file?
 *
 * One JSON line a case: rules or addresses, median and spread of the rounds in milliseconds, and
 * the nanoseconds each line costs, which stay the same where growth is linear. `lex` is the floor.
 */
import { check, lint } from "../compiler/mod.ts";
import { hygiene } from "../compiler/analysis/hygiene.ts";
import { Sources } from "../compiler/source.ts";
import { parse } from "../compiler/syntax/parse.ts";
import { lexer } from "../compiler/syntax/token.ts";

const ROUNDS = 5;

/** A file of one-line rules, no two alike. */
function rulesOf(n: number): string {
  const lines = Array.from({ length: n }, (_, i) => {
    const from = `10.${i >> 14 & 255}.${i >> 6 & 255}.${(i & 63) * 4}/30`;
    return `  ${i % 3 ? "accept" : "drop"} tcp from ${from} dport ${1 + i % 60000} label r${i}`;
  });
  return `chain input default drop {\n${lines.join("\n")}\n}\n`;
}

/** A file with one set of addresses, none next to another. */
function addressesOf(n: number): string {
  const list = Array.from(
    { length: n },
    (_, i) => `  10.${i >> 15 & 255}.${i >> 7 & 255}.${(i & 127) * 2},`,
  );
  return `set bad = {\n${list.join("\n")}\n}\nchain input default drop {\n  drop from @bad\n}\n`;
}

const STAGES: Readonly<Record<string, (text: string) => unknown>> = {
  lex: (text) => lexer.tokenize(text),
  "lex+parse": (text) => parse(new Sources().add("x.fw", text), () => {}),
  "lex+parse+resolve": (text) => check("x.fw", text),
  "lex+parse+resolve+hygiene": (text) => hygiene(check("x.fw", text).file),
  "all of lint": (text) => lint("x.fw", text),
};

for (const [what, make] of [["rules", rulesOf], ["addresses", addressesOf]] as const) {
  const sizes = what === "rules" ? [2_500, 5_000, 10_000, 20_000] : [25_000, 50_000, 100_000];
  for (const [stage, run] of Object.entries(STAGES)) {
    for (const n of sizes) {
      const text = make(n);
      const times = Array.from({ length: ROUNDS }, () => {
        const began = performance.now();
        run(text);
        return performance.now() - began;
      }).toSorted((a, b) => a - b);
      const median = times[ROUNDS >> 1]!;
      console.log(JSON.stringify({
        bench: "front",
        stage,
        [what]: n,
        rounds: ROUNDS,
        medianMs: Math.round(median),
        spreadMs: [Math.round(times[0]!), Math.round(times.at(-1)!)],
        nsPerLine: Math.round(median * 1e6 / n),
        deno: Deno.version.deno,
        cores: navigator.hardwareConcurrency,
      }));
    }
  }
}
