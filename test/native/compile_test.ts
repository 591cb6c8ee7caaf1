import { assertEquals, assertMatch } from "@std/assert";
import { capturePackets } from "../support/capture.ts";
import { buildLibrary } from "../../native/build.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What `deno compile` puts a program into is downloaded from dl.deno.land, unless it is named. */
const denort = Deno.env.get("DENORT_BIN");
const why = denort ? "" : " (ignored: DENORT_BIN does not name a denort of this Deno)";

Deno.test({
  name: `one file has the compiler and the engine in it, and works where nothing else is${why}`,
  ignore: !denort,
  fn: async () => {
    buildLibrary();
    const folder = await Deno.makeTempDir();
    try {
      const run = async (program: string, ...args: string[]) => {
        const { code, stdout, stderr } = await new Deno.Command(program, { args, cwd: folder })
          .output();
        const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
        assertEquals(code, 0, err);
        return out!;
      };
      // As the task `compile` has it.
      const included = ["native/build/libbarrage.so", "native/build/barrage-guard"]
        .concat("cli/prepare_worker.ts").flatMap((path) => ["--include", `${ROOT}${path}`]);
      const options = ["--quiet", "-A", ...included, "--config", `${ROOT}deno.json`];
      const output = ["--output", `${folder}/barrage`];
      await run(Deno.execPath(), "compile", ...options, ...output, `${ROOT}fw.ts`);
      const rules = `${folder}/rules.fw`;
      await Deno.writeTextFile(rules, "chain input default drop {\n  accept in on lo\n}\n");
      const capture = `${folder}/in.pcap`;
      await Deno.writeFile(capture, capturePackets([{ proto: "udp", dport: 53 }]));
      await run(`${folder}/barrage`, "lint", rules);
      const replayed = ["replay", rules, "--chain", "input", "--pcap", capture];
      assertMatch(await run(`${folder}/barrage`, ...replayed), /drop/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
