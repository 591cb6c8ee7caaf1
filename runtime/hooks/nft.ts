/**
 * The hooks by nft: one table of our own, `inet barrage`, for both address families.
 *
 * When a base chain is deleted the kernel drops every packet that any queue of the network
 * namespace holds. Detaching therefore only lets packets pass in front of the queue, and the table
 * goes when the engine has answered what it held.
 *
 * @module
 */
import { LISTS } from "../../compiler/tables/layout.ts";
import type { Backend } from "./backend.ts";
import { type Command, run } from "./command.ts";
import {
  addCount,
  hex,
  type HookPlan,
  type Line,
  type PushedCount,
  pushedLines,
  type RejectKind,
  rejectMark,
  stateMark,
} from "./plan.ts";

const TABLE = "inet barrage";

const REJECT_WITH: Record<RejectKind, string> = {
  tcp_reset: "tcp reset",
  icmp_port: "icmpx type port-unreachable",
  icmp_host: "icmpx type host-unreachable",
  icmp_net: "icmpx type no-route",
  icmp_admin: "icmpx type admin-prohibited",
};

/** A chain that queues and that no packet reaches: can this kernel do it? Changes nothing. */
export const PROBE: Command = {
  argv: ["nft", "-c", "-f", "-"],
  stdin: "table inet barrage-probe {\n\tchain probe {\n\t\tqueue num 0\n\t}\n}\n",
};

const LIST: Command = { argv: ["nft", "list", "tables"] };
const REMOVE = transaction([`delete table ${TABLE}`]);

function transaction(lines: readonly string[]): Command {
  return { argv: ["nft", "-f", "-"], stdin: lines.join("\n") + "\n" };
}

/**
 * Puts `plan` in place of our table, in one transaction, whether there is one or not. Unless it is
 * the first, base chains that are there only change their rules.
 */
function install(plan: HookPlan, generation: number, there: Chains = new Map()): Command {
  const flushed = [...there].filter(([, base]) => base)
    .map(([name]) => `flush chain ${TABLE} ${name}`);
  const tails = plan.hooks.map((hook) => `tail-${hook}`).filter((name) => there.has(name))
    .map((name) => `flush chain ${TABLE} ${name}`);
  const chain = (name: string, rules: readonly string[], base?: string) => [
    `\tchain ${name} {`,
    ...(base ? [`\t\ttype filter hook ${base}; policy accept;`] : []),
    ...rules.map((rule) => `\t\t${rule}`),
    "\t}",
  ];
  const rejects = rejectRules(plan);
  return transaction([
    ...(there.size > 0 ? [...flushed, ...tails] : [`add table ${TABLE}`, `delete table ${TABLE}`]),
    `table ${TABLE} {`,
    ...plan.hooks.filter(() => rejects.length > 0)
      .flatMap((hook) => chain(`reject-${hook}`, rejects, `${hook} priority filter`)),
    ...plan.hooks.flatMap((hook) => {
      const base = (rules: string[]) => chain(`queue-${hook}`, rules, `${hook} priority mangle`);
      const lines = pushedLines(plan, hook, "nft");
      if (lines.length === 0) return base(queueRules(plan));
      const tail = `tail-${hook}`, front = `front-${hook}-${generation}`;
      return [
        ...chain(tail, queueRules(plan)),
        ...chain(front, [...lines.map((line) => lineRule(line, tail)), `goto ${tail}`]),
        ...base([`goto ${front}`]),
      ];
    }),
    "}",
  ]);
}

function lineRule({ match, mark, then, counts }: Line, tail: string): string {
  return [
    match,
    ...(mark ? [markRule(mark.value, mark.clear)] : []),
    ...(counts === undefined ? [] : ["counter"]),
    ...(then ? [then === "queue" ? `goto ${tail}` : then] : []),
  ].filter((part) => part !== "").join(" ");
}

function markRule(value: number, clear: number): string {
  return `meta mark set meta mark & ${hex(~clear >>> 0)} | ${hex(value)}`;
}

function queueRules(
  { queues, byCore, bypass, state, rejects, markMask: mask }: HookPlan,
): string[] {
  const setMark = (value: number) => markRule(value, mask);
  const states = () =>
    LISTS.state.names.map((name) => `ct state ${name} ${setMark(stateMark(name, mask))}`);
  // Without states, a mark that came from elsewhere must still not read as a reject.
  const marks = state ? states() : rejects.length > 0 ? [setMark(0)] : [];
  const { first, last } = queues;
  const which = first === last ? `${first}` : `${first}-${last}`;
  const flags = [...(bypass ? ["bypass"] : []), ...(byCore && first !== last ? ["fanout"] : [])];
  return [...marks, `queue num ${which}${flags.length > 0 ? ` ${flags.join(",")}` : ""}`];
}

function rejectRules({ rejects, markMask: mask }: HookPlan): string[] {
  return rejects.flatMap((kind) => {
    const marked = `meta mark & ${hex(mask)} == ${hex(rejectMark(kind, mask))}`;
    const refuse = `reject with ${REJECT_WITH[kind]}`;
    // Nothing but TCP can be reset; what else has the mark must not slip through.
    return kind === "tcp_reset"
      ? [`${marked} meta l4proto tcp ${refuse}`, `${marked} drop`]
      : [`${marked} ${refuse}`];
  });
}

/** Our chains by name, and which of them are base chains. */
type Chains = ReadonlyMap<string, boolean>;

function chainsIn(table: string): Chains {
  const chains = table.matchAll(/^\tchain (\S+) \{\n(\t\ttype)?/gm);
  return new Map([...chains].map(([, name, type]) => [name!, type !== undefined]));
}

/** The rules stay: when the last that asks for a state goes, the kernel drops what is queued. */
function detach(hooks: readonly string[]): Command {
  return transaction(hooks.map((hook) => `insert rule ${TABLE} queue-${hook} accept`));
}

/** Our table as text; undefined if there is none. */
async function ourTable(): Promise<string | undefined> {
  if ((await nft.find()).length === 0) return undefined;
  return await run("cannot read our nft table", {
    argv: ["nft", "list", "table", ...TABLE.split(" ")],
  });
}

/** The same without counters. */
async function ourShape(): Promise<string> {
  if ((await nft.find()).length === 0) return "";
  return await run("cannot read our nft table", {
    argv: ["nft", "-s", "list", "table", ...TABLE.split(" ")],
  });
}

/** The hooks by nft. */
export const nft: Backend = {
  name: "nft",
  commands: (plan) => ({
    install: [install(plan, 1)],
    detach: [detach(plan.hooks)],
    remove: [REMOVE],
  }),
  async find() {
    const tables = await run("cannot read the nft rules", LIST);
    return tables.split("\n").includes(`table ${TABLE}`) ? [`table ${TABLE} (nft)`] : [];
  },
  async queues() {
    const numbers = (await ourTable() ?? "").matchAll(/\bqueue\b[^\n]*?\b(?:num|to) (\d+)/g);
    return [...new Set([...numbers].map(([, digits]) => Number(digits)))];
  },
  async install(plan) {
    const there = chainsIn(await ourTable() ?? "");
    const generation = 1 + Math.max(0, ...[...there.keys()].map(generationOf));
    await run("cannot install the hooks", install(plan, generation, there));
    return generation;
  },
  async sweep(_, generation) {
    const old = [...chainsIn(await ourTable() ?? "").keys()].filter((name) =>
      ![0, generation].includes(generationOf(name))
    );
    if (old.length === 0) return;
    await run("cannot clean up", transaction(old.map((name) => `delete chain ${TABLE} ${name}`)));
  },
  async counters(plan, generation) {
    const totals = new Map<number, PushedCount>();
    const table = await ourTable() ?? "";
    for (const hook of plan.hooks) {
      const start = table.indexOf(`\tchain front-${hook}-${generation} {\n`);
      if (start < 0) continue;
      const chain = table.slice(start, table.indexOf("\n\t}", start));
      const counts = [...chain.matchAll(/\bcounter packets (\d+) bytes (\d+)/g)]
        .map(([, packets, bytes]) => ({ packets: BigInt(packets!), bytes: BigInt(bytes!) }));
      const lines = pushedLines(plan, hook, "nft").filter((line) => line.counts !== undefined);
      for (const [i, line] of lines.entries()) addCount(totals, line, counts[i]);
    }
    return totals;
  },
  shape: ourShape,
  async detach() {
    const hooks = [...chainsIn(await ourTable() ?? "").keys()]
      .filter((name) => name.startsWith("queue-")).map((name) => name.slice("queue-".length));
    if (hooks.length > 0) await run("cannot end queueing", detach(hooks));
  },
  async remove() {
    if ((await nft.find()).length > 0) await run("cannot remove the hooks", REMOVE);
  },
};

function generationOf(chain: string): number {
  return Number(/^front-\w+-(\d+)$/.exec(chain)?.[1] ?? 0);
}
