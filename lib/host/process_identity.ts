// Which process it is, so that others on the same host can tell whether it still lives.
import { readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import { codeOf } from "../std/errors.ts";

/**
 * A process as `BOOT/NAMESPACE/PID/START`: the host's boot, the namespace in which the number counts, the number, and when
 * the process began (for numbers come again). Null where the system does not tell (elsewhere than on Linux).
 */
export function identityOf(pid: number): string | null {
  const start = startOf(pid);
  const place = placeOfProcesses();
  return start === null || place === null ? null : `${place}/${pid}/${start}`;
}

/** Whether there is a process of this number: all that can be asked where the system tells no identities. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

/** Whether a process is known to have ended; false when that cannot be told from here. */
export function hasEnded(identity: string): boolean {
  const [boot, namespace, pid] = identity.split("/");
  if (`${boot}/${namespace}` !== placeOfProcesses()) return false;
  return identityOf(Number(pid)) !== identity;
}

/** Whether a process is known to live; false when that cannot be told from here. */
export function isRunning(identity: string): boolean {
  return identityOf(Number(identity.split("/")[2])) === identity;
}

/** Whether a process is of an earlier boot; to be asked only of processes of this host. */
export function isOfEarlierBoot(identity: string): boolean {
  const [boot] = identity.split("/");
  const place = placeOfProcesses();
  return place !== null && boot !== place.split("/")[0];
}

function placeOfProcesses(): string | null {
  try {
    const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    return `${boot}/${readlinkSync("/proc/self/ns/pid")}`;
  } catch {
    return null;
  }
}

/** When a process began, in ticks since the boot; null when there is none, or a dead one. */
function startOf(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name in brackets may hold anything, so the fields are counted behind it.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}
