// A call that waits for something that the tree will show.
import { afterOutage, PATIENCE_MS } from "../../../lib/daemon/outage.ts";
import { type CallEnd, timeToAnswer } from "../../../lib/rpc/call_limit.ts";
import { withoutZooKeeper } from "../../../lib/rpc/errors.ts";
import { onAbort } from "../../../lib/std/on_abort.ts";
import type { Environment } from "../environment.ts";

/** A call of which the waiting is a part. */
export interface WaitingCall extends CallEnd {
  readonly signal: AbortSignal;
}

/** What a call waits for. */
export interface Wait {
  readonly call: WaitingCall;
  /** For how long at most; less where the call must end before. */
  readonly seconds: number;
  /** For how long it may be without a connection to ZooKeeper, in milliseconds. @default {@link PATIENCE_MS}, the most */
  readonly patienceMs?: number;
  /** Calls the listener whenever there may be news; returns what ends that. */
  readonly listen: (listener: () => void) => () => void;
  /** Undefined while it is not there yet; then what is left to do before the answer. It is asked until it gives that. */
  readonly look: () => Promise<void> | undefined;
}

/**
 * Waits until it is there, the time is over, or the call has to be answered.
 *
 * @throws UNAVAILABLE when there is no connection to ZooKeeper, the call's own reason, or what `look` rejects with
 */
export async function waitFor({ context }: Environment, wait: Wait): Promise<void> {
  const { call, seconds, patienceMs = PATIENCE_MS, listen, look } = wait;
  const { clock } = context;
  const stops: (() => void)[] = [];
  try {
    await new Promise<void>((resolve, reject) => {
      let isThere = false;
      const news = () => {
        const rest = isThere ? undefined : look();
        if (rest === undefined) return;
        isThere = true;
        rest.then(resolve, reject);
      };
      stops.push(
        listen(news),
        clock.after(Math.min(seconds * 1000, timeToAnswer(call, clock)), resolve),
        afterOutage({ context }, () => reject(withoutZooKeeper()), Math.min(PATIENCE_MS, patienceMs)),
        onAbort(call.draining, resolve),
        onAbort(call.signal, () => reject(call.signal.reason)),
      );
      news();
    });
  } finally {
    for (const stop of stops) stop();
  }
}
