/**
 * Regions of header space: one set of values a field, ANDed.
 *
 * @module
 */
import {
  DOMAIN,
  type Field,
  FIELDS,
  FRAGMENT,
  HOOKS,
  ICMP_TYPES,
  ICMPV6_TYPES,
  IPV4,
  IPV6,
  NO_INTERFACE,
  type Packet,
  PORT_PROTOCOLS,
  PORTS,
  PROTO,
  V4_ADDRESSES,
  V6_ADDRESSES,
} from "./field.ts";
import { contains, intersect, type IntervalSet, span, union, within } from "./interval.ts";

/** A product of one set a field; a field that is not named may have any value. */
export type Region = { readonly [F in Field]?: IntervalSet };

export const ANYTHING: Region = {};

export function valuesOf(region: Region, field: Field): IntervalSet {
  return region[field] ?? DOMAIN[field];
}

export function hasPacket(region: Region, packet: Packet): boolean {
  for (const field of FIELDS) {
    const set = region[field];
    if (set && !contains(set, packet[field])) return false;
  }
  return true;
}

/** The packets of both. A field may become empty; `emptyField` finds it. */
export function both(a: Region, b: Region): Region {
  const result: { [F in Field]?: IntervalSet } = { ...a };
  for (const field of FIELDS) {
    const set = b[field];
    if (set) result[field] = a[field] ? intersect(a[field], set) : set;
  }
  return result;
}

/** A field that no value is left for, so that the region holds no packet. */
export function emptyField(region: Region): Field | undefined {
  return FIELDS.find((field) => region[field]?.length === 0);
}

/** A region as the list of its fields, which is quicker to go through. */
type Sides = readonly (readonly [field: Field, set: IntervalSet])[];

function sidesOf(region: Region): Sides {
  return Object.entries(region) as [Field, IntervalSet][];
}

/** What is true of every packet, as implications: what lies within `given` lies within `then`. */
const AXIOMS: readonly { readonly given: Sides; readonly then: Sides; readonly implied: Region }[] =
  (() => {
    const v4 = { family: span(IPV4) };
    const v6 = { family: span(IPV6) };
    const icmp = { proto: span(PROTO.icmp), ...v4 };
    const icmpv6 = { proto: span(PROTO.icmpv6), ...v6 };
    const anyIcmp = { proto: union(icmp.proto, icmpv6.proto) };
    const hasType = union(ICMP_TYPES, ICMPV6_TYPES);
    const notLater = { fragment: span(FRAGMENT.whole, FRAGMENT.first) };
    const hook = (name: (typeof HOOKS)[number]) => ({ hook: span(HOOKS.indexOf(name)) });
    return [
      { given: v4, then: { src: V4_ADDRESSES, dst: V4_ADDRESSES } },
      { given: v6, then: { src: V6_ADDRESSES, dst: V6_ADDRESSES } },
      ...(["src", "dst"] as const).flatMap((side) => [
        { given: { [side]: V4_ADDRESSES }, then: v4 },
        { given: { [side]: V6_ADDRESSES }, then: v6 },
      ]),
      ...(["sport", "dport"] as const).map((port) => ({
        given: { [port]: PORTS },
        then: { proto: PORT_PROTOCOLS, ...notLater },
      })),
      ...(["type", "code"] as const).flatMap((field) => [
        { given: { [field]: ICMP_TYPES }, then: icmp },
        { given: { [field]: ICMPV6_TYPES }, then: icmpv6 },
        { given: { [field]: hasType }, then: { ...anyIcmp, ...notLater } },
        { given: { [field]: hasType, ...v4 }, then: { [field]: ICMP_TYPES } },
        { given: { [field]: hasType, ...v6 }, then: { [field]: ICMPV6_TYPES } },
        { given: { [field]: hasType, proto: icmp.proto }, then: { [field]: ICMP_TYPES } },
        { given: { [field]: hasType, proto: icmpv6.proto }, then: { [field]: ICMPV6_TYPES } },
      ]),
      { given: { flags: span(0, 255) }, then: { proto: span(PROTO.tcp), ...notLater } },
      { given: hook("input"), then: { out: span(NO_INTERFACE) } },
      { given: hook("output"), then: { in: span(NO_INTERFACE) } },
    ].map(({ given, then }: { given: Region; then: Region }) => ({
      given: sidesOf(given),
      then: sidesOf(then),
      implied: then,
    }));
  })();

/**
 * The same packets, each field as narrow as the axioms make it: an IPv4 source makes the family
 * IPv4, a port makes the protocol one that has ports. Only the fields in question are narrowed; a
 * region that no packet can be in comes back with an empty field.
 */
export function narrow(region: Region): Region {
  let result = region;
  for (let changed = true; changed;) {
    changed = false;
    for (const { given, then, implied } of AXIOMS) {
      if (!given.every(([f, set]) => result[f] && within(result[f], set))) continue;
      if (then.every(([f, set]) => within(valuesOf(result, f), set))) continue;
      result = both(result, implied);
      if (emptyField(result)) return result;
      changed = true;
    }
  }
  return result;
}
