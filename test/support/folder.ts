/**
 * Folders for tests.
 *
 * @module
 */

/** Runs `use` with an empty folder, which is gone afterwards with all that is in it. */
export async function inFolder(use: (folder: string) => void | Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
