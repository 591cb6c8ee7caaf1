/**
 * What a service manager listens at: a unix socket of datagrams. Deno has those only with
 * --unstable-net, so the listener is a process of its own.
 *
 * @module
 */

const LISTENER = `
const path = Deno.args[0];
const socket = Deno.listenDatagram({ transport: "unixpacket", path });
console.log("");
for await (const [bytes] of socket) console.log(JSON.stringify(new TextDecoder().decode(bytes)));
`;

export class ManagerSocket implements AsyncDisposable {
  readonly #lines: ReadableStreamDefaultReader<string>;
  #text = "";

  private constructor(
    /** As NOTIFY_SOCKET has it. */
    readonly address: string,
    readonly process: Deno.ChildProcess,
  ) {
    this.#lines = process.stdout.pipeThrough(new TextDecoderStream()).getReader();
  }

  static async listen(): Promise<ManagerSocket> {
    const address = `/tmp/barrage-${crypto.randomUUID()}`;
    const args = ["eval", "--unstable-net", LISTENER, address];
    const listener = new Deno.Command(Deno.execPath(), { args, stdout: "piped" });
    const socket = new ManagerSocket(address, listener.spawn());
    await socket.#line();
    return socket;
  }

  /** The next that it was told. */
  async next(): Promise<string> {
    return JSON.parse(await this.#line());
  }

  async #line(): Promise<string> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return line;
      }
      const { value, done } = await this.#lines.read();
      if (done) throw new Error("the listener has ended");
      this.#text += value;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.#lines.cancel();
    await this.process.status;
    await Deno.remove(this.address);
  }
}
