import { assert, assertEquals, assertThrows } from "@std/assert";
import { CaptureError, readCapture } from "../../runtime/capture.ts";
import { capturePackets, concat } from "../support/capture.ts";

const PING = capturePackets([{ proto: "icmp", type: 8 }, { proto: "udp", dport: 53 }]);

/** A capture of one frame, of a link type, in either byte order. */
function captureOf(frame: number[], link: number, little = true): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(40));
  view.setUint32(0, 0xa1b2c3d4, little);
  view.setUint32(20, link, little);
  view.setUint32(32, frame.length, little);
  view.setUint32(36, frame.length + 6, little);
  return concat([new Uint8Array(view.buffer), new Uint8Array(frame)]);
}

const MACS = Array<number>(12).fill(2);

Deno.test("readCapture() finds each packet of a raw IP capture, and its record", () => {
  const { frames, damage } = readCapture(PING);
  assertEquals(frames.map((frame) => frame.ip), [
    { at: 40, captured: 28, length: 28 },
    { at: 84, captured: 28, length: 28 },
  ]);
  assertEquals(frames.map((frame) => frame.record.length), [44, 44]);
  assertEquals(damage, undefined);
});

Deno.test("readCapture() skips Ethernet headers and VLAN tags, and keeps the length on the wire", () => {
  const plain = captureOf([...MACS, 0x08, 0x00, 0x45], 1);
  const tagged = captureOf([...MACS, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 0x86, 0xdd, 0x60], 1);
  assertEquals(readCapture(plain).frames[0]!.ip, { at: 54, captured: 1, length: 7 });
  assertEquals(readCapture(tagged).frames[0]!.ip, { at: 62, captured: 1, length: 7 });
});

Deno.test("readCapture() finds the packet behind the header of each link type", () => {
  const cooked = (size: number, typeAt: number) => {
    const header = Array<number>(size).fill(0);
    header[typeAt] = 0x08;
    return header;
  };
  const headers: [link: number, header: number[]][] = [
    ...[12, 14, 101, 228, 229].map((link): [number, number[]] => [link, []]),
    ...[0, 108].map((link): [number, number[]] => [link, [2, 0, 0, 0]]),
    [113, cooked(16, 14)],
    [276, cooked(20, 0)],
  ];
  for (const [link, header] of headers) {
    const [frame] = readCapture(captureOf([...header, 0x45, 0], link)).frames;
    assertEquals(frame!.ip?.at, 40 + header.length, `link type ${link}`);
  }
  assertEquals(readCapture(captureOf(cooked(16, 0), 113)).frames[0]!.ip, undefined);
  assertEquals(readCapture(captureOf(cooked(20, 0).slice(1), 276)).frames[0]!.ip, undefined);
});

Deno.test("readCapture() says which frames are not IP", () => {
  const arp = captureOf([...MACS, 0x08, 0x06, 1, 2], 1);
  assertEquals(readCapture(arp).frames[0]!.ip, undefined);
  assertEquals(readCapture(captureOf([1, 2, 3], 1)).frames[0]!.ip, undefined);
});

Deno.test("readCapture() reads big-endian captures", () => {
  const frames = readCapture(captureOf([0x45, 0], 101, false)).frames;
  assertEquals(frames[0]!.ip, { at: 40, captured: 2, length: 8 });
});

Deno.test("readCapture() keeps the whole packets of a file that was cut, and says where", () => {
  for (let size = 24 + 44 + 1; size < PING.length; size++) {
    const { frames, damage } = readCapture(PING.slice(0, size));
    assertEquals(frames.length, 1);
    assertEquals(damage, "the file ends inside packet 2");
  }
});

Deno.test("readCapture() stops at a length that no frame has", () => {
  const bad = PING.slice();
  new DataView(bad.buffer).setUint32(24 + 8, 0x7fffffff, true);
  const { frames, damage } = readCapture(bad);
  assertEquals(frames, []);
  assertEquals(damage, "the length of packet 1 (2147483647 bytes) is nonsense");
});

for (
  const [what, file, message] of [
    ["a text", new TextEncoder().encode("chain input"), "this is not a pcap file"],
    ["an empty file", new Uint8Array(0), "this is not a pcap file"],
    ["half a header", PING.slice(0, 12), "the file ends inside its header"],
    [
      "pcapng",
      new Uint8Array([0x0a, 0x0d, 0x0d, 0x0a, 0, 0, 0, 0]),
      "this is a pcapng file: convert it with `editcap -F pcap IN OUT`",
    ],
  ] as const
) {
  Deno.test(`readCapture() refuses ${what}`, () => {
    const error = assertThrows(() => readCapture(file));
    assert(error instanceof CaptureError);
    assertEquals(error.message, message);
  });
}
