// Tells when one of a few files may have changed, however it was replaced.
//
// Editors and tools write a new file and rename it over the old one, and Kubernetes turns a symbolic link beside the
// link that is named. So the folders are watched, along every link on the way to the file, never the file itself.
import { type FSWatcher, readlinkSync, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Clock } from "../std/clock.ts";

/** How long a file is left alone before it is read: a change often comes in several steps. */
const SETTLE_MS = 100;
/** File systems over a network tell nothing. */
const RESYNC_MS = 60_000;
const MAXIMUM_LINKS = 16;

/** Calls `changed` after something has happened around the files; the returned function ends it. */
export function watchFiles(files: readonly string[], clock: Clock, changed: () => void): () => void {
  const watchers = new Map<string, FSWatcher>();
  /** The names that matter in each folder. */
  let places: ReadonlyMap<string, ReadonlySet<string>> = new Map();
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
    places = placesOf(files);
    for (const folder of watchers.keys()) if (!places.has(folder)) forget(folder);
    for (const folder of places.keys()) {
      if (watchers.has(folder)) continue;
      try {
        const watcher = watch(folder, { persistent: false }, (_event, name) => {
          // What goes on beside the files, as in a log, is not to keep them from ever being left alone.
          if (name === null || places.get(folder)?.has(name)) settle();
        });
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

/** The folders in which a change may change what the paths lead to, with the names that it would have there. */
function placesOf(files: readonly string[]): Map<string, Set<string>> {
  const places = new Map<string, Set<string>>();
  for (const path of files.flatMap(linksOf)) {
    const names = places.get(dirname(path)) ?? new Set();
    places.set(dirname(path), names.add(basename(path)));
  }
  return places;
}

/** The path, and every link and path on the way from it to the file. */
function linksOf(file: string): string[] {
  const found: string[] = [];
  const open = [resolve(file)];
  for (let links = 0; links < MAXIMUM_LINKS; ) {
    const path = open.pop();
    if (path === undefined) break;
    found.push(path);
    const target = linkOf(path);
    if (target !== null) {
      links += 1;
      open.push(resolve(dirname(path), target));
    }
    const parts = path.split("/");
    for (let depth = parts.length - 1; depth > 1; depth -= 1) {
      const prefix = parts.slice(0, depth).join("/");
      const to = linkOf(prefix);
      if (to === null) continue;
      links += 1;
      found.push(prefix);
      open.push(resolve(dirname(prefix), to, ...parts.slice(depth)));
    }
  }
  return found;
}

function linkOf(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null;
  }
}
