/**
 * The sets of a running service: `set add|del|list NAME [ADDR] [--for 10m]`, and the service's side.
 *
 * @module
 */
import { addressText, DEFAULTS, durationNs, type Policy, readPrefix } from "../compiler/mod.ts";
import { askControl, type Engine, type Member, NativeError } from "../runtime/mod.ts";
import type { Arguments } from "./commands.ts";
import { UsageError } from "./report.ts";

/** What goes over the control socket. */
interface Request {
  readonly action: string;
  readonly set: string;
  readonly address?: string;
  readonly for?: string;
}
type Answer = { readonly error: string } | { readonly members?: readonly string[] };

/** Asks the running service to change or list one of its sets. */
export async function set(args: Arguments): Promise<number> {
  const [action = "", name = "", address] = args.operands;
  const { for: stay, control = DEFAULTS.control } = args.options;
  if (!["add", "del", "list"].includes(action)) {
    throw new UsageError(`set takes add, del or list, found "${action}"`, "set");
  }
  if ((action === "list") !== (address === undefined)) {
    throw new UsageError(action === "list" ? "list takes no address" : "ADDR is missing", "set");
  }
  const answer = await askControl(
    String(control),
    {
      action,
      set: name.replace(/^@/, ""),
      address,
      for: stay,
    } satisfies Partial<Record<keyof Request, unknown>>,
  ) as Answer;
  if ("error" in answer) {
    console.error(`barrage: ${answer.error}`);
    return 1;
  }
  for (const member of answer.members ?? []) console.log(member);
  return 0;
}

/** What a service answers to such requests. Whatever it is asked, it answers. */
export function setAnswers(policy: Policy, engine: Engine): (request: unknown) => Answer {
  return (request) => {
    if (!isRequest(request)) return { error: "this is no request" };
    const set = policy.sets.findIndex(({ name }) => name === request.set);
    if (set < 0) {
      const names = policy.sets.map(({ name }) => name).join(", ") || "none";
      return { error: `no set \`${request.set}\` changes at run time; those that do: ${names}` };
    }
    if (request.action === "list") return { members: engine.members(set).map(memberText).sort() };
    const member = memberOf(request);
    if (typeof member === "string") return { error: member };
    try {
      if (request.action === "add") engine.addMember(set, member);
      else engine.deleteMember(set, member);
      return {};
    } catch (error) {
      if (!(error instanceof NativeError)) throw error;
      return { error: WHY[error.code] ?? error.message };
    }
  };
}

const WHY: Readonly<Record<string, string>> = {
  EPERM: "`self` is the host's own addresses: nobody else changes it",
  ENOSPC: "the set is full",
  ENOENT: "it is not in the set",
};

function isRequest(value: unknown): value is Request {
  if (typeof value !== "object" || value === null) return false;
  const { action, set, address, for: stay } = value as Record<string, unknown>;
  const texts = [address, stay].every((v) => v === undefined || typeof v === "string");
  return ["add", "del", "list"].includes(String(action)) && typeof set === "string" && texts;
}

/** The member that a request means, or what is wrong with it. */
function memberOf({ address = "", for: stay }: Request): Member | string {
  const prefix = readPrefix(address);
  if (!prefix) return `\`${address}\` is not an address or a prefix`;
  const stayNs = stay === undefined ? 0n : durationNs(stay);
  if (stayNs === undefined) return `\`${stay}\` is not a duration, as 10m is`;
  return { ...prefix, stayNs };
}

function memberText({ six, bits, length, stayNs }: Member): string {
  const text = addressText(six, bits) + (length === (six ? 128 : 32) ? "" : `/${length}`);
  return stayNs === 0n ? text : `${text} for ${(stayNs + 999_999_999n) / 1_000_000_000n}s`;
}
