import type { Clock } from "./clock.ts";

/** A signal that follows others, and that can be aborted by itself. */
export interface Following {
  readonly signal: AbortSignal;
  /** Aborts it, unless it is already. */
  abort(reason?: unknown): void;
  /** Lets go of the others. To be called in any case: they may live for long, and would keep this one. */
  stop(): void;
}

/**
 * Makes a signal that is aborted with the first of these, for the same reason; at once where one is aborted already.
 * `AbortSignal.any` does the same without `stop`, and is slow.
 *
 * @param ended hears the reason when it is aborted, before this returns where it is at once; a listener to it costs more
 */
export function followSignals(
  signals: readonly AbortSignal[],
  ended: (reason: unknown) => void = () => {},
): Following {
  const controller = new AbortController();
  const abort = (reason?: unknown) => {
    controller.abort(reason);
    ended(controller.signal.reason);
  };
  const follow = ({ target }: Event) => {
    if (target instanceof AbortSignal) abort(target.reason);
  };
  for (const signal of signals) {
    if (signal.aborted) abort(signal.reason);
    else signal.addEventListener("abort", follow, { once: true });
  }
  const stop = () => {
    for (const signal of signals) signal.removeEventListener("abort", follow);
  };
  return { signal: controller.signal, abort, stop };
}

/** Sleeps until one of the signals is aborted, and rejects with its reason then. Leaves them no listener. */
export async function sleepUnder(
  clock: Pick<Clock, "sleep">,
  milliseconds: number,
  signals: readonly AbortSignal[],
): Promise<void> {
  const { signal, stop } = followSignals(signals);
  await clock.sleep(milliseconds, signal).finally(stop);
}
