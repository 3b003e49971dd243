// Makes and ends the requests that keep min-ready nodes.
import { nodeLockPath, requestLockPath, requestPath } from "../../../lib/model/paths.ts";
import { MIN_READY_REQUESTOR, newRequest } from "../../../lib/model/request.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import type { Action } from "../actions.ts";
import { type Environment, nowOf, transaction } from "../environment.ts";
import type { Later } from "../transaction.ts";
import { encodeOwnData, failureOf } from "./own_data.ts";
import { readableRequest } from "./read.ts";

/** Nodepool's priority of min-ready requests. */
const PRIORITY = 900;

// One transaction holds this many requests at most; what is left follows with the next decision.
const BATCH = 100;

/** Asks for nodes of a label, each by a request that goes with our session. */
export async function askMinReady(
  environment: Environment,
  action: Extract<Action, { kind: "ask-min-ready" }>,
): Promise<void> {
  const { view } = environment.context;
  const steps = transaction(environment, "min_ready.ask");
  const paths: Later<string>[] = [];
  const now = nowOf(environment);
  for (let index = 0; index < Math.min(action.count, BATCH); index += 1) {
    const request = newRequest(now, {
      nodeTypes: [action.label],
      reuse: false,
      requestor: MIN_READY_REQUESTOR,
      requestorData: encodeOwnData({ minReady: true }),
      eventId: environment.context.newUuid().replaceAll("-", ""),
    });
    paths.push(steps.createRequest(PRIORITY, request, { ephemeral: true }));
  }
  await steps.commit();
  // One that was served at once may be gone before it is seen: then its node has to be seen before more is asked for.
  await view.settled();
  await settle(view, () => paths.map((path) => path()));
  environment.context.logger.info("asked for ready nodes", { label: action.label, count: action.count });
}

/** Frees the nodes of a min-ready request that another launcher has ended, and removes it; or one that still waits. */
export async function settleMinReady(
  environment: Environment,
  action: Extract<Action, { kind: "settle-min-ready" }>,
): Promise<void> {
  const { view } = environment.context;
  const request = readableRequest(environment, action.request);
  // Before it is gone: who sees that asks for the next.
  if (request.record.state === "failed") {
    environment.hand.setBack(action.label, failureOf(request.record) ?? "its request failed");
  }
  const steps = transaction(environment, "min_ready.settle");
  for (const id of request.record.nodes) {
    const node = view.node(id);
    const isOurs = node?.record?.state === "ready" && node.record.allocatedTo === request.id;
    if (!isOurs || node.lock.contenders.length > 0) continue;
    steps.proveFree(nodeLockPath(id), node.lock);
    steps.setNode(id, { ...node.record, allocatedTo: null }, node.version);
  }
  steps.delete(requestPath(request.id), request.version);
  if (request.lock.exists) steps.delete(requestLockPath(request.id));
  await steps.commit();
}
