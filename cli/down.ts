import { endQueueing, refuseAnswered, removeLeftovers, ungather } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";

/** Undoes what a killed run has left in the kernel, and says what that was. */
export async function down({ options }: Arguments): Promise<number> {
  if (options.queueing) {
    await endQueueing();
    return 0;
  }
  const removed = await removeLeftovers(options.force ? undefined : refuseAnswered);
  removed.forEach((what) => console.log(`removed ${what}`));
  const ungathered = await ungather();
  ungathered.forEach((name) => console.log(`turned GRO of ${name} off again`));
  if (removed.length + ungathered.length === 0) console.log("nothing to remove");
  return 0;
}
