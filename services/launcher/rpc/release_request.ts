import { requestPath } from "../../../lib/model/paths.ts";
import { invalidArgument } from "../../../lib/rpc/errors.ts";
import type {
  ReleaseRequestRequest,
  ReleaseRequestResponse,
} from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { parseName } from "../../../lib/rpc/names.ts";
import { releaseRequest as release } from "../request/lease.ts";
import { ownDataOf } from "../request/own_data.ts";
import { freshly } from "../retry.ts";
import { refuseWithoutLease } from "./renew_request.ts";
import type { Shared } from "./shared.ts";

const FAULT_LENGTH = 500;

/** Gives the nodes of a request back, or withdraws it. Releasing what is gone already succeeds. */
export async function releaseRequest(
  shared: Shared,
  request: ReleaseRequestRequest,
): Promise<ReleaseRequestResponse> {
  const { context } = shared.environment;
  const { request: id } = parseName("nodeRequests/{request}", request.name);
  const entry = await freshly(context, requestPath(id), () => context.view.request(id));
  if (entry === undefined) return {};
  refuseWithoutLease(entry.record === null ? null : ownDataOf(entry.record).lease, request.name);
  if (request.fault.length > FAULT_LENGTH) {
    throw invalidArgument(
      "fault",
      `has ${request.fault.length} characters; at most ${FAULT_LENGTH} are kept`,
    );
  }
  await release(shared.environment, id, request.fault === "" ? null : request.fault);
  return {};
}
