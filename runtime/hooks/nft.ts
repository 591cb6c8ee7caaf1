/**
 * The hooks by nft: one table of our own, `inet barrage`, for both address families.
 *
 * When a base chain is deleted the kernel drops every packet that any queue of the network
 * namespace holds. Detaching therefore only lets packets pass in front of the queue, and the table
 * goes when the engine has answered what it held.
 *
 * If packets are to pass when nobody answers them (`bypass`), the table has an owner: what is pushed
 * down goes too when we die. Otherwise it must stay, to keep them out.
 *
 * @module
 */
import { LISTS } from "../../compiler/tables/layout.ts";
import type { Backend } from "./backend.ts";
import { type Command, HookError, run } from "./command.ts";
import { oneCommand, type Owner, ownersKnown, startOwner } from "./owner.ts";
import {
  addCount,
  hex,
  type HookPlan,
  type Line,
  type PushedCount,
  pushedLines,
  rejectMark,
  stateMark,
} from "./plan.ts";

const TABLE = "inet barrage";

/** A chain that queues and that no packet reaches: can this kernel do it? Changes nothing. */
export const PROBE: Command = {
  argv: ["nft", "-c", "-f", "-"],
  stdin: "table inet barrage-probe {\n\tchain probe {\n\t\tqueue num 0\n\t}\n}\n",
};

const LIST: Command = { argv: ["nft", "list", "tables"] };
const REMOVE = [`delete table ${TABLE}`];

/** Lines for nft to carry out together, and who is to: the table's owner, or one that ends at once. */
function transaction(lines: readonly string[], owned = false): Command {
  return owned
    ? { argv: ["nft", "-i"], stdin: `${oneCommand(lines)}\n` }
    : { argv: ["nft", "-f", "-"], stdin: lines.join("\n") + "\n" };
}

/**
 * Puts `plan` in place of our table, in one transaction, whether there is one or not. Unless it is
 * the first, base chains that are there only change their rules.
 */
function install(
  plan: HookPlan,
  generation: number,
  owned: boolean,
  there: Chains = new Map(),
): string[] {
  const flushed = [...there].filter(([, base]) => base)
    .map(([name]) => `flush chain ${TABLE} ${name}`);
  const tails = plan.hooks.map((hook) => `tail-${hook}`).filter((name) => there.has(name))
    .map((name) => `flush chain ${TABLE} ${name}`);
  const chain = (name: string, rules: readonly string[], base?: string) => [
    `\tchain ${name} {`,
    ...(base ? [`\t\ttype ${base}; policy accept;`] : []),
    ...rules.map((rule) => `\t\t${rule}`),
    "\t}",
  ];
  const rejects = rejectRules(plan);
  return [
    ...(there.size > 0 ? [...flushed, ...tails] : [`add table ${TABLE}`, `delete table ${TABLE}`]),
    `table ${TABLE} {`,
    ...(owned ? ["\tflags owner"] : []),
    ...plan.hooks.filter(() => rejects.length > 0)
      .flatMap((hook) => chain(`reject-${hook}`, rejects, `filter hook ${hook} priority filter`)),
    ...plan.hooks.flatMap((hook) => {
      // What leaves a chain of this type with another mark is routed again, as by iptables.
      const type = hook === "output" ? "route" : "filter";
      const base = (rules: string[]) =>
        chain(`queue-${hook}`, rules, `${type} hook ${hook} priority mangle`);
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
  ];
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
  return rejects.flatMap(({ kind, words }) => {
    const marked = `meta mark & ${hex(mask)} == ${hex(rejectMark(kind, mask))}`;
    const refuse = `reject with ${words.nft}`;
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
function detach(hooks: readonly string[]): string[] {
  return hooks.map((hook) => `insert rule ${TABLE} queue-${hook} accept`);
}

/** Our table as text, without counters if so asked; "" if there is none. */
async function ourTable(...options: string[]): Promise<string> {
  const what = "cannot read our nft table";
  if (!(await run(what, LIST)).split("\n").includes(`table ${TABLE}`)) return "";
  return await run(what, { argv: ["nft", ...options, "list", "table", ...TABLE.split(" ")] });
}

function isOwned(table: string): boolean {
  return /^\tflags .*owner/m.test(table);
}

/** The hooks by nft. */
export function nft(): Backend {
  let owner: Owner | undefined;

  /** Changes our table, which is `table` now. */
  async function change(what: string, table: string, lines: readonly string[]): Promise<void> {
    if (owner) return await owner.change(what, lines);
    if (isOwned(table)) {
      const why = "they belong to a run of Barrage that goes on";
      throw new HookError(what, why, "Stop it: the kernel removes them when it ends.");
    }
    await run(what, transaction(lines));
  }

  async function disown() {
    await owner?.stop();
    owner = undefined;
  }

  return {
    name: "nft",
    commands(plan) {
      const step = (lines: readonly string[]) => [transaction(lines, plan.bypass)];
      return {
        install: step(install(plan, 1, plan.bypass)),
        detach: step(detach(plan.hooks)),
        remove: step(REMOVE),
      };
    },
    owner: () => owner?.pid,
    async find() {
      return await ourTable() === "" ? [] : [`table ${TABLE} (nft)`];
    },
    async queues() {
      const numbers = (await ourTable()).matchAll(/\bqueue\b[^\n]*?\b(?:num|to) (\d+)/g);
      return [...new Set([...numbers].map(([, digits]) => Number(digits)))];
    },
    async install(plan, last) {
      const owned = plan.bypass && await ownersKnown();
      if (owner?.ended) await disown();
      const table = await ourTable();
      if (owned) owner ??= startOwner();
      // What has no owner cannot be given one, nor can it be taken from what has.
      const there = isOwned(table) === owned ? chainsIn(table) : new Map();
      const generation = 1 + Math.max(last, ...[...chainsIn(table).keys()].map(generationOf));
      const lines = install(plan, generation, owned, there);
      await change("cannot install the hooks", table, lines);
      if (!owned) await disown();
      return generation;
    },
    async sweep(_, generation) {
      const table = await ourTable();
      const old = [...chainsIn(table).keys()].filter((name) =>
        ![0, generation].includes(generationOf(name))
      );
      if (old.length === 0) return;
      await change("cannot clean up", table, old.map((name) => `delete chain ${TABLE} ${name}`));
    },
    async counters(plan, generation) {
      const totals = new Map<number, PushedCount>();
      const table = await ourTable();
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
    shape: () => ourTable("-s"),
    async detach() {
      const table = await ourTable();
      const hooks = [...chainsIn(table).keys()]
        .filter((name) => name.startsWith("queue-")).map((name) => name.slice("queue-".length));
      if (hooks.length > 0) await change("cannot end queueing", table, detach(hooks));
    },
    async remove() {
      const table = await ourTable();
      if (table !== "") await change("cannot remove the hooks", table, REMOVE);
      await disown();
    },
  };
}

function generationOf(chain: string): number {
  return Number(/^front-\w+-(\d+)$/.exec(chain)?.[1] ?? 0);
}
