// What paths hold after something has happened to them: from the write of our own that did it, or else read.
import type { Znode } from "./entry.ts";
import { placeOf } from "./tree_paths.ts";
import { isZooKeeperError, type Session, type WatchEvent, type WrittenPaths } from "./types.ts";

/** The last that has happened to a path. */
export interface Happened {
  readonly kind: WatchEvent["kind"];
  /** Whether what is there now has to be known. */
  readonly isRead: boolean;
  /** See {@link Session.written}. */
  readonly written: Promise<WrittenPaths> | undefined;
}

/** A path and what it holds: a znode, null where existence is enough, undefined when it is gone. */
export type State = readonly [path: string, znode: Znode | null | undefined];

/** What an event tells, in the turn in which it comes. */
export function happened(session: Pick<Session, "written">, { kind, path }: WatchEvent): Happened {
  const isRead = kind !== "deleted" && placeOf(path).role === "read";
  return { kind, isRead, written: isRead ? session.written(path) : undefined };
}

/**
 * What these paths hold, in their order. One that was deleted since is left out: the server has told of that before it
 * answered. What nobody but us can have changed is not read; all else is asked for before this returns.
 *
 * @throws what a read throws
 */
export async function statesOf(
  session: Pick<Session, "get">,
  events: ReadonlyMap<string, Happened>,
): Promise<State[]> {
  // Those of one transaction share its promise, so there are hardly more than one or two.
  const writes = new Map<Promise<WrittenPaths>, WrittenPaths>();
  const reads = new Map<string, Promise<Znode | null>>();
  for (const [path, { isRead, written }] of events) {
    if (written !== undefined) writes.set(written, NOTHING);
    else if (isRead) reads.set(path, read(session, path));
  }
  if (reads.size > 0) await Promise.all(reads.values());
  for (const write of writes.keys()) writes.set(write, await write);
  const states: State[] = [];
  for (const [path, { kind, isRead, written }] of events) {
    if (!isRead) states.push([path, kind === "deleted" ? undefined : null]);
    else {
      const own = written && writes.get(written)?.get(path);
      const znode = own ?? (await (reads.get(path) ?? read(session, path)));
      if (znode !== null) states.push([path, znode]);
    }
  }
  return states;
}

const NOTHING: WrittenPaths = new Map();

/** What is there; null when nothing is. */
async function read(session: Pick<Session, "get">, path: string): Promise<Znode | null> {
  try {
    return await session.get(path);
  } catch (error) {
    if (isZooKeeperError(error, "NO_NODE")) return null;
    throw error;
  }
}
