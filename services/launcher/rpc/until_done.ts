import { afterOutage, PATIENCE_MS } from "../../../lib/daemon/outage.ts";
import { requestPath } from "../../../lib/model/paths.ts";
import { type CallEnd, timeToAnswer } from "../../../lib/rpc/call_limit.ts";
import { withoutZooKeeper } from "../../../lib/rpc/errors.ts";
import { onAbort } from "../../../lib/std/on_abort.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import { isLeaseLate, keepLease, renewOnce, thirdOfLease } from "./keep_lease.ts";
import { isUnderWay } from "./request_message.ts";
import type { Shared } from "./shared.ts";

/** A call of which the waiting is a part. */
export interface WaitingCall extends CallEnd {
  readonly signal: AbortSignal;
}

/**
 * Waits until a request is fulfilled, has failed or is gone, for so many seconds at most; less where the call must end
 * before. Keeps its lease alive meanwhile: whoever hears what has become of it has two thirds of it left.
 *
 * @throws UNAVAILABLE when there is no connection to ZooKeeper, or the call's own reason
 */
export async function untilDone(
  shared: Shared,
  id: string,
  seconds: number,
  call: WaitingCall,
): Promise<void> {
  const { environment, engine } = shared;
  const { signal, draining } = call;
  const { view, clock } = environment.context;
  const path = requestPath(id);
  const stops: (() => void)[] = [];
  const complete = async () => {
    // Who hears that it is fulfilled has to find its nodes as they were handed over.
    await settle(view, () => [path]);
    if (isLeaseLate(environment, id)) await renewOnce(environment, id);
  };
  let completing: Promise<void> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const look = () => {
        if (isUnderWay(view.request(id))) return;
        completing ??= complete();
        completing.then(resolve, reject);
      };
      const wait = Math.min(seconds * 1000, timeToAnswer(call, clock));
      stops.push(
        engine.watchRequest(id, look),
        isUnderWay(view.request(id)) ? keepLease(shared, id) : () => {},
        clock.after(wait, resolve),
        // Where others have a connection they end the lease in time: before that its holder has to be told.
        afterOutage(
          environment,
          () => reject(withoutZooKeeper()),
          Math.min(PATIENCE_MS, thirdOfLease(environment, id)),
        ),
        onAbort(draining, resolve),
        onAbort(signal, () => reject(signal.reason)),
      );
      look();
    });
  } finally {
    for (const stop of stops) stop();
  }
}
