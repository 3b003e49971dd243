import type { GetNodeRequest, GetNodeResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { toNode } from "./node_message.ts";
import { findNode, type Shared } from "./shared.ts";

/** One node. */
export async function getNode(shared: Shared, request: GetNodeRequest): Promise<GetNodeResponse> {
  return { node: toNode(await findNode(shared, request.name)) };
}
