/**
 * systemd as the first process of namespaces of its own, with units of a test and no others. It runs
 * in the network namespace of a host; what it writes is gone with it.
 *
 * @module
 */
import type { Background, Finished, Host } from "./netns.ts";

const WAIT_MS = 10_000;
const SYSTEMD = "/lib/systemd/systemd";

/** Why there can be none here; "" if there can. */
export const whyNoSystemd: string = await Deno.stat(SYSTEMD).then(
  () => /\tcgroup2\n/.test(Deno.readTextFileSync("/proc/filesystems")) ? "" : "no cgroup2",
  () => "no systemd",
);

/** Targets that every service asks for, with nothing in them. */
const TARGETS = ["default", "sysinit", "basic", "shutdown", "network-pre", "multi-user"];

/** Directories that are empty in there, and may be written. */
const FRESH = ["/run", "/tmp", "/var/tmp", "/var/log", "/opt", "/usr/local/bin"];

export class Systemd implements AsyncDisposable {
  private constructor(
    readonly host: Host,
    readonly group: string,
    readonly folder: string,
    readonly outer: Background,
    readonly pid: number,
  ) {}

  /**
   * Starts it. `units` are texts by name, and `binds` what of the file system around it is to be seen
   * in the places that are FRESH, by the path there.
   */
  static async boot(
    host: Host,
    units: Readonly<Record<string, string>>,
    binds: Readonly<Record<string, string>>,
  ): Promise<Systemd> {
    const folder = await Deno.makeTempDir();
    const targets = TARGETS.map((name) => [`${name}.target`, "[Unit]\nDefaultDependencies=no\n"]);
    for (const [name, text] of [...targets, ...Object.entries(units)]) {
      await Deno.writeTextFile(`${folder}/${name}`, text!);
    }
    const mounts = Object.entries({ ...binds, "/run/units": folder }).map(([to, from], i) => ({
      from,
      by: `/mnt/${i}`,
      to,
      make: Deno.statSync(from).isDirectory ? "mkdir -p" : "touch",
    }));
    const group = `/sys/fs/cgroup/barrage-${crypto.randomUUID()}`;
    const inner = `set -e
mount --make-rprivate /
umount /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /mnt
${mounts.map(({ make, from, by }) => `${make} ${by}; mount --bind '${from}' ${by}`).join("\n")}
${FRESH.map((path) => `mount -t tmpfs -o mode=755 tmpfs ${path}`).join("\n")}
mkdir -p /run/systemd/system
${mounts.map(({ make, by, to }) => `${make} ${to}; mount --move ${by} ${to}`).join("\n")}
exec env -i PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin container=barrage \
  SYSTEMD_UNIT_PATH=/run/units ${SYSTEMD} --system --log-target=console --show-status=no
`;
    const script = `set -e
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir ${group}
echo $$ > ${group}/cgroup.procs
exec unshare --cgroup --pid --uts --ipc --mount --fork --kill-child --mount-proc sh -c "$1"
`;
    const outer = host.start(["sh", "-c", script, "sh", inner]);
    for (const end = performance.now() + WAIT_MS; performance.now() < end;) {
      const children = await Deno.readTextFile(`/proc/${outer.pid}/task/${outer.pid}/children`)
        .catch(() => ""); // it has ended
      const [pid] = children.split(" ").filter(Boolean).map(Number);
      if (pid) {
        const booted = new Systemd(host, group, folder, outer, pid);
        const { stdout } = await booted.control("is-system-running", "--wait");
        if (/running|degraded/.test(stdout)) return booted;
      }
    }
    const { stdout, stderr } = await outer.stop("SIGKILL");
    throw new Error(`systemd does not start: ${stdout}${stderr}`);
  }

  /** Runs `systemctl` with these arguments. */
  control(...args: string[]): Promise<Finished> {
    return this.host.tryRun(["nsenter", "-t", `${this.pid}`, "-m", "-p", "systemctl", ...args]);
  }

  /** What it says of a unit. */
  async property(unit: string, name: string): Promise<string> {
    return (await this.control("show", "--value", "-p", name, unit)).stdout.trim();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.kill(this.pid, "SIGKILL");
    await this.outer.ended;
    const remove =
      `mount -t cgroup2 cgroup2 /sys/fs/cgroup; find ${this.group} -depth -type d -delete`;
    await this.host.run(["sh", "-c", remove]);
    await Deno.remove(this.folder, { recursive: true });
  }
}
