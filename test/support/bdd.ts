/**
 * Sets of packets as reduced ordered binary decision diagrams over the bits of their fields
 * (Bryant 1986), to set against the algebra of boxes. What a packet is stands here as
 * implications between fields, not as a list of shapes.
 *
 * @module
 */
import { DOMAIN, type Field, FIELDS } from "../../compiler/policy/field.ts";
import type { Interval } from "../../compiler/policy/interval.ts";
import type { Region } from "../../compiler/policy/region.ts";

type Node = number;

export class Bdd {
  readonly nothing: Node = 0;
  readonly #nodes: { variable: number; low: Node; high: Node }[] = [
    { variable: Infinity, low: 0, high: 0 },
    { variable: Infinity, low: 1, high: 1 },
  ];
  readonly #numbers = new Map<string, Node>();
  readonly #applied = new Map<string, Node>();
  readonly #first = new Map<Field, number>();
  readonly #bits = new Map<Field, number>();

  constructor() {
    let next = 0;
    for (const field of FIELDS) {
      const bits = DOMAIN[field].at(-1)!.hi.toString(2).length;
      this.#first.set(field, next);
      this.#bits.set(field, bits);
      next += bits;
    }
  }

  region(region: Region): Node {
    return FIELDS.reduce((all, field) => {
      const set = region[field];
      if (!set) return all;
      const values = set.map((interval) => this.#interval(field, interval))
        .reduce((a, b) => this.#or(a, b), 0);
      return this.#and(all, values);
    }, 1);
  }

  /** Those of a set that are packets. */
  packets(set: Node): Node {
    const is = (field: Field, lo: bigint, hi = lo) => this.#interval(field, { lo, hi });
    const not = (a: Node) => this.without(1, a);
    const any = (...list: Node[]) => list.reduce((a, b) => this.#or(a, b), 0);
    const all = (...list: Node[]) => list.reduce((a, b) => this.#and(a, b), 1);
    const iff = (a: Node, b: Node) => any(all(a, b), all(not(a), not(b)));
    const six = is("family", 1n);
    const top = (1n << 128n) - 1n;
    const there = not(is("fragment", 2n));
    const ports = all(there, any(is("proto", 6n), is("proto", 17n), is("proto", 132n)));
    const icmp = all(there, not(six), is("proto", 1n));
    const icmpv6 = all(there, six, is("proto", 58n));
    const axioms = [
      any(is("hook", 0n), is("hook", 1n), is("hook", 2n)),
      ...(["src", "dst"] as const).map((side) =>
        any(all(not(six), is(side, 0n, 0xffffffffn)), all(six, is(side, top + 1n, 2n * top + 1n)))
      ),
      ...(["sport", "dport"] as const).map((side) =>
        any(all(ports, is(side, 0n, 65535n)), all(not(ports), is(side, 65536n)))
      ),
      ...(["type", "code"] as const).map((field) =>
        any(
          all(icmp, is(field, 0n, 255n)),
          all(icmpv6, is(field, 256n, 511n)),
          all(not(icmp), not(icmpv6), is(field, 512n)),
        )
      ),
      any(
        all(there, is("proto", 6n), is("flags", 0n, 255n)),
        all(not(all(there, is("proto", 6n))), is("flags", 256n)),
      ),
      is("fragment", 0n, 2n),
      is("state", 0n, 4n),
      iff(is("hook", 2n), is("in", 0n)),
      iff(is("hook", 0n), is("out", 0n)),
    ];
    return all(set, ...axioms);
  }

  without(a: Node, b: Node): Node {
    return this.#apply("-", a, b);
  }

  #and(a: Node, b: Node): Node {
    return this.#apply("&", a, b);
  }

  #or(a: Node, b: Node): Node {
    return this.#apply("|", a, b);
  }

  #apply(operation: "&" | "|" | "-", a: Node, b: Node): Node {
    if (a <= 1 && b <= 1) {
      return { "&": a & b, "|": a | b, "-": a & (1 - b) }[operation];
    }
    const key = `${operation}${a} ${b}`;
    const known = this.#applied.get(key);
    if (known !== undefined) return known;
    const x = this.#nodes[a]!, y = this.#nodes[b]!;
    const variable = Math.min(x.variable, y.variable);
    const [xl, xh] = x.variable === variable ? [x.low, x.high] : [a, a];
    const [yl, yh] = y.variable === variable ? [y.low, y.high] : [b, b];
    const node = this.#node(
      variable,
      this.#apply(operation, xl, yl),
      this.#apply(operation, xh, yh),
    );
    this.#applied.set(key, node);
    return node;
  }

  #node(variable: number, low: Node, high: Node): Node {
    if (low === high) return low;
    const key = `${variable} ${low} ${high}`;
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const node = this.#nodes.push({ variable, low, high }) - 1;
    this.#numbers.set(key, node);
    return node;
  }

  #interval(field: Field, { lo, hi }: Interval): Node {
    return this.#and(this.#bound(field, lo, true), this.#bound(field, hi, false));
  }

  /** Values at least (or at most) `limit`, from the lowest bit up. */
  #bound(field: Field, limit: bigint, atLeast: boolean): Node {
    const first = this.#first.get(field)!, bits = this.#bits.get(field)!;
    let node: Node = 1;
    for (let i = 0; i < bits; i++) {
      const set = (limit >> BigInt(i) & 1n) === 1n;
      const variable = first + bits - 1 - i;
      if (atLeast) node = set ? this.#node(variable, 0, node) : this.#node(variable, node, 1);
      else node = set ? this.#node(variable, 1, node) : this.#node(variable, node, 0);
    }
    return node;
  }
}
