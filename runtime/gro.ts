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
 * words, and datagrams are queued one by one there. What a killed run has left on is taken over: it
 * goes off at the end.
 */
export async function gather(alarm: (text: string) => void): Promise<Gathering> {
  const complain = (more: string) => (error: unknown): undefined => {
    if (!(error instanceof HookError)) throw error;
    alarm(`${error.what}: ${error.detail}${more}`);
  };
  const singly = complain("; datagrams are queued one by one");
  const found = await interfaces().catch(singly);
  if (!found) return { stop: () => Promise.resolve() };
  const unnoted = complain("; after a kill, `down` will not turn GRO off again");
  const note = await openNote({ create: true }).catch(unnoted);
  const changed = [...note?.switches ?? []];
  for (const item of found.map(able).filter(({ features }) => features.length > 0)) {
    await note?.add(item).catch(unnoted);
    if (await turn(item, "on").catch(singly)) changed.push(item);
  }
  return {
    async stop() {
      let all = true;
      for (const item of await stillThere(changed).catch(complain("")) ?? changed) {
        if (!await turn(item, "off").catch(complain(""))) all = false;
      }
      if (all) note?.erase();
      note?.close();
    },
  };
}

/**
 * Turns off what a killed run has left on in this network namespace; its interfaces. Throws HookError.
 */
export async function ungather(): Promise<string[]> {
  const note = anyNote() && await openNote({ create: false });
  if (!note) return [];
  try {
    const left = await stillThere(note.switches);
    for (const item of left) await turn(item, "off");
    note.erase();
    return [...new Set(left.map(({ name }) => name))];
  } finally {
    note.close();
  }
}

/** Features of an interface that are off, and can be on. */
interface Switch {
  readonly name: string;
  readonly features: readonly Feature[];
}

/**
 * What a run turns on is noted first, a line of JSON an interface, in a file that is erased when all is
 * off again: there it is found if the run is killed. The run holds a lock on it, which goes with it.
 */
interface Note {
  /** What was noted before. */
  readonly switches: readonly Switch[];
  /** Rejects with HookError. */
  add(item: Switch): Promise<void>;
  erase(): void;
  close(): void;
}

const NOTES = "/run", NOTE = "barrage-gro-";

/** One a network namespace, as interfaces are. Deno reads nothing in /proc unless it may do all. */
async function notePath(): Promise<string> {
  const argv = ["readlink", "/proc/self/ns/net"] as const;
  const [inode] = /\d+/.exec(await run("cannot tell which network namespace this is", { argv }))!;
  return `${NOTES}/${NOTE}${inode}`;
}

function anyNote(): boolean {
  try {
    return [...Deno.readDirSync(NOTES)].some(({ name }) => name.startsWith(NOTE));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false; // then nothing could be noted
    throw error;
  }
}

/** Undefined if there is none, or another run goes on that has it. Throws HookError. */
async function openNote({ create }: { create: boolean }): Promise<Note | undefined> {
  const path = await notePath();
  const fail = (error: unknown) => {
    if (!(error instanceof Error) || error instanceof Deno.errors.NotCapable) throw error;
    const why = "It is where `down` finds what to turn off again: root may write there.";
    throw new HookError("cannot note what GRO is turned on for", error.message, why);
  };
  const file = await Deno.open(path, { read: true, append: true, create, mode: 0o600 })
    .catch((error) => !create && error instanceof Deno.errors.NotFound ? undefined : fail(error));
  if (!file?.tryLockSync(true)) {
    file?.close();
    return undefined;
  }
  return {
    switches: Deno.readTextFileSync(path).split("\n").flatMap(switchIn),
    async add(item) {
      // A kill may have cut the line before.
      await file.write(new TextEncoder().encode(`\n${JSON.stringify(item)}\n`)).catch(fail);
    },
    erase() {
      // Somebody else may have.
      if (!file.statSync().nlink) return;
      Deno.removeSync(path);
    },
    close: () => file.close(),
  };
}

/** None in a line that a kill has cut short: nothing had been turned on then. */
function switchIn(line: string): Switch[] {
  try {
    const { name, features }: Switch = JSON.parse(line);
    return [{ name, features: features.filter((feature) => Object.hasOwn(FEATURES, feature)) }];
  } catch {
    return [];
  }
}

/** An interface, and its features as ethtool tells of them. */
interface Interface extends Readonly<Record<Feature, { active: boolean; fixed: boolean }>> {
  readonly ifname: string;
}

async function interfaces(): Promise<Interface[]> {
  const argv = ["ethtool", "--json", "-k", "*"] as const;
  const all: Interface[] = JSON.parse(await run("cannot read what interfaces can do", { argv }));
  return all.filter(({ ifname }) => ifname !== "lo");
}

function able(found: Interface): Switch {
  const features = Object.keys(FEATURES) as Feature[];
  return {
    name: found.ifname,
    features: features.filter((f) => !found[f].active && !found[f].fixed),
  };
}

async function stillThere(switches: readonly Switch[]): Promise<Switch[]> {
  if (switches.length === 0) return [];
  const there = (await interfaces()).map(({ ifname }) => ifname);
  return switches.filter(({ name }) => there.includes(name));
}

/** Resolves to true; rejects with HookError. */
async function turn({ name, features }: Switch, to: "on" | "off"): Promise<true> {
  const settings = features.flatMap((feature) => [FEATURES[feature], to]);
  const argv = ["ethtool", "-K", name, ...settings] as const;
  await run(`cannot turn GRO of ${name} ${to}`, { argv });
  return true;
}
