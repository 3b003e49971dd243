// Bounds a call in time, without listeners that outlive it.
import { abortable } from "../../../lib/std/abortable.ts";
import type { Clock } from "../../../lib/std/clock.ts";
import { followSignals } from "../../../lib/std/follow_signals.ts";

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
  const { controller, stop } = followSignals(signals);
  const { signal } = controller;
  const cancel = clock.after(milliseconds, () => controller.abort(new Error(message)));
  try {
    signal.throwIfAborted();
    return await abortable(call(signal), signal);
  } finally {
    cancel();
    stop();
  }
}
