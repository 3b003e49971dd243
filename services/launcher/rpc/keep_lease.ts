import { messageOf } from "../../../lib/std/errors.ts";
import type { Environment } from "../environment.ts";
import { renewLease } from "../request/lease.ts";
import { type Lease, ownDataOf } from "../request/own_data.ts";
import type { Shared } from "./shared.ts";

/** By so much the clocks of machines may differ that are kept together, in milliseconds. */
const CLOCKS_DIFFER_MS = 1000;

/**
 * Renews the lease of a request at each third of it, and soon when it begins late in it, or is given another duration;
 * nothing for a request that has none. A failure is repeated at the next third, until which the lease lasts. Returns
 * what ends that.
 */
export function keepLease(
  { environment, engine }: Pick<Shared, "environment" | "engine">,
  id: string,
): () => void {
  const { clock } = environment.context;
  let cancel = () => {};
  let isEnded = false;
  let kept: number | undefined;
  const plan = (isFirst: boolean) => {
    cancel();
    const lease = leaseOf(environment, id);
    kept = lease?.duration;
    if (lease === null) return;
    const third = (lease.duration * 1000) / 3;
    const first = Math.min(Math.max(untilLate(environment, lease), 0), third);
    cancel = clock.after(isFirst ? first : third, () => void renew());
  };
  const renew = async () => {
    await renewOnce(environment, id);
    if (!isEnded) plan(false);
  };
  const forget = engine.watchRequest(id, () => {
    if (leaseOf(environment, id)?.duration !== kept) plan(true);
  });
  plan(true);
  return () => {
    isEnded = true;
    forget();
    cancel();
  };
}

/** A third of a request's lease, in milliseconds; Infinity for one that has none. */
export function thirdOfLease(environment: Environment, id: string): number {
  return ((leaseOf(environment, id)?.duration ?? Number.POSITIVE_INFINITY) * 1000) / 3;
}

/** Whether so much of a request's lease is over that it has to be renewed. */
export function isLeaseLate(environment: Environment, id: string): boolean {
  const lease = leaseOf(environment, id);
  return lease !== null && untilLate(environment, lease) < 0;
}

/** Renews the lease of a request; a failure is only logged. */
export async function renewOnce(environment: Environment, id: string): Promise<void> {
  try {
    await renewLease(environment, id);
  } catch (error) {
    environment.context.logger.warn("lease not renewed", { request: id, error: messageOf(error) });
  }
}

function leaseOf({ context: { view } }: Environment, id: string): Lease | null {
  const record = view.request(id)?.record;
  return record ? ownDataOf(record).lease : null;
}

/** When a third of a lease is over, in milliseconds from now; at once when that cannot be told. */
function untilLate({ context: { clock } }: Environment, { duration, expires }: Lease): number {
  const left = expires * 1000 - clock.now();
  // Nobody gives that much: whoever has renewed it had a clock that was ahead.
  return left > duration * 1000 + CLOCKS_DIFFER_MS ? -1 : left - (duration * 2000) / 3;
}
