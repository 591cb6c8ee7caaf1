/**
 * `deno task build`: installs what the build needs where that is missing, then runs make.
 * The demo, the tests and the benches ask here for the programs they use besides.
 *
 * @module
 */

/** How to see that a Debian package is there: a program on PATH, or the pkg-config file of a library. */
const PACKAGES = {
  "gcc": { program: "cc" },
  "libc6-dev": { file: "/usr/include/stdio.h" },
  "make": { program: "make" },
  "pkg-config": { program: "pkg-config" },
  "libmnl-dev": { library: "libmnl" },
  "libnetfilter-queue-dev": { library: "libnetfilter_queue" },
  "clang": { program: "clang" },
  "iproute2": { program: "ip" },
  "iptables": { program: "iptables" },
  "nftables": { program: "nft" },
  "iputils-ping": { program: "ping" },
  "procps": { program: "sysctl" },
  "iperf3": { program: "iperf3" },
} as const satisfies Record<string, { program: string } | { library: string } | { file: string }>;

export type PackageName = keyof typeof PACKAGES;

const BUILD_PACKAGES: readonly PackageName[] = [
  "gcc",
  "libc6-dev",
  "make",
  "pkg-config",
  "libmnl-dev",
  "libnetfilter-queue-dev",
];

/** Whether a command could be run and succeeded. Its output goes nowhere. */
function succeeds(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

/** sbin is where Debian keeps the network's programs, though not on every user's PATH. */
function onPath(program: string): boolean {
  const folders = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"];
  return folders.some((folder) => isFile(`${folder}/${program}`));
}

function isThere(name: PackageName): boolean {
  const sign = PACKAGES[name];
  if ("program" in sign) return onPath(sign.program);
  if ("file" in sign) return isFile(sign.file);
  return succeeds("pkg-config", "--exists", sign.library);
}

/** Runs a command with its output shown. Exits with its code if it fails. */
function run(program: string, ...args: string[]): void {
  const { code } = new Deno.Command(program, {
    args,
    env: { DEBIAN_FRONTEND: "noninteractive" },
    stdout: "inherit",
    stderr: "inherit",
  }).outputSync();
  if (code !== 0) Deno.exit(code);
}

/**
 * Sees to it that Debian packages are there: root installs the missing ones, others are told how,
 * and the program exits with 1. Quiet when nothing is missing.
 */
export function requirePackages(names: readonly PackageName[]): void {
  const missing = names.filter((name) => !isThere(name));
  if (missing.length === 0) return;
  const install = ["install", "-y", "--no-install-recommends", ...missing];
  if (Deno.uid() !== 0 || !onPath("apt-get")) {
    console.error(`Missing: run "apt-get ${install.join(" ")}" as root, or install the like`);
    Deno.exit(1);
  }
  run("apt-get", "update", "-q");
  run("apt-get", "-q", ...install);
}

/** Brings `native/build/libbarrage.so`, or another of the Makefile's targets, up to date. */
export function buildLibrary(target = "all"): void {
  requirePackages(BUILD_PACKAGES);
  const jobs = `-j${navigator.hardwareConcurrency}`;
  run("make", "--silent", "--no-print-directory", jobs, "-C", import.meta.dirname!, target);
}

if (import.meta.main) buildLibrary();
