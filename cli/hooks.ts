import { type Policy, pushDown, verdictText } from "../compiler/mod.ts";
import {
  type Backend,
  backendNamed,
  commandText,
  HookError,
  probeBackend,
} from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { compileFile } from "./policy.ts";
import { hookPlan } from "./plan.ts";
import { UsageError } from "./report.ts";

/** Prints the commands that `run` would give to the kernel's tools. Changes nothing. */
export async function hooks(args: Arguments): Promise<number> {
  const compiled = await compileFile(args);
  if (!compiled) return 1;
  console.log(hooksText(compiled.policy, await backendFor(args.options.tool)));
  return 0;
}

/** What the kernel carries out by itself, and why no more, as comments; then the commands. */
export function hooksText(policy: Policy, backend: Backend): string {
  const { install, detach, remove } = backend.commands(hookPlan(policy));
  const stages = [["to start", install], ["to stop queueing", detach], ["to end", remove]] as const;
  return [
    ...frontLines(policy),
    ...stages.flatMap(([stage, commands]) => [
      `# ${stage}`,
      ...commands.map((command) => commandText(command).trimEnd()),
    ]),
  ].join("\n");
}

async function backendFor(tool: Arguments["options"][string]): Promise<Backend> {
  if (tool === undefined) {
    return await probeBackend().catch((error) => {
      if (!(error instanceof HookError)) throw error;
      const remedy = `${error.remedy}\nOr name a tool to see its commands all the same: --tool nft`;
      throw new HookError(error.what, error.detail, remedy);
    });
  }
  const backend = backendNamed(String(tool));
  if (backend) return backend;
  throw new UsageError(`--tool takes nft, iptables or iptables-legacy, found "${tool}"`);
}

function frontLines(policy: Policy): string[] {
  const fronts = pushDown(policy);
  if (fronts.length === 0) return ["# every packet goes through the queue: push-down is off"];
  return fronts.flatMap(({ hook, kernel, rules, end }) => {
    const all = policy.rules.filter((rule) => rule.hook === hook).length;
    return [
      `# ${hook}: the kernel carries out ${rules.length} of ${all} rules in front of the queue`,
      ...rules.map((i) => `#   ${verdictText(policy.rules[i]!)} by ${policy.rules[i]!.name}`),
      end
        ? `#   ${policy.rules[end.rule]!.name} goes to the queue: ${end.why}`
        : kernel.some(({ does }) => does === "queue")
        ? "#   only what conntrack could not read goes to the queue"
        : "#   nothing goes to the queue",
    ];
  });
}
