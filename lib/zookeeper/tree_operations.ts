// Operations on whole paths and subtrees, made of a session's single calls.
import { isZooKeeperError, type Operation, type Session, ZooKeeperError } from "./types.ts";
import { parentOf } from "./znode_path.ts";

/** How often to begin again when others change the same part of the tree meanwhile. */
const ATTEMPTS = 20;
/** Deletions in one transaction: far below the server's limit on the size of a request. */
const BATCH = 500;

/** Creates a path and all its missing parents. Reads before it writes: a refused write costs a transaction too. */
export async function ensurePath(calls: Pick<Session, "create" | "exists">, path: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const missing: string[] = [];
    for (let at = path; at !== "/" && (await calls.exists(at)) === null; at = parentOf(at))
      missing.unshift(at);
    if (await createAll(calls, missing)) return;
  }
  throw new ZooKeeperError("NO_NODE", "its parents are deleted again and again", path);
}

async function createAll(calls: Pick<Session, "create">, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) {
    try {
      await calls.create(path, new Uint8Array(), "persistent");
    } catch (error) {
      if (isZooKeeperError(error, "NO_NODE")) return false;
      if (!isZooKeeperError(error, "NODE_EXISTS")) throw error;
    }
  }
  return true;
}

/** Deletes a znode and everything below it, in as few transactions as can be. */
export async function deleteRecursive(
  calls: Pick<Session, "children" | "multi">,
  path: string,
): Promise<void> {
  let failure: unknown;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const paths = await subtree(calls, path);
    try {
      for (let start = 0; start < paths.length; start += BATCH) {
        const batch = paths.slice(start, start + BATCH);
        await calls.multi(batch.map((at): Operation => ({ kind: "delete", path: at, version: -1 })));
      }
      return;
    } catch (error) {
      // Something was added or taken away since the listing.
      if (!isZooKeeperError(error, "NO_NODE", "NOT_EMPTY")) throw error;
      failure = error;
    }
  }
  throw failure;
}

/** All paths at and below `path`, children before their parents; empty when it does not exist. */
export async function subtree(calls: Pick<Session, "children">, path: string): Promise<string[]> {
  let names: string[];
  try {
    names = await calls.children(path);
  } catch (error) {
    if (isZooKeeperError(error, "NO_NODE")) return [];
    throw error;
  }
  const below = await Promise.all(
    names.map((name) => subtree(calls, path === "/" ? `/${name}` : `${path}/${name}`)),
  );
  return [...below.flat(), path];
}
