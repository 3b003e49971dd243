// Who waits for which change. Pure: it knows neither connections nor the tree.

import { parentOf } from "../znode_path.ts";
import type { TreeEvent } from "./tree.ts";

/**
 * - `data`, `children`: fire once (as `exists`/`getData` and `getChildren` set them);
 * - `persistent`: stays, hears both kinds for one path;
 * - `recursive`: stays, hears of the path and everything below, but never `children` events.
 */
export type WatchKind = "data" | "children" | "persistent" | "recursive";

const kinds: readonly WatchKind[] = ["data", "children", "persistent", "recursive"];

/** Watches by path and by watcher; a watcher hears an event once, however many of its watches fit. */
export class WatchTable<W> {
  readonly #byPath: Record<WatchKind, Map<string, Set<W>>> = {
    data: new Map(),
    children: new Map(),
    persistent: new Map(),
    recursive: new Map(),
  };
  readonly #byWatcher = new Map<W, Record<WatchKind, Set<string>>>();

  /** Number of watches. */
  get size(): number {
    let size = 0;
    for (const kind of kinds) for (const watchers of this.#byPath[kind].values()) size += watchers.size;
    return size;
  }

  add(watcher: W, kind: WatchKind, path: string): void {
    const watchers = this.#byPath[kind].get(path);
    if (watchers) watchers.add(watcher);
    else this.#byPath[kind].set(path, new Set([watcher]));
    let paths = this.#byWatcher.get(watcher);
    if (!paths) {
      paths = { data: new Set(), children: new Set(), persistent: new Set(), recursive: new Set() };
      this.#byWatcher.set(watcher, paths);
    }
    paths[kind].add(path);
  }

  has(watcher: W, kind: WatchKind, path: string): boolean {
    return this.#byPath[kind].get(path)?.has(watcher) ?? false;
  }

  /** Removes one watch; false when there was none. */
  remove(watcher: W, kind: WatchKind, path: string): boolean {
    const watchers = this.#byPath[kind].get(path);
    if (!watchers?.delete(watcher)) return false;
    if (watchers.size === 0) this.#byPath[kind].delete(path);
    this.#byWatcher.get(watcher)?.[kind].delete(path);
    return true;
  }

  /** Removes all watches of a watcher that has gone. */
  removeWatcher(watcher: W): void {
    const paths = this.#byWatcher.get(watcher);
    if (!paths) return;
    for (const kind of kinds) for (const path of paths[kind]) this.remove(watcher, kind, path);
    this.#byWatcher.delete(watcher);
  }

  /** Who is to hear of an event. Watches that fire once are used up by it. */
  trigger(event: TreeEvent): Set<W> {
    const heard = new Set<W>();
    if (event.kind === "children") {
      this.#useUp("children", event.path, heard);
    } else {
      this.#useUp("data", event.path, heard);
      if (event.kind === "deleted") this.#useUp("children", event.path, heard);
      this.#collectRecursive(event.path, heard);
    }
    for (const watcher of this.#byPath.persistent.get(event.path) ?? []) heard.add(watcher);
    return heard;
  }

  #useUp(kind: "data" | "children", path: string, heard: Set<W>): void {
    for (const watcher of this.#byPath[kind].get(path) ?? []) {
      heard.add(watcher);
      this.#byWatcher.get(watcher)?.[kind].delete(path);
    }
    this.#byPath[kind].delete(path);
  }

  #collectRecursive(path: string, heard: Set<W>): void {
    if (this.#byPath.recursive.size === 0) return;
    for (let at = path; ; at = parentOf(at)) {
      for (const watcher of this.#byPath.recursive.get(at) ?? []) heard.add(watcher);
      if (at === "/") return;
    }
  }
}
