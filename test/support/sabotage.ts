/**
 * Makes the queue of another process fail, as a fault in the kernel or in memory would:
 *
 *     deno run -A test/support/sabotage.ts PID QUEUE
 *
 * It takes a duplicate of the process's own netlink socket and asks by it for a queue that is there
 * already. The kernel refuses, and the process receives a refusal that it cannot explain.
 *
 * @module
 */
const [pid, queue] = Deno.args.map(Number) as [number, number];

const NETLINK_NETFILTER = "12";
const PIDFD_OPEN = 434n, PIDFD_GETFD = 438n;
const NFQNL_MSG_CONFIG = 3 << 8 | 2, REQUEST_AND_ACK = 5, OUR_REQUEST = 1;

const libc = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i64" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
}).symbols;

/** Inodes of the netfilter sockets of the process's network namespace. */
const inodes = Deno.readTextFileSync(`/proc/${pid}/net/netlink`).split("\n")
  .map((line) => line.trim().split(/\s+/))
  .filter(([, protocol]) => protocol === NETLINK_NETFILTER)
  .map((fields) => `socket:[${fields.at(-1)}]`);

/** Whether a descriptor is one of those; one that was closed meanwhile is not. */
function isNetfilter(fd: string): boolean {
  try {
    return inodes.includes(Deno.readLinkSync(`/proc/${pid}/fd/${fd}`));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}

const bind = new Uint8Array(28);
const view = new DataView(bind.buffer);
view.setUint32(0, bind.length, true);
view.setUint16(4, NFQNL_MSG_CONFIG, true);
view.setUint16(6, REQUEST_AND_ACK, true);
view.setUint32(8, OUR_REQUEST, true);
view.setUint16(18, queue); // nfgenmsg.res_id
view.setUint16(20, 8, true); // NFQA_CFG_CMD: bind, AF_INET
view.setUint16(22, 1, true);
view.setUint8(24, 1);
view.setUint16(26, 2);

const process = libc.syscall(PIDFD_OPEN, BigInt(pid), 0n, 0n);
let sent = 0;
for (const name of [...Deno.readDirSync(`/proc/${pid}/fd`)].map(({ name }) => name)) {
  if (!isNetfilter(name)) continue;
  const fd = libc.syscall(PIDFD_GETFD, process, BigInt(name), 0n);
  if (libc.send(Number(fd), bind, BigInt(bind.length), 0) > 0n) sent++;
}
if (sent === 0) throw new Error(`process ${pid} has no queue that could fail`);
