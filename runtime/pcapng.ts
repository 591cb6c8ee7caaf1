/**
 * Captures of raw IP packets with a comment each, in the pcapng format.
 *
 * Format: draft-ietf-opsawg-pcapng.
 *
 * @module
 */

const SECTION_HEADER = 0x0a0d0d0a;
const INTERFACE_DESCRIPTION = 1;
const ENHANCED_PACKET = 6;
const OPTION_COMMENT = 1;
const OPTION_TIME_RESOLUTION = 9;
const LINK_RAW_IP = 101;
const NANOSECONDS = 9;

/** What a capture begins with: a section of one interface, whose times are nanoseconds. */
export function pcapngHeader(): Uint8Array<ArrayBuffer> {
  const section = new DataView(new ArrayBuffer(16));
  section.setUint32(0, 0x1a2b3c4d, true);
  section.setUint16(4, 1, true);
  section.setBigInt64(8, -1n, true); // of unknown length
  const description = new DataView(new ArrayBuffer(8));
  description.setUint16(0, LINK_RAW_IP, true);
  const resolution = option(OPTION_TIME_RESOLUTION, Uint8Array.of(NANOSECONDS));
  return joined([
    block(SECTION_HEADER, [bytesOf(section)]),
    block(INTERFACE_DESCRIPTION, [bytesOf(description), resolution, option(0, new Uint8Array())]),
  ]);
}

/** One packet: the bytes that were kept of its `length`, when it was seen, and a comment. */
export function pcapngPacket(
  packet: Uint8Array,
  length: number,
  timeNs: bigint,
  comment: string,
): Uint8Array<ArrayBuffer> {
  const fixed = new DataView(new ArrayBuffer(20));
  fixed.setUint32(4, Number(timeNs >> 32n), true);
  fixed.setUint32(8, Number(timeNs & 0xffffffffn), true);
  fixed.setUint32(12, packet.length, true);
  fixed.setUint32(16, length, true);
  const note = option(OPTION_COMMENT, new TextEncoder().encode(comment));
  return block(ENHANCED_PACKET, [
    bytesOf(fixed),
    padded(packet),
    note,
    option(0, new Uint8Array()),
  ]);
}

function block(type: number, parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = 12 + parts.reduce((sum, part) => sum + part.length, 0);
  const head = new DataView(new ArrayBuffer(8));
  head.setUint32(0, type, true);
  head.setUint32(4, length, true);
  return joined([bytesOf(head), ...parts, bytesOf(head).slice(4)]);
}

function option(code: number, value: Uint8Array): Uint8Array<ArrayBuffer> {
  const head = new DataView(new ArrayBuffer(4));
  head.setUint16(0, code, true);
  head.setUint16(2, value.length, true);
  return joined([bytesOf(head), padded(value)]);
}

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
  whole.set(bytes);
  return whole;
}

function bytesOf(view: DataView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(view.buffer);
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
