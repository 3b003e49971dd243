import type { NodeRecord } from "../../../lib/model/node.ts";
import { withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath } from "../../../lib/model/paths.ts";
import { failedPrecondition } from "../../../lib/rpc/errors.ts";
import type { ReleaseNodeRequest, ReleaseNodeResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import { nowOf, transaction } from "../environment.ts";
import { holdWishOf, withoutHold } from "../request/own_data.ts";
import { retryConflicts } from "../retry.ts";
import { toNode } from "./node_message.ts";
import { findNode, type Shared } from "./shared.ts";

/** States of a node that has been let go of already. */
const LEAVING: ReadonlySet<string> = new Set(["used", "deleting", "deleted"]);

/** Ends a hold, or the wish for one. */
export async function releaseNode(shared: Shared, request: ReleaseNodeRequest): Promise<ReleaseNodeResponse> {
  const { context } = shared.environment;
  return await retryConflicts(context, async () => {
    const entry = await findNode(shared, request.name);
    const record = await release(shared, entry);
    await context.view.settled();
    return { node: toNode({ ...entry, record }) };
  });
}

async function release({ environment }: Shared, entry: NodeEntry): Promise<NodeRecord> {
  const { id, record, lock, version } = entry;
  const { hand, context } = environment;
  const refuse = (message: string) =>
    failedPrecondition("NODE_IS_NOT_HELD", `node ${id} ${message}`, { name: `nodes/${id}` });
  if (record === null) throw refuse("has a document that cannot be read");
  if (LEAVING.has(record.state)) return record;
  const steps = transaction(environment, "node.release");
  const isWished = holdWishOf(record) !== null || hand.holdWishes.has(id);
  if (record.state === "in-use" && isWished) {
    const plain = withoutHold(record);
    steps.setNode(id, plain, version);
    await steps.commit();
    hand.holdWishes.delete(id);
    context.logger.info("the node is not held when it is returned", { node: id });
    return plain;
  }
  if (record.state !== "hold") throw refuse(`is ${record.state}, and nobody holds it`);
  if (lock.contenders.length > 0) throw refuse("is locked by somebody who works on it");
  steps.proveFree(nodeLockPath(id), lock);
  const used = withNodeState(record, "used", nowOf(environment));
  steps.setNode(id, used, version);
  await steps.commit();
  context.logger.info("hold ended", { node: id });
  return used;
}
