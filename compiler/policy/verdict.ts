/**
 * Verbs to verdicts.
 *
 * @module
 */
import { type Report, suggestion } from "../diagnostic.ts";
import type * as Ast from "../syntax/ast.ts";
import type { RejectKind, Verdict } from "./policy.ts";

const REJECTS: Readonly<Record<string, RejectKind>> = {
  "tcp-reset": "tcp_reset",
  "icmp-port": "icmp_port",
  "icmp-host": "icmp_host",
  "icmp-net": "icmp_net",
  "icmp-admin": "icmp_admin",
};

/** The verdict of a verb that has one, or undefined if it is wrong (and that was reported). */
export function readVerdict(verb: Ast.Verb, report: Report): Verdict | undefined {
  switch (verb.kind) {
    case "accept":
    case "drop":
      return { name: verb.kind };
    case "match":
      return { name: "next" };
    case "reject": {
      if (!verb.with) return { name: "reject", reject: "auto" };
      const reject = REJECTS[verb.with.text];
      if (reject) return { name: "reject", reject };
      report({
        code: "FW218",
        message: `\`${verb.with.text}\` is not a way to reject`,
        span: verb.with.span,
        ...suggestion(verb.with.text, Object.keys(REJECTS)),
        note: `the ways are ${Object.keys(REJECTS).join(", ")}`,
      });
      return undefined;
    }
    case "jump":
    case "return":
      throw new Error(`Cannot read a verdict from \`${verb.kind}\``);
  }
}
