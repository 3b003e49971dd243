import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { RenewRequestRequest, RenewRequestResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { renewLease } from "../request/lease.ts";
import { ownDataOf } from "../request/own_data.ts";
import { toRequest } from "./request_message.ts";
import { leaseSeconds } from "./seconds.ts";
import { findRequest, type Shared } from "./shared.ts";

/** Extends the lease of a request. */
export async function renewRequest(
  shared: Shared,
  request: RenewRequestRequest,
): Promise<RenewRequestResponse> {
  const duration = leaseSeconds(request.leaseDuration);
  const entry = await findRequest(shared, request.name);
  refuseWithoutLease(entry.record === null ? null : ownDataOf(entry.record).lease, request.name);
  await renewLease(shared.environment, entry.id, duration);
  return { request: toRequest(shared, await findRequest(shared, request.name)) };
}

/** @throws FAILED_PRECONDITION for a request of somebody who has a ZooKeeper session, as Zuul */
export function refuseWithoutLease(lease: unknown, name: string): void {
  if (lease !== null) return;
  const message = `${name} was not made through this API: it has no lease, and only its owner ends it`;
  throw failedPrecondition("REQUEST_HAS_NO_LEASE", message, { name });
}
