/**
 * Changing a running service's policy: `reload`, `apply NEW [--confirm 60s]`, `confirm` and `revert`.
 *
 * @module
 */
import { DEFAULTS } from "../compiler/mod.ts";
import { type Answer, askControl } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { UsageError, why } from "./report.ts";
import { sessionHere } from "./session.ts";
import { TRIAL_TIME, trialMs } from "./trial.ts";

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
  if (confirm !== undefined && !trialMs(String(confirm))) {
    throw new UsageError(`--confirm takes ${TRIAL_TIME}, found "${confirm}"`, "apply");
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
      : `${file} is in force; in ${confirm} the old policy comes back, unless you \`confirm\`; at once if you \`revert\``,
  );
  return 0;
}

/** Keeps what was applied. */
export async function confirm(args: Arguments): Promise<number> {
  const { file } = await ask(args, "confirm");
  console.log(`${file} stays in force`);
  return 0;
}

/** Has again in force what was before something was applied that waits to be confirmed. */
export async function revert(args: Arguments): Promise<number> {
  const { said } = await ask(args, "revert");
  console.log(said);
  return 0;
}

/** What ends a command; the answer then says what has become of what it asked for. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

async function ask({ options }: Arguments, action: string, more: Answer = {}): Promise<Answer> {
  const here = sessionHere();
  const session = here && `${here.peer} ${here.peerPort} ${here.local} ${here.localPort}`;
  const force = options.force === true;
  const broken = new AbortController();
  const leave = () => SIGNALS.forEach((signal) => Deno.removeSignalListener(signal, breakOff));
  // The second one ends us.
  const breakOff = () => {
    leave();
    broken.abort();
  };
  SIGNALS.forEach((signal) => Deno.addSignalListener(signal, breakOff));
  try {
    return await askControl(String(options.control ?? DEFAULTS.control), {
      ...{ action, force },
      ...(session && { session }),
      ...more,
    }, { broken: broken.signal });
  } finally {
    leave();
  }
}

function say({ said, faults }: Answer): void {
  for (const text of [said, faults].flat()) console.error(text);
}
