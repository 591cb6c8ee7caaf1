// How long do lexing, parsing, resolving and linting take, and do they grow with the file?
import { hygiene } from "../compiler/analysis/hygiene.ts";
import { check, type Checked, type Read } from "../compiler/mod.ts";
import { Sources } from "../compiler/source.ts";
import { parse } from "../compiler/syntax/parse.ts";
import { lexer } from "../compiler/syntax/token.ts";
import type { Options } from "./main.ts";
import { machine, summarize, table } from "./report.ts";

/** What is read: in the file itself or in one that it names. */
interface Input {
  readonly text: string;
  readonly read: Read;
  /** The same in nft's language. */
  readonly nft: string;
}

/** What a size must stay under, in milliseconds. */
const LIMITS: Readonly<Record<string, number>> = { "rules 10000": 1500, "set file 100000": 1000 };

const INPUTS: Readonly<Record<string, { sizes: number[]; make: (lines: number) => Input }>> = {
  rules: { sizes: [2_500, 5_000, 10_000, 20_000], make: rulesOf },
  "set file": { sizes: [25_000, 50_000, 100_000, 200_000], make: setFileOf },
};

/** The floor is the lexer alone, the rival nft, which asks the kernel as well. */
const STAGES: Readonly<Record<string, (input: Input) => void>> = {
  "lex (floor)": ({ text, read }) => {
    lexer.tokenize(text);
    const files = read("", "");
    if (typeof files !== "string") files.map((file) => file.text.split("\n"));
  },
  "lex, parse": ({ text }) => {
    parse(new Sources().add("x.fw", text), () => {});
  },
  "lex, parse, resolve": (input) => {
    checked(input);
  },
  "lex, parse, resolve, hygiene": (input) => {
    const { file, written } = checked(input);
    hygiene(file, written, "2030-01-01");
  },
  "nft -c (rival)": ({ nft }) => {
    const { code, stderr } = new Deno.Command("nft", { args: ["-c", "-f", nft] }).outputSync();
    if (code !== 0) throw new Error(`nft -c: ${new TextDecoder().decode(stderr).slice(0, 200)}`);
  },
};

/** `--rounds 5`. `ns per line` is the same for all sizes where growth is linear. */
export async function bench({ rounds = "5" }: Options, signal: AbortSignal): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const rows = [["case", "median ms", "min", "max", "limit", "ns per line"]];
    for (const [what, { sizes, make }] of Object.entries(INPUTS)) {
      for (const [stage, run] of Object.entries(STAGES)) {
        for (const lines of sizes) {
          const input = make(lines);
          const nft = `${folder}/rules.nft`;
          await Deno.writeTextFile(nft, input.nft);
          const samples = Array.from({ length: Number(rounds) }, () => {
            signal.throwIfAborted();
            const began = performance.now();
            run({ ...input, nft });
            return performance.now() - began;
          });
          const { median, min, max } = summarize(samples);
          const name = `${what} ${lines}, ${stage}`;
          const limit = stage.endsWith("hygiene") ? LIMITS[`${what} ${lines}`] : undefined;
          const nsPerLine = Math.round(median * 1e6 / lines);
          const about = { machine: machine(), seed: 0, rounds: Number(rounds) };
          console.log(JSON.stringify({ case: name, median, min, max, limit, nsPerLine, ...about }));
          const figures = [median, min, max, limit ?? "", nsPerLine];
          rows.push([name, ...figures.map(String)]);
        }
      }
    }
    console.log(`\n${table(rows)}`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function checked({ text, read }: Input): Checked {
  const result = check("x.fw", text, {}, read);
  if (!result.policy) throw new Error(result.diagnostics[0]?.message);
  return result;
}

/** Rules of one line each, no two alike. */
function rulesOf(lines: number): Input {
  const rules = Array.from({ length: lines }, (_, i) => ({
    verb: i % 3 ? "accept" : "drop",
    from: `10.${i >> 14 & 255}.${i >> 6 & 255}.${(i & 63) * 4}/30`,
    port: 1 + i % 60000,
    label: `r${i}`,
  }));
  const ours = rules.map(({ verb, from, port, label }) =>
    `  ${verb} tcp from ${from} dport ${port} label ${label}`
  );
  const theirs = rules.map(({ verb, from, port, label }) =>
    `ip saddr ${from} tcp dport ${port} counter ${verb} comment "${label}"`
  );
  return {
    text: `chain input default drop {\n${ours.join("\n")}\n}\n`,
    read: () => "no other file is read",
    nft: `table inet x { chain input {\ntype filter hook input priority 0; policy drop;\n${
      theirs.join("\n")
    }\n}\n}\n`,
  };
}

/** A set whose file lists addresses, none next to another. */
function setFileOf(lines: number): Input {
  const list = Array.from(
    { length: lines },
    (_, i) => `10.${i >> 15 & 255}.${i >> 7 & 255}.${(i & 127) * 2}`,
  );
  const file = [{ name: "bad.txt", text: list.join("\n") }];
  return {
    text: 'set bad : addr file "bad.txt"\nchain input default drop {\n  drop from @bad\n}\n',
    read: () => file,
    nft: `table inet x { set bad { type ipv4_addr; elements = {\n${list.join(",\n")}\n}\n}\n}\n`,
  };
}
