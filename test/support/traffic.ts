/**
 * Real packets from inside a namespace: what became of a connection, a datagram or a ping.
 *
 *     deno run -A test/support/traffic.ts tcp-connect HOST PORT [MS]
 *
 * and so on, see COMMANDS; each prints one line of JSON, an `Outcome`. Sockets are the C library's,
 * because only they tell every ICMP error apart.
 *
 * @module
 */
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import type { Background, Host } from "./netns.ts";

/** `answered`: connected, echoed or pinged. `errno` is the name the kernel gave, if it gave one. */
export interface Outcome {
  readonly result: "answered" | "refused" | "unreachable" | "denied" | "timeout";
  readonly errno?: string;
}

const TIMEOUT_MS = 1000;
const HERE = new URL(import.meta.url).pathname;
const DENO = [Deno.execPath(), "run", "-A", HERE];

/** Runs one of COMMANDS in a namespace. */
export async function traffic(host: Host, ...args: (string | number)[]): Promise<Outcome> {
  return JSON.parse(await host.run([...DENO, ...args.map(String)]));
}

/** Puts packets, as they are, on a link of a namespace, for the hardware address at its other end. */
export async function inject(
  host: Host,
  link: string,
  to: string,
  packets: readonly Uint8Array[],
): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, packets.map((packet) => packet.toHex()).join("\n"));
    await host.run([...DENO, "inject", link, to, path]);
  } finally {
    await Deno.remove(path);
  }
}

/** Echoes TCP and UDP on these ports in a namespace, over IPv4 and IPv6; resolves when it does. */
export async function serve(host: Host, ...ports: number[]): Promise<Background> {
  const server = host.start([...DENO, "serve", ...ports.map(String)]);
  await server.line(/listening/);
  return server;
}

/** Waits for so many datagrams at a port of a namespace; resolves when it does, and ends with them. */
export async function startCollecting(
  host: Host,
  port: number,
  count: number,
): Promise<Background> {
  const collecting = host.start([...DENO, "collect", `${port}`, `${count}`]);
  await collecting.line(/listening/);
  return collecting;
}

/** Sends datagrams without end from a namespace, to these ports in turn. */
export function startFlood(host: Host, to: string, ...ports: number[]): Background {
  return host.start([...DENO, "flood", to, ...ports.map(String)]);
}

const ERRNO: Record<number, readonly [Outcome["result"], string]> = {
  1: ["denied", "EPERM"],
  13: ["unreachable", "EACCES"], // ICMPv6: administratively prohibited
  101: ["unreachable", "ENETUNREACH"],
  104: ["refused", "ECONNRESET"],
  110: ["timeout", "ETIMEDOUT"],
  111: ["refused", "ECONNREFUSED"],
  113: ["unreachable", "EHOSTUNREACH"],
};

function failure(errno: number): Outcome {
  const known = ERRNO[errno];
  if (!known) throw new Error(`unexpected errno ${errno}`);
  return { result: known[0], errno: known[1] };
}

const AF_INET = 2, AF_INET6 = 10, AF_PACKET = 17, STREAM = 1, DATAGRAM = 2, NONBLOCK = 0o4000;
const SOL_SOCKET = 1, SO_ERROR = 4, EINPROGRESS = 115;
const RECVERR = { [AF_INET]: [0, 11], [AF_INET6]: [41, 25] } as const;
const IPPROTO_IPV6 = 41, IPV6_DSTOPTS = 59;
const POLLIN = 1, POLLOUT = 4;

function libc() {
  return Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
    getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
    send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
    sendto: {
      parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"],
      result: "isize",
    },
    if_nametoindex: { parameters: ["buffer"], result: "u32" },
    poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
    inet_pton: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    __errno_location: { parameters: [], result: "pointer" },
  }).symbols;
}

/** 512 bytes of destination options that nobody knows and everybody skips (RFC 8200, 4.2 and 4.6). */
const DESTINATION_OPTIONS = new Uint8Array(512);
DESTINATION_OPTIONS[1] = 512 / 8 - 1;
for (const at of [2, 257]) DESTINATION_OPTIONS.set([0x1e, 253], at);

/**
 * Connects, and with `echo` sends some bytes and waits for the first answer; with `options` by IPv6,
 * behind headers that are longer than most.
 */
function attempt(
  kind: number,
  address: string,
  port: number,
  echo: boolean,
  ms: number,
  options = false,
): Outcome {
  const c = libc();
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const fd = c.socket(family, kind | NONBLOCK, 0);

  const errno = () => new Deno.UnsafePointerView(c.__errno_location()!).getInt32();
  /** Waits for an event; returns the error that came instead, or 0. */
  const wait = (event: number): number => {
    const pollfd = new Uint32Array([fd, event]); // revents is the high half of the second word
    if (c.poll(pollfd, 1n, ms) === 0) return 110;
    const error = new Uint32Array(1);
    c.getsockopt(fd, SOL_SOCKET, SO_ERROR, error, new Uint32Array([4]));
    return error[0]!;
  };

  const [level, option] = RECVERR[family];
  c.setsockopt(fd, level, option, new Uint32Array([1]), 4);
  if (options) {
    c.setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, DESTINATION_OPTIONS, DESTINATION_OPTIONS.length);
  }
  const sockaddr = socketAddress(c, family, address, port);
  if (c.connect(fd, sockaddr, sockaddr.length) < 0) {
    const failed = errno();
    if (failed !== EINPROGRESS) return failure(failed);
  }
  const unconnected = wait(POLLOUT);
  if (unconnected) return failure(unconnected);
  if (!echo) return { result: "answered" };

  if (c.send(fd, new TextEncoder().encode("echo"), 4n, 0) < 0n) return failure(errno());
  const unanswered = wait(POLLIN);
  return unanswered ? failure(unanswered) : { result: "answered" };
}

/** A struct sockaddr_in or sockaddr_in6. */
function socketAddress(
  c: ReturnType<typeof libc>,
  family: number,
  address: string,
  port: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(family === AF_INET ? 16 : 28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  const text = new TextEncoder().encode(`${address}\0`);
  const at = family === AF_INET ? 4 : 8;
  if (c.inet_pton(family, text, bytes.subarray(at)) !== 1) {
    throw new TypeError(`not an address: ${address}`);
  }
  return bytes;
}

async function ping(address: string, ms: number): Promise<Outcome> {
  const args = ["-n", "-c", "1", "-W", `${ms / 1000}`, address];
  const { code, stdout, stderr } = await new Deno.Command("ping", { args }).output();
  if (code === 0) return { result: "answered" };
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  if (/not permitted/.test(said)) return { result: "denied", errno: "EPERM" };
  const refusal = said.match(/^From \S+ icmp_seq=1 (.+)$/m)?.[1];
  return refusal ? { result: "unreachable", errno: refusal } : { result: "timeout" };
}

/** Sends datagrams as fast as the kernel takes them, to the ports in turn, until it is killed. */
function flood(address: string, ports: readonly number[]): never {
  const c = libc();
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const sockets = ports.map((port) => {
    const fd = c.socket(family, DATAGRAM, 0);
    const sockaddr = socketAddress(c, family, address, port);
    if (c.connect(fd, sockaddr, sockaddr.length) < 0) throw new Error(`cannot reach ${address}`);
    return fd;
  });
  const payload = new Uint8Array(64);
  for (;;) for (const fd of sockets) c.send(fd, payload, 64n, 0);
}

/** Sends so many datagrams with one call, which the kernel cuts on their way. */
function train(address: string, port: number, count: number): { sent: number } {
  const SOL_UDP = 17, UDP_SEGMENT = 103, SIZE = 64;
  const c = libc();
  const family = address.includes(":") ? AF_INET6 : AF_INET;
  const fd = c.socket(family, DATAGRAM, 0);
  const sockaddr = socketAddress(c, family, address, port);
  if (c.connect(fd, sockaddr, sockaddr.length) < 0) throw new Error(`cannot reach ${address}`);
  c.setsockopt(fd, SOL_UDP, UDP_SEGMENT, new Uint32Array([SIZE]), 4);
  return { sent: Number(c.send(fd, new Uint8Array(SIZE * count), BigInt(SIZE * count), 0)) / SIZE };
}

/** Sends the packets of a file, a line of hexadecimal each, below IP. */
function injectFile(link: string, to: string, path: string): { sent: number } {
  const c = libc();
  const fd = c.socket(AF_PACKET, DATAGRAM, 0);
  const index = c.if_nametoindex(new TextEncoder().encode(`${link}\0`));
  const mac = to.split(":").map((byte) => parseInt(byte, 16));
  const packets = Deno.readTextFileSync(path).split("\n").map(Uint8Array.fromHex);
  for (const packet of packets) {
    // A struct sockaddr_ll.
    const address = new Uint8Array(20);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, packet[0]! >> 4 === 4 ? 0x0800 : 0x86dd);
    view.setUint32(4, index, true);
    address[11] = 6;
    address.set(mac, 12);
    const sent = c.sendto(fd, packet, BigInt(packet.length), 0, address, address.length);
    if (sent < 0n) throw new Error(`cannot send ${packet.toHex()}`);
  }
  return { sent: packets.length };
}

/** Sends the first four bytes of a TCP header, and says so. */
function cutTcp(address: string): { sent: number } {
  const RAW = 3, TCP = 6;
  const c = libc();
  const fd = c.socket(AF_INET, RAW, TCP);
  const sockaddr = socketAddress(c, AF_INET, address, 0);
  if (c.connect(fd, sockaddr, sockaddr.length) < 0) throw new Error(`cannot reach ${address}`);
  return { sent: Number(c.send(fd, new Uint8Array([0x30, 0x39, 0, 80]), 4n, 0)) };
}

/** Resolves when both servers listen; they go on for as long as the process. */
async function echo(port: number): Promise<void> {
  const tcp = createServer((socket) => {
    socket.on("error", () => {}); // a reset ends one connection, no more
    socket.pipe(socket);
  });
  const udp = createSocket("udp6");
  udp.on("message", (bytes, from) => udp.send(bytes, from.port, from.address));
  await once(tcp.listen(port, "::"), "listening");
  await once(udp.bind(port, "::"), "listening");
}

/** Resolves to their lengths when so many datagrams have come to a port. */
async function collect(port: number, count: number): Promise<{ lengths: number[] }> {
  const socket = createSocket("udp4");
  const lengths: number[] = [];
  const all = Promise.withResolvers<void>();
  socket.on("message", ({ length }) => {
    if (lengths.push(length) === count) all.resolve();
  });
  await once(socket.bind(port), "listening");
  console.log("listening");
  await all.promise;
  socket.close();
  return { lengths };
}

/** What each word on the command line does; the rest of the line are its arguments. */
const COMMANDS: Record<string, (...args: string[]) => unknown> = {
  "tcp-connect": (to, port, ms) => attempt(STREAM, to!, Number(port), false, timeout(ms)),
  "tcp-echo": (to, port, ms) => attempt(STREAM, to!, Number(port), true, timeout(ms)),
  "udp-echo": (to, port, ms) => attempt(DATAGRAM, to!, Number(port), true, timeout(ms)),
  "udp-echo-long": (to, port) => attempt(DATAGRAM, to!, Number(port), true, TIMEOUT_MS, true),
  "ping": (to, ms) => ping(to!, timeout(ms)),
  "inject": (link, to, path) => injectFile(link!, to!, path!),
  "train": (to, port, count) => train(to!, Number(port), Number(count)),
  "collect": (port, count) => collect(Number(port), Number(count)),
  "cut-tcp": (to) => cutTcp(to!),
  "flood": (to, ...ports) => flood(to!, ports.map(Number)),
  async "serve"(...ports) {
    for (const port of ports) await echo(Number(port));
    return { listening: ports };
  },
};

const timeout = (ms = `${TIMEOUT_MS}`) => Number(ms);

if (import.meta.main) {
  const [name = "", ...rest] = Deno.args;
  const command = COMMANDS[name];
  if (!command) throw new TypeError(`one of ${Object.keys(COMMANDS).join(", ")} is wanted`);
  console.log(JSON.stringify(await command(...rest)));
}
