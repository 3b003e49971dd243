// How fast a provider's API is called: the key `rate`, and slower where the cloud refuses calls for being too many.
//
// Invariants:
//   P1. Calls begin in the order in which they asked, a refused one once more at the end of the line: nobody starves.
//   P2. A refusal holds up all calls, for as long as the cloud asks. Of those that were under way when it came, only the
//       first makes the pace slower.
import { type Clock, elapsed } from "../std/clock.ts";

interface Waiting {
  readonly begin: () => void;
}

/** The gap after the first refusal where there was none, in milliseconds. */
const FIRST_GAP_MS = 20;
const LONGEST_GAP_MS = 10_000;
/** For how long nothing is begun after a refusal, at least and at most, in milliseconds. */
const SHORTEST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 600_000;
/** What a refusal and an answer make of the gap: a call in some thirty finds out whether the cloud takes more again. */
const SLOWER = 2;
const FASTER = 0.98;

export class Pace {
  readonly #leastMs: number;
  readonly #clock: Clock;
  /** Those who wait, in the order in which they asked. */
  readonly #waiting = new Set<Waiting>();
  #gapMs: number;
  #last = Number.NEGATIVE_INFINITY;
  /** Until when nothing is begun. */
  #pausedUntil = Number.NEGATIVE_INFINITY;
  #isGiving = false;
  /** Ends the pause until the next call. */
  #pause = new AbortController();
  /** How long calls were held up until the moment below, and whether they have been since. */
  #heldUpMs = 0;
  #countedAt = 0;
  #isHeldUp = false;

  /** @param gapSeconds between the beginnings of two calls; 0 for no limit of ours */
  constructor(gapSeconds: number, clock: Clock) {
    this.#leastMs = gapSeconds * 1000;
    this.#gapMs = this.#leastMs;
    this.#clock = clock;
  }

  /** Resolves when the next call may begin, in the order in which they asked. Who gives up takes nobody's turn. */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#gapMs === 0 && this.#left() <= 0 && this.#waiting.size === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting: Waiting = { begin: resolve };
    const giveUp = () => {
      this.#waiting.delete(waiting);
      this.#count();
      // A provider that was stopped leaves no timer: a refusal may hold calls up for minutes.
      if (this.#waiting.size === 0) this.#pause.abort();
      reject(signal.reason);
    };
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.add(waiting);
    this.#count();
    void this.#give();
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  /**
   * Hears that the cloud has refused a call, and begins none for as long as it asks (null: it does not say). Whether this
   * has made the pace slower.
   */
  refused(retryAfterMs: number | null): boolean {
    const pauseMs = Math.min(LONGEST_PAUSE_MS, Math.max(SHORTEST_PAUSE_MS, retryAfterMs ?? 0));
    const now = elapsed(this.#clock);
    const isFirst = now >= this.#pausedUntil;
    if (isFirst) this.#gapMs = Math.min(LONGEST_GAP_MS, Math.max(FIRST_GAP_MS, this.#gapMs * SLOWER));
    this.#pausedUntil = Math.max(this.#pausedUntil, now + pauseMs);
    this.#count();
    return isFirst;
  }

  /** Hears that the cloud has taken a call. */
  taken(): void {
    if (this.#gapMs <= this.#leastMs) return;
    const gap = this.#gapMs * FASTER;
    this.#gapMs = Math.max(this.#leastMs, gap < FIRST_GAP_MS / 4 ? 0 : gap);
    this.#count();
  }

  /** For how long in all calls have waited because the cloud refused some, in milliseconds; once, however many waited. */
  get heldUpMs(): number {
    this.#count();
    return this.#heldUpMs;
  }

  /** What slows calls down, in words; null while nothing does but the key `rate`. */
  describe(): string | null {
    if (this.#gapMs <= this.#leastMs) return null;
    const pause = Math.ceil((this.#pausedUntil - elapsed(this.#clock)) / 1000);
    const next = pause > 0 ? `the next is made in ${pause} s, then one` : "one is made";
    const gap = Number((this.#gapMs / 1000).toPrecision(2));
    return `the cloud refuses calls that come faster (429): ${next} every ${gap} s, and ${this.#waiting.size} wait`;
  }

  #count(): void {
    const now = elapsed(this.#clock);
    if (this.#isHeldUp) this.#heldUpMs += now - this.#countedAt;
    this.#countedAt = now;
    this.#isHeldUp = this.#waiting.size > 0 && this.#gapMs > this.#leastMs;
  }

  /** Milliseconds until the next call may begin. */
  #left(): number {
    return Math.max(this.#last + this.#gapMs, this.#pausedUntil) - elapsed(this.#clock);
  }

  async #give(): Promise<void> {
    if (this.#isGiving) return;
    this.#isGiving = true;
    while (this.#waiting.size > 0) {
      const left = this.#left();
      if (left > 0) {
        this.#pause = new AbortController();
        await this.#clock.sleep(left, this.#pause.signal).catch(() => undefined);
        continue;
      }
      const [first] = this.#waiting;
      if (first === undefined) break;
      this.#waiting.delete(first);
      this.#count();
      this.#last = elapsed(this.#clock);
      first.begin();
    }
    this.#isGiving = false;
  }
}
