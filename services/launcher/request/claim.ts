// Takes a request: at once with ready nodes, or by recording the nodes that are to be launched for it.
import { newNode } from "../../../lib/model/node.ts";
import { nodeLockPath, requestLockPath, requestPath } from "../../../lib/model/paths.ts";
import { withRequestState } from "../../../lib/model/request.ts";
import { withSpan } from "../../../lib/telemetry/trace.ts";
import type { Action } from "../actions.ts";
import { type Environment, nowOf, transaction } from "../environment.ts";
import { amountsOf } from "../pool/quota.ts";
import { nameOf, type ServedPool } from "../pool/served.ts";
import type { Transaction } from "../transaction.ts";
import { addLink, prepareScopes } from "./chains.ts";
import { claimOf } from "./claims.ts";
import type { ReadableRequest } from "./decide.ts";
import { handOver, type ReadyNode } from "./hand_over.ts";
import { ownDataOf } from "./own_data.ts";
import { readableRequest, readyNode } from "./read.ts";

type ServeAction = Extract<Action, { kind: "serve" }>;

/** Gives a request ready nodes, launches the rest. Fails with a conflict when request or nodes have changed. */
export async function serve(environment: Environment, action: ServeAction): Promise<void> {
  // As they were decided on: what changes while the scopes are made is to be a conflict.
  const request = readableRequest(environment, action.request);
  const ready = readyNodes(environment, action.nodes);
  await renewScopes(environment, action.request);
  const { traceparent } = ownDataOf(request.record);
  const attributes = { "nodepool.request": request.id, "nodepool.pool": nameOf(action.pool) };
  await withSpan("request.claim", { parent: traceparent, attributes }, () => {
    const isWarm = ready.length === action.nodes.length;
    return isWarm
      ? assign(environment, request, ready, action.pool)
      : claim(environment, request, ready, action);
  });
}

const readyNodes = (environment: Environment, nodes: readonly (string | null)[]): ReadyNode[] =>
  nodes.flatMap((id) => (id === null ? [] : [readyNode(environment, id)]));

async function assign(
  environment: Environment,
  request: ReadableRequest,
  nodes: readonly ReadyNode[],
  pool: ServedPool,
): Promise<void> {
  const now = nowOf(environment);
  const steps = transaction(environment, "request.assign");
  steps.proveFree(requestLockPath(request.id), request.lock);
  handOver(steps, request, nodes, now, () => environment.context.newUuid().replaceAll("-", ""));
  addLinks(environment, request, steps);
  await steps.commit();
  recordFulfilled(environment, request, pool, nodes, true);
}

/** Says that a request has its nodes. */
export function recordFulfilled(
  environment: Environment,
  request: ReadableRequest,
  pool: ServedPool,
  nodes: readonly { readonly id: string }[],
  reused: boolean,
): void {
  const wait = Math.max(0, nowOf(environment) - request.createdAt);
  environment.metrics.fulfilled(wait, { provider: pool.provider.name, pool: pool.pool.name, reused });
  environment.context.logger.info("request fulfilled", {
    request: request.id,
    requestor: request.record.requestor,
    event: request.record.eventId,
    provider: pool.provider.name,
    pool: pool.pool.name,
    nodes: nodes.map((node) => node.id),
    wait,
    reused,
  });
}

async function claim(
  environment: Environment,
  request: ReadableRequest,
  ready: readonly ReadyNode[],
  action: ServeAction,
): Promise<void> {
  const { context, hand } = environment;
  const { pool } = action;
  const labels = request.record.nodeTypes.filter((_label, index) => action.nodes[index] === null);
  const now = nowOf(environment);
  const steps = transaction(environment, "request.claim");
  const lock = steps.take(context.locks, requestLockPath(request.id), request.lock, pool.id);
  allocate(steps, request, ready);
  recordNodes(steps, request, pool, labels, action.zone, now);
  // After its nodes: whoever releases it gives back the nodes that he sees, so he must not see it pending before them.
  steps.setRequest(request.id, withRequestState(request.record, "pending", now), request.version);
  addLinks(environment, request, steps);
  await steps.commit();
  hand.requests.set(request.id, { pool, lock: lock() });
  context.logger.info("request claimed", {
    request: request.id,
    provider: pool.provider.name,
    pool: pool.pool.name,
    launches: labels.length,
    reused: ready.length,
  });
}

/** Gives ready nodes to a request that waits for further ones. */
function allocate(steps: Transaction, { id, record }: ReadableRequest, nodes: readonly ReadyNode[]): void {
  const { tenantName, requestor } = record;
  for (const node of nodes) {
    steps.proveFree(nodeLockPath(node.id), node.lock);
    steps.setNode(node.id, { ...node.record, allocatedTo: id, tenantName, requestor }, node.version);
  }
}

/** Records the nodes to launch; each is locked when its launch begins. */
function recordNodes(
  steps: Transaction,
  request: ReadableRequest,
  pool: ServedPool,
  labels: readonly string[],
  zone: string | null,
  now: number,
): void {
  const attributes = Object.keys(pool.pool.nodeAttributes).length > 0 ? pool.pool.nodeAttributes : null;
  for (const label of labels) {
    const resources = amountsOf(pool.resourcesOf(label));
    const node = newNode(now, {
      provider: pool.provider.name,
      pool: pool.pool.name,
      type: [label],
      launcher: pool.id,
      allocatedTo: request.id,
      tenantName: request.record.tenantName,
      requestor: request.record.requestor,
      az: zone,
      resources,
      attributes,
    });
    steps.createNode(node);
  }
}

/** Gives a request in hand further nodes, ready or recorded to be launched, in place of those that were lost. */
export async function supplement(
  environment: Environment,
  action: Extract<Action, { kind: "supplement" }>,
): Promise<void> {
  const held = environment.hand.requests.get(action.request);
  if (held === undefined) return;
  const request = readableRequest(environment, action.request);
  const ready = readyNodes(environment, action.nodes);
  await renewScopes(environment, action.request);
  const labels = action.labels.filter((_label, index) => action.nodes[index] === null);
  const steps = transaction(environment, "request.supplement");
  steps.guard(held.lock);
  steps.check(requestPath(request.id), request.version);
  allocate(steps, request, ready);
  recordNodes(steps, request, action.pool, labels, action.zone, nowOf(environment));
  addLinks(environment, request, steps);
  await steps.commit();
}

/** Makes the scopes in which a claim takes room anew: a launcher whose configuration lacks them may have removed them. */
async function renewScopes(environment: Environment, request: string): Promise<void> {
  const { session, view } = environment.context;
  const scopes = (claimOf(environment, request)?.links ?? []).map(({ scope }) => scope);
  const gone = scopes.filter((scope) => view.claimMarks(scope).length === 0);
  if (gone.length > 0) await prepareScopes(session, gone);
}

function addLinks(environment: Environment, request: ReadableRequest, steps: Transaction): void {
  for (const link of claimOf(environment, request.id)?.links ?? []) addLink(steps, link);
}

/** Takes over a pending request that nobody works on; its nodes tell how far it is. */
export async function adopt(
  environment: Environment,
  action: Extract<Action, { kind: "adopt" }>,
): Promise<void> {
  const { context, hand } = environment;
  const request = readableRequest(environment, action.request);
  const steps = transaction(environment, "request.adopt");
  const lock = steps.take(context.locks, requestLockPath(request.id), request.lock, action.pool.id);
  steps.check(requestPath(request.id), request.version);
  await steps.commit();
  hand.requests.set(request.id, { pool: action.pool, lock: lock() });
  context.logger.info("request taken over", { request: request.id, pool: nameOf(action.pool) });
}
