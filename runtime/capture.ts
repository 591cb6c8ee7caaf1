/**
 * Capture files in the pcap format, of either byte order, with micro- or nanoseconds.
 *
 * Format: draft-ietf-opsawg-pcap. Link types: https://www.tcpdump.org/linktypes.html
 *
 * @module
 */

/** One captured frame. */
export interface Frame {
  /** The record as it stands in the file, header included, to be copied to another capture. */
  readonly record: Uint8Array<ArrayBuffer>;
  /** Offset in the file of the IP header, and the bytes there; undefined if the frame is not IP. */
  readonly ip:
    | { readonly at: number; readonly captured: number; readonly length: number }
    | undefined;
}

export interface Capture {
  /** The file's header, to begin another capture of the same kind. */
  readonly header: Uint8Array<ArrayBuffer>;
  readonly frames: readonly Frame[];
  /** What is wrong behind the frames: the file ends inside one, or its lengths are nonsense. */
  readonly damage: string | undefined;
}

/** A file that is no capture this can read; the message says what it is. */
export class CaptureError extends Error {
  override name = "CaptureError";
}

const HEADER_SIZE = 24;
const RECORD_SIZE = 16;
/** No capture program writes longer frames; libpcap refuses them too (MAXIMUM_SNAPLEN). */
const MAX_FRAME = 262144;

/** Bytes before the IP header, and whether it is IP at all: by link type. */
const LINKS: Readonly<Record<number, (frame: DataView) => number | undefined>> = {
  0: (frame) => frame.byteLength >= 4 ? 4 : undefined, // BSD loopback
  1: ethernet,
  12: () => 0, // raw IP, as some systems number it
  14: () => 0,
  101: () => 0, // raw IP
  108: (frame) => frame.byteLength >= 4 ? 4 : undefined, // OpenBSD loopback
  113: (frame) => cooked(frame, 14, 16), // Linux cooked
  228: () => 0, // raw IPv4
  229: () => 0, // raw IPv6
  276: (frame) => cooked(frame, 0, 20), // Linux cooked, version 2
};

/** Reads a whole capture. Throws CaptureError if it is none. */
export function readCapture(file: Uint8Array<ArrayBuffer>): Capture {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const little = byteOrder(view);
  const link = view.getUint32(20, little) & 0x0fffffff;
  const ipAt = LINKS[link];
  if (!ipAt) {
    throw new CaptureError(
      `link type ${link} is not known here: capture on an Ethernet, cooked or raw IP interface`,
    );
  }
  const frames: Frame[] = [];
  let damage: string | undefined;
  let at = HEADER_SIZE;
  while (at < file.length) {
    const rest = file.length - at;
    const captured = rest >= RECORD_SIZE ? view.getUint32(at + 8, little) : 0;
    if (captured > MAX_FRAME) {
      damage = `the length of packet ${frames.length + 1} (${captured} bytes) is nonsense`;
      break;
    }
    if (rest < RECORD_SIZE + captured) {
      damage = `the file ends inside packet ${frames.length + 1}`;
      break;
    }
    const length = Math.max(captured, view.getUint32(at + 12, little));
    const start = at + RECORD_SIZE;
    const skip = ipAt(new DataView(file.buffer, file.byteOffset + start, captured));
    frames.push({
      record: file.subarray(at, start + captured),
      ip: skip === undefined
        ? undefined
        : { at: start + skip, captured: captured - skip, length: length - skip },
    });
    at = start + captured;
  }
  return { header: file.subarray(0, HEADER_SIZE), frames, damage };
}

/** Whether the file is little-endian. */
function byteOrder(view: DataView): boolean {
  const magic = view.byteLength >= 4 ? view.getUint32(0, true) : undefined;
  if (magic === 0x0a0d0d0a) {
    throw new CaptureError("this is a pcapng file: convert it with `editcap -F pcap IN OUT`");
  }
  const known = [[0xa1b2c3d4, true], [0xa1b23c4d, true], [0xd4c3b2a1, false], [0x4d3cb2a1, false]];
  const found = known.find(([number]) => number === magic);
  if (!found) throw new CaptureError("this is not a pcap file");
  if (view.byteLength < HEADER_SIZE) throw new CaptureError("the file ends inside its header");
  return found[1] as boolean;
}

const ETHERTYPES_IP = [0x0800, 0x86dd];
const ETHERTYPES_VLAN = [0x8100, 0x88a8];

function ethernet(frame: DataView): number | undefined {
  let at = 12;
  while (at + 2 <= frame.byteLength) {
    const type = frame.getUint16(at);
    if (ETHERTYPES_IP.includes(type)) return at + 2;
    if (!ETHERTYPES_VLAN.includes(type)) return undefined;
    at += 4;
  }
  return undefined;
}

function cooked(frame: DataView, typeAt: number, size: number): number | undefined {
  if (frame.byteLength < size) return undefined;
  return ETHERTYPES_IP.includes(frame.getUint16(typeAt)) ? size : undefined;
}
