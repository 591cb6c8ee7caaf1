/**
 * Who can answer for the packets of a namespace, each with the same policy in force.
 *
 * @module
 */
import { fw, ruleFile } from "../../test/support/barrage.ts";
import type { Host } from "../../test/support/netns.ts";
import type { BenchPolicy } from "./policy.ts";

const BUILD = new URL("build/", import.meta.url).pathname;

/** The tables are compared with the rules when they are compiled for good, not for each round. */
const RUN = ["--json", "--no-verify", "--control", "off"];

/** How the user of a queue is run. */
export interface Manner {
  /** What its command line begins with: where it runs. */
  readonly prefix: readonly string[];
  readonly batch: string;
  readonly coalesce: string;
}

/** A contestant in force: `await using` takes it out again. */
export interface Running extends AsyncDisposable {
  /** Its process, if it has one: the kernel's own work is done by whoever sends or receives. */
  readonly pid: number | undefined;
}

export interface Contestant {
  readonly name: string;
  readonly start: (host: Host, policy: BenchPolicy, manner: Manner) => Promise<Running>;
}

const none: Contestant = {
  name: "no firewall",
  start: () => Promise.resolve(running(undefined, () => Promise.resolve())),
};

const nft: Contestant = {
  name: "nftables",
  start: async (host, policy) => {
    await host.run(["nft", "-f", "-"], policy.nft);
    return running(undefined, () => host.run(["nft", "delete", "table", "inet", "barrage-export"]));
  },
};

const iptables: Contestant = {
  name: "iptables",
  start: async (host, policy) => {
    await host.run(["iptables-restore"], policy.iptables);
    const empty = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\nCOMMIT\n";
    return running(undefined, () => host.run(["iptables-restore"], empty));
  },
};

const canonical = onQueue("canonical", () => ({
  argv: [`${BUILD}canonical`, "0"],
  ready: /ready/,
}));

const floor = onQueue("null engine", (_, { batch }) => ({
  argv: [`${BUILD}null`, "0", batch],
  ready: /ready/,
}));

/** The floor of a run that asks the kernel to put datagrams together. */
const floorGro: Contestant = {
  name: "null engine, GRO",
  start: async (host, policy, manner) => {
    const turn = (to: "on" | "off") =>
      host.run(["ethtool", "-K", host.leftLink, "gro", to, "rx-udp-gro-forwarding", to]);
    await turn("on");
    const own = await floor.start(host, policy, manner);
    return running(own.pid, async () => {
      await own[Symbol.asyncDispose]();
      await turn("off");
    });
  },
};

const barrage = ownEngine("barrage");
const barrageGro = ownEngine("barrage, option gro", "--gro", "on");

function ownEngine(name: string, ...options: string[]): Contestant {
  return onQueue(name, (rules, { batch, coalesce }) => ({
    argv: fw(rules, ...RUN, "--no-hooks", "--batch", batch, "--coalesce", coalesce, ...options),
    ready: /^barrage: filtering/,
  }));
}

const RELOAD_MS = 100;

/** Told to read its rule file anew, over and over. */
const reloading: Contestant = {
  name: "barrage, reloading",
  start: async (host, policy, manner) => {
    const own = await barrage.start(host, policy, manner);
    const timer = setInterval(() => Deno.kill(own.pid!, "SIGHUP"), RELOAD_MS);
    return running(own.pid, async () => {
      clearInterval(timer);
      await own[Symbol.asyncDispose]();
    });
  },
};

/** With its own hooks, which leave to the kernel what the kernel can decide as well. */
const pushed: Contestant = {
  name: "barrage, its own hooks",
  start: async (host, policy, { prefix, batch, coalesce }) => {
    const rules = await ruleFile(policy.barrage);
    const process = host.start([
      ...prefix,
      ...fw(rules, ...RUN, "--batch", batch, "--coalesce", coalesce),
    ]);
    await process.line(/^barrage: filtering/);
    return running(process.pid, async () => {
      await process.stop("SIGINT");
      await Deno.remove(rules);
    });
  },
};

export const CONTESTANTS: Readonly<Record<string, Contestant>> = {
  none,
  nft,
  iptables,
  canonical,
  null: floor,
  nullgro: floorGro,
  barrage,
  barragegro: barrageGro,
  reloading,
  pushed,
};

/** A program that gets every IPv4 packet of the hook from queue 0. */
function onQueue(
  name: string,
  program: (rules: string, manner: Manner) => { readonly argv: string[]; readonly ready: RegExp },
): Contestant {
  return {
    name,
    start: async (host, policy, manner) => {
      const rules = await ruleFile(policy.barrage);
      const { argv, ready } = program(rules, manner);
      const rule = `-A ${policy.hook.toUpperCase()} -j NFQUEUE --queue-num 0`;
      await host.run(["iptables-restore"], `*mangle\n${rule}\nCOMMIT\n`);
      const process = host.start([...manner.prefix, ...argv]);
      await process.line(ready);
      return running(process.pid, async () => {
        await host.run(["iptables-restore"], "*mangle\nCOMMIT\n");
        await process.stop(name.startsWith("barrage") ? "SIGINT" : "SIGKILL");
        await Deno.remove(rules);
      });
    },
  };
}

function running(pid: number | undefined, stop: () => Promise<unknown>): Running {
  return {
    pid,
    [Symbol.asyncDispose]: async () => {
      await stop();
    },
  };
}
