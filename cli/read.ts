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
  const base = from === "-" ? "." : dirname(from);
  // A file keeps the name that the user has for it, so that a circle of includes is seen.
  const here = from.startsWith("./") ? "./" : "";
  const full = path.startsWith("/") ? normalize(path) : here + join(base, path);
  try {
    return (/[*?[]/.test(full) ? [...matches(full)].sort() : [full]).map((name) => ({
      name,
      text: Deno.readTextFileSync(name),
    }));
  } catch (error) {
    return why(error);
  }
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
