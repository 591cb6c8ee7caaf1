import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Answer,
  askControl,
  ControlError,
  followControl,
  type Handler,
  type Request,
  serveControl,
} from "../../runtime/mod.ts";

/** Serves these handlers at a socket for the time of a test. */
async function served(
  handlers: Readonly<Record<string, Handler>>,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const control = await serveControl(`${folder}/sock`, handlers);
  try {
    await use(`${folder}/sock`);
  } finally {
    control.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

function complaint(path: string, request: Request): Promise<string> {
  return complaintOf(() => askControl(path, request));
}

async function complaintOf(attempt: () => Promise<unknown>): Promise<string> {
  const error = await assertRejects(attempt);
  return error instanceof ControlError ? error.message : `no ControlError: ${error}`;
}

Deno.test("a request goes to the handler of its action, which may take its time", async () => {
  await served({
    double: ({ n }) => ({ n: Number(n) * 2 }),
    later: () => Promise.resolve({ done: true }),
  }, async (path) => {
    assertEquals(await askControl(path, { action: "double", n: 21 }), { n: 42 });
    assertEquals(await askControl(path, { action: "later" }), { done: true });
  });
});

Deno.test("what goes wrong in a handler, or was no request, is an error for the asker", async () => {
  await served({
    fail: () => {
      throw new Error("the roof is down");
    },
  }, async (path) => {
    assertStringIncludes(await complaint(path, { action: "fail" }), "the roof");
    for (const action of ["toString", 7, undefined]) {
      assertStringIncludes(await complaint(path, { action }), "one of fail");
    }
    using connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode("{never closed\n"));
    const answer = new Uint8Array(200);
    const n = await connection.read(answer);
    assertStringIncludes(new TextDecoder().decode(answer.subarray(0, n!)), "this is no request");
  });
});

Deno.test("who asks with patience is told that a service hangs", async () => {
  await served({ ask: () => new Promise(() => {}) }, async (path) => {
    const asked = () => askControl(path, { action: "ask" }, { patienceMs: 20 });
    assertEquals(
      await complaintOf(asked),
      `the service at ${path} has not answered for 0.02 s: it hangs`,
    );
  });
});

Deno.test("where nobody answers, it is said whether nobody ever did", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/sock`;
    assertStringIncludes(await complaint(path, { action: "stats" }), "is it running?");
    // A socket whose owner was killed stays behind; of one that is closed, another name does.
    const listener = Deno.listen({ transport: "unix", path: `${path}.own` });
    await Deno.link(`${path}.own`, path);
    listener.close();
    assertStringIncludes(await complaint(path, { action: "stats" }), "whoever opened it is gone");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

const CHOOSE = "choose another with `option control`";

Deno.test("where no socket can be made, it is said what is in its way", async () => {
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/file`, "");
  const refusal = (path: string) => complaintOf(() => serveControl(path, {}));
  assertEquals(
    await refusal(`${folder}/none/sock`),
    `cannot listen at ${folder}/none/sock: there is no such folder; ${CHOOSE}`,
  );
  assertEquals(
    await refusal(`${folder}/file`),
    `cannot listen at ${folder}/file: something that is no socket is there; ${CHOOSE}`,
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("an asker that goes away ends the stream that it was given", async () => {
  const ended = Promise.withResolvers<void>();
  async function* count() {
    try {
      for (let n = 0;; n++) {
        yield { n };
        await new Promise((resolve) => setTimeout(resolve));
      }
    } finally {
      ended.resolve();
    }
  }
  await served({ count }, async (path) => {
    const seen = [];
    for await (const { n } of followControl(path, { action: "count" })) {
      seen.push(n);
      if (seen.length === 3) break;
    }
    assertEquals(seen, [0, 1, 2]);
    await ended.promise;
  });
});

Deno.test("what is broken off is the handler's to end, and has its answer", async () => {
  const asker = new AbortController();
  const wait = (_: unknown, broken: AbortSignal) => {
    const { promise, reject } = Promise.withResolvers<Answer>();
    broken.addEventListener("abort", () => reject(broken.reason));
    asker.abort();
    return promise;
  };
  await served({ wait }, async (path) => {
    const asked = () => askControl(path, { action: "wait" }, { broken: asker.signal });
    assertEquals(await complaintOf(asked), "it was broken off");
  });
});

Deno.test("an asker that says that it sends no more is answered all the same", async () => {
  const { promise: heard, resolve: hear } = Promise.withResolvers<AbortSignal>();
  const { promise: answer, resolve } = Promise.withResolvers<Answer>();
  const wait = (_: unknown, broken: AbortSignal) => {
    hear(broken);
    return answer;
  };
  await served({ wait }, async (path) => {
    using connection = await Deno.connect({ transport: "unix", path });
    await connection.write(new TextEncoder().encode('{"action": "wait"}\n'));
    await connection.closeWrite();
    const broken = await heard;
    resolve({ done: !broken.aborted });
    assertEquals(await new Response(connection.readable).text(), '{"done":true}\n');
  });
});
