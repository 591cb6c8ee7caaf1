import { assert, assertEquals } from "@std/assert";
import {
  check,
  exportIptables,
  exportNft,
  type Imported,
  importIptables,
  importNft,
  Incomparable,
  packetText,
  type Policy,
  usesState,
} from "../../compiler/mod.ts";
import { decide } from "../../compiler/policy/decide.ts";
import {
  EXTENSIONS,
  FRAGMENT,
  HOOKS,
  interfaceNumber,
  IPV4,
  type Packet,
  STATES,
} from "../../compiler/policy/field.ts";
import { readV4, readV6 } from "../../compiler/policy/address.ts";
import { randomIptables, randomNft } from "../support/foreign.ts";
import { packetBytes } from "../support/packet.ts";
import { type Host, Network, rootTest } from "../support/netns.ts";
import { firstDifference, sayablePolicy } from "../support/port.ts";
import { Random, randomCases, randomPacket } from "../support/policy.ts";

const LINKS = ["eth0", "eth1", "wan0"];
/** Addresses of the random packets: those of the router itself, and those behind its links. */
const LOCAL = ["10.0.0.1", "fd00::1"];
const REMOTE: Readonly<Record<string, string>> = {
  ...{ "10.0.0.0": "eth0", "10.0.0.2": "eth1", "10.0.0.3": "wan0", "192.168.0.1": "eth0" },
  ...{ "fd00::": "eth0", "fd00::2": "eth1", "fd00::3": "wan0", "2001:db8::1": "eth0" },
};
const PACKETS = 120;
const WAIT_MS = 10_000;

function address(text: string): bigint {
  return (text.includes(":") ? readV6(text) : readV4(text)).set[0]!.lo;
}

/** A router with three links to one sender, and no filter. */
async function router(net: Network<"sender" | "router">): Promise<void> {
  const [sender, host] = [net.host("sender"), net.host("router")];
  // Its addresses are among those of the packets.
  await host.run(["ip", "link", "del", host.leftLink]);
  for (const link of LINKS) {
    const peer = ["peer", "name", link, "netns", host.namespace];
    await sender.run(["ip", "link", "add", `s-${link}`, "type", "veth", ...peer]);
    await sender.run(["ip", "link", "set", `s-${link}`, "up", "arp", "off"]);
    await host.run(["ip", "link", "set", link, "up"]);
  }
  const settings = ["all", "default", ...LINKS].flatMap((link) => [
    `net.ipv4.conf.${link}.rp_filter=0`,
    `net.ipv4.conf.${link}.send_redirects=0`,
  ]);
  await host.run([
    "sysctl",
    "-qw",
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    ...settings,
  ]);
  const lines = [
    ...LOCAL.map((address) => `addr add ${address}/${address.includes(":") ? 128 : 32} dev lo`),
    ...Object.entries(REMOTE).map(([address, link]) =>
      `route add ${address}/${address.includes(":") ? 128 : 32} dev ${link}`
    ),
  ];
  await host.run(["ip", "-batch", "-"], lines.join("\n") + "\n");
}

/** What keeps some packets from the hook, or makes the kernel misread them. */
interface Limits {
  /** The kernel tracks connections, and puts fragments together before. */
  readonly tracked: boolean;
  /** nft takes the payload of IPv6's later fragments for the transport's header. */
  readonly misread: boolean;
}

/** A random packet that the router can be sent, and meets at the hook as it is here. */
function packetFor(random: Random, policy: Policy, { tracked, misread }: Limits): Packet {
  for (;;) {
    const packet = randomPacket(random, policy.hooks.filter((hook) => hook !== "output"));
    const forward = HOOKS[Number(packet.hook)] === "forward";
    const six = packet.family !== IPV4;
    const ends = (list: readonly string[]) =>
      list.filter((text) => text.includes(":") === six).map(address);
    const dst = random.pick(ends(forward ? Object.keys(REMOTE) : LOCAL));
    const out = Object.entries(REMOTE).find(([text]) => address(text) === dst)?.[1];
    const whole = packet.fragment === FRAGMENT.whole;
    const ah = six && (Number(packet.exthdr) & EXTENSIONS.ah!) !== 0;
    const fragmented = !whole || (six && (Number(packet.exthdr) & EXTENSIONS.frag!) !== 0);
    // IPv4 is put together again before input, and whatever is tracked before any hook.
    if (misread && six && packet.fragment === FRAGMENT.later) continue;
    if (ah || (fragmented && (tracked || (!six && !forward)))) continue;
    if (forward && (packet.ttl < 1n || packet.ttl > 254n)) continue;
    return {
      ...packet,
      src: random.pick(ends(Object.keys(REMOTE))),
      dst,
      in: interfaceNumber(random.pick(LINKS)),
      out: forward ? interfaceNumber(out!) : packet.out,
    };
  }
}

/** The frame of the n-th packet: IPv4's identification or IPv6's flow label tells which it is. */
function frameOf(packet: Packet, n: number, to: string): string {
  const forward = HOOKS[Number(packet.hook)] === "forward";
  const bytes = packetBytes({ ...packet, ttl: packet.ttl + (forward ? 1n : 0n) });
  const view = new DataView(bytes.buffer);
  if (packet.family === IPV4) {
    view.setUint16(4, n);
    let sum = 0;
    for (let at = 0; at < 20; at += 2) sum += view.getUint16(at);
    view.setUint16(10, ~((sum & 0xffff) + (sum >> 16)));
  } else view.setUint32(0, view.getUint32(0) | n);
  const type = packet.family === IPV4 ? "0800" : "86dd";
  const hex = (bytes: Uint8Array) =>
    [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return to.replaceAll(":", "") + packet.mac.toString(16).padStart(12, "0") + type + hex(bytes);
}

/**
 * What notes packets by their number: those that arrive, those that come to a hook and in which
 * state, and those that the filter has let through. It also gives each its mark.
 */
function observer(packets: readonly Packet[], tracked: boolean): string {
  const states = tracked ? STATES : [];
  const sets = ["arrived", "reached", "passed", ...states];
  const keys = [["4", "ip id"], ["6", "ip6 flowlabel"]] as const;
  const note = (set: string) => keys.map(([n, key]) => `add @${set}${n} { ${key} }`);
  const marks = keys.map(([n, key]) => {
    const six = n === "6";
    const own = packets.flatMap((packet, i) =>
      (packet.family !== IPV4) === six ? [`${i + 1} : ${packet.mark}`] : []
    );
    return own.length === 0 ? "" : `meta mark set ${key} map { ${own.join(", ")} }`;
  });
  const chain = (hook: string, priority: number, lines: readonly string[]) => [
    `chain ${hook}${priority < 0 ? "-before" : "-after"} {`,
    `type filter hook ${hook} priority ${priority};`,
    ...lines,
    "}",
  ];
  return [
    "table inet observer",
    "delete table inet observer",
    "table inet observer {",
    ...sets.flatMap((set) =>
      keys.map(([n, key]) => `set ${set}${n} { typeof ${key}; size 65535; flags dynamic; }`)
    ),
    ...chain("prerouting", -300, [...marks, ...note("arrived")]),
    ...["input", "forward"].flatMap((hook) => [
      ...chain(hook, -10, [
        ...note("reached"),
        ...states.flatMap((state) => note(state).map((add) => `ct state ${state} ${add}`)),
      ]),
      ...chain(hook, 10, note("passed")),
    ]),
    "}",
    "",
  ].join("\n");
}

/** The numbers of the packets in each set of the observer. */
async function observed(host: Host): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const { nftables } = JSON.parse(
    await host.run(["nft", "-j", "list", "table", "inet", "observer"]),
  );
  const sets = new Map<string, Set<number>>();
  for (const { set } of nftables) {
    if (!set) continue;
    const name = set.name.slice(0, -1);
    const numbers = (set.elem ?? []).map((elem: number | { elem: { val: number } }) =>
      typeof elem === "number" ? elem : elem.elem.val
    );
    sets.set(name, new Set([...(sets.get(name) ?? []), ...numbers]));
  }
  return sets;
}

interface Tool {
  readonly name: string;
  /** What the kernel has, as the tool lists it, and as a rule file. */
  readonly list: (host: Host) => Promise<Imported>;
  readonly load: (host: Host, policy: Policy) => Promise<void>;
  readonly loadText: (host: Host, text: string) => Promise<void>;
  /** A random rule set for `loadText`. */
  readonly random: (random: Random) => string;
  readonly unload: (host: Host) => Promise<void>;
  /** The rules that it cannot say. */
  readonly lost: (policy: Policy) => ReadonlySet<string>;
}

const TOOLS: readonly Tool[] = [
  {
    name: "nft",
    list: async (host) =>
      importNft([{ name: "nft", text: await host.run(["nft", "-j", "list", "ruleset"]) }]),
    loadText: async (host, text) => void await host.run(["nft", "-f", "-"], text),
    random: randomNft,
    load: async (host, policy) => void await host.run(["nft", "-f", "-"], exportNft(policy).text),
    unload: async (host) =>
      void await host.run(["nft", "delete", "table", "inet", "barrage-export"]),
    lost: (policy) => new Set(exportNft(policy).losses.map(({ rule }) => rule.name)),
  },
  ...["iptables", "iptables-legacy"].map((name): Tool => {
    const restore = async (host: Host, text: string) => {
      for (const tool of [name, name.replace("ip", "ip6")]) {
        await host.run([`${tool}-restore`], text);
      }
    };
    return {
      name,
      list: async (host) => {
        const tools = [name, name.replace("ip", "ip6")];
        const texts = await Promise.all(tools.map((tool) => host.run([`${tool}-save`])));
        return importIptables(texts.map((text, i) => ({ name: tools[i]!, text })));
      },
      loadText: restore,
      random: randomIptables,
      load: (host, policy) => restore(host, exportIptables(policy).text),
      unload: (host) =>
        restore(host, "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n"),
      lost: (policy) => new Set(exportIptables(policy).losses.map(({ rule }) => rule.name)),
    };
  }),
];

/** A network in which frames are sent to a router with some rules. */
class Trial implements AsyncDisposable {
  private constructor(
    private readonly net: Network<"sender" | "router">,
    private readonly macs: ReadonlyMap<string, string>,
    private readonly file: string,
  ) {}

  static async start(): Promise<Trial> {
    const net = await Network.create("sender", "router");
    try {
      await router(net);
      const links = JSON.parse(await net.host("router").run(["ip", "-j", "link"])) as {
        ifname: string;
        address: string;
      }[];
      const macs = new Map(links.map(({ ifname, address }) => [ifname, address]));
      return new Trial(net, macs, await Deno.makeTempFile());
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
  }

  get host(): Host {
    return this.net.host("router");
  }

  /** Sends random packets through the rules that are in force, which must decide as the policy. */
  async compare(
    random: Random,
    policy: Policy,
    name: string,
    { tracked = usesState(policy), misread = false }: Partial<Limits> = {},
  ): Promise<number> {
    const packets = Array.from(
      { length: PACKETS },
      () => packetFor(random, policy, { tracked, misread }),
    );
    await this.host.run(["nft", "-f", "-"], observer(packets, tracked));
    const lines = packets.map((packet, n) => {
      const link = LINKS.find((name) => interfaceNumber(name) === packet.in)!;
      return `s-${link} ${frameOf(packet, n + 1, this.macs.get(link)!)}`;
    });
    await Deno.writeTextFile(this.file, lines.join("\n") + "\n");
    const script = new URL("../support/inject.ts", import.meta.url).pathname;
    await this.net.host("sender").run([Deno.execPath(), "run", "-A", script, this.file]);
    const deadline = Date.now() + WAIT_MS;
    let seen = await observed(this.host);
    while (seen.get("arrived")!.size < PACKETS && Date.now() < deadline) {
      seen = await observed(this.host);
    }
    for (const [n, packet] of packets.entries()) {
      const of = (set: string) => seen.get(set)?.has(n + 1) ?? false;
      const state = tracked ? STATES.findIndex(of) : 0;
      const mark = packet.mark & BigInt(policy.markBits);
      const met = { ...packet, mark, state: BigInt(state) };
      const what = `${name}, packet ${n + 1}: ${packetText(met)}`;
      assert(of("reached"), `${what} did not come to the hook`);
      assert(state >= 0, `${what} has no state`);
      const { rule } = decide(policy, met);
      assertEquals(of("passed"), rule?.verdict.name === "accept", `${what} by ${rule?.name}`);
    }
    return packets.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.file);
    await this.net[Symbol.asyncDispose]();
  }
}

for (const tool of TOOLS) {
  rootTest(
    `the kernel decides by what was exported for ${tool.name} as the policy says`,
    async () => {
      const { seed, cases } = randomCases(8);
      await using trial = await Trial.start();
      let compared = 0;
      for (let i = seed; i < seed + cases; i++) {
        const policy = sayablePolicy(i, 8, tool.lost);
        if (!policy || policy.hooks.every((hook) => hook === "output")) continue;
        await tool.load(trial.host, policy);
        const misread = tool.name === "iptables";
        compared += await trial.compare(new Random(i), policy, `seed ${i}`, { misread });
        await tool.unload(trial.host);
      }
      assert(cases < 8 || compared >= 2 * PACKETS, `${compared} packets compared`);
    },
  );

  rootTest(`the kernel decides by random rules of ${tool.name} as their import says`, async () => {
    const { seed, cases } = randomCases(8);
    await using trial = await Trial.start();
    let compared = 0;
    for (let i = seed; i < seed + cases; i++) {
      const random = new Random(i);
      const rules = tool.random(random);
      await tool.loadText(trial.host, rules);
      const { text, rows } = await tool.list(trial.host);
      assertEquals(rows.filter(({ fidelity }) => fidelity !== "exact"), [], `seed ${i}`);
      const { policy } = check("imported.fw", text);
      assert(policy, text);
      if (policy.hooks.some((hook) => hook !== "output")) {
        // A chain that nothing leads to makes the kernel track, too.
        const tracked = /ct state|--(ct)?state/.test(rules);
        const misread = tool.name !== "iptables-legacy";
        compared += await trial.compare(random, policy, `seed ${i}`, { tracked, misread });
      }
      await trial.host.run(["nft", "flush", "ruleset"]);
      await tool.unload(trial.host).catch(() => {}); // what nft has flushed is gone
    }
    assert(cases < 8 || compared >= 2 * PACKETS, `${compared} packets compared`);
  });
}

/** What the language has no words for, in either tool's. */
const UNSAYABLE = /frag|(?<!! )-f |! --[ug]id-owner/;

for (const tool of TOOLS) {
  rootTest(`what ${tool.name} lists of exported rules decides alike when imported`, async () => {
    const { seed, cases } = randomCases(8);
    await using net = await Network.create("router", "other");
    const host = net.host("router");
    let compared = 0;
    for (let i = seed; i < seed + cases; i++) {
      const policy = sayablePolicy(i, 8, tool.lost);
      if (!policy) continue;
      await tool.load(host, policy);
      const { text, rows } = await tool.list(host);
      await tool.unload(host);
      const inexact = rows.filter(({ fidelity }) => fidelity !== "exact");
      if (inexact.some(({ source }) => UNSAYABLE.test(source))) continue;
      assertEquals(inexact, [], `seed ${i}`);
      try {
        assertEquals(firstDifference(policy, text), undefined, `seed ${i}\n${text}`);
        compared++;
      } catch (error) {
        // The marks of both are under the bits that each tests.
        if (!(error instanceof Incomparable)) throw error;
      }
    }
    assert(compared > cases / 4 || cases < 8, `${compared} of ${cases} compared`);
  });
}

for (const tool of TOOLS) {
  rootTest(
    `a limit that was exported for ${tool.name} lets its burst through, for each source`,
    async () => {
      await using net = await Network.create("client", "server");
      const [client, server] = [net.host("client"), net.host("server")];
      await client.run(["ip", "addr", "add", "10.0.0.77/24", "dev", client.rightLink]);
      const { policy } = check(
        "limit.fw",
        `chain input default drop {
         accept icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }
         accept type echo-request limit 3/hour burst 3 per source
       }`,
      );
      assertEquals(tool.lost(policy!).size, 0);
      await tool.load(server, policy!);
      const ping = async (to: string, ...from: string[]) => {
        const args = ["-n", "-q", "-c", "6", "-i", "0.02", "-W", "0.3", ...from, to];
        const { stdout } = await client.tryRun(["ping", ...args]);
        return Number(/(\d+) received/.exec(stdout)?.[1]);
      };
      const answered = [
        await ping(server.v4),
        await ping(server.v4, "-I", "10.0.0.77"),
        await ping(server.v6),
      ];
      assertEquals(answered, [3, 3, 3]);
      const { text, rows } = await tool.list(server);
      assertEquals(rows.filter(({ fidelity }) => fidelity !== "exact"), []);
      const [limit] = check("back.fw", text).policy!.literals;
      assertEquals(limit, policy!.literals[0]);
    },
  );
}
