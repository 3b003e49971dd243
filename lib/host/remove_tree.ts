import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../std/errors.ts";

/**
 * Removes a folder with everything in it, also where folders of it may not be written: images have such, and a user who
 * is not root has to allow it to himself first. Nothing outside is touched; what is gone already is no error.
 *
 * @param signal ends it before folders are opened
 * @throws {Error} naming what cannot be removed, the signal's reason
 */
export async function removeTree(path: string, signal?: AbortSignal): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (codeOf(error) !== "EACCES" && codeOf(error) !== "EPERM") throw error;
    signal?.throwIfAborted();
    await openFolders(path);
    await rm(path, { recursive: true, force: true });
  }
}

/** What is of somebody else stays as it is: the removal says so. */
async function openFolders(folder: string): Promise<void> {
  await chmod(folder, 0o700).catch(() => undefined);
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  // A symbolic link to a folder is none.
  for (const entry of entries) if (entry.isDirectory()) await openFolders(join(folder, entry.name));
}
