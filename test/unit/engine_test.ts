import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { check, compile } from "../../compiler/mod.ts";
import { checksumOf, RECORDS } from "../../compiler/tables/layout.ts";
import { Engine, NativeError } from "../../runtime/native.ts";

function imageOf(text: string): Uint8Array<ArrayBuffer> {
  const image = compile(check("test.fw", text).policy!);
  assert(image instanceof Uint8Array);
  return image;
}

const IMAGE = imageOf("chain input default drop { accept tcp dport { 22, 80 } from 10.0.0.0/8 }");
const { checksum, layout_hash } = RECORDS.header.fields;

/** The image with one byte changed; with `mend`, its checksum agrees again. */
function damaged(at: number, mend: boolean): Uint8Array<ArrayBuffer> {
  const image = IMAGE.slice();
  image[at]! ^= 0x55;
  if (mend) {
    const sum = checksumOf(image, image.length);
    new DataView(image.buffer).setUint32(checksum.at, sum, true);
  }
  return image;
}

Deno.test("an image damaged in any byte is refused", () => {
  for (let at = 0; at < IMAGE.length; at += 7) {
    const error = assertThrows(() => new Engine(damaged(at, false)));
    assert(error instanceof NativeError);
    assertMatch(error.message, /^cannot load the table image: (EBADMSG|ENOEXEC)/);
  }
});

Deno.test("an image cut anywhere is refused", () => {
  for (let size = 0; size < IMAGE.length; size += 61) {
    const error = assertThrows(() => new Engine(IMAGE.slice(0, size)));
    assert(error instanceof NativeError && error.code === "EBADMSG", `${size} bytes: ${error}`);
  }
});

Deno.test("an image of another layout is told from a damaged one", () => {
  const error = assertThrows(() => new Engine(damaged(layout_hash.at, true)));
  assert(error instanceof NativeError);
  assertEquals(error.code, "ENOEXEC");
});

Deno.test("an engine can be disposed twice, and not be used after", async () => {
  const engine = new Engine(IMAGE);
  const none = { packets: 0n, bytes: 0n, lastNs: 0n };
  assertEquals(engine.counters(), [none, none]);
  await engine[Symbol.asyncDispose]();
  await engine[Symbol.asyncDispose]();
  const error = assertThrows(() => engine.stats());
  assertEquals((error as Error).message, "Cannot use a disposed engine");
});

Deno.test("a queue cannot be bound outside its ranges, nor started without one", async () => {
  await using engine = new Engine(IMAGE);
  const good = { queue: 0, batch: 64, copy: 256, depth: 1024, coalesce: 0, failOpen: false };
  for (
    const bad of [{ queue: 65536 }, { batch: 0 }, { batch: 1025 }, { copy: 63 }, { depth: 0 }, {
      coalesce: 1001,
    }]
  ) {
    const error = assertThrows(() => engine.bind({ ...good, ...bad }));
    assertEquals((error as NativeError).code, "EINVAL");
  }
  assertEquals((assertThrows(() => engine.start()) as NativeError).code, "EINVAL");
});
