/**
 * Networks of our own for tests and the demo: namespaces in a row, each linked to the next.
 *
 * `await using net = await Network.create("client", "router", "server")` returns when every
 * neighbour has been reached over IPv4 and IPv6, and takes everything away again at the end of the
 * block, whatever happened in it. Nothing ever leaves these namespaces.
 *
 * @module
 */

const WAIT_MS = 10_000;
const decoder = new TextDecoder();

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Whether namespaces can be made here. */
export const isRoot: boolean = Deno.build.os === "linux" && Deno.uid() === 0;

/** A test that needs namespaces: without root it is ignored, and its name says why. */
export function rootTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name: isRoot ? name : `${name} (ignored: needs root)`, ignore: !isRoot, fn });
}

/** Namespaces in a row. The link between the i-th and the next has 10.0.i.0/24 and fd00:i::/64. */
export class Network<Name extends string = string> implements AsyncDisposable {
  readonly #hosts: readonly Host[];
  readonly #names: readonly Name[];

  private constructor(names: readonly Name[]) {
    const id = crypto.randomUUID().slice(0, 8);
    this.#names = names;
    this.#hosts = names.map((name, i) => new Host(`barrage-${id}-${name}`, i, names));
  }

  /** Makes the namespaces and joins them. Those between the ends forward packets. */
  static async create<Name extends string>(...names: Name[]): Promise<Network<Name>> {
    const net = new Network(names);
    try {
      await net.#build();
    } catch (error) {
      await net[Symbol.asyncDispose]();
      throw error;
    }
    return net;
  }

  host(name: Name): Host {
    return this.#hosts[this.#names.indexOf(name)]!;
  }

  async #build() {
    const hosts = this.#hosts;
    for (const { namespace } of hosts) await ip(["netns", "add", namespace]);
    for (const host of hosts) {
      await host.run(["sysctl", "-qw", ...SYSCTLS, ...host.inner ? FORWARDING : []]);
    }
    for (const [i, left] of hosts.slice(0, -1).entries()) {
      const right = hosts[i + 1]!;
      const peer = ["peer", "name", right.leftLink, "netns", right.namespace];
      await ip(["-n", left.namespace, "link", "add", left.rightLink, "type", "veth", ...peer]);
    }
    for (const host of hosts) {
      await ip(["-n", host.namespace, "-batch", "-"], host.setup(hosts.length - 1));
    }
    for (const [i, left] of hosts.slice(0, -1).entries()) {
      for (const address of hosts[i + 1]!.addresses.left) await left.reach(address);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const host of this.#hosts) await host[Symbol.asyncDispose]();
  }
}

const SYSCTLS = [
  "net.ipv6.conf.default.accept_dad=0",
  "net.ipv6.conf.default.accept_ra=0",
  "net.ipv6.conf.default.router_solicitations=0",
  "net.ipv6.conf.default.addr_gen_mode=1",
  "net.ipv4.icmp_ratelimit=0", // else the seventh refusal in a second is not sent
  "net.ipv6.icmp.ratelimit=0",
];
const FORWARDING = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"];

/** One namespace: its addresses, its links, and what runs in it. */
export class Host implements AsyncDisposable {
  /** Interfaces towards the hosts before and after this one in the row, named after them. */
  readonly leftLink: string;
  readonly rightLink: string;
  /** IPv4 and IPv6 address on each of the two links. */
  readonly addresses: {
    readonly left: readonly [string, string];
    readonly right: readonly [string, string];
  };
  /** The addresses of a host at an end of the row; the left ones of a host between. */
  readonly v4: string;
  readonly v6: string;
  /** Whether it stands between two others, and forwards. */
  readonly inner: boolean;
  readonly #started: Background[] = [];

  constructor(readonly namespace: string, readonly place: number, names: readonly string[]) {
    this.leftLink = `to-${names[place - 1]}`;
    this.rightLink = `to-${names[place + 1]}`;
    this.addresses = {
      left: [`10.0.${place - 1}.2`, `fd00:${place - 1}::2`],
      right: [`10.0.${place}.1`, `fd00:${place}::1`],
    };
    [this.v4, this.v6] = place > 0 ? this.addresses.left : this.addresses.right;
    this.inner = place > 0 && place < names.length - 1;
  }

  /** Commands for `ip -batch` that bring the links up, given the number of links in the row. */
  setup(links: number): string {
    const lines = ["link set lo up"];
    const link = (name: string, [v4, v6]: readonly [string, string]) =>
      lines.push(
        `link set ${name} up`,
        `addr add ${v4}/24 dev ${name}`,
        `addr add ${v6}/64 dev ${name} nodad`,
      );
    if (this.place > 0) link(this.leftLink, this.addresses.left);
    if (this.place < links) link(this.rightLink, this.addresses.right);
    for (let i = 0; i < links; i++) {
      if (i === this.place || i === this.place - 1) continue;
      const [subnet, end] = i < this.place ? [this.place - 1, 1] : [this.place, 2];
      lines.push(`route add 10.0.${i}.0/24 via 10.0.${subnet}.${end}`);
      lines.push(`route add fd00:${i}::/64 via fd00:${subnet}::${end}`);
    }
    return lines.join("\n") + "\n";
  }

  /** Pings a neighbour until it answers, so that links and caches are settled. */
  async reach(address: string): Promise<void> {
    const seconds = `${WAIT_MS / 1000}`;
    await this.run(["ping", "-q", "-c", "1", "-i", "0.02", "-w", seconds, address]);
  }

  /** Runs a command in the namespace. Throws unless it ends with 0. */
  async run(argv: readonly string[], stdin?: string): Promise<string> {
    const { code, stdout, stderr } = await this.tryRun(argv, stdin);
    if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** Runs a command in the namespace, and returns how it ended. */
  tryRun(argv: readonly string[], stdin?: string): Promise<Finished> {
    return finish(["netns", "exec", this.namespace, ...argv], stdin);
  }

  /** Starts a command in the namespace; it is killed with the network unless it ended before. */
  start(argv: readonly string[]): Background {
    const process = new Background(["netns", "exec", this.namespace, ...argv]);
    this.#started.push(process);
    return process;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const process of this.#started) await process.stop("SIGKILL");
    const pids = await finish(["netns", "pids", this.namespace]);
    for (const pid of pids.stdout.split("\n").filter(Boolean)) {
      try {
        Deno.kill(Number(pid), "SIGKILL");
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error; // it has ended meanwhile
      }
    }
    await finish(["netns", "del", this.namespace]);
  }
}

/** A process that runs beside the test, and the lines it has printed. */
export class Background {
  readonly #child: Deno.ChildProcess;
  readonly #ended: Promise<Finished>;
  readonly #output = { stdout: "", stderr: "" };
  #hasEnded = false;
  #news = Promise.withResolvers<void>();

  /** Runs `ip` with these arguments. */
  constructor(readonly args: readonly string[]) {
    this.#child = new Deno.Command("ip", {
      args: [...args],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#ended = this.#follow();
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** The n-th line that it prints, and that matches, waiting for it. Throws if it ends without. */
  async line(pattern: RegExp, n = 1): Promise<string> {
    const late = new Error(`${this.args.join(" ")} printed no line like ${pattern} in time`);
    const timer = setTimeout(() => this.#news.reject(late), WAIT_MS);
    try {
      for (;;) {
        const news = this.#news.promise;
        const { stdout, stderr } = this.#output;
        const lines = [stdout, stderr].flatMap(completeLines);
        const found = lines.filter((line) => pattern.test(line))[n - 1];
        if (found !== undefined) return found;
        if (this.#hasEnded) {
          throw new Error(`${this.args.join(" ")} ended early: ${stdout}${stderr}`);
        }
        await news;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when it has ended of itself. */
  get ended(): Promise<Finished> {
    return this.#ended;
  }

  /** Sends a signal. */
  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Sends a signal, and resolves when it has ended. */
  stop(signal: Deno.Signal = "SIGTERM"): Promise<Finished> {
    if (!this.#hasEnded) this.#child.kill(signal);
    return this.#ended;
  }

  async #follow(): Promise<Finished> {
    const read = async (name: "stdout" | "stderr") => {
      for await (const text of this.#child[name].pipeThrough(new TextDecoderStream())) {
        this.#output[name] += text;
        this.#tell();
      }
    };
    const [{ code }] = await Promise.all([this.#child.status, read("stdout"), read("stderr")]);
    this.#hasEnded = true;
    this.#tell();
    return { code, ...this.#output };
  }

  /** Wakes whoever waits for output. */
  #tell() {
    const { resolve } = this.#news;
    this.#news = Promise.withResolvers();
    this.#news.promise.catch(() => {}); // nobody need be waiting
    resolve();
  }
}

function completeLines(text: string): string[] {
  return text.split("\n").slice(0, -1);
}

async function ip(args: readonly string[], stdin?: string): Promise<void> {
  const { code, stderr } = await finish(args, stdin);
  if (code !== 0) throw new Error(`ip ${args.join(" ")} failed: ${stderr}${stdin ?? ""}`);
}

async function finish(args: readonly string[], stdin = ""): Promise<Finished> {
  const child = new Deno.Command("ip", {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(stdin)).catch(() => {});
  await writer.close().catch(() => {}); // it may end without reading
  const { code, stdout, stderr } = await output;
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
