/**
 * A run's policy, changed for another while it runs: reloaded, or applied, for good or on trial.
 *
 * The new policy is checked, tested and compiled while the old one filters. What does not pass leaves
 * the old one in force and is said to whoever asked, and on standard error.
 *
 * @module
 */
import { carry, type Options, readSession, usesState } from "../compiler/mod.ts";
import {
  type Answer,
  type Handler,
  type Member,
  type Past,
  type Request,
  turns,
} from "../runtime/mod.ts";
import type { Candidate, Refused } from "./candidate.ts";
import type { Arguments } from "./command.ts";
import { differenceText } from "./diff.ts";
import { collectGarbage } from "./garbage.ts";
import { hookPlan } from "./plan.ts";
import { prepare } from "./prepare.ts";
import type { Places } from "./read.ts";
import type { Running } from "./running.ts";
import { sessionHere } from "./session.ts";
import { duration } from "./status.ts";
import { beginTrial, type Trial, TRIAL_TIME, trialMs } from "./trial.ts";

/** Options that a run cannot change: what its queues were bound with, and where it is asked. */
const HELD = [
  ...["queue", "batch", "workers", "split", "copy", "coalesce", "gro", "fail-overflow"] as const,
  ...["mark-mask", "hooks", "control", "metrics"] as const,
  ...["fail-error", "fail-hang", "hooks-lost"] as const,
];

/** After so long the thread that a policy was compiled on is gone, and nobody holds the one before. */
const SETTLE_MS = 1000;

export interface Changes {
  /** Where the policy in force was read from, and what was asked for since in its place. */
  places(): Places;
  readonly handlers: Readonly<Record<string, Handler>>;
  /** Reads the rule file again. Never rejects; the news is said on standard error. */
  reload(): Promise<void>;
  /** Nothing is changed any more once this has resolved. */
  stop(): Promise<void>;
}

/**
 * `places` are those of the policy in force. `swapped` is told when another policy decides, with what is
 * left to be read of the one before, and returns what it has complained of.
 */
export function acceptChanges(
  args: Arguments,
  running: Running,
  places: Places,
  swapped: (past: Past) => readonly string[],
): Changes {
  const ending = new AbortController();
  const inTurn = turns();

  const ready = async (
    file: string,
    request: Request,
    asker: AbortSignal[],
  ): Promise<Candidate> => {
    const refused = (why: string) =>
      new Error(`${file} is not put in force, ${running.file} stays: ${why}`);
    const { trial } = running;
    const broken = AbortSignal.any([ending.signal, ...asker]);
    if (broken.aborted) throw refused(broken.reason.message);
    if (trial) throw new Error(waitingText(trial));
    if (await isReadOnce(file)) {
      throw new Error(`${file} can be read only once; \`apply\` a file that stays`);
    }
    const { options } = running.policy;
    const held = Object.fromEntries(HELD.map((name) => [name, options[name]])) as Partial<Options>;
    const asked = typeof request.session === "string" ? readSession(request.session) : undefined;
    const wanted = { held, session: asked ?? sessionHere(), force: request.force === true };
    const next = await prepare(args, file, wanted, broken)
      .catch((error): Refused => ({ refused: error.message, places: new Map() }));
    if (!isRefused(next)) return next;
    if (file === running.file) places = new Map([...places, ...next.places]);
    throw refused(next.refused);
  };

  /** To return to. */
  const inForce = (): Candidate => {
    const { file, policy, engine } = running;
    return { file, places, policy, image: engine.image(), said: [] };
  };

  /** What the run has complained of. */
  const put = async (next: Candidate): Promise<readonly string[]> => {
    const before = running.policy, after = next.policy;
    let faults: readonly string[] = [];
    await running.service.change({
      image: next.image,
      carry: carry(before, after),
      hooks: after.options.hooks ? hookPlan(after) : undefined,
      asksMore: usesState(after) && !usesState(before),
    }, (past, pushed) => {
      running.changed(next.file, after, past.counters(), pushed);
      faults = swapped(past);
    });
    places = next.places;
    Deno.unrefTimer(setTimeout(collectGarbage, SETTLE_MS));
    console.error(`barrage: ${next.file} is in force (reload ${running.reloads})`);
    return faults;
  };

  const reload = (request: Request, ...asker: AbortSignal[]) =>
    inTurn(async () => {
      const next = await ready(running.file, request, asker);
      const faults = await put(next);
      return { file: next.file, said: next.said, faults };
    });

  const apply = (request: Request, ...asker: AbortSignal[]) =>
    inTurn(async () => {
      const { file, confirm } = request;
      if (typeof file !== "string") throw new Error("a file is missing");
      const ms = confirm === undefined ? undefined : trialMs(String(confirm));
      if (confirm !== undefined && !ms) {
        throw new Error(`\`confirm\` takes ${TRIAL_TIME}, found "${confirm}"`);
      }
      const next = await ready(file, request, asker);
      const difference = differenceText(running.policy, next.policy);
      const before = ms && { ...inForce(), sets: setsOf(running) };
      const faults = await put(next);
      if (ms && before) onTrial(file, before, ms);
      return { file, difference, said: next.said, faults };
    });

  const onTrial = (file: string, before: Candidate & { readonly sets: Sets }, ms: number) => {
    const goBack = async () => {
      const since = [...places].filter(([place]) => before.places.has(place));
      await put(before);
      // What the trial was read from is no news.
      places = new Map([...before.places, ...since]);
      restore(running, before.sets);
      endTrial();
    };
    const timeUp = (trial: Trial) =>
      inTurn(async () => {
        if (running.trial !== trial) return;
        await goBack();
        complain(`${file} was not confirmed; ${backText(trial)}`);
      });
    running.trial = beginTrial({ file, before: before.file, goBack }, ms, timeUp);
  };

  const endTrial = () => {
    running.trial?.end();
    running.trial = undefined;
  };

  /** Ends a trial, if there is one, as `how` does. */
  const decided = (how: (trial: Trial) => Promise<Answer>): Handler => () =>
    inTurn(async () => {
      if (!running.trial) throw new Error("nothing waits to be confirmed");
      return await how(running.trial);
    });

  const confirm = decided(({ file }) => {
    endTrial();
    return Promise.resolve({ file });
  });

  const revert = decided(async (trial) => {
    await trial.goBack();
    const said = backText(trial);
    complain(said);
    return { said };
  });

  return {
    places: () => places,
    handlers: { reload: told(reload), apply: told(apply), confirm, revert },
    reload: () =>
      reload({}).then(({ said }) => said.forEach((text) => console.error(text)), complain),
    async stop() {
      ending.abort(new Error("it is about to end"));
      running.trial?.end();
      await inTurn(async () => {});
    },
  };
}

function waitingText({ file, leftMs }: Trial): string {
  return `${file} waits to be confirmed, for ${duration(leftMs)} more: \`confirm\` keeps it, ` +
    "`revert` goes back to what was before";
}

/** After a trial. The file of both may be one that was written in between. */
function backText({ file, before }: Trial): string {
  return file === before
    ? `what was in force before is again; a reload or a start takes what ${file} holds now`
    : `${before} is in force again`;
}

/** A run that waited for a pipe to say more would change no more. */
async function isReadOnce(file: string): Promise<boolean> {
  // Without a file, whoever reads it says so.
  return file === "-" || await Deno.stat(file).then(({ isFifo }) => isFifo === true, () => false);
}

function isRefused(next: Candidate | Refused): next is Refused {
  return "refused" in next;
}

/** The run says itself, too, what it answers with an error. */
function told(change: (...asked: Parameters<Handler>) => Promise<Answer>): Handler {
  return async (...asked) => {
    try {
      return await change(...asked);
    } catch (error) {
      complain(error);
      throw error;
    }
  };
}

function complain(error: unknown): void {
  console.error(`barrage: ${error instanceof Error ? error.message : error}`);
}

/** Members of the sets that can be changed, by the set's name, and when they were asked for. */
interface Sets {
  readonly takenMs: number;
  readonly members: ReadonlyMap<string, readonly Member[]>;
}

function setsOf({ policy, engine }: Running): Sets {
  const names = policy.sets.map(({ name }) => name);
  const entries = names.map((name, i) => [name, engine.members(i)] as const);
  return {
    takenMs: performance.now(),
    members: new Map(entries.filter(([name]) => name !== "self")),
  };
}

/** Makes the sets what they were, less the time that has gone. */
function restore({ policy, engine }: Running, { takenMs, members }: Sets): void {
  const goneNs = BigInt(Math.round((performance.now() - takenMs) * 1e6));
  for (const [i, { name }] of policy.sets.entries()) {
    const then = members.get(name);
    if (!then) continue;
    for (const member of engine.members(i)) engine.deleteMember(i, member);
    for (const member of then) {
      const stayNs = member.stayNs === 0n ? 0n : member.stayNs - goneNs;
      if (stayNs >= 0n) engine.addMember(i, { ...member, stayNs });
    }
  }
}
