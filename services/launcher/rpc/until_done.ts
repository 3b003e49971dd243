import { requestPath } from "../../../lib/model/paths.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import { isLeaseLate, keepLease, renewOnce, thirdOfLease } from "./keep_lease.ts";
import { isUnderWay } from "./request_message.ts";
import type { Shared } from "./shared.ts";
import { type WaitingCall, waitFor } from "./wait.ts";

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
  const { view } = environment.context;
  const complete = async () => {
    // Who hears that it is fulfilled has to find its nodes as they were handed over.
    await settle(view, () => [requestPath(id)]);
    if (isLeaseLate(environment, id)) await renewOnce(environment, id);
  };
  const letGo = isUnderWay(view.request(id)) ? keepLease(shared, id) : () => {};
  try {
    await waitFor(environment, {
      call,
      seconds,
      // Where others have a connection they end the lease in time: before that its holder has to be told.
      patienceMs: thirdOfLease(environment, id),
      listen: (listener) => engine.watchRequest(id, listener),
      look: () => (isUnderWay(view.request(id)) ? undefined : complete()),
    });
  } finally {
    letGo();
  }
}
