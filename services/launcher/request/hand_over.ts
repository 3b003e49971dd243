// Writes that a request has its nodes: the node documents, their locks and the request, in one transaction.
import type { NodeRecord } from "../../../lib/model/node.ts";
import { withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath, nodePath, requestPath } from "../../../lib/model/paths.ts";
import { withRequestState } from "../../../lib/model/request.ts";
import { utf8 } from "../../../lib/std/utf8.ts";
import type { HeldLock } from "../../../lib/zookeeper/types.ts";
import type { LockView } from "../../../lib/zookeeper/view.ts";
import type { Transaction } from "../transaction.ts";
import type { ReadableRequest } from "./decide.ts";
import { encodeNodeLease, type OwnRequestData, ownDataOf } from "./own_data.ts";

/** A node to hand over: launched just now and locked by us, or ready and unlocked. */
export interface ReadyNode {
  readonly id: string;
  readonly record: NodeRecord;
  readonly version: number;
  readonly held: HeldLock | null;
  readonly lock: LockView;
}

/**
 * Adds the steps that fulfil a request with these nodes, in the order of its labels.
 *
 * Zuul's nodes end ready, allocated and unlocked: it locks them itself. A gRPC requester has no session, so its nodes
 * end in use and locked by a contender that lasts as long as the lease. A min-ready request of ours is done with: its
 * node is free, and the request goes.
 *
 * @param newToken makes 32 hex digits for the name of a lease's contender
 */
export function handOver(
  transaction: Transaction,
  request: ReadableRequest,
  nodes: readonly ReadyNode[],
  now: number,
  newToken: () => string,
): void {
  const own = ownDataOf(request.record);
  for (const node of nodes) handOverNode(transaction, request, own, node, now, newToken);
  const path = requestPath(request.id);
  if (own.minReady) transaction.delete(path, request.version);
  else {
    const fulfilled = withRequestState(request.record, "fulfilled", now);
    const record = { ...fulfilled, nodes: nodes.map((node) => node.id) };
    transaction.setRequest(request.id, record, request.version);
  }
}

function handOverNode(
  transaction: Transaction,
  request: ReadableRequest,
  own: OwnRequestData,
  node: ReadyNode,
  now: number,
  newToken: () => string,
): void {
  const [path, root] = [nodePath(node.id), nodeLockPath(node.id)];
  const allocated: NodeRecord = {
    ...node.record,
    allocatedTo: own.minReady ? null : request.id,
    tenantName: request.record.tenantName,
    requestor: request.record.requestor,
  };
  if (own.lease !== null) {
    const contender = newToken();
    const owner = { lease: request.id, owner: request.record.requestor };
    if (node.held === null) transaction.renewLine(root, node.lock);
    transaction.enterLease(root, contender, utf8(JSON.stringify(owner)));
    const userData = encodeNodeLease({ request: request.id, contender });
    const inUse = { ...withNodeState(allocated, "in-use", now), userData };
    transaction.setNode(node.id, inUse, node.version);
    if (node.held !== null) transaction.release(node.held);
    return;
  }
  if (node.held !== null) {
    transaction.setNode(node.id, withNodeState(allocated, "ready", now), node.version);
    transaction.release(node.held);
    return;
  }
  transaction.proveFree(root, node.lock);
  if (node.record.allocatedTo === allocated.allocatedTo) transaction.check(path, node.version);
  else transaction.setNode(node.id, allocated, node.version);
}
