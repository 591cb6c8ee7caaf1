import { stateAt } from "../../cli/read.ts";
import { watchFiles } from "../../cli/watch.ts";

/** A folder with some files, and what waits for a change of what is at the places. */
async function watched(
  places: readonly string[],
  use: (folder: string, change: (made: () => Promise<void>) => Promise<void>) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  await Deno.mkdir(`${folder}/v1`);
  await Deno.writeTextFile(`${folder}/v1/a.fw`, "1");
  await Deno.symlink("v1", `${folder}/now`);
  await Deno.symlink("now/a.fw", `${folder}/link.fw`);
  let heard = Promise.withResolvers<void>();
  const read = () => new Map(places.map((p) => `${folder}/${p}`).map((p) => [p, stateAt(p)]));
  let known = read();
  const watch = watchFiles(() => known, () => {
    known = read();
    heard.resolve();
    return Promise.resolve();
  });
  const change = async (made: () => Promise<void>) => {
    heard = Promise.withResolvers();
    await made();
    await heard.promise;
  };
  try {
    await use(folder, change);
  } finally {
    watch.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("a file that comes to fit a glob, or that fits it no more, is a change", async () => {
  await watched(["*/*.fw"], async (folder, change) => {
    await change(async () => {
      await Deno.mkdir(`${folder}/v2`);
      await Deno.writeTextFile(`${folder}/v2/b.fw`, "2");
    });
    await change(() => Deno.remove(`${folder}/v2/b.fw`));
  });
});

Deno.test("a file is watched on, however often it goes and is made again", async () => {
  await watched(["v1/a.fw"], async (folder, change) => {
    const file = `${folder}/v1/a.fw`;
    await change(() => Deno.remove(file));
    await change(() => Deno.writeTextFile(file, "1"));
    await change(async () => {
      await Deno.writeTextFile(`${file}.new`, "2");
      await Deno.rename(`${file}.new`, file);
    });
    await change(() => Deno.rename(`${folder}/v1`, `${folder}/v0`));
    await change(() => Deno.rename(`${folder}/v0`, `${folder}/v1`));
  });
});

Deno.test("links are followed: to a file that changes, and to another folder", async () => {
  await watched(["link.fw"], async (folder, change) => {
    await change(() => Deno.writeTextFile(`${folder}/v1/a.fw`, "two"));
    await change(async () => {
      await Deno.mkdir(`${folder}/v2`);
      await Deno.writeTextFile(`${folder}/v2/a.fw`, "two");
      await Deno.symlink("v2", `${folder}/next`);
      await Deno.rename(`${folder}/next`, `${folder}/now`);
    });
  });
});
