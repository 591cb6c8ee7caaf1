/**
 * The thread of prepare().
 *
 * @module
 */
import { candidate } from "./candidate.ts";
import type { Asked, Made } from "./prepare.ts";

/** Whoever has started us: the two ends have the same face. */
const owner = self as unknown as Worker;

owner.onmessage = async ({ data: { args, file, wanted } }: MessageEvent<Asked>) => {
  const stream = { isTerminal: () => false };
  const made: Made = await candidate(args, file, wanted, stream).catch((error) => ({
    thrown: String(error?.message ?? error),
  }));
  owner.postMessage(made, "image" in made ? [made.image.buffer] : []);
};
