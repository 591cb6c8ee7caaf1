/**
 * Changing a running service's policy: `reload`, `apply NEW [--confirm 60s]` and `confirm`.
 *
 * @module
 */
import { DEFAULTS, durationNs } from "../compiler/mod.ts";
import { type Answer, askControl } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { UsageError, why } from "./report.ts";
import { sessionHere } from "./session.ts";

/** Has the service read its rule file again. */
export async function reload(args: Arguments): Promise<number> {
  const answer = await ask(args, "reload");
  say(answer);
  console.log(`${answer.file} is in force`);
  return 0;
}

/** Has the service filter by another rule file, for good or until a time is up. */
export async function apply(args: Arguments): Promise<number> {
  const { confirm } = args.options;
  if (confirm !== undefined && !durationNs(String(confirm))) {
    throw new UsageError(`--confirm takes a time as 60s, found "${confirm}"`, "apply");
  }
  const [named = ""] = args.operands;
  if (named === "-" || named.startsWith("/dev/")) {
    throw new UsageError(`apply takes a file that stays: ${named} can be read only once`, "apply");
  }
  const file = await Deno.realPath(named).catch((error) => {
    throw new UsageError(`cannot read ${named}: ${why(error)}`);
  });
  const answer = await ask(args, "apply", { file, ...(confirm !== undefined && { confirm }) });
  console.log(answer.difference);
  say(answer);
  console.log(
    confirm === undefined
      ? `${file} is in force`
      : `${file} is in force; in ${confirm} the old policy comes back, unless you \`confirm\``,
  );
  return 0;
}

/** Keeps what was applied. */
export async function confirm(args: Arguments): Promise<number> {
  const { file } = await ask(args, "confirm");
  console.log(`${file} stays in force`);
  return 0;
}

function ask({ options }: Arguments, action: string, more: Answer = {}): Promise<Answer> {
  const here = sessionHere();
  const session = here && `${here.peer} ${here.peerPort} ${here.local} ${here.localPort}`;
  const force = options.force === true;
  return askControl(String(options.control ?? DEFAULTS.control), {
    ...{ action, force },
    ...(session && { session }),
    ...more,
  });
}

function say({ said, faults }: Answer): void {
  for (const text of [said, faults].flat()) console.error(text);
}
