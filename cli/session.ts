/**
 * The SSH session that somebody manages this host by, and whether a policy would end it.
 *
 * @module
 */
import { lockout, OutOfBudget, type Policy, readSession, type Session } from "../compiler/mod.ts";

/** The session that this program was started in, by what SSH says in the environment. */
export function sessionHere(): Session | undefined {
  const name = { name: "env", variable: "SSH_CONNECTION" } as const;
  if (Deno.permissions.querySync(name).state !== "granted") return undefined;
  return readSession(Deno.env.get(name.variable) ?? "");
}

/** Why a policy must not be put in force from a session, a line each; none if it may. */
export function lockoutText(policy: Policy, session: Session | undefined): string[] {
  if (!session) return [];
  try {
    return lockout(policy, session).map(({ code, message, help }) =>
      `${code}: ${message}; ${help}, or use --force`
    );
  } catch (error) {
    // What cannot be proved in time must not stand in the way of a firewall.
    if (error instanceof OutOfBudget) return [];
    throw error;
  }
}
