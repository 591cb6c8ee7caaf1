/**
 * Barrage with a mistake in it: on SIGUSR1 something throws that nobody catches, and on SIGUSR2 a
 * promise is rejected that nobody awaits.
 */
import { main } from "../../cli/main.ts";

Deno.addSignalListener("SIGUSR1", () => {
  throw new Error("thrown by mistake");
});
Deno.addSignalListener("SIGUSR2", () => {
  Promise.reject(new Error("rejected by mistake"));
});
Deno.exit(await main(Deno.args));
