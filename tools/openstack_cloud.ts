// Brings up a real OpenStack from Debian's packages, and stops it. Every step has a deadline.
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, statfs } from "node:fs/promises";
import { createServer } from "node:net";
import process from "node:process";
import { findProgram } from "../lib/host/machine.ts";
import { whenEnded } from "./ending.ts";

const SCRIPTS = "test/openstack/cloud";
const GIB = 1024 ** 3;
const MEMORY_NEEDED = 4 * GIB;
const DISK_NEEDED = 3 * GIB;
/** Seconds. A step that takes longer is ended. A start took 70 on an idle machine and 240 on a busy one. */
const DEADLINES = { install: 420, start: 480, stop: 60 };
/** Ports lie at most so far above the usual ones; the first distance at which all are free is taken. */
const SHIFTS = [0, 100, 200, 300, 400, 500];
const PORTS = [5000, 9292, 8778, 8774, 9696, 8776, 5672, 25672, 14369, 11211];

/**
 * Runs something with a cloud whose clouds.yaml and state are in a folder; that of NODEPOOL_TEST_OPENSTACK if it is set, and
 * else one that is made and unmade here.
 *
 * @returns why there was no cloud, and nothing was run; null when it was
 */
export async function withOpenStack(
  { mayInstall }: { readonly mayInstall: boolean },
  run: (folder: string) => Promise<void>,
): Promise<string | null> {
  const given = process.env.NODEPOOL_TEST_OPENSTACK || undefined;
  if (given !== undefined) {
    await run(given);
    return null;
  }
  const why = await whyNoRoom();
  if (why !== null) return why;
  const began = performance.now();
  const state = await mkdtemp("/var/tmp/nodepool-openstack-");
  const stop = async () => {
    await script("down.sh", ["--purge"], { OSIT_STATE: state }, DEADLINES.stop);
    await rm(state, { recursive: true, force: true });
  };
  const forget = whenEnded(stop);
  try {
    const problem = await bringUp(state, mayInstall);
    if (problem !== null) return problem;
    console.error(`\n# OpenStack runs after ${Math.round((performance.now() - began) / 1000)} s`);
    await run(state);
    return null;
  } finally {
    forget();
    await stop();
  }
}

async function whyNoRoom(): Promise<string | null> {
  const elsewhere = `or bring one up with OSIT_STATE=FOLDER ${SCRIPTS}/up.sh FOLDER and set NODEPOOL_TEST_OPENSTACK=FOLDER`;
  if (process.getuid?.() !== 0)
    return `its services are installed and configured by root: run this as root, ${elsewhere}`;
  if ((await findProgram("apt-get")) === null)
    return `its services are Debian's packages, and there is no apt-get: run this on Debian 12, ${elsewhere}`;
  const meminfo = await readFile("/proc/meminfo", "utf8");
  const available = Number(/^MemAvailable:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) * 1024;
  const { bavail, bsize } = await statfs("/var/tmp");
  const gib = (bytes: number) => `${(bytes / GIB).toFixed(1)} GiB`;
  if (available < MEMORY_NEEDED)
    return `${gib(available)} of memory are available, ${gib(MEMORY_NEEDED)} are needed: end something, ${elsewhere}`;
  if (bavail * bsize < DISK_NEEDED)
    return `/var/tmp has ${gib(bavail * bsize)} left, ${gib(DISK_NEEDED)} are needed: delete something`;
  return null;
}

/** Installs and starts the services; why that did not work, or null. */
async function bringUp(state: string, mayInstall: boolean): Promise<string | null> {
  const shift = await freeShift();
  if (shift === null) return `the ports ${PORTS.join(", ")} are taken, and those above them`;
  const env = { OSIT_STATE: state, OSIT_CINDER: "1", OSIT_PORT_SHIFT: `${shift}` };
  if (mayInstall) {
    const install = await script("up.sh", [state], { ...env, OSIT_INSTALL: "1" }, DEADLINES.install);
    if (install !== null) return `its packages cannot be installed: ${install}`;
  }
  const start = await script("up.sh", [state], env, DEADLINES.start);
  return start === null ? null : `it does not come up: ${start}`;
}

async function freeShift(): Promise<number | null> {
  for (const shift of SHIFTS) {
    const free = await Promise.all(PORTS.map((port) => isFree(port + shift)));
    if (free.every(Boolean)) return shift;
  }
  return null;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

/** Runs one of the cloud's scripts; its last words when it failed or did not end in time, else null. */
async function script(
  name: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  seconds: number,
): Promise<string | null> {
  const stdio = ["ignore", "pipe", "pipe"] as const;
  const child = spawn("bash", [`${SCRIPTS}/${name}`, ...args], {
    stdio: [...stdio],
    env: { ...process.env, ...env },
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      process.stderr.write(text);
    });
  }
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
  }, seconds * 1000);
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("exit", resolve);
  });
  clearTimeout(timer);
  if (code === 0) return null;
  const last = output.trim().split("\n").at(-1) ?? "";
  return isLate ? `${name} did not end within ${seconds} s (${last})` : last || `${name} ended with ${code}`;
}
