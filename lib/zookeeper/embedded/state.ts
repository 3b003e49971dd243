// What the server remembers: the tree, the sessions and the number of the last transaction. Pure.

import type { SessionRecord } from "./transaction.ts";
import { type Change, type Outcome, Tree } from "./tree.ts";

/** What a transaction does, beside its changes to the tree. */
export interface StateChange {
  readonly changes: readonly Change[];
  readonly opened: SessionRecord | null;
  readonly closed: bigint | null;
}

export class State {
  readonly tree: Tree = new Tree();
  readonly sessions = new Map<bigint, SessionRecord>();
  /** The number of the last committed transaction; 0 at first. */
  zxid = 0;

  /** Commits all of a transaction or nothing, as number {@link zxid} + 1. */
  commit({ changes, opened, closed }: StateChange, time: number): Outcome {
    const outcome = this.tree.commit(changes, this.zxid + 1, time);
    if (!outcome.committed) return outcome;
    const ended = closed === null ? undefined : this.sessions.get(closed);
    this.zxid++;
    if (opened) this.sessions.set(opened.id, opened);
    if (ended) this.sessions.delete(ended.id);
    return {
      ...outcome,
      undo: () => {
        outcome.undo();
        this.zxid--;
        if (opened) this.sessions.delete(opened.id);
        if (ended) this.sessions.set(ended.id, ended);
      },
    };
  }
}
