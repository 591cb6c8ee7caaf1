import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Answer, HookError, serveControl } from "../../runtime/mod.ts";
import { beginTrial, trialMs } from "../../cli/trial.ts";
import { fw, ruleFile } from "../support/barrage.ts";

const trial = { file: "new.fw", before: "old.fw", goBack: () => Promise.resolve() };

Deno.test("a trial lasts for a time that a timer can wait", () => {
  const texts = ["60s", "500ms", "24d", "25d", "0s", "60", "soon"];
  assertEquals(
    texts.map(trialMs),
    [60_000, 500, 24 * 86_400_000, undefined, undefined, undefined, undefined],
  );
});

Deno.test("going back is tried again until it is done", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  let tries = 0;
  beginTrial(trial, 1, () => {
    if (++tries === 1) {
      return Promise.reject(new HookError("cannot install", "the tool is locked", "Wait."));
    }
    resolve();
    return Promise.resolve();
  });
  await promise;
  assertEquals(tries, 2);
});

Deno.test("an `apply` that is interrupted says what has become of it", async () => {
  const rules = await ruleFile("");
  const apply = Promise.withResolvers<Answer>();
  let child: Deno.ChildProcess;
  const control = await serveControl(`${rules}.sock`, {
    apply(_, broken) {
      broken.addEventListener("abort", () => apply.reject(new Error("old.fw stays")));
      child.kill("SIGINT");
      return apply.promise;
    },
  });
  try {
    const [program, ...args] = fw("apply", rules, "--control", `${rules}.sock`);
    child = new Deno.Command(program!, { args, stdout: "null", stderr: "piped" }).spawn();
    const { code, stderr } = await child.output();
    assertStringIncludes(new TextDecoder().decode(stderr), "barrage: old.fw stays");
    assertEquals(code, 1);
  } finally {
    control.stop();
    await Deno.remove(rules);
  }
});
