/**
 * Generic receive offload (GRO): the kernel puts datagrams of a flow that come close together into one
 * packet, which is queued once and gets one verdict, and cuts it again behind the firewall. ethtool
 * tells the interfaces to; most of them do it for TCP by themselves.
 *
 * @module
 */
import { HookError, run } from "./hooks/command.ts";

/**
 * What must be on, by its name in what ethtool prints and in what it takes: the offload itself, and
 * that of datagrams which no socket has asked to get together.
 */
const FEATURES = {
  "generic-receive-offload": "gro",
  "rx-udp-gro-forwarding": "rx-udp-gro-forwarding",
} as const;
type Feature = keyof typeof FEATURES;

/** Interfaces that put datagrams together, until stopped. */
export interface Gathering {
  /** Leaves every interface as it was found; one that has gone meanwhile is passed over. */
  stop(): Promise<void>;
}

/**
 * Turns it on for all interfaces that there are but `lo`. What cannot be done is told to `alarm`, in
 * words, and datagrams are queued one by one there. A process that is killed leaves it on, which
 * changes no packet.
 */
export async function gather(alarm: (text: string) => void): Promise<Gathering> {
  const complain = (error: unknown): undefined => {
    if (!(error instanceof HookError)) throw error;
    alarm(`${error.what}: ${error.detail}; datagrams are queued one by one`);
  };
  const able = await Promise.all(interfaces().map(ableTo)).catch(complain) ?? [];
  const changed: Switch[] = [];
  for (const item of able.filter(({ features }) => features.length > 0)) {
    if (await turn(item, "on").catch(complain)) changed.push(item);
  }
  return {
    async stop() {
      const left = interfaces();
      for (const item of changed.filter(({ name }) => left.includes(name))) {
        await turn(item, "off").catch(complain);
      }
    },
  };
}

/** Features of an interface that are off, and can be on. */
interface Switch {
  readonly name: string;
  readonly features: readonly Feature[];
}

function interfaces(): string[] {
  const names = Deno.readTextFileSync("/proc/self/net/dev").matchAll(/^ *([^\s:|]+):/gm);
  return [...names].map(([, name]) => name!).filter((name) => name !== "lo");
}

async function ableTo(name: string): Promise<Switch> {
  const argv = ["ethtool", "--json", "-k", name] as const;
  const [found] = JSON.parse(await run(`cannot read the features of ${name}`, { argv }));
  const features = Object.keys(FEATURES) as Feature[];
  return { name, features: features.filter((f) => !found[f].active && !found[f].fixed) };
}

/** Resolves to true; rejects with HookError. */
async function turn({ name, features }: Switch, to: "on" | "off"): Promise<true> {
  const settings = features.flatMap((feature) => [FEATURES[feature], to]);
  const argv = ["ethtool", "-K", name, ...settings] as const;
  await run(`cannot turn GRO of ${name} ${to}`, { argv });
  return true;
}
