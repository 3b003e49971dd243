// Why something is as it is, as people and programs are told.
import type { Decision, World } from "../actions.ts";
import type { UnservedPool } from "./unserved.ts";

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
  /** Pools of the configuration that are not served. @default none */
  readonly unserved?: readonly UnservedPool[];
}

/** Whole seconds until a time: never fewer than there are. Both are in seconds. */
export function secondsTo(time: number, now: number): number {
  return Math.max(0, Math.ceil(time - now));
}
