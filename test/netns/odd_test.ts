/** Packets as no honest stack sends them, in a real run and from a capture. */
import { assert, assertEquals } from "@std/assert";
import { Barrage, ruleFile, runFw } from "../support/barrage.ts";
import { captureOf } from "../support/capture.ts";
import { Network, rootTest } from "../support/netns.ts";
import { inject } from "../support/traffic.ts";

const RULES = `chain forward default drop {
  match fragment label fragment
  match ! fragment exthdr any label extension
  match length 0-40 label short
  match sport any label ports
  drop tcp flags syn/all dport 80 label web
  drop tcp fragment label tcp-fragment
  drop tcp label tcp
  drop udp dport 53 label dns
  drop udp label udp
  drop icmp type destination-unreachable label unreachable
  drop icmp label icmp
  drop icmpv6 label icmpv6
  drop proto 0 label zero
  drop proto 255 label last
  drop proto { ipip, 41, gre } label tunnel
  drop ipv6 proto 59 label nothing
}
`;

const TCP = "9c400050 00000000 00000000 50020000 00000000";
const UDP = "9c400035 00080000";
const AH = "0000 00000001 00000001";

const FOUR:
  readonly (readonly [proto: number, payload: string, offset?: number, options?: string])[] = [
    ...[0x00, 0x03, 0x29, 0xff].map((flags) => [6, tcp(flags)] as const),
    [6, TCP.replace("5002", "4002")], // a header of 16 bytes
    [6, TCP.replace("5002", "f002")], // and one of 60 that is not there
    [6, TCP.slice(0, 40)],
    [6, ""],
    [17, "9c400035"],
    [17, UDP.replace("0008", "ffff")],
    [17, UDP.replace("0008", "0000"), 0x8000],
    [17, UDP, 0x2000],
    [17, UDP, 3],
    [6, TCP.slice(0, 17), 0x2000], // the ports alone
    [6, TCP, 0x2001], // over the flags of the one before
    [6, "", 0x2000],
    [17, UDP, 0x1fff], // beyond what a packet can be
    [17, UDP, 0x4005],
    [17, UDP, 0, "07070400 00000000"],
    [17, UDP, 0, "94040000"],
    [17, UDP, 0, "01".repeat(40)],
    ...[0, 2, 33, 58, 59, 132, 136, 255].map((proto) => [proto, "00".repeat(8)] as const),
    [47, `00000800 ${UDP}`],
    [4, "45000014 00000000 40060000 0a000001 0a000102"],
    [41, "60000000 00003b40"],
    [51, `0601 ${AH} ${TCP}`],
    [1, "0303"],
    [1, "03030000"],
    [1, `03030000 00000000 45000014 00000000 40060000 0a000102 0a000001 ${UDP}`],
    [1, "ffff0000 00000000"],
  ];

const SIX: readonly (readonly [next: number, payload: string, length?: number])[] = [
  [6, TCP],
  [6, TCP.slice(0, 40)],
  [17, UDP, 0], // the length says that nothing follows
  [17, `${UDP} 00000000`, 8],
  [0, `11000104 00000000 ${UDP}`],
  [60, `00000104 00000000 11000104 00000000 ${UDP}`], // hop by hop behind another
  [60, "3c000104 00000000".repeat(100) + `11000104 00000000 ${UDP}`],
  [60, "11100104 00000000"], // longer than the packet
  [60, "1100"],
  [43, `11000400 00000000 ${UDP}`],
  [51, `1101 ${AH} ${UDP}`],
  [51, `1100 0000 00000001 ${UDP}`],
  [44, `11000001 00000001 ${UDP}`],
  [44, `11000018 00000001 ${UDP}`],
  [44, `11000000 00000001 ${UDP}`], // a fragment that is all of its packet
  [44, `2c000000 00000001 11000018 00000002 ${UDP}`], // one in another
  [44, "3c000001 00000001 11000104 00000000"], // the rest of the chain is in the next
  [44, `06000001 00000001 ${TCP.slice(0, 17)}`],
  [59, ""],
  [59, UDP],
  [60, `3b000104 00000000 ${UDP}`],
  ...[1, 50, 135, 255].map((next) => [next, "00".repeat(8)] as const),
  [58, "8000"],
  [58, "80000000"],
  [58, `02000000 00000500 60000000 00083b40 ${UDP}`],
  [4, "45000014 00000000 40060000 0a000001 0a000102"],
];

function tcp(flags: number): string {
  return TCP.replace("5002", `50${flags.toString(16).padStart(2, "0")}`);
}

function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.fromHex(hex.replaceAll(" ", ""));
}

/** From 10.0.0.1 to 10.0.1.2. */
function ipv4([proto, payload, offset = 0, options = ""]: typeof FOUR[number]): Uint8Array {
  const header = 20 + bytesOf(options).length;
  const packet = bytesOf(`4500 0000 0001 0000 4000 0000 0a000001 0a000102 ${options} ${payload}`);
  const view = new DataView(packet.buffer);
  view.setUint8(0, 0x40 | header / 4);
  view.setUint16(2, packet.length);
  view.setUint16(6, offset);
  view.setUint8(9, proto);
  let sum = 0;
  for (let at = 0; at < header; at += 2) sum += view.getUint16(at);
  view.setUint16(10, ~((sum & 0xffff) + (sum >>> 16)));
  return packet;
}

/** From fd00:0::1 to fd00:1::2. */
function ipv6([next, payload, length]: typeof SIX[number]): Uint8Array {
  const [from, to] = ["fd00" + "00".repeat(13) + "01", "fd000001" + "00".repeat(11) + "02"];
  const packet = bytesOf(`60000000 0000 0040 ${from} ${to} ${payload}`);
  const view = new DataView(packet.buffer);
  view.setUint16(4, length ?? packet.length - 40);
  view.setUint8(6, next);
  return packet;
}

rootTest("a packet however odd gets in a run what a capture of its bytes gets, once", async () => {
  const packets = [...FOUR.map(ipv4), ...SIX.map(ipv6)];
  await using net = await Network.create("client", "router", "server");
  const [client, router] = [net.host("client"), net.host("router")];
  await using barrage = await Barrage.start(router, RULES);
  const mac = await router.run(["cat", `/sys/class/net/${router.leftLink}/address`]);
  await inject(client, client.rightLink, mac.trim(), packets);
  const { totals, rules } = await barrage.stop();
  assertEquals([totals.received, totals.accepted], [packets.length, 0]);

  const capture = await Deno.makeTempFile({ suffix: ".pcap" });
  const file = await ruleFile(RULES);
  try {
    await Deno.writeFile(capture, captureOf(packets));
    const { stdout } = await runFw("replay", file, "--pcap", capture, "--format", "jsonl");
    const told = stdout.trim().split("\n").map((line) => JSON.parse(line));
    const deciding = rules.filter(({ verdict }) => verdict !== "match");
    const decided = (rule: string) => told.filter((packet) => packet.rule === rule).length;
    assertEquals(
      deciding.map(({ rule, packets }) => [rule, packets]),
      deciding.map(({ rule }) => [rule, decided(rule)]),
    );
    const malformed = Object.entries(totals).filter(([name]) => name.startsWith("bad_"));
    assertEquals(malformed.reduce((sum, [, n]) => sum + n, 0), decided("malformed"));
    assert(deciding.every(({ packets }) => packets > 0), "each rule has its packets");
  } finally {
    await Deno.remove(capture);
    await Deno.remove(file);
  }
});
