// Removes containers whose last child has gone, and znodes whose time to live is over; as ZooKeeper, now and then.
import type { Clock } from "../../std/clock.ts";
import { timeToLive } from "./owner.ts";
import type { Tree } from "./tree.ts";
import type { Znode } from "./znode.ts";

export interface ReaperOptions {
  readonly clock: Clock;
  /** Milliseconds from one look to the next. */
  readonly intervalMs: number;
  /** The tree as it is now. */
  readonly tree: () => Tree;
  readonly remove: (path: string) => void;
}

export class Reaper {
  readonly #options: ReaperOptions;
  #cancel: () => void = () => {};

  constructor(options: ReaperOptions) {
    this.#options = options;
    this.#schedule();
  }

  close(): void {
    this.#cancel();
  }

  #schedule(): void {
    const { clock, intervalMs, tree, remove } = this.#options;
    this.#cancel = clock.after(intervalMs, () => {
      const now = clock.now();
      const over = [...tree().perishable()].filter(([, node]) => isOver(node, now));
      for (const [path] of over) remove(path);
      this.#schedule();
    });
  }
}

function isOver(node: Znode, now: number): boolean {
  if ((node.children?.size ?? 0) > 0) return false;
  const milliseconds = timeToLive(node.ephemeralOwner);
  // A container that never had a child is still waiting for its first one.
  return milliseconds === null ? node.childrenCreated > 0 : now - node.mtime > milliseconds;
}
