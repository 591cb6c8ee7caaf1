/**
 * The hooks by iptables: chains of our own in the tables mangle (queue) and filter (reject).
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
import { hex, type Hook, type HookPlan, type RejectKind, rejectMark, stateMark } from "./plan.ts";

export const FAMILIES = ["ipv4", "ipv6"] as const;
export type Family = (typeof FAMILIES)[number];
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

const REJECT_WITH: Record<Family, Record<RejectKind, string>> = {
  ipv4: {
    tcp_reset: "tcp-reset",
    icmp_port: "icmp-port-unreachable",
    icmp_host: "icmp-host-unreachable",
    icmp_net: "icmp-net-unreachable",
    icmp_admin: "icmp-admin-prohibited",
  },
  ipv6: {
    tcp_reset: "tcp-reset",
    icmp_port: "icmp6-port-unreachable",
    icmp_host: "icmp6-addr-unreachable",
    icmp_net: "icmp6-no-route",
    icmp_admin: "icmp6-adm-prohibited",
  },
};

/** The program of `variant` for `family` that does `action`: "iptables-legacy-restore". */
export function program(variant: Variant, family: Family, action: "restore" | "save"): string {
  return `${family === "ipv4" ? variant : variant.replace("ip", "ip6")}-${action}`;
}

/** The chains that `plan` needs, those that reject first. */
export function chainsOf(plan: HookPlan, family: Family): Chain[] {
  const chain = (table: Chain["table"], hook: Hook, rules: string[]): Chain => {
    const name = `barrage-${hook}`;
    return { table, name, rules, jumps: [`${BUILT_IN[hook]} -j ${name}`] };
  };
  const reject = rejectRules(plan, family);
  return [
    ...plan.hooks.filter(() => reject.length > 0).map((hook) => chain("filter", hook, reject)),
    ...plan.hooks.map((hook) => chain("mangle", hook, queueRules(plan))),
  ];
}

function queueRules({ queues, bypass, state, rejects, markMask: mask }: HookPlan): string[] {
  const setMark = (value: number) => `-j MARK --set-xmark ${hex(value)}/${hex(mask)}`;
  const states = () =>
    LISTS.state.names.map((name) =>
      `-m conntrack --ctstate ${name.toUpperCase()} ${setMark(stateMark(name, mask))}`
    );
  // Without states, a mark that came from elsewhere must still not read as a reject.
  const marks = state ? states() : rejects.length > 0 ? [setMark(0)] : [];
  const { first, last } = queues;
  const which = first === last ? `--queue-num ${first}` : `--queue-balance ${first}:${last}`;
  return [...marks, `-j NFQUEUE ${which}${bypass ? " --queue-bypass" : ""}`];
}

function rejectRules({ rejects, markMask: mask }: HookPlan, family: Family): string[] {
  return rejects.flatMap((kind) => {
    const marked = `-m mark --mark ${hex(rejectMark(kind, mask))}/${hex(mask)}`;
    const refuse = `-j REJECT --reject-with ${REJECT_WITH[family][kind]}`;
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
    const rules = [...part.matchAll(/^-A (.+)$/gm)].map(([, rule]) => rule!);
    for (const [, name] of part.matchAll(/^:(barrage-(?:input|forward|output|probe)) /gm)) {
      chains.push({
        table,
        name: name!,
        rules: rules.filter((r) => r.startsWith(`${name} `)).map((r) => r.slice(name!.length + 1)),
        jumps: rules.filter((r) => r.endsWith(` -j ${name}`) || r.endsWith(` -g ${name}`)),
      });
    }
  }
  return chains;
}

/**
 * One transaction that takes the chains `remove` away and puts the chains `add` in place. Rejects
 * come before what needs them, and go after it.
 */
export function transaction(
  program: string,
  remove: readonly Chain[],
  add: readonly Chain[],
): Command {
  const order = add.length > 0 ? ["filter", "mangle"] as const : ["mangle", "filter"] as const;
  const lines = order.flatMap((table) => {
    const old = remove.filter((chain) => chain.table === table);
    const body = [
      ...old.flatMap(({ jumps }) => jumps.map((jump) => `-D ${jump}`)),
      ...old.map(({ name }) => `-F ${name}`),
      ...old.map(({ name }) => `-X ${name}`),
      ...add.filter((chain) => chain.table === table).flatMap(({ name, rules, jumps }) => [
        `:${name} - [0:0]`,
        ...rules.map((rule) => `-A ${name} ${rule}`),
        ...jumps.map((jump) => `-I ${jump}`),
      ]),
    ];
    return body.length > 0 ? [`*${table}`, ...body, "COMMIT"] : [];
  });
  return { argv: [program, "--noflush", "--wait=5"], stdin: lines.join("\n") + "\n" };
}

/** The hooks by one variant of iptables, for the given address families. */
export function iptables(variant: Variant, families: readonly Family[] = FAMILIES): Backend {
  const found = async (family: Family) => {
    const argv = [program(variant, family, "save")] as const;
    return chainsIn(await run(`cannot read the ${family} rules`, { argv }));
  };
  const change = (family: Family, remove: readonly Chain[], add: readonly Chain[]) =>
    transaction(program(variant, family, "restore"), remove, add);

  async function removeWhere(which: (chain: Chain) => boolean) {
    for (const family of families) {
      const old = (await found(family)).filter(which);
      if (old.length === 0) continue;
      await run(`cannot remove the ${family} hooks`, change(family, old, []));
    }
  }

  return {
    name: variant,
    commands(plan) {
      const per = (command: (family: Family, chains: Chain[]) => Command) =>
        families.map((family) => command(family, chainsOf(plan, family)));
      const queueing = (chains: Chain[]) => chains.filter(({ table }) => table === "mangle");
      const rejecting = (chains: Chain[]) => chains.filter(({ table }) => table === "filter");
      return {
        install: per((family, chains) => change(family, [], chains)),
        detach: per((family, chains) => change(family, queueing(chains), [])),
        remove: plan.rejects.length === 0
          ? []
          : per((family, chains) => change(family, rejecting(chains), [])),
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
    async install(plan) {
      for (const family of families) {
        const command = change(family, await found(family), chainsOf(plan, family));
        await run(`cannot install the ${family} hooks`, command);
      }
    },
    detach: () => removeWhere(({ table }) => table === "mangle"),
    remove: () => removeWhere(() => true),
  };
}
