import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { DeleteNodeRequest, DeleteNodeResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { forceDelete } from "../node/force_delete.ts";
import { retryConflicts } from "../retry.ts";
import { toNode } from "./node_message.ts";
import { findNode, type Shared } from "./shared.ts";

/** Sends a node to its deletion whatever its state; who used it loses its lock in the same transaction. */
export async function deleteNode(shared: Shared, request: DeleteNodeRequest): Promise<DeleteNodeResponse> {
  const { environment } = shared;
  return await retryConflicts(environment.context, async () => {
    const entry = await findNode(shared, request.name);
    const { id } = entry;
    const record = await forceDelete(environment, entry, { evenWhenLocked: true });
    if (record === null) {
      const message = `node ${id} has a document that cannot be read: ${entry.problem ?? ""}`;
      throw failedPrecondition("NODE_CANNOT_BE_DELETED", message, { name: request.name });
    }
    environment.context.logger.info("deletion of node asked for", { node: id, state: entry.record?.state });
    await environment.context.view.settled();
    // Its lock is not what it was: whoever had it has lost it, and its launcher may have it by now.
    const lock = environment.context.view.node(id)?.lock ?? { ...entry.lock, contenders: [] };
    return { node: toNode({ ...entry, record, lock }) };
  });
}
