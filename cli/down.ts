import { removeLeftovers } from "../runtime/mod.ts";

/** Removes what a killed run has left in the kernel, and says what that was. */
export async function down(): Promise<number> {
  const removed = await removeLeftovers();
  console.log(
    removed.length > 0 ? removed.map((what) => `removed ${what}`).join("\n") : "nothing to remove",
  );
  return 0;
}
