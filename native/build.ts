/**
 * `deno task build`: installs what the build needs where that is missing, then runs make.
 * The demo, the tests and the benches ask here for the programs they use besides.
 *
 * @module
 */

/**
 * How to see that a Debian package is there: a program on PATH, a file, a library that pkg-config
 * knows, or one of clang's own.
 */
type Sign = { program: string } | { file: string } | { library: string } | { clang: string };

const PACKAGES = {
  "gcc": { program: "cc" },
  "libc6-dev": { file: "/usr/include/stdio.h" },
  "make": { program: "make" },
  "pkg-config": { program: "pkg-config" },
  "libmnl-dev": { library: "libmnl" },
  "libnetfilter-queue-dev": { library: "libnetfilter_queue" },
  "clang": { program: "clang" },
  "libclang-rt-dev": { clang: "libclang_rt.fuzzer-x86_64.a" },
  "iproute2": { program: "ip" },
  "iptables": { program: "iptables" },
  "nftables": { program: "nft" },
  "iputils-ping": { program: "ping" },
  "procps": { program: "sysctl" },
  "tshark": { program: "tshark" },
  "zsh": { program: "zsh" },
  "fish": { program: "fish" },
  "groff-base": { program: "groff" },
  "ethtool": { program: "ethtool" },
  "iperf3": { program: "iperf3" },
  "chromium": { program: "chromium" },
  "tmux": { program: "tmux" },
} as const satisfies Record<string, Sign>;

export type PackageName = keyof typeof PACKAGES;

const BUILD_PACKAGES: readonly PackageName[] = [
  "gcc",
  "libc6-dev",
  "make",
  "pkg-config",
  "libmnl-dev",
  "libnetfilter-queue-dev",
];

/** What a command prints; nothing if it is not there or fails. */
function output(program: string, ...args: string[]): string {
  try {
    const { success, stdout } = new Deno.Command(program, { args, stderr: "null" }).outputSync();
    return success ? new TextDecoder().decode(stdout).trim() : "";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
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

/** PATH, and sbin: Debian keeps the network's programs there, and a root by `su` is without it. */
function searchPath(): string[] {
  return [...new Set([...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"])];
}

function onPath(program: string): boolean {
  return searchPath().some((folder) => isFile(`${folder}/${program}`));
}

function isThere(name: PackageName): boolean {
  const sign: Sign = PACKAGES[name];
  if ("program" in sign) return onPath(sign.program);
  if ("file" in sign) return isFile(sign.file);
  if ("clang" in sign) return isFile(output("clang", `-print-file-name=${sign.clang}`));
  return output("pkg-config", "--modversion", sign.library) !== "";
}

/** Those of some Debian packages that are not there. */
export function missingPackages(names: readonly PackageName[]): PackageName[] {
  return names.filter((name) => !isThere(name));
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
 * Sees to it that Debian packages are there, and that this process finds their programs: root installs
 * the missing ones, others are told how, and the program exits with 1. Quiet when nothing is missing.
 */
export function requirePackages(names: readonly PackageName[]): void {
  Deno.env.set("PATH", searchPath().join(":"));
  const missing = missingPackages(names);
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
