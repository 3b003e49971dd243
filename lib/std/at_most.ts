// Waiting that has an end.
import type { Clock } from "./clock.ts";

/** Waits for `work`, but not longer than so many milliseconds. The work itself goes on. @throws what the work throws in time */
export async function atMost(clock: Clock, milliseconds: number, work: Promise<unknown>): Promise<void> {
  const waiting = new AbortController();
  const limit = clock.sleep(milliseconds, waiting.signal).catch(() => undefined);
  try {
    await Promise.race([work, limit]);
  } finally {
    waiting.abort();
  }
}
