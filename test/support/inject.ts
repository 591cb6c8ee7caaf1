/**
 * Puts frames on links, as they are: `deno run -A test/support/inject.ts FILE`, a line of the file
 * being a link and the frame's bytes in hexadecimal.
 *
 * @module
 */
const AF_PACKET = 17, SOCK_RAW = 3;

function libc() {
  return Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "isize" },
    if_nametoindex: { parameters: ["buffer"], result: "u32" },
  }).symbols;
}

/** Sends each line's frame on its link. Throws if one is not sent whole. */
function inject(lines: readonly string[]): void {
  const c = libc();
  const socket = c.socket(AF_PACKET, SOCK_RAW, 0);
  if (socket < 0) throw new Error("Cannot open a packet socket");
  const addresses = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const line of lines) {
    const [link = "", hex = ""] = line.split(" ");
    const address = addresses.get(link) ?? linkAddress(c, link);
    addresses.set(link, address);
    const frame = Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
    const sent = c.sendto(socket, frame, BigInt(frame.length), 0, address, address.length);
    if (sent !== BigInt(frame.length)) throw new Error(`Cannot send a frame on ${link}`);
  }
}

/** A struct sockaddr_ll. */
function linkAddress(c: ReturnType<typeof libc>, link: string): Uint8Array<ArrayBuffer> {
  const index = c.if_nametoindex(new TextEncoder().encode(`${link}\0`));
  if (index === 0) throw new Error(`Cannot find the link ${link}`);
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setInt32(4, index, true);
  return bytes;
}

if (import.meta.main) inject(Deno.readTextFileSync(Deno.args[0]!).trimEnd().split("\n"));
