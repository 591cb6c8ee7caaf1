/**
 * The sets of a running service: `set add|del|list NAME [ADDR] [--for 10m]`, and the service's side.
 *
 * @module
 */
import { addressText, DEFAULTS, durationNs, readPrefix } from "../compiler/mod.ts";
import { type Answer, askControl, type Handler, type Member, NativeError } from "../runtime/mod.ts";
import type { Arguments } from "./command.ts";
import { UsageError } from "./report.ts";
import type { Running } from "./running.ts";

/** What goes over the control socket besides the action `set`; `members` come back of a `list`. */
interface SetRequest {
  readonly change: string;
  readonly set: string;
  readonly address?: string;
  readonly for?: string;
}

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
  const answer = await askControl(String(control), {
    action: "set",
    change: action,
    set: name.replace(/^@/, ""),
    address,
    for: stay,
  });
  for (const member of answer.members as string[] | undefined ?? []) console.log(member);
  return 0;
}

/** What a service answers to such requests. */
export function setHandler(running: Running): Handler {
  return (request): Answer => {
    const { policy, engine } = running;
    if (!isSetRequest(request)) return { error: "this is no change of a set" };
    const set = policy.sets.findIndex(({ name }) => name === request.set);
    if (set < 0) {
      const names = policy.sets.map(({ name }) => name).join(", ") || "none";
      return { error: `no set \`${request.set}\` changes at run time; those that do: ${names}` };
    }
    if (request.change === "list") return { members: engine.members(set).map(memberText).sort() };
    const member = memberOf(request);
    if (typeof member === "string") return { error: member };
    try {
      if (request.change === "add") engine.addMember(set, member);
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

function isSetRequest(value: object): value is SetRequest {
  const { change, set, address, for: stay } = value as Record<string, unknown>;
  const texts = [address, stay].every((v) => v === undefined || typeof v === "string");
  return ["add", "del", "list"].includes(String(change)) && typeof set === "string" && texts;
}

/** The member that a request means, or what is wrong with it. */
function memberOf({ address = "", for: stay }: SetRequest): Member | string {
  const prefix = readPrefix(address);
  if (!prefix) return `\`${address}\` is not an address, nor a prefix as 192.0.2.0/24`;
  const stayNs = stay === undefined ? 0n : durationNs(stay) ?? 0n;
  if (stay !== undefined && stayNs === 0n) return `\`${stay}\` is not a duration, as 10m is`;
  return { ...prefix, stayNs };
}

function memberText({ six, bits, length, stayNs }: Member): string {
  const text = addressText(six, bits) + (length === (six ? 128 : 32) ? "" : `/${length}`);
  return stayNs === 0n ? text : `${text} for ${(stayNs + 999_999_999n) / 1_000_000_000n}s`;
}
