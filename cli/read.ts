/**
 * The files that a rule file takes in, by path or glob, relative to the file that names them.
 *
 * @module
 */
import { dirname, join, matchesGlob, normalize } from "node:path";
import type { Read } from "../compiler/mod.ts";
import { why } from "./report.ts";

/** Reads what `path` names in `from`: a glob's files in order of name, none if it fits nothing. */
export function readFrom(path: string, from: string): ReturnType<Read> {
  try {
    return filesAt(placeOf(path, from)).map((name) => ({ name, text: textOf(name) }));
  } catch (error) {
    return why(error);
  }
}

/** What `path` means in the file `from`: a path, or a glob, that means the same anywhere. */
export function placeOf(path: string, from: string): string {
  const base = from === "-" ? "." : dirname(from);
  // A file keeps the name that the user has for it, so that a circle of includes is seen.
  const here = from.startsWith("./") ? "./" : "";
  return path.startsWith("/") ? normalize(path) : here + join(base, path);
}

/** Places that were read, and what was there then, as `stateAt` says. */
export type Places = ReadonlyMap<string, string>;

/** A text that is another one when the files at a place are others, or hold something else. */
export function stateAt(place: string): string {
  try {
    return filesAt(place).map((name) => `${name} ${stateOf(name)}`).join("\n");
  } catch (error) {
    return why(error);
  }
}

function stateOf(name: string): string {
  try {
    const { dev, ino, size, mtime, ctime } = Deno.statSync(name);
    return [dev, ino, size, mtime?.getTime(), ctime?.getTime()].join(" ");
  } catch (error) {
    return why(error);
  }
}

/** The names of the files at a place, whether there is one or not if it is no glob. */
function filesAt(place: string): string[] {
  return /[*?[]/.test(place) ? [...matches(place)].sort() : [place];
}

function textOf(name: string): string {
  // A reload that waited for somebody to write there would keep others from being made.
  if (Deno.statSync(name).isFifo) {
    throw new Error("it is a pipe, and only a file can be read again");
  }
  return Deno.readTextFileSync(name);
}

/** The files that fit a glob. A `*` does not cross a `/`, and fits no name that begins with a dot. */
function* matches(glob: string): Generator<string> {
  const parts = glob.split("/");
  const wild = parts.findIndex((part) => /[*?[]/.test(part));
  const folder = parts.slice(0, wild).join("/");
  const rest = parts.slice(wild + 1);
  for (const { name, isDirectory } of Deno.readDirSync(folder || (wild === 0 ? "." : "/"))) {
    if (name.startsWith(".") || !matchesGlob(name, parts[wild]!)) continue;
    const found = wild === 0 ? name : `${folder}/${name}`;
    if (rest.length === 0) {
      if (!isDirectory) yield found;
    } else if (isDirectory) yield* matches([found, ...rest].join("/"));
  }
}
