/**
 * Whether a policy would cut the session off by which somebody manages this host.
 *
 * @module
 */
import type { Diagnostic } from "../diagnostic.ts";
import { readPrefix } from "../policy/address.ts";
import {
  DOMAIN,
  type Hook,
  HOOKS,
  interfaceNumber,
  IPV4,
  IPV6,
  PROTO,
  STATES,
  V6_BASE,
} from "../policy/field.ts";
import { span, subtract } from "../policy/interval.ts";
import type { Policy } from "../policy/policy.ts";
import type { Region } from "../policy/region.ts";
import { reach } from "./reach.ts";

/** The two ends of a TCP connection to this host. */
export interface Session {
  readonly peer: string;
  readonly peerPort: number;
  readonly local: string;
  readonly localPort: number;
}

/** The session that a value of SSH_CONNECTION tells of; undefined if it tells of none. */
export function readSession(text: string): Session | undefined {
  // SSH says an interface behind a link-local address, as in fe80::1%eth0.
  const words = text.replaceAll(/%\S+/g, "").trim().split(/\s+/);
  const [peer = "", peerPort, local = "", localPort] = words;
  const ports = [peerPort, localPort].map(Number);
  const good = readPrefix(peer) && readPrefix(local) && ports.every((port) => port > 0);
  return good ? { peer, peerPort: ports[0]!, local, localPort: ports[1]! } : undefined;
}

/**
 * FW402, for each direction in which no packet of the session is accepted, and where the peer could
 * not come back. Throws OutOfBudget.
 */
export function lockout(policy: Policy, session: Session): Diagnostic[] {
  const { peer, peerPort, local, localPort } = session;
  const from = `${peer} to port ${localPort}`;
  const [theirs, ours] = [end(peer), end(local)];
  const notLo = subtract(DOMAIN.in, span(interfaceNumber("lo")));
  const on = peer === local ? DOMAIN.in : notLo;
  const known = span(STATES.indexOf("established"));
  const family = span(peer.includes(":") ? IPV6 : IPV4);
  const tcp = { family, proto: span(PROTO.tcp) };
  const inward = { ...tcp, in: on, src: theirs, dst: ours, dport: span(localPort) };
  const questions: [Hook, string, Region][] = [
    ["input", `input denies this session, which comes from ${from}`, {
      ...inward,
      sport: span(peerPort),
      state: known,
    }],
    ["input", `input lets nobody come back from ${from}`, {
      ...inward,
      state: span(STATES.indexOf("new")),
    }],
    ["output", `output denies the replies of this session, which comes from ${from}`, {
      ...tcp,
      out: on,
      src: ours,
      dst: theirs,
      sport: span(localPort),
      dport: span(peerPort),
      state: known,
    }],
  ];
  return questions.flatMap(([hook, message, region]): Diagnostic[] => {
    const byDefault = policy.rules.findLast((rule) => rule.hook === hook);
    const asked = { ...region, hook: span(HOOKS.indexOf(hook)) };
    if (!byDefault || reach(policy, [asked], "accept").length > 0) return [];
    const help = hook === "input"
      ? `accept tcp from ${peer} dport ${localPort}`
      : "begin with `accept state established`";
    return [{ code: "FW402", message, span: byDefault.span, help }];
  });
}

/** One address as a value of the address line. */
function end(address: string): ReturnType<typeof span> {
  const { six, bits } = readPrefix(address)!;
  return span(six ? V6_BASE + bits : bits);
}
