/**
 * The service manager that has started us, if any: systemd, or what speaks as it does (sd_notify(3),
 * sd_watchdog_enabled(3)).
 *
 * @module
 */
import { NativeError, notify } from "./native.ts";

export interface Manager {
  /** Tells it: READY, RELOADING, STOPPING, WATCHDOG, STATUS and the like. */
  tell(state: Readonly<Record<string, string | number>>): void;
  /** Within this many milliseconds it wants to hear WATCHDOG again; undefined if it does not. */
  readonly watchdogMs: number | undefined;
}

/** As the environment says; a manager that is told nothing if there is none. */
export function serviceManager(env: Readonly<Record<string, string | undefined>>): Manager {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
  if (!NOTIFY_SOCKET) return { tell() {}, watchdogMs: undefined };
  const ours = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === Deno.pid;
  const watchdogMs = Number(WATCHDOG_USEC) / 1000;
  return {
    tell(state) {
      const lines = Object.entries(state).map(([name, value]) => `${name}=${value}`);
      try {
        notify(NOTIFY_SOCKET, lines.join("\n"));
      } catch (error) {
        // One that does not listen will find out by itself; packets matter more.
        if (!(error instanceof NativeError)) throw error;
      }
    },
    watchdogMs: ours && watchdogMs > 0 ? watchdogMs : undefined,
  };
}
