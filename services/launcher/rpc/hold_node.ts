import type { NodeRecord } from "../../../lib/model/node.ts";
import { nodeLockPath } from "../../../lib/model/paths.ts";
import { failedPrecondition, invalidArgument } from "../../../lib/rpc/errors.ts";
import type { HoldNodeRequest, HoldNodeResponse } from "../../../lib/rpc/gen/nodepool/v1/node.ts";
import { keptText } from "../../../lib/rpc/text.ts";
import type { NodeEntry } from "../../../lib/zookeeper/view.ts";
import type { HoldWish } from "../actions.ts";
import { nowOf, transaction } from "../environment.ts";
import { held } from "../node/return.ts";
import { withHoldWish } from "../request/own_data.ts";
import { retryConflicts } from "../retry.ts";
import { toNode } from "./node_message.ts";
import { findNode, type Shared } from "./shared.ts";

/** Keeps a node: a ready one at once, one in use as soon as it is returned. */
export async function holdNode(shared: Shared, request: HoldNodeRequest): Promise<HoldNodeResponse> {
  const expireSeconds = Number(request.expireSeconds);
  if (expireSeconds < 0) throw invalidArgument("expire_seconds", `${expireSeconds} is negative`);
  const wish: HoldWish = { reason: keptText("reason", request.reason), expireSeconds };
  const { environment } = shared;
  return await retryConflicts(environment.context, async () => {
    const entry = await findNode(shared, request.name);
    const record = await hold(shared, entry, wish);
    await environment.context.view.settled();
    return { node: toNode({ ...entry, record }) };
  });
}

async function hold(shared: Shared, entry: NodeEntry, wish: HoldWish): Promise<NodeRecord> {
  const { environment } = shared;
  const { id, record, lock, version } = entry;
  const refuse = (message: string) =>
    failedPrecondition("NODE_CANNOT_BE_HELD", `node ${id} ${message}`, { name: `nodes/${id}` });
  if (record === null) throw refuse("has a document that cannot be read");
  const steps = transaction(environment, "node.hold");
  if (record.state === "in-use") {
    // Its user holds the lock, so this is a wish; whoever returns the node finds it.
    const wished = withHoldWish(record, wish);
    steps.setNode(id, wished, version);
    await steps.commit();
    environment.hand.holdWishes.set(id, wish);
    return wished;
  }
  if (record.state !== "ready" && record.state !== "hold") throw refuse(`is ${record.state}`);
  const { allocatedTo } = record;
  if (allocatedTo !== null && environment.context.view.request(allocatedTo) !== undefined) {
    throw refuse(`was just given to request ${allocatedTo}: hold it when it is in use`);
  }
  if (lock.contenders.length > 0) throw refuse("is locked by somebody who works on it");
  steps.proveFree(nodeLockPath(id), lock);
  const kept = held(record, wish, nowOf(environment));
  steps.setNode(id, kept, version);
  await steps.commit();
  return kept;
}
