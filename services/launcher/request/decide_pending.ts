// Decides about requests that were claimed: by us, or by a launcher that is gone. Pure.
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import type { PoolEntry } from "../../../lib/zookeeper/view.ts";
import { type Draft, keys, type World } from "../actions.ts";
import { endOfWait, whyAway } from "../pool/away.ts";
import type { Census, ReadableNode } from "../pool/census.ts";
import { launchObstacle, neverFits, waitFor, zoneFor } from "../pool/fit.ts";
import { whyUseless } from "../pool/node_index.ts";
import { tenantObstacle, wishOf } from "../pool/obstacle.ts";
import { nameOf, poolKey, type ServedPool } from "../pool/served.ts";
import { awayFor, expectedFor, offersAll, registeredName } from "./courtesy.ts";
import { AGING_SECONDS, type ReadableRequest, waitingSince } from "./queue.ts";
import { keepRoom, keptFor, waitForRoom } from "./room.ts";

/** A node on its way to a request: it is there, it is being launched by us, or its launch is to be (re)started. */
type Part = { readonly id: string; readonly stage: "ready" | "launched" | "launching" | "idle" };

/** A pending request of ours: what is still to be done before it is fulfilled. */
export function decideHeld(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  claimedIn: ServedPool,
): void {
  const { id } = entry;
  const { hand } = world;
  draft.fed.add(id);
  // As it is configured by now.
  const pool = world.pools.find((served) => served.id === claimedIn.id);
  if (pool === undefined) {
    draft.actions.push({ kind: "drop", request: id });
    return;
  }
  const nodes = nodesIn(census, pool, entry);
  const failed = nodes
    .map((node) => hand.launches.get(node.id))
    .find((launch) => launch?.request === id && launch.status === "failed");
  if (failed !== undefined) {
    if (hand.isBusy(keys.node(failed.node))) return;
    const last = lastCandidate(world, entry, pool);
    const { node, reason } = failed;
    draft.actions.push({ kind: "give-up", request: id, node, failed: last, reason });
    return;
  }
  const { parts, missing } = tellProgress(world, census, draft, entry, pool);
  if (nodes.some((node) => hand.isBusy(keys.node(node.id)))) return;
  if (removeUseless(world, draft, nodes, parts)) return;
  for (const part of parts) {
    if (part.stage === "idle") draft.actions.push({ kind: "launch", node: part.id, request: id, pool });
  }
  if (missing.length > 0) supplement(world, census, draft, entry, pool, missing);
  const isComplete = missing.length === 0 && parts.every((part) => isThere(part));
  if (isComplete) {
    draft.actions.push({ kind: "fulfil", request: id, nodes: parts.map((part) => part.id) });
    return;
  }
  for (const part of parts) {
    if (part.stage === "launched") draft.actions.push({ kind: "store", node: part.id });
  }
}

/** Lets go of what is there and of no use any more, before it is handed over; whether there was any. */
function removeUseless(
  { tree, hand }: World,
  draft: Draft,
  nodes: readonly ReadableNode[],
  parts: readonly Part[],
): boolean {
  const there = nodes.filter(({ id }) => parts.some((part) => part.id === id && isThere(part)));
  const before = draft.actions.length;
  for (const { id, record, lock } of there) {
    const reason = whyUseless(tree, record);
    if (reason === null) continue;
    if (hand.launches.has(id)) draft.actions.push({ kind: "abandon", node: id, reason });
    else if (lock.contenders.length === 0) draft.actions.push({ kind: "delete", node: id, reason });
  }
  return draft.actions.length > before;
}

/** Says how far a request in hand is; nothing while it lacks a node. */
export function tellProgress(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  pool: ServedPool,
): { parts: Part[]; missing: string[] } {
  const matched = match(world, nodesIn(census, pool, entry), entry);
  if (matched.missing.length > 0) return matched;
  const waiting = matched.parts.filter((part) => !isThere(part)).length;
  const progress =
    waiting > 0 ? `launching ${nodesOf(waiting)}` : `handing over ${nodesOf(matched.parts.length)}`;
  draft.reasons.set(entry.id, `${nameOf(pool)}: ${progress}`);
  return matched;
}

const nodesOf = (count: number) => `${count} ${count === 1 ? "node" : "nodes"}`;

// Launches of a pool that has declined it before may still go on: they are none of this pool's business.
const nodesIn = (census: Census, pool: ServedPool, { id }: ReadableRequest) =>
  census.nodesOf(id).filter((node) => isOf(pool, node));

const isOf = (pool: ServedPool, { record }: ReadableNode) =>
  poolKey(record.provider, record.pool) === nameOf(pool);
const isThere = (part: Part) => part.stage === "ready" || part.stage === "launched";

function match(
  world: World,
  nodes: readonly ReadableNode[],
  entry: ReadableRequest,
): { parts: Part[]; missing: string[] } {
  const left = nodes.flatMap((node) => {
    const stage = stageOf(world, node);
    return stage === null ? [] : [{ part: { id: node.id, stage }, labels: node.record.type }];
  });
  const parts: Part[] = [];
  const missing: string[] = [];
  for (const label of entry.record.nodeTypes) {
    const place = left.findIndex(({ labels }) => labels.includes(label));
    const [found] = place < 0 ? [] : left.splice(place, 1);
    if (found === undefined) missing.push(label);
    else parts.push(found.part);
  }
  return { parts, missing };
}

function stageOf({ hand }: World, node: ReadableNode): Part["stage"] | null {
  const launch = hand.launches.get(node.id);
  if (launch !== undefined) {
    // It was stored without an answer: the node is the request's once the launch is let go.
    if (node.record.state === "ready") return "launching";
    if (launch.status === "ready") return "launched";
    return launch.status === "launching" ? "launching" : null;
  }
  if (node.record.state === "ready") return "ready";
  const isOpen = node.record.state === "init" || node.record.state === "building";
  if (!isOpen) return null;
  if (node.lock.contenders.length === 0) return "idle";
  // Its launch is being begun: it is locked first.
  return hand.isBusy(keys.node(node.id)) ? "launching" : null;
}

function supplement(
  world: World,
  census: Census,
  draft: Draft,
  entry: ReadableRequest,
  pool: ServedPool,
  labels: readonly string[],
): void {
  const request = entry.id;
  const { tenantName, reuse } = entry.record;
  const never = neverFits(world, pool, entry.record.nodeTypes, tenantName);
  if (never !== null) {
    const failed = lastCandidate(world, entry, pool);
    const reason = `${nameOf(pool)}: ${never.text}`;
    draft.actions.push({ kind: "give-up", request, node: null, failed, reason });
    return;
  }
  const there = census.nodesOf(request).find((node) => isOf(pool, node) && node.record.az !== null);
  const wish = { labels, zone: there?.record.az ?? null };
  const ready = reuse ? census.pick(pool, wish) : labels.map(() => null);
  const launches = labels.filter((_label, index) => ready[index] === null);
  const obstacle =
    tenantObstacle(world, census, tenantName, wishOf(pool, labels)) ??
    (launches.length === 0 ? null : launchObstacle(world, census, pool, launches));
  if (obstacle === null) {
    for (const node of ready) if (node !== null) census.take(node, tenantName);
    for (const label of launches) census.reserve(pool, label, tenantName);
    const zone = ready.find((node) => node !== null)?.record.az ?? wish.zone ?? zoneFor(pool, entry);
    const nodes = ready.map((node) => node?.id ?? null);
    draft.actions.push({ kind: "supplement", request, pool, labels, nodes, zone });
    return;
  }
  const { rule, text } = obstacle;
  const reason = `${nameOf(pool)}: ${text}`;
  const fit = { kind: "later", pool, wait: waitFor(rule), rule, reason } as const;
  draft.hungry.set(request, fit);
  draft.reasons.set(request, reason);
  if (fit.wait === "room") waitForRoom(world, census, draft, entry, pool, wish);
  const isOwn = entry.record.requestor === MIN_READY_REQUESTOR;
  if (isOwn || world.now - waitingSince(entry) < AGING_SECONDS) return;
  const kept = keptFor(world, [fit], labels);
  if (kept !== null) keepRoom(world, census, draft, entry, kept);
}

/** Whether no other pool could take the request when this one declines, nor one that is expected. */
function lastCandidate(world: World, entry: ReadableRequest, pool: ServedPool): boolean {
  const registered = [...world.tree.pools()].filter(({ record }) => record !== null);
  const isLeft = registered.some((other) => other.record?.id !== pool.id && mayTake(other, entry));
  return !isLeft && expectedFor(world, registered, entry.record).length === 0;
}

function mayTake(pool: PoolEntry, { record }: ReadableRequest): boolean {
  return !record.declinedBy.includes(pool.record?.id ?? "") && offersAll(pool, record.nodeTypes);
}

/**
 * A pending request that nobody works on: whoever serves its nodes' pool goes on with it, else it starts anew. Where nobody
 * else could take it, its launcher is given the time to come back.
 */
export function decideLost(world: World, census: Census, draft: Draft, entry: ReadableRequest): void {
  const nodes = census.nodesOf(entry.id);
  if (nodes.some((node) => world.hand.isBusy(keys.node(node.id)))) return;
  const places = new Set(nodes.map((node) => poolKey(node.record.provider, node.record.pool)));
  const [place] = places;
  const pool = world.pools.find((candidate) => nameOf(candidate) === place);
  const away = places.size === 1 ? whoIsAway(world, entry, place ?? "") : null;
  if (away !== null) {
    draft.reasons.set(entry.id, away);
    return;
  }
  if (places.size === 1 && pool !== undefined && !pool.hosts) {
    draft.actions.push({ kind: "adopt", request: entry.id, pool });
    return;
  }
  const somebodyServes = [...world.tree.pools()].some(
    (other) => other.record !== null && registeredName(other) === place,
  );
  if (places.size === 1 && somebodyServes && !pool?.hosts) return;
  draft.actions.push({ kind: "reset", request: entry.id });
}

/** Why a request waits for the launcher that had it in hand, whose pool is this one; null when it does not. */
function whoIsAway(world: World, entry: ReadableRequest, place: string): string | null {
  const { hand, tree, now } = world;
  const registered = [...tree.pools()].filter(({ record }) => record !== null);
  if (registered.some((other) => mayTake(other, entry))) return null;
  const away = awayFor(hand, registered, entry.record.nodeTypes).find(({ pool }) => pool === place);
  return away !== undefined && now < endOfWait(away) ? whyAway(away, now) : null;
}
