/**
 * Verdicts and shares as text.
 *
 * @module
 */
import type { Rule } from "../policy/policy.ts";

/** 0.999 is "99.9 %"; what is not all never reads as 100 %, nor what is something as 0. */
export function percent(share: number): string {
  if (share >= 1 - 1e-9) return "100 %";
  if (share < 0.0001) return "under 0.01 %";
  const digits = share > 0.999 || share < 0.001 ? 2 : 1;
  return `${Math.min(Number((100 * share).toFixed(digits)), 99.99)} %`;
}

/** The rule's verdict as the user wrote it. */
export function verdictText({ verdict: { name, reject } }: Pick<Rule, "verdict">): string {
  if (name === "next") return "match";
  return reject && reject !== "auto" ? `reject with ${reject.replace("_", "-")}` : name;
}
