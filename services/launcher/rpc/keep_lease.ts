import { messageOf } from "../../../lib/std/errors.ts";
import type { Environment } from "../environment.ts";
import { renewLease } from "../request/lease.ts";
import { ownDataOf } from "../request/own_data.ts";

/**
 * Renews the lease of a request at each third of it, and soon when it begins late in it; nothing for a request that has
 * none. A failure is repeated at the next third, until which the lease lasts. Returns what ends that.
 */
export function keepLease(environment: Environment, id: string): () => void {
  const { view, clock, logger } = environment.context;
  let cancel = () => {};
  let isEnded = false;
  const plan = (isFirst: boolean) => {
    const record = view.request(id)?.record;
    const lease = record ? ownDataOf(record).lease : null;
    if (lease === null) return;
    const third = (lease.duration * 1000) / 3;
    const left = lease.expires * 1000 - clock.now();
    cancel = clock.after(
      isFirst ? Math.min(Math.max(left - 2 * third, 0), third) : third,
      () => void renew(),
    );
  };
  const renew = async () => {
    try {
      await renewLease(environment, id);
    } catch (error) {
      logger.warn("lease not renewed", { request: id, error: messageOf(error) });
    }
    if (!isEnded) plan(false);
  };
  plan(true);
  return () => {
    isEnded = true;
    cancel();
  };
}
