/**
 * Which tool can queue packets on this host. A tool that is installed may still be of no use: the
 * kernel behind it can lack the queue.
 *
 * @module
 */
import type { Backend } from "./backend.ts";
import { HookError, run } from "./command.ts";
import { iptables, program, SCRATCH, transaction } from "./iptables.ts";
import { FAMILIES, type Family } from "./plan.ts";
import type { Variant } from "./iptables.ts";
import { nft, PROBE } from "./nft.ts";

/**
 * The first of nft, iptables and iptables-legacy that can queue packets here, tried with rules that
 * no packet meets and that are gone afterwards. Throws HookError with every tool's reason if none.
 */
export async function probeBackend(): Promise<Backend> {
  const failures: HookError[] = [];
  const candidates = [
    probeNft,
    () => probeIptables("iptables"),
    () => probeIptables("iptables-legacy"),
  ];
  for (const probe of candidates) {
    try {
      return await probe();
    } catch (error) {
      if (!(error instanceof HookError)) throw error;
      failures.push(error);
    }
  }
  const remedies = new Set(failures.map(({ remedy }) => remedy));
  throw new HookError(
    "cannot queue packets on this host",
    failures.map(({ what, detail }) => `\n  ${what}: ${detail.replaceAll("\n", "\n    ")}`).join(
      "",
    ),
    [...remedies].join("\n"),
  );
}

/** The tool of that name, whether it is of any use here or not; undefined if there is none. */
export function backendNamed(name: string): Backend | undefined {
  switch (name) {
    case "nft":
      return nft();
    case "iptables":
    case "iptables-legacy":
      return iptables(name);
    default:
      return undefined;
  }
}

async function probeNft(): Promise<Backend> {
  await run("nft cannot queue", PROBE);
  return nft();
}

async function probeIptables(variant: Variant): Promise<Backend> {
  const families: Family[] = [];
  for (const family of FAMILIES) {
    const tool = program(variant, family, "restore");
    try {
      await run(`${tool} cannot queue`, transaction(tool, { add: [SCRATCH] }));
      families.push(family);
    } catch (error) {
      // A host without IPv6 has nothing to filter there; any other failure would leave a hole.
      const absent = error instanceof HookError && family === "ipv6" &&
        error.detail.includes("Address family not supported");
      if (!absent) throw error;
      continue;
    }
    await run(`${tool} cannot clean up`, transaction(tool, { remove: [SCRATCH] }));
  }
  return iptables(variant, families);
}
