import { requestPath } from "../../../lib/model/paths.ts";
import { encodeRequest } from "../../../lib/model/request.ts";
import { failedPrecondition, invalidArgument } from "../../../lib/rpc/errors.ts";
import type {
  UpdateRequestRequest,
  UpdateRequestResponse,
} from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { ownDataOf } from "../request/own_data.ts";
import { retryConflicts } from "../retry.ts";
import { relativePriority } from "./relative_priority.ts";
import { refuseWithoutLease } from "./renew_request.ts";
import { toRequest } from "./request_message.ts";
import { findRequest, type Shared } from "./shared.ts";

const CHANGEABLE = "relative_priority";

/** Revises the relative priority of a request that waits. */
export async function updateRequest(
  shared: Shared,
  { request: wish, updateMask }: UpdateRequestRequest,
): Promise<UpdateRequestResponse> {
  if (wish === undefined)
    throw invalidArgument("request", "is missing: expected its name and the new values");
  const fixed = updateMask?.find((path) => path !== CHANGEABLE && path !== "*");
  if (fixed !== undefined) {
    throw invalidArgument("update_mask", `'${fixed}' cannot be changed; only ${CHANGEABLE} can`);
  }
  const value = relativePriority(wish.relativePriority);
  const { context } = shared.environment;
  const { id } = await findRequest(shared, wish.name);
  await retryConflicts(context, async () => {
    const { record, version } = await findRequest(shared, wish.name);
    refuseWithoutLease(record === null ? null : ownDataOf(record).lease, wish.name);
    if (record === null) return;
    if (record.state !== "requested" && record.state !== "pending") {
      const message = `${wish.name} is ${record.state}: it does not wait any more`;
      throw failedPrecondition("REQUEST_DOES_NOT_WAIT", message, { name: wish.name });
    }
    if (record.relativePriority === value) return;
    const revised = { ...record, relativePriority: value };
    await context.session.set(requestPath(id), encodeRequest(revised), version);
    await context.view.settled();
    context.logger.info("request revised", { request: id, from: record.relativePriority, to: value });
  });
  return { request: toRequest(shared, await findRequest(shared, wish.name)) };
}
