// Who listens to which part of the tree. The session tells it what happens; it knows nothing of the wire.
import type { WatchEvent } from "./types.ts";

/** A listener to everything at and below a path. */
export interface RecursiveWatch {
  readonly path: string;
  readonly listener: (event: WatchEvent) => void;
  readonly onReset: () => void;
}

/** @param event what has happened; undefined when that is not known */
type Wake = (event?: WatchEvent) => void;

export class Watches {
  readonly #recursive = new Map<string, Set<RecursiveWatch>>();
  readonly #once = new Map<string, Set<Wake>>();
  readonly #onError: (error: unknown) => void;

  /** `onError` hears what a listener throws; the others are called all the same. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Paths that have recursive watches. */
  get recursivePaths(): string[] {
    return [...this.#recursive.keys()];
  }

  addRecursive(watch: RecursiveWatch): void {
    const watches = this.#recursive.get(watch.path);
    if (watches === undefined) this.#recursive.set(watch.path, new Set([watch]));
    else watches.add(watch);
  }

  /** Returns true when this was the last recursive watch of its path. */
  removeRecursive(watch: RecursiveWatch): boolean {
    const watches = this.#recursive.get(watch.path);
    if (watches === undefined || !watches.delete(watch)) return false;
    return watches.size === 0 && this.#recursive.delete(watch.path);
  }

  /**
   * Calls `wake` at the next event of exactly this path, or when the server's watches were lost. What it returns ends
   * the wait, and tells whether it was the last one of this path that had not been woken.
   */
  once(path: string, wake: Wake): () => boolean {
    const waiting = this.#once.get(path) ?? new Set();
    this.#once.set(path, waiting.add(wake));
    return () => {
      waiting.delete(wake);
      return waiting.size === 0 && this.#once.get(path) === waiting && this.#once.delete(path);
    };
  }

  /** Hands an event to everyone who listens at its path or above. */
  dispatch(event: WatchEvent): void {
    this.wake(event.path, event);
    for (const watches of this.#recursive.values()) {
      for (const { path, listener } of watches) {
        if (isWithin(event.path, path)) this.#call(listener, event);
      }
    }
  }

  /** Wakes those who wait for one event of this path. */
  wake(path: string, event?: WatchEvent): void {
    const waiting = this.#once.get(path);
    if (waiting === undefined) return;
    this.#once.delete(path);
    for (const wake of waiting) this.#call(wake, event);
  }

  /** The server has forgotten our watches: whoever waits for one event must look again. */
  wakeAll(): void {
    for (const path of [...this.#once.keys()]) this.wake(path);
  }

  /** The recursive watches of a path have been set anew: what happened before that is unknown. */
  reset(path: string): void {
    for (const { onReset } of [...(this.#recursive.get(path) ?? [])]) this.#call(onReset, undefined);
  }

  #call<T>(listener: (event: T) => void, event: T): void {
    try {
      listener(event);
    } catch (error) {
      this.#onError(error);
    }
  }
}

/** Whether a path is another one or below it. */
function isWithin(path: string, root: string): boolean {
  return path.startsWith(root) && (path.length === root.length || root === "/" || path[root.length] === "/");
}
