// Writes the outcome of a launch for which no request waits, and stops launches that nobody wants any more.
import { withNodeState } from "../../../lib/model/node.ts";
import { nodeLockPath } from "../../../lib/model/paths.ts";
import type { Action } from "../actions.ts";
import { type Environment, nowOf, transaction } from "../environment.ts";
import { holdWishOf } from "../request/own_data.ts";
import { readableNode, readableRequest } from "../request/read.ts";
import { isInHand } from "./decide.ts";
import { held } from "./return.ts";

/**
 * Stores a launched node as ready, or as failed or aborted, and gives its lock back. It stays allocated only to a
 * request that we still serve. A request with a lease is written too: whoever releases it gives back the nodes that he
 * sees, so he must not release what he saw before this one was ready.
 */
export async function storeLaunch(
  environment: Environment,
  action: Extract<Action, { kind: "store" }>,
): Promise<void> {
  const { hand } = environment;
  const launch = hand.launches.get(action.node);
  if (launch === undefined || launch.status === "launching") return;
  const allocatedTo = isInHand(hand, launch) && launch.status === "ready" ? launch.request : null;
  // A node that belongs to nobody counts against no tenant.
  const tenantName = allocatedTo === null ? null : launch.record.tenantName;
  const stored = { ...launch.record, allocatedTo, tenantName };
  const record = withNodeState(stored, launch.status, nowOf(environment));
  const steps = transaction(environment, "node.store");
  steps.setNode(launch.node, record, launch.version);
  steps.release(launch.lock);
  if (launch.leased && allocatedTo !== null) {
    const request = readableRequest(environment, allocatedTo);
    steps.setRequest(request.id, request.record, request.version);
  }
  await steps.commit();
  await environment.context.view.settled();
  hand.launches.delete(launch.node);
}

/** Stops a launch and lets the node go to its deletion, unless somebody has decided on that already. */
export async function abandonLaunch(
  environment: Environment,
  action: Extract<Action, { kind: "abandon" }>,
): Promise<void> {
  const { context, hand } = environment;
  const launch = hand.launches.get(action.node);
  if (launch === undefined) return;
  context.logger.info("launch abandoned", { node: launch.node, reason: action.reason });
  launch.controller.abort(new Error(action.reason));
  hand.launches.delete(launch.node);
  if (context.view.node(launch.node)?.record?.state !== "building") {
    await launch.lock.release();
    return;
  }
  const record = withNodeState({ ...launch.record, allocatedTo: null }, "deleting", nowOf(environment));
  const steps = transaction(environment, "node.abandon");
  steps.setNode(launch.node, record, launch.version);
  steps.release(launch.lock);
  try {
    await steps.commit();
  } catch (error) {
    await launch.lock.release();
    throw error;
  }
}

/** Holds a node that was returned. */
export async function holdReturned(
  environment: Environment,
  action: Extract<Action, { kind: "hold" }>,
): Promise<void> {
  const { context, hand } = environment;
  const node = readableNode(environment, action.node);
  const wish = holdWishOf(node.record) ?? hand.holdWishes.get(node.id);
  if (wish === undefined) return;
  const steps = transaction(environment, "node.hold");
  steps.proveFree(nodeLockPath(node.id), node.lock);
  steps.setNode(node.id, held(node.record, wish, nowOf(environment)), node.version);
  await steps.commit();
  context.logger.info("node held", { node: node.id, reason: wish.reason });
}
