/**
 * `deno task demo`: a policy on real packets between two namespaces, beside what it should do.
 *
 * It makes a server and a client, joined by a virtual cable, starts Barrage with
 * `examples/demo/policy.fw` in the server, tries every kind of traffic from the client, and takes
 * everything away again. Without root it replays a capture that it makes, and says so.
 *
 * @module
 */
import { buildLibrary, requirePackages } from "../native/build.ts";
import { capturePackets } from "../test/support/capture.ts";
import { isRoot, Network } from "../test/support/netns.ts";
import { type Outcome, serve, traffic } from "../test/support/traffic.ts";

const POLICY = new URL("demo/policy.fw", import.meta.url).pathname;
const FW = new URL("../fw.ts", import.meta.url).pathname;

/** Something to try, and what the policy says of it. */
interface Attempt {
  readonly what: string;
  readonly command: readonly [name: string, ...rest: (string | number)[]];
  readonly expected: Outcome["result"];
  readonly rule: string;
}

const ATTEMPTS: readonly Attempt[] = [
  { what: "ping", command: ["ping"], expected: "answered", rule: "ping, ping6" },
  { what: "TCP to port 80", command: ["tcp-echo", 80], expected: "answered", rule: "services" },
  {
    what: "TCP to port 8080",
    command: ["tcp-connect", 8080],
    expected: "timeout",
    rule: "input:default",
  },
  { what: "TCP to port 23", command: ["tcp-connect", 23], expected: "unreachable", rule: "telnet" },
  { what: "UDP to port 53", command: ["udp-echo", 53], expected: "timeout", rule: "input:default" },
  {
    what: "UDP to port 33434",
    command: ["udp-echo", 33434],
    expected: "refused",
    rule: "traceroute",
  },
];

/** Filters real packets. Resolves to whether everything went as the policy says. */
async function onRealPackets(): Promise<boolean> {
  requirePackages(["iproute2", "iptables", "iputils-ping", "procps"]);
  console.log("Two namespaces, client and server; Barrage filters the server's input.");
  console.log(`Policy: ${POLICY}\n`);
  await using net = await Network.create("client", "server");
  const [client, server] = [net.host("client"), net.host("server")];
  await serve(server, 80, 8080, 23, 53);
  const firewall = server.start([Deno.execPath(), "run", "-A", FW, POLICY]);
  console.log(`${await firewall.line(/^barrage: filtering/)}\n`);

  const row = (what: string, over: string, says: string, saw: string, mark = "") =>
    console.log(
      `${what.padEnd(24)} ${over}  ${says.padEnd(26)} ${saw.padEnd(12)} ${mark}`.trimEnd(),
    );
  row("the client tries", "over", "the policy says", "it saw");
  let good = true;
  for (const { what, command: [name, ...rest], expected, rule } of ATTEMPTS) {
    for (const [family, to] of [["IPv4", server.v4], ["IPv6", server.v6]] as const) {
      const { result } = await traffic(client, name, to, ...rest, ...WAIT);
      const says = `${expected} (${rule})`;
      const mark = result === expected ? "as it says" : "NOT AS IT SAYS";
      row(what, family, says, result, mark);
      good &&= result === expected;
    }
  }

  const { code, stdout } = await firewall.stop("SIGINT");
  console.log(`\nInterrupted. What each rule did:\n\n${stdout}`);
  const left = (await server.run(["iptables-save"])).includes("barrage");
  console.log(left ? "Hooks were left behind." : "The hooks are gone, and so are the namespaces.");
  return good && code === 0 && !left;
}

/** Patience for packets that are dropped, in milliseconds. */
const WAIT = [500];

/** Decides packets of a capture that it makes. Resolves to whether the run succeeded. */
async function onCapture(): Promise<boolean> {
  console.log("Without root there are no namespaces, so this replays a capture it has made:");
  console.log("TCP to ports 22, 80 and 8080, telnet, DNS and traceroute over UDP, and a ping.\n");
  const pcap = await Deno.makeTempFile({ suffix: ".pcap" });
  try {
    await Deno.writeFile(
      pcap,
      capturePackets([
        { proto: "tcp", dport: 22 },
        { proto: "tcp", dport: 80 },
        { proto: "tcp", dport: 8080 },
        { proto: "tcp", dport: 23 },
        { proto: "udp", dport: 53 },
        { proto: "udp", dport: 33434 },
        { proto: "icmp", type: 8 },
      ]),
    );
    const replay = ["replay", POLICY, "--chain", "input", "--pcap", pcap, "--state", "new"];
    const { code } = await new Deno.Command(Deno.execPath(), { args: ["run", "-A", FW, ...replay] })
      .spawn().status;
    return code === 0;
  } finally {
    await Deno.remove(pcap);
  }
}

buildLibrary();
Deno.exit(await (isRoot ? onRealPackets() : onCapture()) ? 0 : 1);
