// What a build can leave on a Linux host beside its files: processes, mounts, loop devices. Elsewhere: nothing is found.
import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import process from "node:process";
import { promisify } from "node:util";
import { codeOf, messageOf } from "../../lib/std/errors.ts";

const execute = promisify(execFile);

/** The variable that every process of a build inherits; its value is the build's id. */
export const BUILD_VARIABLE = "NODEPOOL_BUILD_ID";

/** Whether a path is a folder itself or lies in it. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/**
 * The mount points in a folder, in the order in which they can be unmounted: the last mounted first.
 *
 * @param mountinfo the text of /proc/self/mountinfo
 */
export function mountsWithin(mountinfo: string, folder: string): string[] {
  return mountinfo
    .split("\n")
    .map((line) => line.split(" ")[4] ?? "")
    .map((path) =>
      path.replaceAll(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
    )
    .filter((path) => isWithin(path, folder))
    .reverse();
}

export async function findMounts(folder: string): Promise<string[]> {
  return mountsWithin(await readOr("/proc/self/mountinfo", ""), folder);
}

/** A loop device whose file is in a folder, with the device-mapper names that stand on it: the topmost first. */
export interface LoopDevice {
  readonly device: string;
  readonly mappings: readonly string[];
}

/** @param sysfs where the kernel shows its block devices */
export async function findLoopDevices(folder: string, sysfs = "/sys/block"): Promise<LoopDevice[]> {
  const names = (await listOr(sysfs)).filter((name) => name.startsWith("loop"));
  const found: LoopDevice[] = [];
  for (const name of names) {
    const file = (await readOr(`${sysfs}/${name}/loop/backing_file`, "")).trim();
    if (file === "" || !isWithin(file.replace(/ \(deleted\)$/, ""), folder)) continue;
    found.push({ device: `/dev/${name}`, mappings: [...new Set(await mappingsOn(name, sysfs))] });
  }
  return found;
}

/** A partition's mapping is held by LVM's on it, and cannot be removed before. */
async function mappingsOn(name: string, sysfs: string): Promise<string[]> {
  const mappings: string[] = [];
  for (const holder of await listOr(`${sysfs}/${name}/holders`)) {
    const mapping = (await readOr(`${sysfs}/${holder}/dm/name`, "")).trim();
    mappings.push(...(await mappingsOn(holder, sysfs)), ...(mapping === "" ? [] : [mapping]));
  }
  return mappings;
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly session: number;
}

/**
 * The processes of a build: those that carry its id in their environment or stand in its folder, everything in their
 * sessions, and what these have started. A build's command begins a session of its own, so nobody else is in it.
 */
export async function findProcesses(build: string, folder: string): Promise<number[]> {
  const pids = (await listOr("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const all: Process[] = [];
  const found = new Set<number>();
  const sessions = new Set<number>();
  for (const pid of pids) {
    if (pid === process.pid) continue;
    const status = await readStatus(pid);
    if (status === null) continue;
    all.push(status);
    if (await isMarked(pid, build)) {
      found.add(pid);
      sessions.add(status.session);
    } else if (await standsIn(pid, folder)) found.add(pid);
  }
  for (const { pid, session } of all) if (sessions.has(session)) found.add(pid);
  for (let size = -1; size !== found.size; ) {
    size = found.size;
    for (const { pid, parent } of all) if (found.has(parent)) found.add(pid);
  }
  return [...found];
}

/** Parent and session of a process that lives; null for a dead one. */
async function readStatus(pid: number): Promise<Process | null> {
  const text = await readOr(`/proc/${pid}/stat`, "");
  // The name in brackets may hold anything, so the fields are counted behind it.
  const [state, parent, , session] = text.slice(text.lastIndexOf(")") + 2).split(" ");
  if (state === undefined || state === "" || state === "Z" || state === "X") return null;
  return { pid, parent: Number(parent), session: Number(session) };
}

async function isMarked(pid: number, build: string): Promise<boolean> {
  const environment = await readOr(`/proc/${pid}/environ`, "");
  return environment.split("\0").includes(`${BUILD_VARIABLE}=${build}`);
}

async function standsIn(pid: number, folder: string): Promise<boolean> {
  for (const link of ["root", "cwd"]) {
    const target = await readlink(`/proc/${pid}/${link}`).catch(() => "");
    if (isWithin(target, folder)) return true;
  }
  return false;
}

/** Kills a process that may have ended by itself; resolves with the problem, if there was one. */
export async function killProcess(pid: number): Promise<string | null> {
  try {
    process.kill(pid, "SIGKILL");
    return null;
  } catch (error) {
    return codeOf(error) === "EPERM" ? await asRoot("kill", ["-9", String(pid)]) : null;
  }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Runs a command as root, by sudo where need be; null when it succeeded, else what it said. */
export async function asRoot(command: string, args: readonly string[]): Promise<string | null> {
  const words = isRoot() ? [command, ...args] : ["sudo", "-n", command, ...args];
  const [program = "", ...rest] = words;
  try {
    await execute(program, rest);
    return null;
  } catch (error) {
    return messageOf(error).trim().split("\n").at(-1) ?? `${command} failed`;
  }
}

async function readOr(path: string, otherwise: string): Promise<string> {
  return await readFile(path, "utf8").catch(() => otherwise);
}

async function listOr(path: string): Promise<string[]> {
  return await readdir(path).catch(() => []);
}
