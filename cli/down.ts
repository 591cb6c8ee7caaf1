import { endQueueing, removeLeftovers } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";

/** Removes what a killed run has left in the kernel, and says what that was. */
export async function down({ options }: Arguments): Promise<number> {
  if (options.queueing) {
    await endQueueing();
    return 0;
  }
  const removed = await removeLeftovers();
  console.log(
    removed.length > 0 ? removed.map((what) => `removed ${what}`).join("\n") : "nothing to remove",
  );
  return 0;
}
