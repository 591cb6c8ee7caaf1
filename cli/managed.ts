/**
 * A run under a service manager: it is told when the run filters, reloads and stops, and its watchdog
 * is fed as long as every queue progresses.
 *
 * @module
 */
import { serviceManager } from "../runtime/mod.ts";
import type { Observer } from "./observe/observer.ts";

export interface Managed {
  /** It filters. */
  ready(): void;
  /** Another policy is in force. */
  changed(): void;
  /** Until it is done, the manager takes the run for reloading. */
  reload(reloading: () => Promise<unknown>): Promise<void>;
  stop(): void;
}

/** Tells the manager that has started us, if one has. `status` is what it shows of the run. */
export function manage(observer: Observer, status: () => string): Managed {
  const manager = serviceManager(environment());
  const feed = () => {
    if (observer.health().ok) manager.tell({ WATCHDOG: 1 });
  };
  const timer = manager.watchdogMs && setInterval(feed, manager.watchdogMs / 3);
  const ready = () => manager.tell({ READY: 1, STATUS: status() });
  return {
    ready,
    changed: () => manager.tell({ STATUS: status() }),
    async reload(reloading) {
      manager.tell({ RELOADING: 1 });
      await reloading();
      ready();
    },
    stop() {
      clearInterval(timer);
      manager.tell({ STOPPING: 1 });
    },
  };
}

/** What managers say of themselves, as far as we may read it. */
function environment(): Record<string, string | undefined> {
  const names = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];
  const readable = names.filter((variable) =>
    Deno.permissions.querySync({ name: "env", variable }).state === "granted"
  );
  return Object.fromEntries(readable.map((name) => [name, Deno.env.get(name)]));
}
