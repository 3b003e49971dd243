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
 */
export function deadline(
  clock: Pick<Clock, "after">,
  milliseconds: number,
  late: () => Error,
  others: readonly AbortSignal[],
): Deadline {
  const { controller, stop } = followSignals(others);
  const isBounded = Number.isFinite(milliseconds);
  const cancel = isBounded ? clock.after(milliseconds, () => controller.abort(late())) : () => {};
  return {
    signal: controller.signal,
    stop: () => {
      cancel();
      stop();
    },
  };
}
