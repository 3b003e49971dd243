import type { Clock } from "./clock.ts";
import { followSignals } from "./follow_signals.ts";

/** A signal for work that must end in time. */
export interface Deadline {
  readonly signal: AbortSignal;
  /** To be called when the work is done: lets go of the timer and of the other signals. */
  stop(): void;
}

/**
 * A signal that is aborted after a while with the error that `late` makes, or with one of the others. After Infinity
 * milliseconds only with those.
 *
 * @param ended hears the reason then, before this returns where one of the others is aborted already
 */
export function deadline(
  clock: Pick<Clock, "after">,
  milliseconds: number,
  late: () => Error,
  others: readonly AbortSignal[],
  ended: (reason: unknown) => void = () => {},
): Deadline {
  const { signal, abort, stop } = followSignals(others, ended);
  const isBounded = Number.isFinite(milliseconds);
  const cancel = isBounded ? clock.after(milliseconds, () => abort(late())) : () => {};
  return {
    signal,
    stop: () => {
      cancel();
      stop();
    },
  };
}

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
