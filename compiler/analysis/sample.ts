/**
 * One value out of many, as a person would have picked it: documentation addresses, ephemeral
 * ports, SYN, interface names that could be real.
 *
 * @module
 */
import { readV4, readV6 } from "../policy/address.ts";
import {
  type Field,
  interfaceNumber,
  NAME_BYTES,
  NO_ID,
  NO_INTERFACE,
  NO_MAC,
  PROTO,
  V6_BASE,
} from "../policy/field.ts";
import type { Interval } from "../policy/interval.ts";

const v4 = (text: string) => readV4(text).set[0]!.lo;
const v6 = (text: string) => readV6(text).set[0]!.lo;
const INTERFACES = ["wan0", "lan0", "eth0", "eth1", "br0"].map(interfaceNumber);

/** The values of a field that are tried first, best first. */
export const PREFERRED: Readonly<Partial<Record<Field, readonly bigint[]>>> = {
  family: [0n],
  proto: [PROTO.tcp, PROTO.udp, PROTO.icmp, 47n],
  // RFC 5737 and RFC 3849.
  src: [v4("203.0.113.9"), v4("198.51.100.7"), v4("192.0.2.1"), v6("2001:db8::9")],
  dst: [v4("192.0.2.1"), v4("198.51.100.1"), v4("203.0.113.1"), v6("2001:db8::1")],
  sport: [40000n, 49152n, 1024n],
  dport: [443n, 80n, 22n, 53n, 8080n, 50000n],
  type: [8n, 256n + 128n],
  code: [0n, 256n],
  flags: [2n, 16n, 18n],
  fragment: [0n],
  state: [0n, 1n],
  length: [60n, 1500n],
  ttl: [64n],
  uid: [NO_ID, 1000n],
  gid: [NO_ID, 1000n],
  mac: [NO_MAC],
  in: INTERFACES,
  out: INTERFACES.toSorted((a, b) => Number(b === INTERFACES[1]) - Number(a === INTERFACES[1])),
};

/**
 * A value of the interval that a packet can have, or undefined if there is none: no interface has
 * a name with bytes behind its end, and no mark a bit outside `markBits`.
 */
export function sample(field: Field, interval: Interval, markBits: number): bigint | undefined {
  const preferred = PREFERRED[field]?.find((v) => interval.lo <= v && v <= interval.hi);
  if (preferred !== undefined) return preferred;
  switch (field) {
    case "in":
    case "out":
      return nameFrom(interval);
    case "mark":
      return maskedFrom(interval, BigInt(markBits));
    case "src":
    case "dst": {
      // A network's first address is seldom a host's.
      const zero = interval.lo === V6_BASE || (interval.lo & 255n) === 0n;
      return zero && interval.lo < interval.hi ? interval.lo + 1n : interval.lo;
    }
    default:
      return interval.lo;
  }
}

/** The smallest mark of the interval without a bit outside `bits`. */
function maskedFrom({ lo, hi }: Interval, bits: bigint): bigint | undefined {
  let value = lo;
  // From the highest stray bit down: carry it into the next bit that may be set.
  for (let bit = 1n << 31n; bit > 0n; bit >>= 1n) {
    if ((value & bit) === 0n || (bits & bit) !== 0n) continue;
    let up = bit << 1n;
    while (up < 1n << 32n && ((bits & up) === 0n || (value & up) !== 0n)) up <<= 1n;
    if (up >= 1n << 32n) return undefined;
    value = (value & ~(2n * up - 1n)) | up;
    break;
  }
  return value <= hi ? value : undefined;
}

/**
 * A name of the interval that the kernel would allow, letters and digits if possible: 1 to 15
 * bytes, none of them zero, a space, `/` or `:`.
 */
function nameFrom({ lo, hi }: Interval): bigint | undefined {
  if (lo === NO_INTERFACE) return lo;
  for (const alphabet of [ALPHANUMERIC, LEGAL]) {
    const found = smallestName(lo, alphabet);
    if (found !== undefined && found <= hi) return found;
  }
  return undefined;
}

const LEGAL = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) =>
  byte > 0 && ![9, 10, 11, 12, 13, 32, 47, 58, 160].includes(byte)
);
const ALPHANUMERIC = LEGAL.filter((byte) => /[0-9A-Za-z]/.test(String.fromCharCode(byte)));

/** The smallest name, of the bytes of an ascending alphabet, whose number is at least `from`. */
function smallestName(from: bigint, alphabet: readonly number[]): bigint | undefined {
  const bytes = Array.from(
    { length: NAME_BYTES + 1 },
    (_, i) => Number(from >> BigInt(120 - 8 * i) & 255n),
  );
  // The longest prefix of `from` that a name can begin with; then the least that is not below.
  let good = 0;
  while (good < NAME_BYTES && alphabet.includes(bytes[good]!)) good++;
  const rest = bytes.slice(good);
  if (rest.every((byte) => byte === 0)) return numberOf(bytes.slice(0, good));
  for (let at = good; at >= 0; at--) {
    const next = at < NAME_BYTES ? alphabet.find((byte) => byte > bytes[at]!) : undefined;
    if (next !== undefined) return numberOf([...bytes.slice(0, at), next]);
  }
  return undefined;
}

function numberOf(name: readonly number[]): bigint {
  const bytes = [...name, ...Array(16 - name.length).fill(0)];
  return bytes.reduce((sum, byte) => sum << 8n | BigInt(byte), 0n);
}
