// Tells when one of a few files may have changed, however it was replaced.
//
// Editors and tools write a new file and rename it over the old one, and Kubernetes turns a symbolic link beside the
// link that is named. So the folders are watched, along every link on the way to the file, never the file itself.
import { type FSWatcher, readlinkSync, watch } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Clock } from "../std/clock.ts";

/** How long a file is left alone before it is read: a change often comes in several steps. */
const SETTLE_MS = 100;
/** File systems over a network tell nothing. */
const RESYNC_MS = 60_000;
const MAXIMUM_LINKS = 16;

/** Calls `changed` after something has happened around the files; the returned function ends it. */
export function watchFiles(files: readonly string[], clock: Clock, changed: () => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  let cancelSettle: (() => void) | null = null;
  let cancelResync = () => {};
  let closed = false;

  const settle = () => {
    cancelSettle?.();
    cancelSettle = clock.after(SETTLE_MS, () => {
      cancelSettle = null;
      follow();
      changed();
    });
  };
  const forget = (folder: string) => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  const follow = () => {
    if (closed) return;
    const wanted = new Set(files.flatMap(foldersOf));
    for (const folder of watchers.keys()) if (!wanted.has(folder)) forget(folder);
    for (const folder of wanted) {
      if (watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, settle);
        watcher.on("error", () => forget(folder));
        watchers.set(folder, watcher);
      } catch {
        // A folder that is not there yet: the resync sees what comes.
      }
    }
  };
  const resync = () => {
    cancelResync = clock.after(RESYNC_MS, () => {
      settle();
      resync();
    });
  };
  follow();
  resync();
  return () => {
    closed = true;
    cancelSettle?.();
    cancelResync();
    for (const folder of [...watchers.keys()]) forget(folder);
  };
}

/** The folders in which a change may change what the path leads to. */
function foldersOf(file: string): string[] {
  const folders = new Set<string>();
  const open = [resolve(file)];
  for (let links = 0; links < MAXIMUM_LINKS; ) {
    const path = open.pop();
    if (path === undefined) break;
    const folder = dirname(path);
    const target = linkOf(path);
    if (target !== null) {
      links += 1;
      open.push(resolve(folder, target));
    }
    const parts = path.split("/");
    for (let depth = parts.length - 1; depth > 1; depth -= 1) {
      const prefix = parts.slice(0, depth).join("/");
      const to = linkOf(prefix);
      if (to === null) continue;
      links += 1;
      folders.add(dirname(prefix));
      open.push(resolve(dirname(prefix), to, ...parts.slice(depth)));
    }
    folders.add(folder);
  }
  return [...folders];
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
