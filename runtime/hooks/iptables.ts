/**
 * The hooks by iptables: chains of our own in the tables mangle (push down and queue) and filter
 * (reject). A chain of rules pushed down has the number of its installation in its name: the next
 * one takes its place in one transaction, and it stays, out of use, until its counters are read.
 *
 * Every change is one restore transaction an address family, made from two lists of chains: those
 * to remove and those to add. What is to be removed is always read from the kernel first, so it
 * works after a crash, and after somebody else has flushed half of it. Rules of others are neither
 * moved nor changed.
 *
 * @module
 */
import { LISTS } from "../../compiler/tables/layout.ts";
import type { Backend } from "./backend.ts";
import { type Command, run } from "./command.ts";
import {
  addCount,
  FAMILIES,
  type Family,
  hex,
  type HookPlan,
  type Line,
  type PushedCount,
  pushedLines,
  rejectMark,
  stateMark,
} from "./plan.ts";

export type Variant = "iptables" | "iptables-legacy";

/** One of our chains. `jumps` are the rules that lead into it, worded as iptables-save does. */
export interface Chain {
  readonly table: "filter" | "mangle";
  readonly name: string;
  readonly rules: readonly string[];
  readonly jumps: readonly string[];
}

/** A chain that queues and that nothing leads to: can this kernel do it? */
export const SCRATCH: Chain = {
  table: "mangle",
  name: "barrage-probe",
  rules: ["-j NFQUEUE --queue-num 0"],
  jumps: [],
};

const BUILT_IN = { input: "INPUT", forward: "FORWARD", output: "OUTPUT" } as const;

/** The program of `variant` for `family` that does `action`: "iptables-legacy-restore". */
export function program(variant: Variant, family: Family, action: "restore" | "save"): string {
  return `${family === "ipv4" ? variant : variant.replace("ip", "ip6")}-${action}`;
}

/** The chains that `plan` needs as the `generation`-th installation, those that reject first. */
export function chainsOf(plan: HookPlan, family: Family, generation = 1): Chain[] {
  const chain = (table: Chain["table"], name: string, rules: string[], jumps: string[]): Chain => ({
    table,
    name,
    rules,
    jumps: jumps.map((from) => `${from} -j ${name}`),
  });
  const reject = rejectRules(plan, family);
  const rejecting = plan.hooks.filter(() => reject.length > 0)
    .map((hook) => chain("filter", `barrage-${hook}`, reject, [BUILT_IN[hook]]));
  const queueing = plan.hooks.flatMap((hook) => {
    const queue = `barrage-${hook}`;
    const lines = pushedLines(plan, hook, family);
    const rules = [...lines.flatMap((line) => lineRules(line, queue)), `-g ${queue}`];
    return lines.length === 0 ? [chain("mangle", queue, queueRules(plan), [BUILT_IN[hook]])] : [
      chain("mangle", queue, queueRules(plan), []),
      chain("mangle", `${queue}-${generation}`, rules, [BUILT_IN[hook]]),
    ];
  });
  return [...rejecting, ...queueing];
}

/** The rules of a line, the one that counts last: a rule has one target. */
function lineRules({ match, mark, then }: Line, queue: string): string[] {
  const marks = mark ? [`-j MARK --set-xmark ${hex(mark.value)}/${hex(mark.clear)}`] : [];
  const ends = then ? [then === "queue" ? `-g ${queue}` : `-j ${then.toUpperCase()}`] : [];
  const targets = [...marks, ...ends];
  return (targets.length > 0 ? targets : [""]).map((target) => `${match} ${target}`.trim());
}

function queueRules(
  { queues, byCore, bypass, state, rejects, markMask: mask }: HookPlan,
): string[] {
  const setMark = (value: number) => `-j MARK --set-xmark ${hex(value)}/${hex(mask)}`;
  const states = () =>
    LISTS.state.names.map((name) =>
      `-m conntrack --ctstate ${name.toUpperCase()} ${setMark(stateMark(name, mask))}`
    );
  // Without states, a mark that came from elsewhere must still not read as a reject.
  const marks = state ? states() : rejects.length > 0 ? [setMark(0)] : [];
  const { first, last } = queues;
  const which = first === last ? `--queue-num ${first}` : `--queue-balance ${first}:${last}`;
  const how = `${byCore && first !== last ? " --queue-cpu-fanout" : ""}`;
  return [...marks, `-j NFQUEUE ${which}${how}${bypass ? " --queue-bypass" : ""}`];
}

function rejectRules({ rejects, markMask: mask }: HookPlan, family: Family): string[] {
  return rejects.flatMap(({ kind, words }) => {
    const marked = `-m mark --mark ${hex(rejectMark(kind, mask))}/${hex(mask)}`;
    const refuse = `-j REJECT --reject-with ${words[family]}`;
    // Nothing but TCP can be reset; what else has the mark must not slip through.
    return kind === "tcp_reset"
      ? [`-p tcp ${marked} ${refuse}`, `${marked} -j DROP`]
      : [`${marked} ${refuse}`];
  });
}

/** Our chains in what iptables-save printed, whoever installed them. */
export function chainsIn(saved: string): Chain[] {
  const chains: Chain[] = [];
  for (const part of saved.split(/^\*/m)) {
    const table = part.split("\n", 1)[0];
    if (table !== "filter" && table !== "mangle") continue;
    const rules = [...part.matchAll(/^(?:\[\d+:\d+\] )?-A (.+)$/gm)].map(([, rule]) => rule!);
    for (
      const [, name] of part.matchAll(/^:(barrage-(?:input|forward|output|probe)(?:-\d+)?) /gm)
    ) {
      chains.push({
        table,
        name: name!,
        rules: rules.filter((r) => r.startsWith(`${name} `)).map((r) => r.slice(name!.length + 1)),
        jumps: rules.filter((r) =>
          !r.startsWith("barrage-") && (r.endsWith(` -j ${name}`) || r.endsWith(` -g ${name}`))
        ),
      });
    }
  }
  return chains;
}

/** Which installation a chain is of; 0 where nothing is pushed down. */
function generationOf({ name }: Chain): number {
  return Number(/-(\d+)$/.exec(name)?.[1] ?? 0);
}

/** What the rules of a chain have counted, in order, as iptables-save -c prints it. */
function countsIn(saved: string, chain: string): PushedCount[] {
  const [, mangle = ""] = /^\*mangle\n([^]*?)^COMMIT/m.exec(saved) ?? [];
  return [...mangle.matchAll(/^\[(\d+):(\d+)\] -A (\S+)/gm)]
    .filter(([, , , name]) => name === chain)
    .map(([, packets, bytes]) => ({ packets: BigInt(packets!), bytes: BigInt(bytes!) }));
}

/** What a transaction does with chains. */
interface Change {
  /** Nothing leads there any more; what they have counted stays. */
  readonly unlink?: readonly Chain[];
  readonly remove?: readonly Chain[];
  /** In place of one of that name, if there is one. */
  readonly add?: readonly Chain[];
}

/** One transaction. Rejects come before what needs them, and go after it. */
export function transaction(
  program: string,
  { unlink = [], remove = [], add = [] }: Change,
): Command {
  const order = add.length > 0 ? ["filter", "mangle"] as const : ["mangle", "filter"] as const;
  const lines = order.flatMap((table) => {
    const [left, old, wanted] = [unlink, remove, add]
      .map((chains) => chains.filter((chain) => chain.table === table)) as [
        Chain[],
        Chain[],
        Chain[],
      ];
    // One that is wanted again is only emptied: another chain may lead to it.
    const gone = old.filter(({ name }) => wanted.every((chain) => chain.name !== name));
    const body = [
      ...[...left, ...old].flatMap(({ jumps }) => jumps.map((jump) => `-D ${jump}`)),
      ...gone.map(({ name }) => `-F ${name}`),
      ...gone.map(({ name }) => `-X ${name}`),
      ...wanted.flatMap(({ name, rules, jumps }) => [
        `:${name} - [0:0]`,
        ...rules.map((rule) => `-A ${name} ${rule}`),
        ...jumps.map((jump) => `-I ${jump}`),
      ]),
    ];
    return body.length > 0 ? [`*${table}`, ...body, "COMMIT"] : [];
  });
  return { argv: [program, "--noflush", "--wait=5"], stdin: lines.join("\n") + "\n" };
}

/**
 * What ends queueing: nothing leads to our chains any more. They stay, for what they have counted,
 * and because the kernel drops what is queued when the last rule that asks for a state goes.
 */
function detaching(chains: readonly Chain[]): Change {
  return { unlink: chains.filter(({ table }) => table === "mangle") };
}

/** The hooks by one variant of iptables, for the given address families. */
export function iptables(variant: Variant, families: readonly Family[] = FAMILIES): Backend {
  const save = async (family: Family, ...options: string[]) => {
    const argv = [program(variant, family, "save"), ...options] as const;
    return await run(`cannot read the ${family} rules`, { argv });
  };
  const found = async (family: Family) => chainsIn(await save(family));
  const command = (family: Family, change: Change) =>
    transaction(program(variant, family, "restore"), change);

  /** Changes what is there of ours, if anything is. */
  async function changeFound(what: string, changeOf: (chains: Chain[], family: Family) => Change) {
    for (const family of families) {
      const change = changeOf(await found(family), family);
      if (Object.values(change).every((chains) => chains.length === 0)) continue;
      await run(`cannot ${what} the ${family} hooks`, command(family, change));
    }
  }

  return {
    name: variant,
    commands(plan) {
      const per = (changeOf: (chains: Chain[]) => Change) =>
        families.map((family) => command(family, changeOf(chainsOf(plan, family))))
          .filter(({ stdin }) => stdin !== "\n");
      return {
        install: per((add) => ({ add })),
        detach: per(detaching),
        remove: per((chains) => ({
          remove: chains.map((c) => c.table === "mangle" ? { ...c, jumps: [] } : c),
        })),
      };
    },
    async find() {
      const words = await Promise.all(
        families.map(async (family) =>
          (await found(family)).map(({ table, name }) =>
            `chain ${name} of ${family} table ${table} (${variant})`
          )
        ),
      );
      return words.flat();
    },
    async queues() {
      const chains = (await Promise.all(families.map(found))).flat();
      const rules = chains.flatMap((chain) => chain.rules).join("\n");
      const numbers = rules.matchAll(/--queue-(?:num|balance) (\d+)/g);
      return [...new Set([...numbers].map(([, digits]) => Number(digits)))];
    },
    owner: () => undefined,
    async install(plan, last) {
      const chains = await Promise.all(families.map(found));
      const generation = 1 + Math.max(last, ...chains.flat().map(generationOf));
      for (const [i, family] of families.entries()) {
        const add = chainsOf(plan, family, generation);
        const what = `cannot install the ${family} hooks`;
        await run(what, command(family, { unlink: chains[i]!, add }));
      }
      return generation;
    },
    async sweep(plan, generation) {
      await changeFound("clean up", (chains, family) => {
        const names = chainsOf(plan, family, generation).map(({ table, name }) => table + name);
        return { remove: chains.filter(({ table, name }) => !names.includes(table + name)) };
      });
    },
    async counters(plan, generation) {
      const totals = new Map<number, PushedCount>();
      for (const family of families) {
        const saved = await save(family, "-c", "-t", "mangle");
        for (const hook of plan.hooks) {
          const counts = countsIn(saved, `barrage-${hook}-${generation}`);
          let rules = 0;
          for (const line of pushedLines(plan, hook, family)) {
            rules += lineRules(line, "").length;
            addCount(totals, line, counts[rules - 1]);
          }
        }
      }
      return totals;
    },
    shape: async () => JSON.stringify(await Promise.all(families.map(found))),
    detach: () => changeFound("detach", detaching),
    remove: () => changeFound("remove", (remove) => ({ remove })),
  };
}
