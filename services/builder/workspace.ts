// The folder in which a build command keeps its temporary files: one for each build, so that all that a build has left
// can be told from what is not ours.
//
// Invariants:
//   W1. The folder's path is in the build's marker before the folder is made: whoever finds the marker can clear it.
//   W2. Only what carries the build's id or lies in its folder is touched.
import { mkdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import type { DiskImageConfig } from "../../lib/config/types.ts";
import { removeTree } from "../../lib/host/remove_tree.ts";
import type { Clock } from "../../lib/std/clock.ts";
import {
  asRoot,
  BUILD_VARIABLE,
  findLoopDevices,
  findMounts,
  findProcesses,
  isRoot,
  killProcess,
  type LoopDevice,
} from "./host_remains.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where builds of an image have their temporary files: TMP_DIR, which diskimage-builder reads, else TMPDIR, else /tmp. */
export function temporaryFolder(diskimage: DiskImageConfig, env: Environment): string {
  const { envVars } = diskimage;
  return envVars.TMP_DIR || env.TMP_DIR || envVars.TMPDIR || env.TMPDIR || "/tmp";
}

/** The path of a build's own folder. The folder above it is made if need be, its symbolic links are resolved. */
export async function workspacePath(
  diskimage: DiskImageConfig,
  env: Environment,
  build: string,
): Promise<string> {
  const above = temporaryFolder(diskimage, env);
  await mkdir(above, { recursive: true });
  return join(await realpath(above), `nodepool-${build}`);
}

/** What a build command's processes find in their environment. */
export function workspaceEnvironment(path: string, build: string): Record<string, string> {
  return { TMP_DIR: path, TMPDIR: path, [BUILD_VARIABLE]: build };
}

/** How long what resists is tried, in milliseconds: a process that was killed while it waits for a slow disk takes long. */
const PATIENCE = 30_000;
/** When a mount that is busy is taken out of sight, in milliseconds; it goes when its last user does. */
const INSISTENCE = 1000;
const LONGEST_PAUSE = 500;

/**
 * Removes everything that a build has left on this host: processes, mounts, loop devices, the folder. Repeatable; does
 * nothing when nothing is left.
 *
 * @returns what was there, in words; empty when nothing was
 * @throws {Error} naming what cannot be removed
 */
export async function clearWorkspace(path: string, build: string, clock: Clock): Promise<string[]> {
  const processes = await removeEach(clock, {
    what: (pid) => `process ${pid}`,
    find: () => findProcesses(build, path),
    remove: killProcess,
  });
  const mounts = await removeEach(clock, {
    what: (mount) => `mount ${mount}`,
    find: () => findMounts(path),
    remove: (mount, tried) => asRoot("umount", tried < INSISTENCE ? [mount] : ["-l", mount]),
  });
  const loops = await removeEach(clock, {
    what: ({ device }) => `loop device ${device}`,
    find: () => findLoopDevices(path),
    remove: detachLoop,
  });
  const removed = [...processes, ...mounts, ...loops];
  if (!(await exists(path))) return removed;
  const problem = await removeFolder(path);
  if (await exists(path)) throw new Error(`cannot remove ${path}, left by build ${build}: ${problem}`);
  return [...removed, `folder ${path}`];
}

/** Root must not follow a mount that was overlooked; another user can do no such harm, and needs no sudo for its own. */
async function removeFolder(path: string): Promise<string | null> {
  if (!isRoot()) await removeTree(path).catch(() => undefined);
  if (!(await exists(path))) return null;
  return await asRoot("rm", ["-rf", "--one-file-system", "--", path]);
}

interface Removal<T> {
  readonly what: (item: T) => string;
  readonly find: () => Promise<readonly T[]>;
  /**
   * Resolves with the problem, if there was one.
   *
   * @param tried for how long it was tried already, in milliseconds
   */
  readonly remove: (item: T, tried: number) => Promise<string | null>;
}

/** Removes what is found until nothing is found any more. @throws {Error} naming what resists */
async function removeEach<T>(clock: Clock, { what, find, remove }: Removal<T>): Promise<string[]> {
  const seen = new Set<string>();
  const begun = clock.now();
  let problem: string | null = null;
  let left = await find();
  for (let pause = 25; left.length > 0; pause = Math.min(2 * pause, LONGEST_PAUSE)) {
    const tried = clock.now() - begun;
    if (tried > PATIENCE) {
      throw new Error(`cannot remove ${left.map(what).join(", ")}: ${problem ?? "no reason was given"}`);
    }
    for (const item of left) {
      seen.add(what(item));
      problem = (await remove(item, tried)) ?? problem;
    }
    left = await find();
    if (left.length === 0) break;
    await clock.sleep(pause);
    left = await find();
  }
  return [...seen];
}

async function detachLoop({ device, mappings }: LoopDevice): Promise<string | null> {
  for (const mapping of mappings) await asRoot("dmsetup", ["remove", "--retry", mapping]);
  return await asRoot("losetup", ["-d", device]);
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
