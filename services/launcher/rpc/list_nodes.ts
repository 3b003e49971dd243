import type { ListNodesRequest, ListNodesResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { paginate } from "../../../lib/rpc/page.ts";
import { nodeFilter } from "./node_filter.ts";
import { toNode } from "./node_message.ts";
import { currentView, type Shared } from "./shared.ts";

/** Nodes in the order of their ids, a page at a time. */
export async function listNodes(shared: Shared, request: ListNodesRequest): Promise<ListNodesResponse> {
  const fits = nodeFilter(request.filter);
  const nodes = [...currentView(shared).nodes()].filter(fits);
  const { page, nextPageToken } = paginate("nodes", nodes, (entry) => entry.id, toNode, request);
  return { nodes: page, nextPageToken };
}
