/**
 * What the kernel is told to do in front of the queue: the pushed prefix of each chain, in the words
 * of its tools.
 *
 * @module
 */
import type { Diagnostic } from "../diagnostic.ts";
import { prefixes } from "../analysis/pushdown.ts";
import { flawOf, isDeep, type Step } from "../analysis/split.ts";
import { FRAGMENT, type Hook, HOOKS, IPV6 } from "../policy/field.ts";
import { contains } from "../policy/interval.ts";
import type { MarkChange, Policy } from "../policy/policy.ts";
import { narrow, type Region, valuesOf } from "../policy/region.ts";
import { IPTABLES_ODD, iptablesMatches } from "./iptables.ts";
import { NFT_ODD, nftMatches } from "./nft.ts";

/** Kernel rules of one step: what they match, by tool and family, each text one kernel rule. */
type Match = Readonly<Record<"nft" | "ipv4" | "ipv6", readonly string[]>>;

export interface FrontRule {
  readonly hook: Hook;
  readonly match: Match;
  readonly does: Step["does"];
  readonly mark?: MarkChange;
  /** The rule, by number, that its packets are counted for; undefined for none. */
  readonly counts?: number;
}

/** What the kernel does by itself of one hook's chain. */
export interface Front {
  readonly hook: Hook;
  readonly kernel: readonly FrontRule[];
  /** The rules that it decides by, or counts, in file order. */
  readonly rules: readonly number[];
  /** The first rule that is left to the queue, and why; undefined if none is. */
  readonly end: { readonly rule: number; readonly why: string } | undefined;
}

/** What goes in front of the queue, a chain after the other; none if that is switched off. */
export function pushDown(policy: Policy): Front[] {
  const most = policy.options["push-down"];
  if (most === 0) return [];
  return prefixes(policy, (region) => sized(matchOf(policy, region)), most).map((prefix) => {
    const { hook, steps, rules, end } = prefix;
    const flaw = flawOf(policy, hook, steps);
    if (flaw?.witness) {
      throw new Error(`Cannot push down ${policy.rules[flaw.step.rule]!.name}: it ${flaw.what}`);
    }
    if (flaw) {
      const why = "it could not be proven in time that nothing changes";
      return { hook, kernel: [], rules: [], end: { rule: flaw.step.rule, why } };
    }
    return { hook, kernel: kernelRules(policy, hook, steps), rules, end };
  });
}

/** FW506 */
export function notPushed(policy: Policy): Diagnostic[] {
  return pushDown(policy).filter(({ rules }) => rules.length === 0).map(({ hook, end }) => {
    const { name, span } = policy.rules[end!.rule]!;
    return {
      code: "FW506",
      message: `every packet of ${hook} goes through the queue, for its first rule does`,
      span,
      note: `the kernel cannot carry out ${name} by itself: ${end!.why}`,
      help: "if the order allows, begin with what most packets match: `accept state established`",
    };
  });
}

function kernelRules(policy: Policy, hook: Hook, steps: readonly Step[]): FrontRule[] {
  const rules = steps.map(({ region, does, rule }): FrontRule => {
    const match = matchOf(policy, region) as Match;
    const { mark } = policy.rules[rule]!;
    return does === "queue"
      ? { hook, match, does }
      : { hook, match, does, ...(mark && { mark }), counts: rule };
  });
  // What the tools read otherwise than the engine is its to decide, before anything is counted.
  const odd: FrontRule = { hook, match: { nft: NFT_ODD, ...IPTABLES_ODD }, does: "queue" };
  const deep = steps.findIndex(({ region }) => isDeep(region) && mayBeIpv6(region));
  const before = steps.slice(0, Math.max(0, deep)).findLastIndex(({ does }) => does !== "count");
  return deep < 0 ? rules : rules.toSpliced(before + 1, 0, odd);
}

function mayBeIpv6(region: Region): boolean {
  return contains(valuesOf(narrow(region), "family"), IPV6);
}

function matchOf(policy: Policy, region: Region): Match | { readonly why: string } {
  // Conntrack has put together what came in fragments: see `pushdown.ts`.
  const { fragment, ...whole } = region;
  if (fragment && !contains(fragment, FRAGMENT.whole)) return { nft: [], ipv4: [], ipv6: [] };
  const hook = HOOKS[Number(region.hook![0]!.lo)]!;
  const rule = { hook, regions: [whole], verdict: { name: "next" } } as const;
  const nft = nftMatches(policy, rule);
  if ("why" in nft) return nft;
  const ipv4 = iptablesMatches(policy, rule, "ipv4");
  if ("why" in ipv4) return ipv4;
  const ipv6 = iptablesMatches(policy, rule, "ipv6");
  return "why" in ipv6 ? ipv6 : { nft, ipv4, ipv6 };
}

/** The kernel rules that a packet may have to be compared with, by the tool that needs most. */
function sized(match: Match | { readonly why: string }) {
  if ("why" in match) return match;
  return { size: Math.max(...Object.values(match).map((rules) => rules.length)) };
}
