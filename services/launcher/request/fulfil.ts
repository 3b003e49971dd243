// Ends the work on a request: fulfilled, declined, given up, put back, or let go.
import { type NodeRecord, withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath, requestLockPath } from "../../../lib/model/paths.ts";
import { withRequestState } from "../../../lib/model/request.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import { isZooKeeperError } from "../../../lib/zookeeper/types.ts";
import type { Action } from "../actions.ts";
import { type Environment, nowOf, transaction } from "../environment.ts";
import type { ReadableNode } from "../pool/census.ts";
import type { Transaction } from "../transaction.ts";
import { recordFulfilled } from "./claim.ts";
import { handOver } from "./hand_over.ts";
import { ownDataOf, withFailure } from "./own_data.ts";
import type { ReadableRequest } from "./queue.ts";
import { isRequestGone, readableNode, readableRequest, readyNode } from "./read.ts";

type ActionOf<Kind extends Action["kind"]> = Extract<Action, { kind: Kind }>;

/** Hands the nodes of a request in hand over and gives every lock back, in one transaction. */
export async function fulfil(environment: Environment, action: ActionOf<"fulfil">): Promise<void> {
  const { context, hand } = environment;
  const held = hand.requests.get(action.request);
  if (held === undefined) return;
  const request = readableRequest(environment, action.request);
  const own = ownDataOf(request.record);
  const attributes = { "nodepool.request": request.id, "nodepool.nodes": [...action.nodes] };
  await withSpan("request.fulfil", { parent: own.traceparent, attributes }, async () => {
    const nodes = action.nodes.map((id) => readyNode(environment, id));
    const steps = transaction(environment, "request.fulfil");
    handOver(steps, request, nodes, nowOf(environment), () => context.newUuid().replaceAll("-", ""));
    steps.release(held.lock);
    if (own.minReady) steps.delete(requestLockPath(request.id));
    await steps.commit();
    hand.requests.delete(request.id);
    for (const { id } of nodes) hand.launches.delete(id);
    recordFulfilled(environment, request, held.pool, nodes, false);
  });
}

/** Writes that pools of ours cannot serve a request. */
export async function decline(environment: Environment, action: ActionOf<"decline">): Promise<void> {
  const request = readableRequest(environment, action.request);
  const steps = transaction(environment, "request.decline");
  steps.proveFree(requestLockPath(request.id), request.lock);
  setDeclined(environment, steps, request, action.pools, action);
  await steps.commit();
  recordDeclined(environment, request, action);
}

/** How a request is declined: with `failed`, nobody can serve it. */
type Decline = { readonly failed: boolean; readonly reason: string };

function setDeclined(
  environment: Environment,
  steps: Transaction,
  request: ReadableRequest,
  pools: readonly string[],
  { failed, reason }: Decline,
): void {
  const state = failed ? "failed" : "requested";
  const changed = withRequestState(request.record, state, nowOf(environment));
  const declinedBy = [...new Set([...changed.declinedBy, ...pools])];
  const record = withFailure({ ...changed, declinedBy }, reason);
  steps.setRequest(request.id, record, request.version);
}

/** Says that a request was declined. */
function recordDeclined(
  { context, metrics }: Environment,
  { id, record: { requestor, eventId: event } }: ReadableRequest,
  { failed, reason }: Decline,
): void {
  metrics.declined({ failed });
  const message = failed ? "request failed" : "request declined";
  context.logger.warn(message, { request: id, requestor, event, reason });
}

/**
 * A launch has failed for good: the node goes, and the request is declined. Its siblings are freed, for Zuul may ask
 * again; those of a lease go too.
 */
export async function giveUp(environment: Environment, action: ActionOf<"give-up">): Promise<void> {
  const { context, hand } = environment;
  const held = hand.requests.get(action.request);
  const launch = action.node === null ? undefined : hand.launches.get(action.node);
  if (held === undefined || (action.node !== null && launch === undefined)) return;
  const request = readableRequest(environment, action.request);
  const now = nowOf(environment);
  const steps = transaction(environment, "request.give_up");
  if (launch !== undefined) {
    steps.setNode(launch.node, withNodeState(launch.record, "failed", now), launch.version);
    steps.release(launch.lock);
  }
  for (const node of environment.nodesOf(request.id)) {
    if (node.record.state !== "ready" || node.lock.contenders.length > 0) continue;
    if (ownDataOf(request.record).lease === null) free(steps, node);
    else giveBack(steps, node, now);
  }
  setDeclined(environment, steps, request, [held.pool.id], action);
  steps.release(held.lock);
  await steps.commit();
  recordDeclined(environment, request, action);
  if (launch !== undefined) hand.launches.delete(launch.node);
  hand.requests.delete(request.id);
  await context.view.settled();
}

function free(steps: Transaction, node: ReadableNode): void {
  steps.proveFree(nodeLockPath(node.id), node.lock);
  steps.setNode(node.id, { ...node.record, allocatedTo: null, tenantName: null }, node.version);
}

/** Lets a node go that was launched for a lease and never given to it. `now` is in seconds. */
export function giveBack(steps: Transaction, node: ReadableNode, now: number): void {
  steps.proveFree(nodeLockPath(node.id), node.lock);
  steps.setNode(node.id, withNodeState({ ...node.record, allocatedTo: null }, "used", now), node.version);
}

/** Takes a ready node from a request that is gone. */
export async function freeNode(environment: Environment, action: ActionOf<"free">): Promise<void> {
  const request = readableNode(environment, action.node).record.allocatedTo;
  if (request === null || !(await isRequestGone(environment, request, action.node))) return;
  const node = readableNode(environment, action.node);
  if (node.record.allocatedTo !== request || node.record.state !== "ready") return;
  const steps = transaction(environment, "node.free");
  free(steps, node);
  await steps.commit();
}

/** Puts a pending request whose launcher is gone back into the queue; what was never launched goes. */
export async function reset(environment: Environment, action: ActionOf<"reset">): Promise<void> {
  const request = readableRequest(environment, action.request);
  const now = nowOf(environment);
  const steps = transaction(environment, "request.reset");
  steps.proveFree(requestLockPath(request.id), request.lock);
  for (const node of environment.nodesOf(request.id)) {
    if (node.lock.contenders.length > 0) continue;
    const freed: NodeRecord = { ...node.record, allocatedTo: null, tenantName: null };
    steps.proveFree(nodeLockPath(node.id), node.lock);
    const record = freed.state === "init" ? withNodeState(freed, "deleting", now) : freed;
    steps.setNode(node.id, record, node.version);
  }
  const requested = { ...withRequestState(request.record, "requested", now), nodes: [] };
  steps.setRequest(request.id, requested, request.version);
  await steps.commit();
  environment.context.logger.warn("request put back: its launcher is gone", { request: request.id });
}

/** Lets go of a request in hand; when it is gone, its lock root goes too. */
export async function drop(environment: Environment, action: ActionOf<"drop">): Promise<void> {
  const { context, hand } = environment;
  const held = hand.requests.get(action.request);
  if (held === undefined) return;
  hand.requests.delete(action.request);
  if (context.view.request(action.request) === undefined) {
    const steps = transaction(environment, "request.drop");
    steps.release(held.lock);
    steps.delete(requestLockPath(action.request));
    try {
      await steps.commit();
      return;
    } catch (error) {
      // Somebody stands in its line, or the answer was lost: our place in it has to go in any case.
      if (!isZooKeeperError(error)) throw error;
    }
  }
  await held.lock.release();
}
