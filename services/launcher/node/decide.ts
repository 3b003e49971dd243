// Decides about nodes: which are deleted, held, freed, launched on or returned. Pure.
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { type Draft, type Hand, keys, type LaunchStatus, type World } from "../actions.ts";
import { type AwayPool, endOfWait } from "../pool/away.ts";
import type { ReadableNode } from "../pool/census.ts";
import { whyUseless } from "../pool/node_index.ts";
import { isUnoffered, nameOf, poolKey } from "../pool/served.ts";
import { registeredName } from "../request/courtesy.ts";
import { holdWishOf, nodeLeaseOf } from "../request/own_data.ts";
import { decideOne } from "../undecided.ts";
import type { Touched } from "../world_index.ts";

/** Decides about the touched nodes of our providers, and about launches that nobody waits for. */
export function decideNodes(world: World, draft: Draft, { nodes }: Touched): void {
  const evicted = new Set(draft.actions.flatMap((action) => (action.kind === "delete" ? [action.node] : [])));
  const planned = new Set(
    draft.actions.flatMap((action) =>
      action.kind === "serve" || action.kind === "supplement" ? action.nodes.filter((id) => id !== null) : [],
    ),
  );
  for (const id of [...nodes].sort()) {
    const entry = world.tree.node(id);
    const record = entry?.record;
    if (entry === undefined || !record || !world.providers.has(record.provider ?? "")) continue;
    if (evicted.has(id) || planned.has(id) || world.hand.isBusy(keys.node(id))) continue;
    if (world.hand.launches.has(id) || world.hand.deletions.has(id)) continue;
    decideOne(draft, keys.node(id), () => decideNode(world, draft, { ...entry, record }));
  }
  for (const id of nodes) {
    const launch = world.hand.launches.get(id);
    if (launch !== undefined) decideOne(draft, keys.node(id), () => decideLaunch(world, draft, launch));
  }
}

function decideNode(world: World, draft: Draft, node: ReadableNode): void {
  const { id, record } = node;
  const lease = nodeLeaseOf(record);
  if (record.state === "in-use" && lease !== null && world.tree.request(lease.request) === undefined) {
    draft.actions.push({ kind: "return", node: id });
    return;
  }
  if (node.lock.contenders.length > 0) return;
  const remove = (reason: string) => draft.actions.push({ kind: "delete", node: id, reason });
  switch (record.state) {
    case "used":
    case "in-use":
      if (holdWishOf(record) !== null || world.hand.holdWishes.has(id))
        draft.actions.push({ kind: "hold", node: id });
      else remove(record.state === "used" ? "was returned" : "is in use, but nobody holds its lock");
      return;
    case "init":
      decideInit(world, node, remove);
      return;
    case "building":
      decideUnattended(world, draft, node, remove);
      return;
    case "ready":
      decideReady(world, draft, node, remove);
      return;
    case "hold":
      decideHold(world, draft, node, remove);
      return;
    case "testing":
      // A slot of a host that is out of service.
      if (isOutOfUse(world, record)) remove(OUT_OF_USE);
      return;
    default:
      remove(`is ${record.state}`);
  }
}

type Remove = (reason: string) => void;

const OUT_OF_USE = "no pool offers any of its labels any more";

function isPending(world: World, request: string | null): boolean {
  const state = request === null ? undefined : world.tree.request(request)?.record?.state;
  return state === "pending" || state === "requested";
}

/**
 * Whether somebody may be at work for a request. One that waits and that nobody has locked was put back, and what was recorded
 * for it then is of no use to it, but takes room: whoever takes it records nodes anew. (The lock of whoever takes a request is
 * shown before its nodes.)
 */
function isInWork(world: World, request: string | null): boolean {
  const entry = request === null ? undefined : world.tree.request(request);
  const isLocked = entry !== undefined && entry.lock.contenders.length > 0;
  return entry?.record?.state === "pending" || (entry?.record?.state === "requested" && isLocked);
}

// A node of another live launcher stands unlocked for a moment before its launch begins.
function decideInit(world: World, node: ReadableNode, remove: Remove): void {
  if (isInWork(world, node.record.allocatedTo)) return;
  const own = world.pools.some((pool) => pool.id === node.record.launcher);
  const maker = [...world.tree.pools()].some(({ record }) => record?.id === node.record.launcher);
  if (own || !maker) remove("was never launched, and nobody works on its request");
}

// A launch whose launcher and request are gone goes on where min-ready lacks the node; else it would only be one too many.
function decideUnattended(world: World, draft: Draft, node: ReadableNode, remove: Remove): void {
  const { id, record } = node;
  if (isInWork(world, record.allocatedTo)) return;
  const place = poolKey(record.provider, record.pool);
  const pool = world.pools.find((candidate) => nameOf(candidate) === place);
  const label = record.type[0] ?? "";
  const wanted = world.config.labels.get(label)?.minReady ?? 0;
  const isForMinReady = record.requestor === MIN_READY_REQUESTOR;
  const isLacking = world.index.nodes.readyOf(label) + world.index.queue.comingOf(label) < wanted;
  if (pool === undefined || record.externalId === null) {
    remove("its launcher is gone and nothing was launched yet");
  } else if (isForMinReady && isLacking) {
    draft.actions.push({ kind: "launch", node: id, request: null, pool });
  } else remove("its launcher is gone, and nobody works on the request that it was launched for");
}

function decideReady(world: World, draft: Draft, node: ReadableNode, remove: Remove): void {
  const { id, record } = node;
  if (record.allocatedTo !== null) {
    // One that was put back is left its ready nodes: who gives ready nodes away takes no lock that would be shown before.
    if (world.tree.request(record.allocatedTo) === undefined) draft.actions.push({ kind: "free", node: id });
    return;
  }
  const useless = whyUseless(world.tree, record);
  if (useless !== null) {
    remove(useless);
    return;
  }
  if (isOutOfUse(world, record)) {
    remove(OUT_OF_USE);
    return;
  }
  const ages = record.type.map((label) => world.config.labels.get(label)?.maxReadyAge ?? 0);
  const limit = Math.min(...ages.filter((age) => age > 0));
  if (!Number.isFinite(limit)) return;
  const end = record.stateTime + limit;
  if (world.now >= end) remove(`has been ready for longer than max-ready-age (${limit} s)`);
  else draft.remind(id, end);
}

const isOutOfUse = (world: World, record: ReadableNode["record"]) =>
  isLeftToNobody(world, record) && awaitedFor(world, record) === undefined;

/** The pool of a launcher that is away for which an idle node is kept, as nobody who is there offers its labels. */
export function awaitedFor(world: World, record: ReadableNode["record"]): AwayPool | undefined {
  const place = poolKey(record.provider, record.pool);
  const { away, retired } = world.hand;
  if (retired.has(place) || !isLeftToNobody(world, record)) return undefined;
  return [...away].find(
    (gone) =>
      gone.pool === place &&
      world.now < endOfWait(gone) &&
      record.type.some((label) => gone.labels.includes(label)),
  );
}

/**
 * A pool that was switched off keeps its nodes. Those that the configuration left to nobody go: their label, or their
 * pool while we ran, was taken out of it, and no other launcher offers it there.
 */
function isLeftToNobody(world: World, record: ReadableNode["record"]): boolean {
  // What becomes of the slots of hosts is decided with their hosts, which may be in another pool by now.
  if (world.pools.some(({ provider, hosts }) => hosts && provider.name === record.provider)) return false;
  const place = poolKey(record.provider, record.pool);
  const pool = world.pools.find((candidate) => nameOf(candidate) === place);
  if (!isUnoffered(record, pool, world.hand)) return false;
  return ![...world.tree.pools()].some(
    (other) =>
      other.record !== null &&
      registeredName(other) === place &&
      record.type.some((label) => other.record?.supportedLabels.includes(label)),
  );
}

function decideHold(world: World, draft: Draft, node: ReadableNode, remove: Remove): void {
  const { stateTime, holdExpiration } = node.record;
  const own = holdExpiration !== null && holdExpiration > 0 ? holdExpiration : Infinity;
  const limit = Math.min(own, world.config.maxHoldAge);
  if (!Number.isFinite(limit)) return;
  if (world.now >= stateTime + limit) remove(`has been held for longer than ${limit} s`);
  else draft.remind(node.id, stateTime + limit);
}

function decideLaunch(world: World, draft: Draft, launch: LaunchStatus): void {
  const { node, request } = launch;
  if (world.hand.isBusy(keys.node(node))) return;
  const state = world.tree.node(node)?.record?.state;
  if (state !== "building") {
    draft.actions.push({ kind: "abandon", node, reason: `is ${state ?? "gone"}` });
    return;
  }
  const isWanted = isInHand(world.hand, launch) && isPending(world, request);
  const mayStay = isWanted || !launch.leased;
  if (!mayStay && (launch.status === "launching" || launch.status === "ready")) {
    draft.actions.push({ kind: "abandon", node, reason: "its request was withdrawn" });
    return;
  }
  if (launch.status === "launching") return;
  if (isWanted && launch.status !== "aborted") return;
  draft.actions.push({ kind: "store", node });
}

/** Whether the request of a launch is still served by the launch's pool: another pool begins anew. */
export function isInHand(
  { requests }: Pick<Hand, "requests">,
  { request, pool }: Pick<LaunchStatus, "request" | "pool">,
): boolean {
  return request !== null && requests.get(request)?.pool.id === pool.id;
}
