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
  NO_EXTENSIONS,
  NO_FLAGS,
  NO_ID,
  NO_INTERFACE,
  NO_MAC,
  NO_PORT,
  NO_TYPE,
  type Packet,
  PORT_PROTOCOLS,
  PORTS,
  PROTO,
  V4_ADDRESSES,
  V6_ADDRESSES,
} from "./field.ts";
import {
  contains,
  EMPTY,
  intersect,
  type IntervalSet,
  overlap,
  span,
  subtract,
  union,
  within,
} from "./interval.ts";

/**
 * A product of one set a field; a field that is not named may have any value. Each literal of the
 * policy is one more field, of the two values true and false: `dynamic` has those that are asked for.
 */
export type Region = { readonly [F in Field]?: IntervalSet } & {
  readonly dynamic?: ReadonlyMap<number, boolean>;
};

export function valuesOf(region: Region, field: Field): IntervalSet {
  return region[field] ?? DOMAIN[field];
}

/** Whether a packet has all that the fields ask for, whatever the literals may be. */
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
  if (!a.dynamic || !b.dynamic) return { ...result, ...dynamicOf(a.dynamic ?? b.dynamic) };
  for (const [literal, value] of b.dynamic) {
    // Nothing is both: whichever field is emptied, the region is.
    if (a.dynamic.get(literal) === !value) result.hook = EMPTY;
  }
  return { ...result, dynamic: new Map([...a.dynamic, ...b.dynamic]) };
}

function dynamicOf(dynamic: Region["dynamic"]): Pick<Region, "dynamic"> {
  return dynamic ? { dynamic } : {};
}

/** The packets of `a` that are not in `b`, as disjoint regions: at most one a field that `b` names. */
export function without(a: Region, b: Region): Region[] {
  const pieces: Region[] = [];
  let rest = a;
  for (const field of FIELDS) {
    const set = b[field];
    if (!set) continue;
    pieces.push({ ...rest, [field]: subtract(valuesOf(rest, field), set) });
    rest = both(rest, { [field]: set });
  }
  for (const [literal, value] of b.dynamic ?? []) {
    pieces.push(both(rest, { dynamic: new Map([[literal, !value]]) }));
    rest = both(rest, { dynamic: new Map([[literal, value]]) });
  }
  return pieces.filter((piece) => !emptyField(piece));
}

/** The packets that are in a region of each list. */
export function product(a: readonly Region[], b: readonly Region[]): Region[] {
  return a.flatMap((x) => b.map((y) => both(x, y)).filter((region) => !emptyField(region)));
}

/** A field that no value is left for, so that the region holds no packet. */
export function emptyField(region: Region): Field | undefined {
  return FIELDS.find((field) => region[field]?.length === 0);
}

/** What lies within `given` lies within `then`; `from` and `to` are the fields that they name. */
interface Axiom {
  readonly given: Region;
  readonly then: Region;
  readonly from: readonly Field[];
  readonly to: readonly Field[];
}

/** What is true of every packet. */
const AXIOMS: readonly Axiom[] = (() => {
  const v4 = { family: span(IPV4) };
  const v6 = { family: span(IPV6) };
  const icmp = { proto: span(PROTO.icmp), ...v4 };
  const icmpv6 = { proto: span(PROTO.icmpv6), ...v6 };
  const anyIcmp = { proto: union(icmp.proto, icmpv6.proto) };
  const hasType = union(ICMP_TYPES, ICMPV6_TYPES);
  const notLater = { fragment: span(FRAGMENT.whole, FRAGMENT.first) };
  const noUser = { uid: span(NO_ID), gid: span(NO_ID) };
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
    { given: { exthdr: span(0, NO_EXTENSIONS - 1n) }, then: v6 },
    { given: v4, then: { exthdr: span(NO_EXTENSIONS) } },
    { given: v6, then: { exthdr: span(0, NO_EXTENSIONS - 1n) } },
    { given: hook("input"), then: { out: span(NO_INTERFACE), ...noUser } },
    { given: hook("forward"), then: noUser },
    { given: hook("output"), then: { in: span(NO_INTERFACE), mac: span(NO_MAC) } },
  ].map((axiom) => ({ ...axiom, from: keysOf(axiom.given), to: keysOf(axiom.then) }));
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
    for (const { given, then, from, to } of AXIOMS) {
      if (!from.every((f) => result[f] && within(result[f], given[f]!))) continue;
      if (to.every((f) => within(valuesOf(result, f), then[f]!))) continue;
      result = both(result, then);
      if (emptyField(result)) return result;
      changed = true;
    }
  }
  return result;
}

/** Whether a packet can be in the region: one that some shape has. */
export function isPossible(region: Region): boolean {
  const named = keysOf(region);
  return SHAPES.some((shape) => named.every((f) => overlap(region[f]!, shape[f] ?? DOMAIN[f])));
}

/** The values that the axioms leave a field, from what a region says of others. */
export function impliedValues(region: Region, field: Field): IntervalSet {
  let values = DOMAIN[field];
  for (const { given, then, from } of ABOUT[field]) {
    const holds = from.every((f) => region[f] && within(region[f], given[f]!));
    if (holds) values = intersect(values, then[field]!);
  }
  return values;
}

/** The fields that a region names. */
function keysOf(region: Region): Field[] {
  return FIELDS.filter((field) => region[field]);
}

/** The axioms that say something of a field, and do so from others. */
const ABOUT = Object.fromEntries(
  FIELDS.map((field): [Field, typeof AXIOMS] => [
    field,
    AXIOMS.filter(({ given, then }) => then[field] && !given[field]),
  ]),
) as Record<Field, typeof AXIOMS>;

/**
 * The kinds of packets there are, each a product of its own: a valid packet lies in exactly one,
 * and within one every combination of values is a packet that the engine's parser can make. So
 * the parser's rules (ports only with TCP, UDP and SCTP, and always with them; both addresses of
 * one family; nothing of the transport on later fragments) need no further thought.
 */
export const SHAPES: readonly Region[] = HOOKS.flatMap((hook, i) => {
  const named = span(NO_INTERFACE + 1n, DOMAIN.in.at(-1)!.hi);
  const hooked: Region = {
    hook: span(i),
    in: hook === "output" ? span(NO_INTERFACE) : named,
    out: hook === "input" ? span(NO_INTERFACE) : named,
    ...(hook === "output" ? { mac: span(NO_MAC) } : { uid: span(NO_ID), gid: span(NO_ID) }),
  };
  return [IPV4, IPV6].flatMap((family) => {
    const addresses = family === IPV4 ? V4_ADDRESSES : V6_ADDRESSES;
    const icmp = span(family === IPV4 ? PROTO.icmp : PROTO.icmpv6);
    const types = family === IPV4 ? ICMP_TYPES : ICMPV6_TYPES;
    const tcp = span(PROTO.tcp);
    const bare: Region = {
      ...hooked,
      family: span(family),
      src: addresses,
      dst: addresses,
      ...{ sport: span(NO_PORT), dport: span(NO_PORT), flags: span(NO_FLAGS) },
      ...{ type: span(NO_TYPE), code: span(NO_TYPE) },
      fragment: span(FRAGMENT.whole, FRAGMENT.first),
      exthdr: family === IPV4 ? span(NO_EXTENSIONS) : span(0n, NO_EXTENSIONS - 1n),
    };
    const other = subtract(DOMAIN.proto, union(PORT_PROTOCOLS, icmp));
    return [
      { ...bare, proto: tcp, sport: PORTS, dport: PORTS, flags: span(0n, NO_FLAGS - 1n) },
      { ...bare, proto: subtract(PORT_PROTOCOLS, tcp), sport: PORTS, dport: PORTS },
      { ...bare, proto: icmp, type: types, code: types },
      { ...bare, proto: other },
      { ...bare, fragment: span(FRAGMENT.later), proto: DOMAIN.proto },
    ];
  });
});
