import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { check, compile } from "../../compiler/mod.ts";
import { checksumOf, IMAGE_SLACK, RECORDS } from "../../compiler/tables/layout.ts";
import { Engine, imageMemory, NativeError } from "../../runtime/native.ts";

function imageOf(text: string): Uint8Array<ArrayBuffer> {
  const image = compile(check("test.fw", text).policy!);
  assert(image instanceof Uint8Array);
  return image;
}

const IMAGE = imageOf("chain input default drop { accept tcp dport { 22, 80 } from 10.0.0.0/8 }");
const { checksum, layout_hash, size } = RECORDS.header.fields;

/** Makes the checksum of an image agree again. */
function mend(image: Uint8Array<ArrayBuffer>): void {
  const sum = checksumOf(image, image.length);
  new DataView(image.buffer, image.byteOffset).setUint32(checksum.at, sum, true);
}

/** The image with one byte changed, and perhaps mended. */
function damaged(at: number, mended: boolean): Uint8Array<ArrayBuffer> {
  const image = IMAGE.slice();
  image[at]! ^= 0x55;
  if (mended) mend(image);
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

Deno.test("an engine takes a large image out of the memory made for it, and can give a copy", async () => {
  const large = imageMemory(5 * IMAGE_SLACK / 2);
  large.set(IMAGE);
  new DataView(large.buffer, large.byteOffset).setUint32(size.at, large.length, true);
  mend(large);
  const kept = large.slice();
  await using engine = new Engine(large);
  assertEquals(large[0], 0, "it is not there any more");
  large.fill(0xff);
  assertEquals(engine.image(), kept);
  await using again = new Engine(engine.image());
  assertEquals(again.image(), kept);
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
