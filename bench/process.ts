/**
 * What a process has used, and waiting that an interrupt ends.
 *
 * @module
 */

const libc = Deno.dlopen("libc.so.6", {
  clock_getcpuclockid: { parameters: ["i32", "buffer"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
}).symbols;

/** Nanoseconds on a processor, of all threads that it has or had. Throws if the process has ended. */
export function cpuNs(pid: number): number {
  const clock = new Int32Array(1), time = new BigInt64Array(2); // a struct timespec
  if (libc.clock_getcpuclockid(pid, clock) !== 0 || libc.clock_gettime(clock[0]!, time) !== 0) {
    throw new Error(`process ${pid} has ended`);
  }
  return Number(time[0]! * 1_000_000_000n + time[1]!);
}

/** Of one thread. Throws if it has ended. */
export function threadCpuNs(pid: number, thread: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/task/${thread}/schedstat`);
  return Number(stat.split(" ", 1)[0]);
}

/** Resolves after so long; rejects when `signal` aborts. */
export function elapse(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  const timer = setTimeout(resolve, ms);
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  });
}

/**
 * Puts the session of this process, and so all that it starts, ahead of the other sessions of the
 * machine until disposed of. Nice values do not: where the kernel groups by session (autogroup) they
 * tell apart only what is in the same one. Only an aid to steady figures: where the kernel has no
 * such groups, this process is in none, or may not ask, nothing happens.
 */
export function aheadOfOthers(): Disposable {
  const set = (nice: number) => {
    try {
      Deno.writeTextFileSync("/proc/self/autogroup", `${nice}`);
    } catch {
      // It takes its turn with the others then.
    }
  };
  set(-20);
  return { [Symbol.dispose]: () => set(0) };
}

/** Runs a program to its end. Throws unless it ends with 0. */
export async function succeed(program: string, args: readonly string[]): Promise<void> {
  const { success } = await new Deno.Command(program, { args: [...args] }).spawn().status;
  if (!success) throw new Error(`${program} ${args.join(" ")} failed`);
}
