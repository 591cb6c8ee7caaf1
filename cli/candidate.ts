/**
 * A policy on its way into force: checked, tested and compiled, and kept from locking anybody out.
 *
 * @module
 */
import {
  type Diagnostic,
  type Options,
  type Policy,
  type Read,
  runTests,
  type Session,
  severityOf,
} from "../compiler/mod.ts";
import { imageMemory } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { checkFile, type Compiled, compiled, show } from "./policy.ts";
import { placeOf, type Places, readFrom, stateAt } from "./read.ts";
import { lockoutText } from "./session.ts";

/** A policy that may be put in force. */
export interface Candidate extends Compiled {
  readonly file: string;
  /** It, and where it takes in files: paths and globs. */
  readonly places: Places;
  /** What is worth saying of it, a text each. */
  readonly said: readonly string[];
}

/** Why a policy may not be put in force. */
export interface Refused {
  readonly refused: string;
  /** Where it was read from, as of a candidate; none if it could not be read. */
  readonly places: Places;
}

export interface Wanted {
  /** Options that stay as they are, whatever the file says. */
  readonly held?: Partial<Options>;
  /** Who must not be locked out. */
  readonly session?: Session | undefined;
  /** Lock them out all the same. */
  readonly force?: boolean;
}

/** Reads a rule file and all that it takes in. Throws UsageError if the file cannot be read. */
export async function candidate(
  args: Arguments,
  file: string,
  { held = {}, session, force = false }: Wanted,
  stream: { isTerminal(): boolean },
): Promise<Candidate | Refused> {
  // The state first: what changes while it is read will have changed.
  const places = new Map([[file, stateAt(file)]]);
  const read: Read = (path, from) => {
    const place = placeOf(path, from);
    places.set(place, stateAt(place));
    return readFrom(path, from);
  };
  let checked = await checkFile(args, file, "", {}, read);
  const differing = checked.policy ? differences(checked.policy.options, held) : [];
  if (differing.length > 0) checked = await checkFile(args, file, "", held, read);
  const { policy, image, found } = compiled(args, checked, imageMemory);
  const said = found.map((diagnostic) => show(diagnostic, checked.sources, stream));
  if (!policy || !image) return { refused: said.join("\n\n"), places };
  const failed = args.options["no-test"] ? [] : failedTests(policy);
  const wrong = [
    ...failed.map((finding) => show(finding, checked.sources, stream)),
    ...(failed.length > 0 ? ["`run --no-test` takes it all the same"] : []),
    ...(force ? [] : lockoutText(policy, session)),
  ];
  if (wrong.length > 0) return { refused: wrong.join("\n\n"), places };
  const kept = differing.map((name) => `\`option ${name}\` changes only with a new start`);
  return { file, places, policy, image, said: [...said, ...kept] };
}

function differences(options: Options, held: Partial<Options>): string[] {
  return Object.entries(held).filter(([name, value]) =>
    JSON.stringify(options[name as keyof Options]) !== JSON.stringify(value)
  ).map(([name]) => name);
}

/** What the file's tests say that is not so. */
function failedTests(policy: Policy): Diagnostic[] {
  return runTests(policy).tested.flatMap(({ finding }) => finding ?? [])
    .filter((finding) => severityOf(finding) === "error");
}
