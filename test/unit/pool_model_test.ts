/**
 * The pool's protocol (native/pool.c) as a small state machine, walked through in every order that
 * its threads could take: each chunk runs once, with its own round's job, and nobody sleeps for
 * good. The same walk finds the fault in each of three mistakes that the protocol avoids.
 *
 * One step is one access to shared memory, or one look of the kernel at a futex. Memory is
 * sequentially consistent here: what is relaxed in C is looked after by ThreadSanitizer.
 */
import { assertEquals } from "@std/assert";

type Mistake = "limit beside the ticket" | "flag read before publishing" | "caller never woken";

interface Caller {
  at: "job" | "publish" | "wake" | "claim" | "run" | "join" | "flag" | "wait" | "asleep" | "end";
  round: number;
  snap: string;
  claimed: number;
  own: number;
  doneBefore: number;
}

interface Helper {
  at: "look" | "flag" | "wait" | "asleep" | "claim" | "run" | "report" | "wake" | "end";
  seen: number;
  snap: string;
  claimed: number;
  count: number;
}

interface State {
  generation: number;
  chunks: number;
  next: number;
  sleeping: boolean;
  /** By helpers, ever. */
  done: number;
  callerSleeps: boolean;
  stop: boolean;
  job: number;
  ran: number;
  caller: Caller;
  helpers: Helper[];
  fault: string;
}

const wordOf = (generation: number, chunks: number, next: number) =>
  `${generation} ${chunks} ${next}`;
const ticket = (s: State) => wordOf(s.generation, s.chunks, s.next);
const doneWord = (s: State) => `${s.done} ${s.callerSleeps}`;

/** What can come next, one state for each thread that is not asleep. `rounds`: chunks of each. */
function successors(s: State, rounds: readonly number[], mistake?: Mistake): State[] {
  const step = (change: (next: State) => void): State => {
    const next = structuredClone(s);
    change(next);
    return next;
  };
  const helpers = s.helpers.flatMap((helper, i) =>
    helper.at === "asleep" || helper.at === "end"
      ? []
      : [step((next) => helperStep(next, next.helpers[i]!, mistake))]
  );
  const { at } = s.caller;
  return at === "asleep" || at === "end"
    ? helpers
    : [...helpers, step((next) => callerStep(next, next.caller, rounds, mistake))];
}

/** The next chunk that a ticket offers to a generation, if any. */
function offer(s: State, snap: string, generation: number, mistake?: Mistake): number | undefined {
  const [of, chunks, next] = snap.split(" ").map(Number) as [number, number, number];
  const limit = mistake === "limit beside the ticket" ? s.chunks : chunks;
  return of === generation && next < limit ? next : undefined;
}

/** Claims by compare-and-swap what `snap` offers: the chunk, or none if there has been a change. */
function claim(s: State, by: Caller | Helper, chunk: number, mistake?: Mistake): void {
  const [of, chunks, next] = by.snap.split(" ").map(Number) as [number, number, number];
  const unchanged = s.generation === of && s.next === next &&
    (mistake === "limit beside the ticket" || s.chunks === chunks);
  if (unchanged) {
    s.next++;
    by.claimed = chunk;
    by.at = "run";
  }
  // What the swap has found, or left.
  by.snap = ticket(s);
}

function runChunk(s: State, chunk: number, round: number): void {
  if (s.ran & 1 << chunk) s.fault ||= "a chunk ran twice";
  if (s.job !== round) s.fault ||= "a chunk ran with another round's job";
  s.ran |= 1 << chunk;
}

function callerStep(s: State, c: Caller, rounds: readonly number[], mistake?: Mistake): void {
  const chunks = rounds[c.round - 1] ?? 0;
  const isComplete = () => s.done === c.doneBefore + chunks - c.own;
  const nextRound = () => {
    if (s.ran !== (1 << chunks) - 1) s.fault ||= "a round ended early";
    c.doneBefore = s.done;
    c.round++;
    c.at = "job";
  };
  // The first chunk is the caller's own.
  const begin = () => {
    c.claimed = 0;
    c.at = s.stop ? "end" : "run";
  };
  switch (c.at) {
    case "job":
      s.job = c.round;
      s.ran = c.own = 0;
      s.callerSleeps = false;
      s.stop = c.round > rounds.length;
      if (mistake === "limit beside the ticket") s.chunks = chunks;
      if (mistake === "flag read before publishing") c.snap = `${s.sleeping}`;
      c.at = "publish";
      break;
    case "publish": {
      const wake = mistake === "flag read before publishing" ? c.snap === "true" : s.sleeping;
      Object.assign(s, { generation: c.round, chunks, next: 1, sleeping: false });
      c.snap = wordOf(c.round, chunks, 1);
      if (wake) c.at = "wake";
      else begin();
      break;
    }
    case "wake":
      for (const helper of s.helpers) if (helper.at === "asleep") helper.at = "wait";
      begin();
      break;
    case "claim": {
      const chunk = offer(s, c.snap, c.round, mistake);
      if (chunk === undefined) c.at = "join";
      else claim(s, c, chunk, mistake);
      break;
    }
    case "run":
      runChunk(s, c.claimed, c.round);
      c.own++;
      c.at = "claim";
      break;
    case "join":
      if (isComplete()) nextRound();
      else c.at = "flag";
      break;
    case "flag":
      s.callerSleeps = true;
      c.snap = doneWord(s);
      if (isComplete()) nextRound();
      else c.at = "wait";
      break;
    case "wait":
      if (doneWord(s) === c.snap) c.at = "asleep";
      else {
        c.snap = doneWord(s);
        if (isComplete()) nextRound();
      }
      break;
  }
}

function helperStep(s: State, h: Helper, mistake?: Mistake): void {
  const begin = () => {
    h.seen = s.generation;
    h.snap = ticket(s);
    h.count = 0;
    h.at = s.stop ? "end" : "claim";
  };
  switch (h.at) {
    case "look":
      if (s.generation !== h.seen) begin();
      else h.at = "flag";
      break;
    case "flag":
      if (s.generation !== h.seen) begin();
      else h.at = "wait";
      s.sleeping = true;
      break;
    case "wait":
      if (s.generation !== h.seen) begin();
      else h.at = "asleep";
      break;
    case "claim": {
      const chunk = offer(s, h.snap, h.seen, mistake);
      if (chunk === undefined) h.at = h.count > 0 ? "report" : "look";
      else claim(s, h, chunk, mistake);
      break;
    }
    case "run":
      runChunk(s, h.claimed, h.seen);
      h.count++;
      h.at = "claim";
      break;
    case "report":
      s.done += h.count;
      h.at = s.callerSleeps && mistake !== "caller never woken" ? "wake" : "look";
      break;
    case "wake":
      if (s.caller.at === "asleep") s.caller.at = "wait";
      h.at = "look";
      break;
  }
}

/** Walks every order. The first fault, or "" and the number of states. */
function walk(helpers: number, rounds: readonly number[], mistake?: Mistake) {
  const start: State = {
    ...{ generation: 0, chunks: 0, next: 0, sleeping: false, done: 0, callerSleeps: false },
    ...{ stop: false, job: 0, ran: 0, fault: "" },
    caller: { at: "job", round: 1, snap: "", claimed: 0, own: 0, doneBefore: 0 },
    helpers: Array.from({ length: helpers }, () => ({
      ...{ at: "look" as const, seen: 0, snap: "", claimed: 0, count: 0 },
    })),
  };
  const seen = new Set([JSON.stringify(start)]);
  const left = [start];
  for (let s = left.pop(); s; s = left.pop()) {
    if (s.fault) return { fault: s.fault, states: seen.size };
    const next = successors(s, rounds, mistake);
    const ended = s.caller.at === "end" && s.helpers.every((helper) => helper.at === "end");
    if (next.length === 0 && !ended) {
      return { fault: "somebody sleeps for good", states: seen.size };
    }
    for (const state of next) {
      const key = JSON.stringify(state);
      if (!seen.has(key)) {
        seen.add(key);
        left.push(state);
      }
    }
  }
  return { fault: "", states: seen.size };
}

Deno.test("in every order of steps each chunk runs once and everybody wakes", () => {
  for (const [helpers, rounds] of [[1, [2, 3, 1, 2]], [2, [3, 2]], [3, [2]]] as const) {
    const { fault, states } = walk(helpers, rounds);
    console.log(`${helpers} helpers, rounds of ${rounds} chunks: ${states} states`);
    assertEquals(fault, "");
  }
});

Deno.test("the walk finds a late helper that claims from a round half written", () => {
  const { fault } = walk(1, [2, 3], "limit beside the ticket");
  assertEquals(fault.startsWith("a chunk ran") || fault.startsWith("a round"), true, fault);
});

Deno.test("the walk finds a helper that falls asleep while the caller publishes", () => {
  assertEquals(walk(1, [2, 2], "flag read before publishing").fault, "somebody sleeps for good");
});

Deno.test("the walk finds a caller that nobody wakes", () => {
  assertEquals(walk(1, [2, 2], "caller never woken").fault, "somebody sleeps for good");
});
