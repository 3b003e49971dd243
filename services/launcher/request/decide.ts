// Decides about requests that nobody serves yet: which pool takes which, in Nodepool's order. Pure.
import { compareRequests, MIN_READY_REQUESTOR, type RequestRecord } from "../../../lib/model/request.ts";
import type { PoolEntry, RequestEntry } from "../../../lib/zookeeper/view.ts";
import { type Draft, keys, type World } from "../actions.ts";
import type { Census } from "../pool/census.ts";
import { type Fit, fitOf } from "../pool/fit.ts";
import { nameOf, poolKey, type ServedPool } from "../pool/served.ts";
import { decideHeld, decideLost } from "./decide_pending.ts";
import { failureOf, type Lease, ownDataOf } from "./own_data.ts";

/** After this many seconds of waiting for room, a request gets the next room that becomes free in its pool. */
export const AGING_SECONDS = 60;

/** A request whose document can be read. */
export type ReadableRequest = RequestEntry & { readonly record: RequestRecord };

/** Decides about every request, in the order of the queue. */
export function decideRequests(world: World, census: Census, draft: Draft): void {
  const readable: ReadableRequest[] = [];
  for (const entry of world.tree.requests()) {
    if (entry.record !== null) readable.push({ ...entry, record: entry.record });
    else draft.reasons.set(entry.id, entry.problem ?? "its document cannot be read");
  }
  readable.sort(compareRequests);
  const aged = new Map<string, string>();
  for (const entry of readable) decideRequest(world, census, draft, entry, aged);
  for (const request of world.hand.requests.keys()) {
    const isGone = world.tree.request(request) === undefined;
    if (isGone && !world.hand.isBusy(keys.request(request))) draft.actions.push({ kind: "drop", request });
  }
}

function decideRequest(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  aged: Map<string, string>,
): void {
  const { id, record } = entry;
  if (world.hand.isBusy(keys.request(id))) return;
  const { lease, minReady } = ownDataOf(record);
  if (lease !== null && leaseRanOut(world, draft, lease)) {
    draft.actions.push({ kind: "end-lease", request: id });
    return;
  }
  const failure = failureOf(record);
  if (failure !== null) draft.reasons.set(id, failure);
  const held = world.hand.requests.get(id);
  switch (record.state) {
    case "requested":
      if (held !== undefined) draft.actions.push({ kind: "drop", request: id });
      else if (entry.lock.contenders.length === 0) decideRequested(world, census, draft, entry, aged);
      return;
    case "pending":
      if (held !== undefined) decideHeld(world, census, draft, entry, held.pool);
      else if (entry.lock.contenders.length === 0) decideLost(world, census, draft, entry);
      return;
    default:
      if (held !== undefined) draft.actions.push({ kind: "drop", request: id });
      else if (minReady && entry.lock.contenders.length === 0) {
        draft.actions.push({ kind: "settle-min-ready", request: id, label: record.nodeTypes[0] ?? "" });
      }
  }
}

// After an outage of ours or of ZooKeeper's, the holder first gets time to renew.
function leaseRanOut(world: World, draft: Draft, lease: Lease): boolean {
  const end = Math.max(lease.expires, world.hand.currentSince + lease.duration / 2);
  if (world.now >= end) return true;
  draft.wake(end);
  return false;
}

function decideRequested(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  aged: Map<string, string>,
): void {
  const { id, record } = entry;
  const registered = [...world.tree.pools()].filter((pool) => pool.record !== null);
  const able = registered.filter((pool) => offersAll(pool, record.nodeTypes));
  if (able.length === 0) {
    const reason = nobodyOffers(registered, record.nodeTypes);
    draft.actions.push({ kind: "decline", request: id, pools: [], failed: true, reason });
    return;
  }
  const candidates = able.filter((pool) => !record.declinedBy.includes(pool.record?.id ?? ""));
  const ours = world.pools.filter((pool) => candidates.some((other) => other.record?.id === pool.id));
  const wait = ours.length === 0 ? waitsForOthers(candidates) : yieldsTo(candidates, ours, record);
  if (candidates.length > 0 && wait !== null) {
    draft.reasons.set(id, wait);
    return;
  }
  const preferred = record.provider;
  const eligible = ours.filter(
    (pool) =>
      preferred === null ||
      pool.provider.name === preferred ||
      !ours.some((other) => other.provider.name === preferred),
  );
  const fits = eligible.map((pool) =>
    fitOf(world, census, pool, record, behindOf(aged, pool, record, census)),
  );
  choose(world, census, draft, entry, candidates, fits, aged);
}

function behindOf(
  aged: ReadonlyMap<string, string>,
  pool: ServedPool,
  record: RequestRecord,
  census: Census,
): string | null {
  const allReady =
    record.reuse &&
    record.nodeTypes.every((label) => census.freeIn(pool).some((node) => node.record.type.includes(label)));
  return allReady ? null : (aged.get(nameOf(pool)) ?? null);
}

function choose(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  candidates: readonly PoolEntry[],
  fits: readonly Fit[],
  aged: Map<string, string>,
): void {
  const { id, record } = entry;
  const best = bestOf(fits);
  if (best !== null) {
    for (const [index, node] of best.nodes.entries()) {
      if (node === null) census.reserve(best.pool, record.nodeTypes[index] ?? "");
      else census.take(best.pool, node, false);
    }
    const nodes = best.nodes.map((node) => node?.id ?? null);
    draft.actions.push({ kind: "serve", request: id, pool: best.pool, nodes });
    return;
  }
  const nevers = fits.filter((fit) => fit.kind === "never");
  const laters = fits.filter((fit) => fit.kind === "later");
  const reason = [...laters, ...nevers].map((fit) => fit.reason).join("; ");
  const declined = nevers.map((fit) => fit.pool.id);
  const undecided = candidates.filter((pool) => !declined.includes(pool.record?.id ?? ""));
  if (nevers.length > 0 || undecided.length === 0) {
    const failed = undecided.length === 0;
    const why = reason === "" ? "every pool that offers its labels has declined" : reason;
    draft.actions.push({ kind: "decline", request: id, pools: declined, failed, reason: why });
    return;
  }
  draft.reasons.set(id, reason);
  for (const fit of laters) if (fit.wait === "room") waitForRoom(world, census, draft, entry, fit.pool, aged);
}

// By priority; among equals a pool whose nodes are ready goes before one that has to launch.
function bestOf(fits: readonly Fit[]): (Fit & { kind: "now" }) | null {
  const able = fits.filter((fit) => fit.kind === "now");
  const launchesOf = (fit: Fit & { kind: "now" }) => fit.nodes.filter((node) => node === null).length;
  able.sort(
    (a, b) =>
      a.pool.pool.priority - b.pool.pool.priority || Math.min(1, launchesOf(a)) - Math.min(1, launchesOf(b)),
  );
  return able[0] ?? null;
}

function waitForRoom(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  pool: ServedPool,
  aged: Map<string, string>,
): void {
  const { id, record } = entry;
  if (record.requestor === MIN_READY_REQUESTOR) return;
  draft.paused.add(pool.id);
  const since = record.createdTime ?? entry.createdAt;
  if (world.now - since >= AGING_SECONDS) {
    if (!aged.has(nameOf(pool))) aged.set(nameOf(pool), id);
  } else draft.wake(since + AGING_SECONDS);
  const blockedUntil = world.hand.quotaBlocks.get(pool.provider.name) ?? 0;
  if (blockedUntil > world.now) draft.wake(blockedUntil);
  const [oldest] = census.freeIn(pool);
  if (oldest === undefined || census.leaving(pool) > 0) return;
  census.take(pool, oldest, true);
  draft.actions.push({ kind: "delete", node: oldest.id, reason: `makes room for request ${id}` });
}

function offersAll(pool: PoolEntry, labels: readonly string[]): boolean {
  return labels.every((label) => pool.record?.supportedLabels.includes(label));
}

function nobodyOffers(registered: readonly PoolEntry[], labels: readonly string[]): string {
  const known = new Set(registered.flatMap((pool) => pool.record?.supportedLabels ?? []));
  const unknown = [...new Set(labels.filter((label) => !known.has(label)))];
  const list = [...known].sort().join(", ") || "none";
  if (unknown.length === 0) return `no single pool offers all of ${labels.join(", ")}`;
  return `no pool offers ${unknown.map((label) => `'${label}'`).join(", ")}; offered are: ${list}`;
}

const registeredName = (pool: PoolEntry) =>
  poolKey(pool.record?.providerName ?? null, pool.record?.name ?? null);

function waitsForOthers(candidates: readonly PoolEntry[]): string {
  return `waits for ${candidates.map(registeredName).join(", ")} of another launcher`;
}

/** Nodepool's two rules of courtesy: the preferred provider first, then pools of higher priority. */
function yieldsTo(
  candidates: readonly PoolEntry[],
  ours: readonly ServedPool[],
  record: RequestRecord,
): string | null {
  const isOurs = (pool: PoolEntry) => ours.some((own) => own.id === pool.record?.id);
  const preferred = candidates.filter((pool) => pool.record?.providerName === record.provider);
  if (record.provider !== null && preferred.length > 0 && !preferred.some(isOurs)) {
    return `waits for its preferred provider '${record.provider}' of another launcher`;
  }
  const best = Math.min(...ours.map((pool) => pool.pool.priority));
  const first = candidates.find(
    (pool) => !isOurs(pool) && pool.record?.paused === false && pool.record.priority < best,
  );
  return first === undefined ? null : `waits for ${registeredName(first)}, which has a higher priority`;
}
