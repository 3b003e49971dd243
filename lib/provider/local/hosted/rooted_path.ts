// Paths below a root directory whose content is not trusted: its symbolic links are read as its own users would.
import { constants } from "node:fs";
import { lstat, open, readlink } from "node:fs/promises";
import { join } from "node:path";
import { codeOf } from "../../../std/errors.ts";

const MAXIMUM_LINKS = 40;
const READ_LIMIT = 1024 * 1024;

/**
 * The host's path of `path` as it is seen with `root` as "/": symbolic links are followed within the root, and ".."
 * never leaves it. The last components need not exist.
 * @throws {Error} on more than 40 symbolic links
 */
export async function resolveInRoot(root: string, path: string): Promise<string> {
  const pending = path.split("/");
  const resolved: string[] = [];
  let links = 0;
  while (pending.length > 0) {
    const part = pending.shift();
    if (part === undefined || part === "" || part === ".") continue;
    if (part === "..") {
      resolved.pop();
      continue;
    }
    const target = await linkTarget(join(root, ...resolved, part));
    if (target === null) {
      resolved.push(part);
      continue;
    }
    links += 1;
    if (links > MAXIMUM_LINKS) throw new Error(`${path}: too many symbolic links`);
    if (target.startsWith("/")) resolved.length = 0;
    pending.unshift(...target.split("/"));
  }
  return join(root, ...resolved);
}

async function linkTarget(path: string): Promise<string | null> {
  try {
    return await readlink(path);
  } catch {
    return null;
  }
}

/** What is at `path` below the root: "file", "directory", or null for nothing and for anything else. */
export async function kindInRoot(root: string, path: string): Promise<"file" | "directory" | null> {
  try {
    const found = await lstat(await resolveInRoot(root, path));
    if (found.isFile()) return "file";
    return found.isDirectory() ? "directory" : null;
  } catch {
    return null;
  }
}

/** The text of a regular file of at most 1 MiB below the root; null when there is none. */
export async function readInRoot(root: string, path: string): Promise<string | null> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(await resolveInRoot(root, path), flags);
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return null;
  }
  try {
    const found = await handle.stat();
    if (!found.isFile() || found.size > READ_LIMIT) return null;
    return await handle.readFile("utf8");
  } finally {
    await handle.close();
  }
}
