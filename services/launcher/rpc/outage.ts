// What a call does while this launcher has no connection to ZooKeeper: it waits for a moment, and then says so.
import { unavailable } from "../../../lib/rpc/errors.ts";
import { abortable } from "../../../lib/std/abortable.ts";
import type { Environment } from "../environment.ts";

/** How long a call waits for a connection that is gone, in milliseconds: one that moves to another server is back by then. */
const PATIENCE_MS = 2000;

/** A stream lasts for so long without one, in milliseconds: by then health says so, too. */
export const STREAM_PATIENCE_MS = 5000;

/** What is wrong, as callers are told. */
export function outageError() {
  return unavailable(
    "ZOOKEEPER_UNAVAILABLE",
    "the connection to ZooKeeper is gone: what is known may be old",
  );
}

/**
 * A signal that is aborted with the error for the caller once the view has not been current for so many milliseconds,
 * or with the caller's own.
 */
export function followOutage(
  { context: { view, clock } }: Pick<Environment, "context">,
  patienceMs: number,
  caller?: AbortSignal,
): { readonly signal: AbortSignal; readonly stop: () => void } {
  const controller = new AbortController();
  const follow = () => controller.abort(caller?.reason);
  caller?.addEventListener("abort", follow, { once: true });
  if (caller?.aborted) follow();
  let cancel: (() => void) | null = null;
  const look = (current: boolean) => {
    if (current) {
      cancel?.();
      cancel = null;
    } else cancel ??= clock.after(patienceMs, () => controller.abort(outageError()));
  };
  const unsubscribe = view.onCurrent(look);
  look(view.current);
  const stop = () => {
    unsubscribe();
    cancel?.();
    caller?.removeEventListener("abort", follow);
  };
  return { signal: controller.signal, stop };
}

/**
 * Answers a call in any case: what it has begun may go on in an outage, but nobody is kept waiting for it.
 *
 * @throws UNAVAILABLE
 */
export function answerInOutage<T>(environment: Environment, call: () => Promise<T>): Promise<T> {
  return untilOutage(environment, (signal) => abortable(call(), signal));
}

/** The same of a call that writes: it begins when there is a connection, so that nothing is written once it was refused. */
export function writeWhenConnected<T>(
  environment: Environment,
  call: (refused: AbortSignal) => Promise<T>,
  caller?: AbortSignal,
): Promise<T> {
  const answer = async (signal: AbortSignal) => {
    await environment.context.view.ready(signal);
    return await abortable(call(signal), signal);
  };
  return untilOutage(environment, answer, caller);
}

async function untilOutage<T>(
  environment: Environment,
  answer: (signal: AbortSignal) => Promise<T>,
  caller?: AbortSignal,
): Promise<T> {
  const { signal, stop } = followOutage(environment, PATIENCE_MS, caller);
  try {
    return await answer(signal);
  } finally {
    stop();
  }
}
