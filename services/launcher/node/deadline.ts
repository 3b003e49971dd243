// Bounds a call in time, without listeners that outlive it.
import type { Clock } from "../../../lib/std/clock.ts";
import { deadline } from "../../../lib/std/deadline.ts";

/**
 * Runs `call` with a signal that is aborted after `milliseconds`, or with one of `signals`.
 *
 * @throws the deadline's error, with this message, when the time is up
 */
export async function withDeadline<T>(
  clock: Pick<Clock, "after">,
  milliseconds: number,
  message: string,
  signals: readonly AbortSignal[],
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  const { signal, stop } = deadline(clock, milliseconds, () => new Error(message), signals, reject);
  try {
    if (!signal.aborted) call(signal).then(resolve, reject);
    return await promise;
  } finally {
    stop();
  }
}
