/**
 * What is known of a run from its news: the latest, and what grew since those before.
 *
 * @module
 */
import type { RuleCount } from "../running.ts";
import type { News } from "./observer.ts";

/** A rule, and packets a second since the news before. */
export interface Ranked extends RuleCount {
  readonly rate: number;
}

/** What is known of a run, from its news so far. */
export interface View {
  readonly now: News;
  readonly before: News | undefined;
  /** By chain and name, in the order of the policy. */
  readonly rules: ReadonlyMap<string, Ranked>;
  /** Packets that waited at each of the last news, the latest last. */
  readonly depths: readonly number[];
}

const KEPT_DEPTHS = 60;

/** The view after news. */
export function after(view: View | undefined, now: News): View {
  const before = view?.now;
  const same = before !== undefined && before.reloads === now.reloads && before.pid === now.pid;
  const seconds = before ? secondsBetween(before, now) : 0;
  const known = [...view?.rules ?? []].map(([key, rule]) => [key, { ...rule, rate: 0 }] as const);
  const rules = new Map<string, Ranked>(same ? known : []);
  for (const rule of now.rules) {
    const key = `${rule.chain} ${rule.rule}`;
    const earlier = view?.rules.get(key);
    const rate = earlier ? Math.max(0, rule.packets - earlier.packets) / seconds : 0;
    rules.set(key, { ...rule, rate });
  }
  const waiting = now.queues.reduce((sum, queue) => sum + queue.waiting, 0);
  return { now, before, rules, depths: [...view?.depths ?? [], waiting].slice(-KEPT_DEPTHS) };
}

function secondsBetween(before: News, now: News): number {
  return Math.max(0.001, (now.upMs - before.upMs) / 1000);
}

/** A figure's growth a second. */
export function growth({ before, now }: View, read: (news: News) => number): number {
  return before ? Math.max(0, read(now) - read(before)) / secondsBetween(before, now) : 0;
}
