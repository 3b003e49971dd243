// The provider's key `rate`: how many seconds lie between the beginnings of two calls.
import type { Clock } from "../../std/clock.ts";

export class Pace {
  readonly #gapMs: number;
  readonly #clock: Clock;
  #next = 0;

  /** @param gapSeconds 0 for no limit */
  constructor(gapSeconds: number, clock: Clock) {
    this.#gapMs = gapSeconds * 1000;
    this.#clock = clock;
  }

  /** Resolves when the next call may begin, in the order in which they asked. */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#gapMs === 0) return;
    const now = this.#clock.now();
    const at = Math.max(now, this.#next);
    this.#next = at + this.#gapMs;
    if (at > now) await this.#clock.sleep(at - now, signal);
  }
}
