/**
 * What is not used any more, collected now.
 *
 * A policy that was compiled leaves many times its own size behind. V8 lets that lie until it runs
 * short of room, which it is slow to do: a run would be seen to grow for an hour.
 *
 * @module
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

// V8 shows its collector to contexts that are made while it is told to, and tells nobody else.
setFlagsFromString("--expose-gc");

/**
 * Takes some milliseconds of the calling thread, and none of the threads that filter. Does nothing in
 * a Deno that keeps the flag from V8, as 2.7 does.
 */
export const collectGarbage: () => void = runInNewContext("globalThis.gc") ?? (() => {});
