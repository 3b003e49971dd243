import type { Clock } from "../../lib/std/clock.ts";
import { followSignals } from "../../lib/std/follow_signals.ts";
import type { View } from "../../lib/zookeeper/view.ts";

/**
 * A signal that is aborted after a while, with an Error of this message, or with one of the others. Call `stop` when
 * the work is done.
 */
export function deadline(
  clock: Clock,
  milliseconds: number,
  message: string,
  others: readonly AbortSignal[],
): { readonly signal: AbortSignal; stop(): void } {
  const { controller, stop } = followSignals(others);
  const cancel = clock.after(milliseconds, () => controller.abort(new Error(message)));
  return {
    signal: controller.signal,
    stop: () => {
      cancel();
      stop();
    },
  };
}

/** Resolves when the view shows all that was written, or can show nothing any more, or the signal is aborted. */
export function visible(view: View, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      signal.removeEventListener("abort", end);
      resolve();
    };
    signal.addEventListener("abort", end);
    view.settled().then(end, end);
    if (signal.aborted) end();
  });
}
