// How long each session lives without a word from its client.

import { type Clock, elapsed } from "../../std/clock.ts";

/** The shortest and longest session timeout that a client gets, in milliseconds. */
export interface TimeoutRange {
  readonly minimum: number;
  readonly maximum: number;
}

/** 2 s to 40 s. (A ZooKeeper with its usual tick of 2 s has 4 s to 40 s.) */
export const defaultTimeoutRange: TimeoutRange = { minimum: 2_000, maximum: 40_000 };

/** The timeout that a client gets when it asks for `wanted`. */
export function negotiateTimeout(wanted: number, range: TimeoutRange): number {
  return Math.min(Math.max(wanted, range.minimum), range.maximum);
}

/** A timer that fires later than this means that the process or the machine slept. */
const sleepThreshold = 1_000;

interface Tracked {
  timeout: number;
  /** By the clock that nobody sets: one that was set back would let a dead client's session live on. */
  deadline: number;
  cancel: () => void;
}

/** Ends sessions that are silent for their timeout. */
export class SessionTracker {
  readonly #clock: Clock;
  readonly #onExpired: (id: bigint) => void;
  readonly #tracked = new Map<bigint, Tracked>();

  constructor(clock: Clock, onExpired: (id: bigint) => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  /** Starts to watch a session, or gives it another timeout. */
  track(id: bigint, timeout: number): void {
    this.forget(id);
    const tracked: Tracked = { timeout, deadline: elapsed(this.#clock) + timeout, cancel: () => {} };
    this.#tracked.set(id, tracked);
    this.#arm(id, tracked);
  }

  /** The client was heard. */
  touch(id: bigint): void {
    const tracked = this.#tracked.get(id);
    if (tracked) tracked.deadline = elapsed(this.#clock) + tracked.timeout;
  }

  /** The session has ended. */
  forget(id: bigint): void {
    this.#tracked.get(id)?.cancel();
    this.#tracked.delete(id);
  }

  /** Ends no session any more. */
  close(): void {
    for (const id of [...this.#tracked.keys()]) this.forget(id);
  }

  #arm(id: bigint, tracked: Tracked): void {
    const { deadline } = tracked;
    tracked.cancel = this.#clock.after(deadline - elapsed(this.#clock), () => {
      const now = elapsed(this.#clock);
      // Who slept has heard nobody: the clients get their time anew.
      if (now - deadline > sleepThreshold) tracked.deadline = now + tracked.timeout;
      if (tracked.deadline > now) {
        this.#arm(id, tracked);
        return;
      }
      this.#tracked.delete(id);
      this.#onExpired(id);
    });
  }
}
