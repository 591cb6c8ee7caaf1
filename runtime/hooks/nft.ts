/**
 * The hooks by nft: one table of our own, `inet barrage`, for both address families.
 *
 * When a base chain is deleted the kernel drops every packet that any queue of the network
 * namespace holds. Detaching therefore only empties the chains that queue, and the table goes when
 * the engine has answered what it held.
 *
 * @module
 */
import { LISTS } from "../../compiler/tables/layout.ts";
import type { Backend } from "./backend.ts";
import { type Command, run } from "./command.ts";
import { hex, type HookPlan, type RejectKind, rejectMark, stateMark } from "./plan.ts";

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

/** Puts `plan` in place of our table, in one transaction, whether there is one or not. */
function install(plan: HookPlan): Command {
  const chain = (kind: string, priority: string, rules: string[]) =>
    rules.length === 0 ? [] : plan.hooks.flatMap((hook) => [
      `\tchain ${kind}-${hook} {`,
      `\t\ttype filter hook ${hook} priority ${priority}; policy accept;`,
      ...rules.map((rule) => `\t\t${rule}`),
      "\t}",
    ]);
  return transaction([
    `add table ${TABLE}`,
    `delete table ${TABLE}`,
    `table ${TABLE} {`,
    ...chain("reject", "filter", rejectRules(plan)),
    ...chain("queue", "mangle", queueRules(plan)),
    "}",
  ]);
}

function queueRules({ queues, bypass, state, rejects, markMask: mask }: HookPlan): string[] {
  const setMark = (value: number) =>
    `meta mark set meta mark & ${hex(~mask >>> 0)} | ${hex(value)}`;
  const states = () =>
    LISTS.state.names.map((name) => `ct state ${name} ${setMark(stateMark(name, mask))}`);
  // Without states, a mark that came from elsewhere must still not read as a reject.
  const marks = state ? states() : rejects.length > 0 ? [setMark(0)] : [];
  const { first, last } = queues;
  const which = first === last ? `${first}` : `${first}-${last}`;
  return [...marks, `queue num ${which}${bypass ? " bypass" : ""}`];
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

function detach(hooks: HookPlan["hooks"]): Command {
  return transaction(hooks.map((hook) => `flush chain ${TABLE} queue-${hook}`));
}

function listTable(): Promise<string> {
  return run("cannot read our nft table", { argv: ["nft", "list", "table", ...TABLE.split(" ")] });
}

/** The hooks by nft. */
export const nft: Backend = {
  name: "nft",
  commands: (plan) => ({
    install: [install(plan)],
    detach: [detach(plan.hooks)],
    remove: [REMOVE],
  }),
  async find() {
    const tables = await run("cannot read the nft rules", LIST);
    return tables.split("\n").includes(`table ${TABLE}`) ? [`table ${TABLE} (nft)`] : [];
  },
  async queues() {
    if ((await nft.find()).length === 0) return [];
    const numbers = (await listTable()).matchAll(/\bqueue\b[^\n]*?\b(?:num|to) (\d+)/g);
    return [...new Set([...numbers].map(([, digits]) => Number(digits)))];
  },
  async install(plan) {
    await run("cannot install the hooks", install(plan));
  },
  async detach() {
    if ((await nft.find()).length === 0) return;
    const table = await listTable();
    const hooks = LISTS.hook.names.filter((hook) => table.includes(`chain queue-${hook} {`));
    await run("cannot end queueing", detach(hooks));
  },
  async remove() {
    if ((await nft.find()).length > 0) await run("cannot remove the hooks", REMOVE);
  },
};
