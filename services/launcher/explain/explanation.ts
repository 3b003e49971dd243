// Why something is as it is, as people and programs are told.
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import type { Decision, World } from "../actions.ts";
import { registeredName } from "../request/courtesy.ts";

export type Verdict = "able" | "waits" | "never" | "not-offered" | "declined" | "elsewhere" | "yields";

/** What one pool has to do with it. */
export interface PoolExplanation {
  /** provider/pool. */
  readonly pool: string;
  readonly verdict: Verdict;
  /** The first rule in the way; empty when there is none. */
  readonly rule: string;
  readonly reason: string;
  readonly remedy: string;
}

export interface Explanation {
  readonly summary: string;
  readonly pools: readonly PoolExplanation[];
  /** The requests that go before it; null when it does not wait in the queue. */
  readonly before: { readonly count: number; readonly first: readonly string[] } | null;
  readonly facts: readonly string[];
}

/** A decision with the world that it was made about. */
export interface Decided {
  readonly world: World;
  readonly decision: Decision;
}

/** Whole seconds until a time: never fewer than there are. Both are in seconds. */
export function secondsTo(time: number, now: number): number {
  return Math.max(0, Math.ceil(time - now));
}

/** What there is to say of a pool of another launcher: only that one knows what is in its way. */
export function elsewhere(entry: PoolEntry): PoolExplanation {
  const pool = registeredName(entry);
  const host = entry.record?.hostname ?? null;
  return {
    pool,
    verdict: "elsewhere",
    rule: "",
    reason: `${pool}: another launcher decides about it`,
    remedy: host === null ? "ask that launcher" : `ask the launcher on ${host}`,
  };
}
