import type { GetRequestRequest, GetRequestResponse } from "../../../lib/rpc/gen/nodepool/v1/request.ts";
import { nodesOf, toRequest } from "./request_message.ts";
import { findRequest, type Shared } from "./shared.ts";

/** One request with its nodes. */
export async function getRequest(shared: Shared, request: GetRequestRequest): Promise<GetRequestResponse> {
  const entry = await findRequest(shared, request.name);
  return { request: toRequest(shared, entry), nodes: nodesOf(shared, entry) };
}
