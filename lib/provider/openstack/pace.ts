// The provider's key `rate`: how many seconds lie between the beginnings of two calls.
import { type Clock, elapsed } from "../../std/clock.ts";

interface Waiting {
  readonly begin: () => void;
}

export class Pace {
  readonly #gapMs: number;
  readonly #clock: Clock;
  /** Those who wait, in the order in which they asked. */
  readonly #waiting = new Set<Waiting>();
  #last = Number.NEGATIVE_INFINITY;
  #isGiving = false;

  /** @param gapSeconds 0 for no limit */
  constructor(gapSeconds: number, clock: Clock) {
    this.#gapMs = gapSeconds * 1000;
    this.#clock = clock;
  }

  /** Resolves when the next call may begin, in the order in which they asked. Who gives up takes nobody's turn. */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#gapMs === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { begin: resolve };
    const giveUp = () => {
      this.#waiting.delete(waiting);
      reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.add(waiting);
    void this.#give();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  async #give(): Promise<void> {
    if (this.#isGiving) return;
    this.#isGiving = true;
    while (this.#waiting.size > 0) {
      const left = this.#last + this.#gapMs - elapsed(this.#clock);
      if (left > 0) await this.#clock.sleep(left);
      const [first] = this.#waiting;
      if (first === undefined) break;
      this.#waiting.delete(first);
      this.#last = elapsed(this.#clock);
      first.begin();
    }
    this.#isGiving = false;
  }
}
