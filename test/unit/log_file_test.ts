import { assertEquals, assertMatch } from "@std/assert";
import fs, { constants } from "node:fs";
import { appendTo } from "../../cli/log_file.ts";
import { inFolder } from "../support/folder.ts";

/** Has `use` write to a pipe, and look at what was said of that. */
async function piped(use: (path: string, said: string[]) => void | Promise<void>): Promise<void> {
  await inFolder(async (folder) => {
    await new Deno.Command("mkfifo", { args: [`${folder}/pipe`] }).output();
    await use(`${folder}/pipe`, []);
  });
}

/** Reads what is in a pipe, up to its end or to where it is empty. */
function drain(reader: number): string {
  const buffer = new Uint8Array(1 << 17);
  let text = "";
  try {
    for (let n; (n = fs.readSync(reader, buffer)) > 0;) {
      text += new TextDecoder().decode(buffer.subarray(0, n));
    }
  } catch (error) {
    assertEquals((error as NodeJS.ErrnoException).code, "EAGAIN");
  }
  return text;
}

const open = (path: string) => fs.openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
const soon = () => new Promise((resolve) => setTimeout(resolve, 10));
const line = new TextEncoder().encode(`${"x".repeat(99_999)}\n`);

Deno.test("a pipe that nobody reads holds nothing up, and is said", async () => {
  await piped((path, said) => {
    const file = appendTo(path, (text) => said.push(text));
    assertEquals(file.write(line), false);
    assertEquals(said, [
      `cannot write ${path}: it is a pipe that nobody reads; what is logged there is lost until it can be`,
    ]);
    file.close();
  });
});

Deno.test("a reader of a pipe that is too slow misses whole lines, never half of one", async () => {
  await piped(async (path, said) => {
    const reader = open(path);
    const file = appendTo(path, (text) => said.push(text), new TextEncoder().encode("head\n"));
    let written = 0;
    while (file.write(line)) written++;
    assertMatch(said.join(), /whose reader is too slow; .*$/);
    let text = drain(reader);
    // What was taken in part comes whole, before what comes behind.
    while (!file.write(new TextEncoder().encode("end\n"))) await soon();
    text += drain(reader);
    assertEquals(text.split("\n").map(({ length }) => length), [
      4,
      ...Array(written).fill(99_999),
      3,
      0,
    ]);
    assertEquals(said.slice(1), [`${path} is written again`]);
    file.close();
    fs.closeSync(reader);
  });
});

Deno.test("a pipe whose reader has gone is said to be read no more", async () => {
  await piped((path, said) => {
    const reader = open(path);
    const file = appendTo(path, (text) => said.push(text));
    fs.closeSync(reader);
    assertEquals(file.write(line), false);
    assertMatch(said.join(), /nobody reads the pipe any more/);
    file.close();
  });
});
