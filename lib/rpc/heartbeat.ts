import type { Clock } from "../std/clock.ts";
import { followSignals } from "../std/follow_signals.ts";

/** So long may a stream say nothing, in milliseconds: proxies cut off what is silent for longer. */
const SILENCE_MS = 30_000;

/** What a silent stream sends, by whose clock, and what ends it. */
export interface Heartbeat<T> {
  readonly beat: T;
  readonly clock: Pick<Clock, "after">;
  readonly signal: AbortSignal;
}

/**
 * A stream with a beat whenever nothing has come for half a minute.
 *
 * @param open begins it; its signal is aborted with the given one, and when nobody reads any more
 */
export async function* withHeartbeat<T>(
  open: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
  { beat, clock, signal }: Heartbeat<T>,
): AsyncGenerator<T, void, void> {
  const following = followSignals([signal]);
  const items = open(following.signal);
  try {
    let next = items.next();
    while (true) {
      const item = await orSilence(next, clock);
      if (item === null) {
        yield beat;
        continue;
      }
      if (item.done === true) return;
      yield item.value;
      next = items.next();
    }
  } finally {
    following.abort();
    following.stop();
    await items.return();
  }
}

/** What comes; null when nothing has for too long. */
async function orSilence<T>(next: Promise<T>, clock: Pick<Clock, "after">): Promise<T | null> {
  const { promise: silence, resolve } = Promise.withResolvers<null>();
  const cancel = clock.after(SILENCE_MS, () => resolve(null));
  try {
    return await Promise.race([next, silence]);
  } finally {
    cancel();
  }
}
