import type { Clock } from "../../lib/std/clock.ts";
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
  const controller = new AbortController();
  const cancel = clock.after(milliseconds, () => controller.abort(new Error(message)));
  const listeners = others.map((other) => {
    const follow = () => controller.abort(other.reason);
    if (other.aborted) follow();
    else other.addEventListener("abort", follow, { once: true });
    return () => other.removeEventListener("abort", follow);
  });
  const stop = () => {
    cancel();
    for (const remove of listeners) remove();
  };
  return { signal: controller.signal, stop };
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
