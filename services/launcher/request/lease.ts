// Requests of clients that have no ZooKeeper session: made, renewed and released through us. The request's znode
// lives as long as the lease, and holds it; any launcher renews or ends it.
import { nodeLockPath, nodePath, REQUESTS, requestLockPath, requestPath } from "../../../lib/model/paths.ts";
import { encodeRequest, newRequest, type RequestRecord } from "../../../lib/model/request.ts";
import { withDeadline } from "../../../lib/std/deadline.ts";
import { settle } from "../../../lib/zookeeper/settle.ts";
import { isUncertain } from "../../../lib/zookeeper/types.ts";
import type { RequestEntry } from "../../../lib/zookeeper/view.ts";
import { driverOf, type Environment, nowOf, transaction } from "../environment.ts";
import { commitDeletions, type PreparedDeletion, prepareDelete } from "../node/delete.ts";
import { returned } from "../node/return.ts";
import { freshly, retryConflicts } from "../retry.ts";
import type { Transaction } from "../transaction.ts";
import { giveBack } from "./fulfil.ts";
import {
  encodeOwnData,
  holdWishOf,
  leaseEnd,
  nodeLeaseOf,
  ownDataOf,
  withLease,
  withSuspicionOf,
} from "./own_data.ts";
import { isRequestGone, readableNode, readableRequest } from "./read.ts";

/** How long it is waited for a connection to look whether a request was made, in milliseconds. */
const PATIENCE_MS = 5000;

/** What a client asks for. */
export interface LeasedRequest {
  readonly labels: readonly string[];
  readonly requestor: string;
  /** 0 to 999; lower is served first. */
  readonly priority: number;
  readonly relativePriority: number;
  readonly provider: string | null;
  readonly tenant: string | null;
  readonly reuse: boolean;
  readonly eventId: string;
  /** The caller's id of this call: repeated, it finds the same request. */
  readonly requestId: string;
  /** Seconds. */
  readonly duration: number;
  readonly traceparent: string | null;
}

/** The first request that was made with this caller's id, or undefined. */
export function findByRequestId(environment: Environment, requestId: string): RequestEntry | undefined {
  const id = environment.requestIds.find(requestId);
  return id === undefined ? undefined : environment.context.view.request(id);
}

/**
 * Stores a request and returns its id, or that of the one that another launcher has stored before for the same caller's
 * id. When the answer is lost, the request is looked for before it is made again.
 */
export async function createLeasedRequest(environment: Environment, wish: LeasedRequest): Promise<string> {
  const { view } = environment.context;
  const now = nowOf(environment);
  const { duration, requestId, traceparent } = wish;
  const record = newRequest(now, {
    nodeTypes: wish.labels,
    reuse: wish.reuse,
    requestor: wish.requestor,
    relativePriority: wish.relativePriority,
    provider: wish.provider,
    tenantName: wish.tenant,
    eventId: wish.eventId,
    requestorData: encodeOwnData({ traceparent, requestId, lease: { duration, expires: now + duration } }),
  });
  const steps = transaction(environment, "request.create");
  const path = steps.createRequest(wish.priority, record);
  try {
    await steps.commit();
    const id = path().slice(REQUESTS.length + 1);
    // Whatever was written before is shown by then. Whoever is second takes its own back, so the first one stays.
    await view.settled();
    const first = findByRequestId(environment, requestId)?.id ?? id;
    if (first !== id) await releaseRequest(environment, id);
    return first;
  } catch (error) {
    if (!isUncertain(error)) throw error;
    const { clock } = environment.context;
    // As long as nobody knows whether it was made, the caller is to ask again.
    await withDeadline(clock, PATIENCE_MS, "no connection", [], (signal) => view.ready(signal)).catch(() => {
      throw error;
    });
    const made = await freshly(environment.context, REQUESTS, () => findByRequestId(environment, requestId));
    if (made === undefined) throw error;
    return made.id;
  }
}

/** Extends a lease from now on; returns the request, or null when it is gone or holds no lease. */
export async function renewLease(
  environment: Environment,
  id: string,
  duration?: number,
): Promise<RequestRecord | null> {
  const { context } = environment;
  return await retryConflicts(context, async () => {
    const entry = await freshly(context, requestPath(id), () => context.view.request(id));
    const lease = entry?.record ? ownDataOf(entry.record).lease : null;
    if (!entry?.record || lease === null) return null;
    const lasts = duration ?? lease.duration;
    const renewed = withLease(entry.record, { duration: lasts, expires: nowOf(environment) + lasts });
    await context.session.set(requestPath(id), encodeRequest(renewed), entry.version);
    await context.view.settled();
    return renewed;
  });
}

/**
 * Ends a lease: its nodes are returned and the request goes, in one transaction. No error when it is gone.
 *
 * @param fault what the user holds against the nodes' machines; null: nothing
 */
export async function releaseRequest(
  environment: Environment,
  id: string,
  fault: string | null = null,
): Promise<void> {
  const { context } = environment;
  await retryConflicts(context, async () => {
    await freshly(context, requestPath(id), () => context.view.request(id));
    await untilShown(environment, id);
    await release(environment, id, fault);
    await context.view.settled();
  });
}

/** As {@link releaseRequest}, of what the view shows. @throws when that is not what there is */
async function release(environment: Environment, id: string, fault: string | null): Promise<void> {
  const { context } = environment;
  const entry = context.view.request(id);
  if (entry === undefined) return;
  const steps = transaction(environment, "request.release");
  const nodes = entry.record?.nodes ?? [];
  const deletions = nodes.flatMap((node) => returnNode(environment, steps, node, id, fault) ?? []);
  for (const node of environment.nodesOf(id)) {
    const isUnused = node.record.state === "ready" && node.lock.contenders.length === 0;
    if (isUnused) giveBack(steps, node, nowOf(environment));
  }
  steps.delete(requestPath(id), entry.version);
  if (entry.lock.exists && entry.lock.contenders.length === 0) steps.delete(requestLockPath(id));
  await commitDeletions(environment, steps, deletions);
  context.logger.info("request released", { request: id, nodes });
}

/**
 * Waits until all that was written with the versions of a request and of its nodes is shown: a node that is stored
 * ready is written with its request, and a lease's contender with its node.
 */
async function untilShown({ context, nodesOf }: Environment, id: string): Promise<void> {
  const { view } = context;
  await settle(view, () => {
    const nodes = [...(view.request(id)?.record?.nodes ?? []), ...nodesOf(id).map((node) => node.id)];
    return [requestPath(id), ...nodes.map(nodePath)];
  });
}

/** Adds to a transaction that a node's lease ends and what becomes of it. One of a provider of ours goes at once. */
function returnNode(
  environment: Environment,
  steps: Transaction,
  id: string,
  request: string,
  fault: string | null,
): PreparedDeletion | undefined {
  const node = environment.context.view.node(id);
  const lease = node?.record ? nodeLeaseOf(node.record) : null;
  if (node?.record?.state !== "in-use" || lease?.request !== request) return undefined;
  const wish = holdWishOf(node.record) ?? environment.hand.holdWishes.get(id) ?? null;
  const plain = returned(node.record, wish, nowOf(environment));
  const record = fault === null ? plain : withSuspicionOf(plain, fault);
  const own = node.lock.contenders.filter((name) => name.startsWith(lease.contender));
  const isOurs = driverOf(environment, record.provider) !== undefined;
  if (record.state === "used" && isOurs && own.length === node.lock.contenders.length) {
    return prepareDelete(environment, steps, { ...node, record }, "was returned", own);
  }
  steps.setNode(id, record, node.version);
  for (const name of own) steps.delete(`${nodeLockPath(id)}/${name}`);
  return undefined;
}

/** A lease has run out. One that was renewed meanwhile, here or elsewhere, goes on. */
export async function endLease(environment: Environment, request: string): Promise<void> {
  await untilShown(environment, request);
  const { record } = readableRequest(environment, request);
  const { lease } = ownDataOf(record);
  if (lease === null || nowOf(environment) < leaseEnd(request, lease, environment.hand)) return;
  environment.context.logger.warn("lease ran out: its nodes are returned", {
    request,
    requestor: record.requestor,
    nodes: record.nodes,
  });
  await release(environment, request, null);
}

/** Returns a leased node whose request is gone. */
export async function returnOrphan(environment: Environment, id: string): Promise<void> {
  const node = readableNode(environment, id);
  const lease = nodeLeaseOf(node.record);
  if (lease === null || !(await isRequestGone(environment, lease.request, id))) return;
  const steps = transaction(environment, "node.return");
  const deletion = returnNode(environment, steps, id, lease.request, null);
  if (!steps.isEmpty) await commitDeletions(environment, steps, deletion === undefined ? [] : [deletion]);
}
