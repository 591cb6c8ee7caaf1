/**
 * One rule of iptables, from the words of its line to a statement.
 *
 * @module
 */
import type { Family } from "../kernel/cases.ts";
import { IptablesMatch } from "./iptables_match.ts";
import { leftOut, type Statement, type Verb } from "./ruleset.ts";
import { hex, Never, REJECTS, Unsaid } from "./words.ts";

/** Reads one rule. */
export class IptablesRule {
  readonly #match: IptablesMatch;
  readonly #effects: string[] = [];

  constructor(family: Family, sets: Map<string, string>) {
    this.#match = new IptablesMatch(family, sets);
  }

  read(source: string, words: readonly string[]): Statement {
    try {
      const verb = this.#words([...words]);
      this.#match.end();
      const { ways, inexact, comments } = this.#match;
      const label = comments.join(" ");
      return {
        source,
        ways,
        effects: this.#effects,
        verb,
        ...(label !== "" && { label }),
        fidelity: "exact",
        ...inexact,
      };
    } catch (error) {
      if (error instanceof Never) {
        return { source, ways: [], effects: [], verb: { kind: "match" }, fidelity: "exact" };
      }
      if (!(error instanceof Unsaid)) throw error;
      return leftOut(source, error.message, error.harmless || !decides(words));
    }
  }

  #words(words: string[]): Verb {
    let not = false;
    let verb: Verb = { kind: "match" };
    const take = () => {
      const word = words.shift();
      if (word === undefined) throw new Unsaid("it ends too early");
      return word;
    };
    while (words.length > 0) {
      const word = take();
      if (word === "!") {
        not = true;
        continue;
      }
      // Before iptables 1.4.3 the `!` stood behind the option.
      const negated = () => {
        const before = not;
        if (words[0] === "!") words.shift();
        else return before;
        return true;
      };
      if (word === "-j" || word === "--jump") verb = this.#target(take(), words);
      else if (word === "-g" || word === "--goto") verb = { kind: "goto", chain: take() };
      else if (word === "-m" || word === "--match") {
        this.#match.begin(take());
      } else this.#match.option(word, negated(), take);
      not = false;
    }
    return verb;
  }

  #target(name: string, words: string[]): Verb {
    const option = (wanted: string) => {
      const at = words.indexOf(wanted);
      return at < 0 ? undefined : words.splice(at, 2)[1];
    };
    switch (name) {
      case "ACCEPT":
        return { kind: "verdict", text: "accept" };
      case "DROP":
        return { kind: "verdict", text: "drop" };
      case "RETURN":
        return { kind: "return" };
      case "REJECT": {
        const kind = option("--reject-with");
        if (kind === undefined) return { kind: "verdict", text: "reject with icmp-port" };
        if (Object.hasOwn(REJECTS, kind)) {
          return { kind: "verdict", text: `reject with ${REJECTS[kind]}` };
        }
        this.#match.approximate("exact", `the answer is icmp-port, not ${kind}`);
        return { kind: "verdict", text: "reject with icmp-port" };
      }
      case "LOG":
      case "NFLOG": {
        const prefix = option("--log-prefix") ?? option("--nflog-prefix");
        words.length = 0;
        this.#effects.push(prefix ? `log ${JSON.stringify(prefix)}` : "log");
        return { kind: "match" };
      }
      case "MARK":
        this.#effects.push(markChange(option("--set-xmark") ?? option("--set-mark") ?? ""));
        return { kind: "match" };
      case "QUEUE":
      case "NFQUEUE":
        throw new Unsaid("another program decides what it queues");
      default:
        if (BESIDE.includes(name)) {
          throw new Unsaid(`the target ${name} does what Barrage does not do`, true);
        }
        return { kind: "jump", chain: name };
    }
  }
}

function markChange(text: string): string {
  const [value = "", mask = "0xffffffff"] = text.split("/");
  if (!/^(0x[0-9a-fA-F]+|\d+)$/.test(value)) {
    throw new Unsaid("it changes the mark in another way than to a value");
  }
  // --set-xmark flips the bits that are outside the mask.
  if ((Number(value) & ~Number(mask)) !== 0) throw new Unsaid("it flips bits of the mark");
  return `set mark ${hex(value)}${Number(mask) === 0xffffffff ? "" : `/${hex(mask)}`}`;
}

/** Targets that never decide and that nothing here stands for. */
const BESIDE: readonly string[] = [
  ...["NOTRACK", "CT", "CONNMARK", "CLASSIFY", "TCPMSS", "TRACE", "AUDIT", "SET", "TEE", "ULOG"],
  ...["DSCP", "TOS", "TTL", "HL", "CHECKSUM", "ECN", "SECMARK", "CONNSECMARK", "IDLETIMER", "LED"],
  ...["RATEEST", "HMARK", "TCPOPTSTRIP", "FLOWOFFLOAD"],
];

/** Whether a rule may decide: without a target, or with one that does not, it never does. */
function decides(words: readonly string[]): boolean {
  const at = words.findIndex((word) => ["-j", "--jump", "-g", "--goto"].includes(word));
  return at >= 0 && ![...BESIDE, "LOG", "NFLOG", "MARK"].includes(words[at + 1] ?? "");
}
