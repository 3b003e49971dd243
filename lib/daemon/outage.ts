// What a call does while this daemon has no connection to ZooKeeper: it waits for a moment, and then says so.
import { withoutZooKeeper } from "../rpc/errors.ts";
import { followSignals } from "../std/follow_signals.ts";
import type { ServiceContext } from "./types.ts";

/** How long a call waits for a connection that is gone, in milliseconds: one that moves to another server is back by then. */
export const PATIENCE_MS = 2000;

/** A stream lasts for so long without one, in milliseconds: by then health says so, too. */
export const STREAM_PATIENCE_MS = 5000;

/** Where a call is answered. */
interface Surroundings {
  readonly context: Pick<ServiceContext, "view" | "clock">;
}

/** Calls `tell` once the view has not been current for so many milliseconds; returns what ends that. */
export function afterOutage(
  { context: { view, clock } }: Surroundings,
  tell: () => void,
  patienceMs = PATIENCE_MS,
): () => void {
  let cancel: (() => void) | null = null;
  const look = (current: boolean) => {
    if (current) {
      cancel?.();
      cancel = null;
    } else cancel ??= clock.after(patienceMs, tell);
  };
  const unsubscribe = view.onCurrent(look);
  look(view.current);
  return () => {
    unsubscribe();
    cancel?.();
  };
}

/**
 * A signal that is aborted with the error for the caller once the view has not been current for so many milliseconds,
 * or with the caller's own.
 */
export function followOutage(
  environment: Surroundings,
  patienceMs: number,
  caller: AbortSignal,
): { readonly signal: AbortSignal; readonly stop: () => void } {
  const { signal, abort, stop } = followSignals([caller]);
  const forget = afterOutage(environment, () => abort(withoutZooKeeper()), patienceMs);
  return {
    signal,
    stop: () => {
      forget();
      stop();
    },
  };
}

/**
 * Answers a call in any case: what it has begun may go on in an outage, but nobody is kept waiting for it.
 *
 * @throws UNAVAILABLE
 */
export async function answerInOutage<T>(environment: Surroundings, call: () => Promise<T>): Promise<T> {
  let stop = () => {};
  try {
    return await new Promise<T>((resolve, reject) => {
      stop = afterOutage(environment, () => reject(withoutZooKeeper()));
      call().then(resolve, reject);
    });
  } finally {
    stop();
  }
}

/**
 * The same of a call that writes: it begins when there is a connection, so that nothing is written once it was refused,
 * nor for a caller who has gone.
 */
export async function writeWhenConnected<T>(
  environment: Surroundings,
  call: () => Promise<T>,
  caller: AbortSignal,
): Promise<T> {
  const { view } = environment.context;
  if (!view.current) {
    const { signal, stop } = followOutage(environment, PATIENCE_MS, caller);
    await view.ready(signal).finally(stop);
  }
  caller.throwIfAborted();
  return await answerInOutage(environment, call);
}
