// Decides about requests: which pool takes which, in Nodepool's order. Pure.
//
// Those that wait for a pool are asked for by kind: when the first of a kind has to wait, so have all behind it, for
// within a pass room only shrinks. Requests in hand are decided about when something of them has changed.
import { compareRequests, MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import { isReadable, type PoolEntry } from "../../../lib/zookeeper/view.ts";
import { type Draft, keys, type Outcome, type World } from "../actions.ts";
import { checksFor } from "../host/fit.ts";
import type { Census } from "../pool/census.ts";
import { fitOf, imageMissing, stoppedBy } from "../pool/fit.ts";
import { endsRequests } from "../pool/min_ready.ts";
import { type Fit, hasWaitedLong, type LaterFit, type Obstacle, waitsFirst } from "../pool/obstacle.ts";
import { nameOf, type ServedPool } from "../pool/served.ts";
import { decideOne } from "../undecided.ts";
import type { Touched } from "../world_index.ts";
import {
  expectedFor,
  isUnable,
  letsOthersPass,
  offersAll,
  registeredName,
  saysUnable,
  waitsForOthers,
  whyNobody,
  yielding,
  yieldingToOwn,
} from "./courtesy.ts";
import { type Cursor, Cursors } from "./cursors.ts";
import { decideHeld, decideLost, tellProgress } from "./decide_pending.ts";
import { failureOf, leaseEnd, ownDataOf } from "./own_data.ts";
import { AGING_SECONDS, type Kind, type ReadableRequest, waitingSince } from "./queue.ts";
import { type Kept, keepRoom, keptFor, waitForRoom } from "./room.ts";

const NONE: Outcome["yields"] = new Map();
const NO_FITS: ReadonlyMap<string, Fit> = new Map();

export type { ReadableRequest } from "./queue.ts";

/** What one pass over the requests works with. */
interface Pass {
  readonly world: World;
  readonly census: Census;
  readonly draft: Draft;
  readonly registered: readonly PoolEntry[];
}

/** Decides about the touched requests and those that wait, in the order of the queue. */
export function decideRequests(world: World, census: Census, draft: Draft, touched: Touched): void {
  const registered = [...world.tree.pools()].filter((pool) => pool.record !== null);
  const pass: Pass = { world, census, draft, registered };
  const single = singles(pass, touched);
  const cursors = new Cursors(world.index.queue.kinds());
  const decideFirst = (entry: ReadableRequest) =>
    decideOne(draft, keys.request(entry.id), () => decideSingle(pass, entry));
  for (let cursor = cursors.take(); cursor !== undefined; cursor = cursors.take()) {
    const { head } = cursor;
    while (single[0] !== undefined && compareRequests(single[0], head) < 0) {
      decideFirst(single.shift() ?? head);
    }
    decideCursor(pass, cursors, cursor);
  }
  for (const entry of single) decideFirst(entry);
}

/** Decides about the request whose turn it is, and has its kind go on where it need not wait. */
function decideCursor(pass: Pass, cursors: Cursors, cursor: Cursor): void {
  const { world, census, draft } = pass;
  const { kind, head, kept } = cursor;
  const isDecided = decideOne(draft, keys.request(head.id), () => {
    if (kept !== null) keepRoom(world, census, draft, head, kept);
    else if (decideWaiting(pass, kind, head)) cursors.goOn(cursor);
    else {
      const more = keptOf(pass, kind, head);
      if (more !== null) cursors.goOnWithAged(cursor, more);
    }
  });
  if (!isDecided && kept === null) cursors.goOn(cursor);
}

/** What is kept for the first of a kind that has waited long, once the kind has to wait. */
function keptOf({ world, draft }: Pass, kind: Kind, { record }: ReadableRequest): Kept | null {
  if (record.requestor === MIN_READY_REQUESTOR) return null;
  return keptFor(world, draft.outcomes.get(kind.key)?.fits ?? [], record.nodeTypes);
}

/** The touched requests that do not wait in the queue, and those in hand that lack nodes, in order. */
function singles({ world, draft }: Pass, { requests }: Touched): ReadableRequest[] {
  const { tree, hand, index } = world;
  const found: ReadableRequest[] = [];
  for (const id of new Set([...requests, ...index.hungry.keys()])) {
    const entry = tree.request(id);
    if (isReadable(entry)) found.push(entry);
    else if (entry === undefined) {
      if (hand.requests.has(id) && !hand.isBusy(keys.request(id))) {
        draft.actions.push({ kind: "drop", request: id });
      }
    } else draft.reasons.set(id, entry.problem ?? "its document cannot be read");
  }
  return found.sort(compareRequests);
}

function decideSingle(pass: Pass, entry: ReadableRequest): void {
  const { world, census, draft } = pass;
  const { id, record, lock } = entry;
  const held = world.hand.requests.get(id);
  if (world.hand.isBusy(keys.request(id))) {
    if (held !== undefined && record.state === "pending")
      tellProgress(world, census, draft, entry, held.pool);
    return;
  }
  const { lease, minReady } = ownDataOf(record);
  if (lease !== null && world.now >= leaseEnd(id, lease, world.hand)) {
    draft.actions.push({ kind: "end-lease", request: id });
    return;
  }
  // Of one that is not over yet it is only why some pool has declined, while another may have it in hand.
  const failure = record.state === "failed" ? failureOf(record) : null;
  if (failure !== null) draft.reasons.set(id, failure);
  if (record.state === "pending") {
    if (held !== undefined) decideHeld(world, census, draft, entry, held.pool);
    else if (lock.contenders.length === 0) decideLost(world, census, draft, entry);
  } else if (held !== undefined) draft.actions.push({ kind: "drop", request: id });
  else if (record.state !== "requested" && minReady && lock.contenders.length === 0) {
    const [label = ""] = record.nodeTypes;
    if (record.state === "failed" && !endsRequests(world, label)) return;
    draft.actions.push({ kind: "settle-min-ready", request: id, label });
  }
}

/** Decides about the first of a kind; false when it, and with it its kind, has to wait. */
function decideWaiting(pass: Pass, kind: Kind, entry: ReadableRequest): boolean {
  const { world, draft, registered } = pass;
  const { id, record } = entry;
  const able = registered.filter((pool) => offersAll(pool, record.nodeTypes));
  if (able.length === 0) {
    const expected = expectedFor(world, registered, record);
    if (expected.length > 0) {
      draft.outcomes.set(kind.key, { reason: expected.join("; "), fits: [], yields: NONE });
      return false;
    }
    const reason = whyNobody(world, registered, record.nodeTypes);
    draft.actions.push({ kind: "decline", request: id, pools: [], failed: true, reason });
    return true;
  }
  const candidates = able.filter((pool) => !record.declinedBy.includes(pool.record?.id ?? ""));
  const ours = world.pools.filter((pool) => candidates.some((other) => other.record?.id === pool.id));
  const preferred = preferredFits(pass, entry, ours);
  const yields = yielding(candidates, ours, record, unableOf(pass, entry, candidates, preferred));
  const eligible = ours.filter((pool) => !yields.has(pool.id));
  if (candidates.length > 0 && eligible.length === 0) {
    const [reason = waitsForOthers(candidates)] = yields.values();
    draft.outcomes.set(kind.key, { reason, fits: [], yields });
    return false;
  }
  const fits = eligible.map((pool) => preferred.get(pool.id) ?? fitFor(pass, pool, entry));
  return choose(pass, kind, entry, candidates, { fits, yields });
}

function fitFor(pass: Pass, pool: ServedPool, entry: ReadableRequest): Fit {
  return fitOf(pass.world, pass.census, pool, entry, behindOf(pass, pool, entry));
}

/** How it fits into our pools of its preferred provider, by their ids. */
function preferredFits(
  pass: Pass,
  entry: ReadableRequest,
  ours: readonly ServedPool[],
): ReadonlyMap<string, Fit> {
  const { provider } = entry.record;
  if (provider === null) return NO_FITS;
  const preferred = ours.filter((pool) => pool.provider.name === provider);
  return new Map(preferred.map((pool) => [pool.id, fitFor(pass, pool, entry)]));
}

/** The ids of the pools of the preferred provider that cannot serve it until somebody mends them; of ours it is told. */
function unableOf(
  { world, draft }: Pass,
  entry: ReadableRequest,
  candidates: readonly PoolEntry[],
  preferred: ReadonlyMap<string, Fit>,
): ReadonlySet<string> {
  const { provider, nodeTypes } = entry.record;
  const unable = new Set<string>();
  if (provider === null) return unable;
  for (const candidate of candidates) {
    const id = candidate.record?.id ?? "";
    const fit = preferred.get(id);
    if (candidate.record?.providerName !== provider) continue;
    if (fit === undefined) {
      if (saysUnable(candidate, nodeTypes)) unable.add(id);
    } else if (isUnable(fit)) {
      unable.add(id);
      const labels = nodeTypes.filter((label) => isAmiss(world, fit.pool, label));
      draft.unable.set(id, new Set([...(draft.unable.get(id) ?? []), ...labels]));
    }
  }
  return unable;
}

/** Whether nothing of a label can be launched in a pool until somebody mends something. */
function isAmiss(world: World, pool: ServedPool, label: string): boolean {
  return (stoppedBy(pool) ?? imageMissing(world, pool, [label])) !== null;
}

/** That another request goes before this one where the pool has to launch. */
function behindOf({ draft }: Pass, pool: ServedPool, { record }: ReadableRequest): Obstacle | null {
  const aged = draft.aged.get(nameOf(pool));
  if (aged !== undefined) return hasWaitedLong(aged);
  const first = record.requestor === MIN_READY_REQUESTOR ? draft.waitsForRoom.get(pool.id) : undefined;
  return first === undefined ? null : waitsFirst(first);
}

function choose(
  pass: Pass,
  kind: Kind,
  entry: ReadableRequest,
  candidates: readonly PoolEntry[],
  of: Omit<Outcome, "reason">,
): boolean {
  const { world, census, draft, registered } = pass;
  const { id, record } = entry;
  const leaving = yieldingToOwn(of.fits, isAged(world, entry));
  const yields = leaving.size === 0 ? of.yields : new Map([...of.yields, ...leaving]);
  const fits = of.fits.filter(({ pool }) => !leaving.has(pool.id));
  const best = bestOf(fits);
  if (best !== null && !fits.some((fit) => isWorthAMoment(fit, best))) {
    for (const [index, node] of best.nodes.entries()) {
      if (node === null) census.reserve(best.pool, record.nodeTypes[index] ?? "", record.tenantName);
      else census.take(node, record.tenantName);
    }
    const nodes = best.nodes.map((node) => node?.id ?? null);
    draft.actions.push({ kind: "serve", request: id, pool: best.pool, nodes, zone: best.zone });
    return true;
  }
  const nevers = fits.filter((fit) => fit.kind === "never");
  const laters = fits.filter((fit) => fit.kind === "later");
  const reason = [...laters, ...nevers].map((fit) => fit.reason).join("; ");
  const declined = nevers.map((fit) => fit.pool.id);
  const undecided = candidates.filter((pool) => !declined.includes(pool.record?.id ?? ""));
  const expected = undecided.length === 0 ? expectedFor(world, registered, record) : [];
  const failed = undecided.length === 0 && expected.length === 0;
  if (nevers.length > 0 || failed) {
    const all = failureOf(record) ?? "every pool that offers its labels has declined";
    const why = reason === "" ? all : reason;
    draft.actions.push({ kind: "decline", request: id, pools: declined, failed, reason: why });
    return true;
  }
  const others = candidates.filter((pool) => !fits.some((fit) => fit.pool.id === pool.record?.id));
  const forOthers =
    expected.length > 0 ? expected.join("; ") : `waits for ${others.map(registeredName).join(", ")}`;
  draft.outcomes.set(kind.key, { reason: reason === "" ? forOthers : reason, fits, yields });
  for (const fit of laters) waitIn(pass, kind, entry, candidates, fit);
  return false;
}

/** What a pool does while a request waits in it. */
function waitIn(
  pass: Pass,
  kind: Kind,
  entry: ReadableRequest,
  candidates: readonly PoolEntry[],
  fit: LaterFit,
): void {
  const { world, census, draft } = pass;
  const labels = entry.record.nodeTypes;
  if (fit.wait === "room") {
    waitForRoom(world, census, draft, entry, fit.pool, { labels, zone: null });
  }
  if (letsOthersPass(fit, candidates, world)) draft.paused.add(fit.pool.id);
  if (fit.rule === "host-check") askForChecks(pass, kind, fit.pool, labels);
}

/** Has hosts checked, for the request and for those of its kind that are behind it. */
function askForChecks(
  { world, census, draft }: Pass,
  { waiting }: Kind,
  pool: ServedPool,
  labels: readonly string[],
): void {
  const checks = checksFor(world, census, pool, labels, waiting.items.length);
  for (const host of checks) draft.checks.add(host);
}

/** A host that is to be checked first, which takes a moment, goes before a launch in a pool of the same priority. */
function isWorthAMoment(fit: Fit, best: Fit & { kind: "now" }): boolean {
  if (fit.kind !== "later" || fit.rule !== "host-check") return false;
  return fit.pool.pool.priority === best.pool.pool.priority && best.nodes.includes(null);
}

/** Whether it has waited for so long that nobody may pass it any more. */
function isAged({ now }: World, entry: ReadableRequest): boolean {
  return entry.record.requestor !== MIN_READY_REQUESTOR && now - waitingSince(entry) >= AGING_SECONDS;
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
