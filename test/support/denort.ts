/**
 * What `deno compile` needs, without its download: a Deno, and the denort of its version that it
 * puts programs into. npm has every Deno, but no denort by itself; it has it inside of a program
 * that was made by `deno compile`, which is denort with more bytes behind it.
 *
 * @module
 */

/** A Deno, and the denort that its `compile` is to take, by their paths. */
export interface Compiler {
  readonly deno: string;
  readonly denort: string;
}

/** Both are of this Deno. When npm has a program of a later one, that can take its place. */
const VERSION = "2.7.11";
const TARGET = "x86_64-unknown-linux-gnu";
const DENO = {
  name: `@deno/linux-x64-glibc@${VERSION}`,
  integrity:
    "sha512-TCRXqy4rHI+pKmWfjIz/qfDyfTz61qhxj+03kEJ3r0YzRGsXNoHyE7WiUawwUK2hbrBAu7hn3m5833VUYqRzOg==",
  file: "package/deno",
};
const COMPILED = {
  name: "@stdy/cli-linux-x64@0.22.2",
  integrity:
    "sha512-kp5QdG26EC8gEzVXI0YgzmiiFHz7DFCNRLNfAWa2rDPHr/jUBnfkP8AlbTPmv0YNQpnKn1wzSWHFw88fn/OTog==",
  file: "package/bin/steady",
};

/**
 * This Deno and what DENORT_BIN names; or an older Deno with its own, fetched from npm once and kept
 * beside what else the tests build. Or it says why there is none.
 */
export async function compiler(): Promise<Compiler | { why: string }> {
  const named = Deno.env.get("DENORT_BIN");
  if (named) return { deno: Deno.execPath(), denort: named };
  if (Deno.build.target !== TARGET) return { why: "DENORT_BIN names no denort for this machine" };
  const folder = new URL(`../../native/build/deno-${VERSION}`, import.meta.url).pathname;
  const both = { deno: `${folder}/${DENO.file}`, denort: `${folder}/denort` };
  if (await isThere(both.denort)) return both;
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Promise.all([DENO, COMPILED].map((each) => unpack(each, folder)));
    const compiled = `${folder}/${COMPILED.file}`;
    const denort = withoutTail(await Deno.readFile(compiled));
    await Deno.writeFile(compiled, denort, { mode: 0o755 });
    await Deno.rename(compiled, both.denort); // the last, and whole: it tells that all is there
    return both;
  } catch (error) {
    if (!(error instanceof Unfetched)) throw error;
    return { why: error.message };
  }
}

/** A package that npm does not give. */
class Unfetched extends Error {}

/** Unpacks a package's file into a folder. Throws unless the package is what it was. */
async function unpack({ name, integrity, file }: typeof DENO, folder: string): Promise<void> {
  const options = ["--silent", "--prefer-offline", "--fetch-retries=0"];
  const printed = await run("npm", "pack", ...options, "--pack-destination", folder, name);
  const archive = `${folder}/${printed.trim()}`;
  const digest = await crypto.subtle.digest("SHA-512", await Deno.readFile(archive));
  if (`sha512-${new Uint8Array(digest).toBase64()}` !== integrity) {
    throw new Error(`${name} is not what it was`);
  }
  await run("tar", "-xzf", archive, "-C", folder, file);
  await Deno.remove(archive);
}

/** What a command prints. Throws Unfetched if it is not there, or fails. */
async function run(program: string, ...args: string[]): Promise<string> {
  try {
    const { success, stdout } = await new Deno.Command(program, { args, stderr: "null" }).output();
    if (success) return new TextDecoder().decode(stdout);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  throw new Unfetched(`no \`${program} ${args.at(-1)}\``);
}

/** A program without what stands behind it in its file: an ELF file ends with its section headers. */
function withoutTail(elf: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const view = new DataView(elf.buffer);
  const [at, size, count] = [
    view.getBigUint64(40, true),
    view.getUint16(58, true),
    view.getUint16(60, true),
  ];
  return elf.subarray(0, Number(at) + size * count);
}

function isThere(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}
