// What a request that waits for room asks of others: idle nodes go for it, and after a while nobody passes it. Pure.
import { MIN_READY_REQUESTOR } from "../../../lib/model/request.ts";
import type { Draft, World } from "../actions.ts";
import { FreeSlots } from "../host/free_slots.ts";
import type { Census, Wish } from "../pool/census.ts";
import { endOfRefusal } from "../pool/fit.ts";
import { type Fit, type Rule, wishOf } from "../pool/obstacle.ts";
import type { Amounts } from "../pool/quota.ts";
import { nameOf, type ServedPool } from "../pool/served.ts";
import type { ReadableRequest } from "./queue.ts";

/** Makes room in a pool: its oldest idle node goes, one at a time, but none of those that the request would take. */
export function waitForRoom(
  world: World,
  census: Census,
  draft: Draft,
  { id, record }: ReadableRequest,
  pool: ServedPool,
  wish: Wish,
): void {
  draft.wake(endOfRefusal(world, pool));
  if (record.requestor === MIN_READY_REQUESTOR) return;
  draft.paused.add(pool.id);
  if (!draft.waitsForRoom.has(pool.id)) draft.waitsForRoom.set(pool.id, id);
  const own = record.reuse ? census.pick(pool, wish) : [];
  const oldest = census.oldestFree(pool, new Set(own.flatMap((node) => node?.id ?? [])));
  if (oldest === undefined) return;
  const leaving = census.makesRoomUntil(pool);
  if (world.now < leaving) {
    draft.wake(leaving);
    return;
  }
  census.evict(pool, oldest);
  draft.actions.push({ kind: "delete", node: oldest.id, reason: `makes room for request ${id}` });
}

/** What nobody behind a request that has waited long may take before it. */
export interface Kept {
  readonly pools: readonly ServedPool[];
  /** Pools of hosts, in which it is kept the slots that it would get. */
  readonly hosts: readonly ServedPool[];
  /** What it needs of what its tenant may have. */
  readonly share: Amounts;
}

/** What is kept for a request that these pools cannot serve yet; null where nobody else could take it. */
export function keptFor(world: World, fits: readonly Fit[], labels: readonly string[]): Kept | null {
  const laters = fits.filter((fit) => fit.kind === "later");
  const pools = laters.flatMap(({ pool, rule }) => keptPools(world, pool, rule));
  const hosts = laters.flatMap(({ pool, rule }) => (rule === "hosts" || rule === "host-check" ? pool : []));
  const first = laters.find(({ rule }) => rule === "tenant")?.pool ?? pools[0] ?? hosts[0];
  return first === undefined ? null : { pools, hosts, share: wishOf(first, labels) };
}

/** The pools in which nobody passes a request for this rule's sake: what its provider gives is shared. */
function keptPools({ pools }: World, pool: ServedPool, rule: Rule): readonly ServedPool[] {
  switch (rule) {
    case "pool-limit":
      return [pool];
    case "provider-limit":
    case "refused":
    case "concurrency":
      return pools.filter(({ provider }) => provider.name === pool.provider.name);
    default:
      return [];
  }
}

/** Keeps for a request what becomes free, but where an earlier one has it. */
export function keepRoom(
  world: World,
  census: Census,
  draft: Draft,
  { id, record }: ReadableRequest,
  kept: Kept,
): void {
  for (const pool of kept.pools) {
    if (!draft.aged.has(nameOf(pool))) draft.aged.set(nameOf(pool), id);
    // Other requests can launch nothing there either: pools of other launchers may take them.
    draft.paused.add(pool.id);
  }
  for (const pool of kept.hosts) {
    for (const node of new FreeSlots(world, census, pool).keptFor(record.nodeTypes)) census.keep(node);
  }
  if (record.tenantName !== null) census.keepShare(record.tenantName, id, kept.share);
}
