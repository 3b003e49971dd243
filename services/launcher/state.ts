// What this process has in hand: locks, launches, deletions, and what has to wait after a failure.
import type { NodeRecord } from "../../lib/model/node.ts";
import type { Resources } from "../../lib/provider/contract.ts";
import { backoffDelay } from "../../lib/std/backoff.ts";
import type { HeldLock } from "../../lib/zookeeper/types.ts";
import type { Hand, HoldWish, LaunchStatus } from "./actions.ts";
import type { ServedPool } from "./pool/served.ts";

/** A launch that this process works on. */
export interface Launch extends LaunchStatus {
  status: LaunchStatus["status"];
  readonly lock: HeldLock;
  /** The node as it is stored, or will be: `version` is that of the last write. */
  record: NodeRecord;
  version: number;
  /** Why it failed. */
  reason: string;
  /** The trace that it belongs to. */
  readonly traceparent: string | null;
  readonly controller: AbortController;
}

/** A request whose lock we hold. */
export interface HeldRequest {
  readonly pool: ServedPool;
  readonly lock: HeldLock;
}

const RETRY = { initial: 0.1, maximum: 30 };

/** {@link Hand} with what changes it. `now` is in seconds. */
export class HandState implements Hand {
  readonly requests = new Map<string, HeldRequest>();
  readonly launches = new Map<string, Launch>();
  readonly claims = new Map<string, { pool: ServedPool; labels: readonly string[] }>();
  readonly deletions = new Set<string>();
  readonly limits = new Map<string, Resources>();
  readonly quotaBlocks = new Map<string, number>();
  readonly holdWishes = new Map<string, HoldWish>();
  currentSince = Infinity;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #working = new Set<string>();
  readonly #failures = new Map<string, { count: number; until: number }>();

  constructor(now: () => number, random: () => number) {
    this.#now = now;
    this.#random = random;
  }

  isBusy(key: string): boolean {
    return this.#working.has(key) || (this.#failures.get(key)?.until ?? 0) > this.#now();
  }

  get nextRetry(): number | null {
    const now = this.#now();
    const times = [...this.#failures.values()].map(({ until }) => until).filter((until) => until > now);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Marks things as being worked on. */
  begin(keys: readonly string[]): void {
    for (const key of keys) this.#working.add(key);
  }

  /** The work has ended well. */
  succeed(keys: readonly string[]): void {
    for (const key of keys) {
      this.#working.delete(key);
      this.#failures.delete(key);
    }
  }

  /** The work has failed: the first repetition may follow at once, later ones wait longer and longer. */
  fail(keys: readonly string[]): void {
    for (const key of keys) {
      this.#working.delete(key);
      const count = (this.#failures.get(key)?.count ?? 0) + 1;
      const delay = count === 1 ? 0 : backoffDelay(count - 1, { ...RETRY, random: this.#random });
      this.#failures.set(key, { count, until: this.#now() + delay });
    }
  }

  /** Makes a key wait from now on (seconds), as if it had failed. */
  postpone(key: string): void {
    const count = (this.#failures.get(key)?.count ?? 0) + 1;
    const delay = backoffDelay(count, { initial: 1, maximum: 60, random: this.#random });
    this.#failures.set(key, { count, until: this.#now() + delay });
  }

  /** Forgets failures of things that are gone or were long ago, so that memory stays flat. */
  prune(exists: (key: string) => boolean): void {
    for (const key of this.#failures.keys()) if (!exists(key)) this.#failures.delete(key);
  }
}
