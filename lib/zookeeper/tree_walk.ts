import type { Znode } from "./entry.ts";
import { placeOf } from "./tree_paths.ts";
import { isZooKeeperError, type Session } from "./types.ts";

/** Reads under way at once: enough to keep the server busy, few enough to let other calls through. */
const WIDTH = 64;

/** Everything at and below a path: the znodes that the view reads, null for those that need only exist. */
export async function walkTree(
  session: Pick<Session, "get" | "children">,
  root: string,
): Promise<Map<string, Znode | null>> {
  const found = new Map<string, Znode | null>();
  let level = [root];
  while (level.length > 0) {
    const below: string[][] = [];
    const paths = level.values();
    const visitor = async () => {
      for (const path of paths) below.push(await visit(session, path, found));
    };
    await Promise.all(Array.from({ length: Math.min(WIDTH, level.length) }, visitor));
    level = below.flat();
  }
  return found;
}

/** Reads one path and returns those to read next. */
async function visit(
  session: Pick<Session, "get" | "children">,
  path: string,
  found: Map<string, Znode | null>,
): Promise<string[]> {
  const { role, meaning } = placeOf(path);
  if (role === "leaf") {
    found.set(path, null);
    return [];
  }
  try {
    if (role === "folder") {
      const names = await session.children(path);
      found.set(path, null);
      return names.map((name) => `${path}/${name}`);
    }
    const znode = await session.get(path);
    found.set(path, znode);
    if (znode.stat.numChildren === 0) return [];
    // A node and an upload have their lock below them and nothing else, which saves listing them.
    if (meaning.kind === "node" || meaning.kind === "upload") return [`${path}/lock`];
    return (await session.children(path)).map((name) => `${path}/${name}`);
  } catch (error) {
    // Deleted since its parent was listed.
    if (isZooKeeperError(error, "NO_NODE")) return [];
    throw error;
  }
}
