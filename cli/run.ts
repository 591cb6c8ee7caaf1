import {
  type Policy,
  pushDown,
  rejectsOf,
  runTests,
  severityOf,
  usesState,
} from "../compiler/mod.ts";
import {
  COALESCE_AUTO,
  ControlError,
  type Handler,
  type HookPlan,
  serveControl,
  type ServiceConfig,
  startService,
} from "../runtime/mod.ts";
import type { Arguments } from "./commands.ts";
import { compileFile } from "./policy.ts";
import { startLog } from "./log.ts";
import { Running } from "./running.ts";
import { setHandler } from "./set.ts";
import { summary } from "./summary.ts";

/** Packets that the kernel may hold for us; more than this only costs latency and cache. */
const DEPTH = 2048;

/** What ends a run in order; a closed terminal is no reason to leave hooks behind. */
const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Filters packets until interrupted, then prints what each rule did. */
export async function run(args: Arguments): Promise<number> {
  const compiled = await compileFile(args);
  if (!compiled) return 1;
  const { policy, image } = compiled;
  if (!args.options["no-test"] && !expectationsHold(policy)) return 1;
  // Listened for before anything is installed: there is no moment in which it would be left.
  const interrupted = Promise.withResolvers<void>();
  const interrupt = () => interrupted.resolve();
  for (const signal of SIGNALS) Deno.addSignalListener(signal, interrupt);
  try {
    const service = await startService(serviceConfig(policy, image));
    await using engine = service.engine;
    const running = new Running(args.operands[0]!, policy, service);
    let log: { stop(): void } | undefined, control: { stop(): void } | undefined;
    try {
      log = startLog(policy, engine);
      control = await startControl(policy.options.control, handlers(running));
      console.error(banner(policy, service.backend));
      await Promise.race([interrupted.promise, service.ended]);
    } finally {
      control?.stop();
      await service.stop();
      log?.stop();
    }
    await running.refresh();
    console.log(summary(running));
    return 0;
  } finally {
    for (const signal of SIGNALS) Deno.removeSignalListener(signal, interrupt);
  }
}

/** What can be asked of a run over its control socket. */
function handlers(running: Running): Readonly<Record<string, Handler>> {
  return { set: setHandler(running) };
}

/** A run that cannot be asked filters all the same: its rules matter more. */
async function startControl(
  path: string,
  handlers: Readonly<Record<string, Handler>>,
): Promise<{ stop(): void } | undefined> {
  if (path === "off") return undefined;
  try {
    return await serveControl(path, handlers);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    console.error(`barrage: ${error.message}; it runs without`);
    return undefined;
  }
}

function serviceConfig(policy: Policy, image: Uint8Array<ArrayBuffer>): ServiceConfig {
  const { options } = policy;
  return {
    image,
    queues: options.queue,
    sharing: options,
    binding: {
      batch: options.batch,
      copy: options.copy,
      depth: DEPTH,
      coalesce: options.coalesce === "auto" ? COALESCE_AUTO : options.coalesce,
      failOpen: options["fail-overflow"] === "open",
    },
    hooks: options.hooks ? hookPlan(policy) : undefined,
  };
}

/** Whether what the file's tests say is so; where not, a line each says what is instead. */
function expectationsHold(policy: Policy): boolean {
  const findings = runTests(policy).tested.flatMap(({ finding }) => finding ?? [])
    .filter((finding) => severityOf(finding) === "error");
  for (const { code, message, note } of findings) {
    console.error(`barrage: ${code}: ${message}${note ? `: ${note}` : ""}`);
  }
  if (findings.length > 0) console.error("barrage: not started; --no-test starts it all the same");
  return findings.length === 0;
}

/** What the kernel has to do for a policy. */
export function hookPlan(policy: Policy): HookPlan {
  const { options } = policy;
  const rejects = [...rejectsOf(policy)].flatMap((kind) =>
    kind === "auto" ? ["tcp_reset" as const, "icmp_port" as const] : [kind]
  );
  return {
    hooks: policy.hooks,
    queues: options.queue,
    bypass: options["fail-listener"] === "open",
    state: usesState(policy),
    rejects: [...new Set(rejects)],
    pushed: pushDown(policy).flatMap(({ kernel }) => kernel),
    markMask: options["mark-mask"],
  };
}

function banner({ hooks, options }: Policy, backend: string | undefined): string {
  const { first, last } = options.queue;
  const queues = first === last ? `queue ${first}` : `queues ${first}-${last}`;
  const how = backend ? `hooks by ${backend}` : "no hooks installed";
  const fail = `listener ${options["fail-listener"]}, overflow ${options["fail-overflow"]}`;
  return `barrage: filtering ${hooks.join(", ")} on ${queues}; ${how}; fails ${fail}; ` +
    "interrupt to stop";
}
