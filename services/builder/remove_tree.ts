import { chmod, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { isRoot } from "./host_remains.ts";

/**
 * Removes a folder with everything in it, also where folders of it may not be written: images have such, and a user who
 * is not root has to allow it to himself first. Nothing outside is touched; what is gone already is no error.
 *
 * @throws {Error} naming what cannot be removed
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (isRoot()) throw error;
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
