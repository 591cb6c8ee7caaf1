/**
 * Conversations over TCP, one after another, until SIGTERM: bytes go to a server that
 * echoes them. Every so often somebody asks for metrics, too.
 *
 *     deno run -A bench/soak/talk.ts PORT METRICS-URL ADDRESS...
 *
 * Prints a line of JSON, a `Talked`.
 *
 * @module
 */
export interface Talked {
  readonly opened: number;
  /** Conversations whose bytes all came back. */
  readonly complete: number;
  /** Packets that open a connection and were sent again, for no answer came in time. */
  readonly reopened: number;
  readonly scraped: number;
  /** What went wrong first. */
  readonly error: string | undefined;
}

const PAUSE_MS = 100, EVERY = 100, BYTES = 30_000;

async function talk(hostname: string, port: number): Promise<boolean> {
  using connection = await Deno.connect({ hostname, port });
  const sent = crypto.getRandomValues(new Uint8Array(BYTES));
  const write = async () => {
    for (let at = 0; at < sent.length;) at += await connection.write(sent.subarray(at));
    await connection.closeWrite();
  };
  const writing = write();
  const echoed = new Uint8Array(await new Response(connection.readable).arrayBuffer());
  await writing;
  return echoed.length === sent.length && echoed.every((byte, i) => byte === sent[i]);
}

/** How many of this namespace were sent again, ever. */
function reopenings(): number {
  const lines = Deno.readTextFileSync("/proc/net/netstat").split("\n");
  const [names, values] = lines.filter((line) => line.startsWith("TcpExt:"))
    .map((line) => line.split(" "));
  return Number(values![names!.indexOf("TCPSynRetrans")]);
}

async function main([port, metrics, ...addresses]: readonly string[]): Promise<Talked> {
  let ended = false;
  const end = () => ended = true;
  Deno.addSignalListener("SIGTERM", end);
  let opened = 0, complete = 0, scraped = 0;
  let error: string | undefined;
  const before = reopenings();
  for (let turn = 0; !ended; turn++) {
    try {
      for (const address of addresses) {
        opened++;
        if (await talk(address, Number(port))) complete++;
        else error ??= `${address} has echoed other bytes`;
      }
      if (turn % EVERY === 0) {
        const text = await (await fetch(metrics!)).text();
        if (text.includes("barrage_")) scraped++;
        else error ??= `${metrics} has answered ${text.slice(0, 100)}`;
      }
    } catch (thrown) {
      error ??= String(thrown);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  Deno.removeSignalListener("SIGTERM", end);
  return { opened, complete, reopened: reopenings() - before, scraped, error };
}

console.log(JSON.stringify(await main(Deno.args)));
