// Bounds a call in time, without listeners that outlive it.
import type { Clock } from "../../../lib/std/clock.ts";

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
  const controller = new AbortController();
  const follow = (event: Event) => {
    const source = event.target;
    controller.abort(source instanceof AbortSignal ? source.reason : undefined);
  };
  for (const signal of signals) {
    signal.throwIfAborted();
    signal.addEventListener("abort", follow, { once: true });
  }
  const cancel = clock.after(milliseconds, () => controller.abort(new Error(message)));
  const aborted = new Promise<never>((_resolve, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason), { once: true });
  });
  try {
    return await Promise.race([call(controller.signal), aborted]);
  } finally {
    cancel();
    for (const signal of signals) signal.removeEventListener("abort", follow);
  }
}
