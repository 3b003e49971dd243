// Whether a pool can serve a request now, later or never, and the first rule in the way. Pure.
import type { RequestRecord } from "../../../lib/model/request.ts";
import type { World } from "../actions.ts";
import { ownDataOf } from "../request/own_data.ts";
import type { Census, ReadableNode } from "./census.ts";
import { findImage } from "./image.ts";
import {
  type Amounts,
  add,
  amountsOf,
  describePoolShortage,
  describeProviderShortage,
  NOTHING,
  poolLimits,
  providerLimits,
  shortageOf,
} from "./quota.ts";
import { isEnabled, labelOf, nameOf, type ServedPool } from "./served.ts";

/** What a pool can do for a request. */
export type Fit =
  /** One node per label; null: launch one. */
  | { readonly kind: "now"; readonly pool: ServedPool; readonly nodes: readonly (ReadableNode | null)[] }
  /** `room`: it waits for others to go, and another pool may be quicker. */
  | { readonly kind: "later"; readonly pool: ServedPool; readonly room: boolean; readonly reason: string }
  | { readonly kind: "never"; readonly pool: ServedPool; readonly reason: string };

/** Looks at one pool that offers all labels of the request. `behind`: an older request that gets the room first. */
export function fitOf(
  world: World,
  census: Census,
  pool: ServedPool,
  record: RequestRecord,
  behind: string | null,
): Fit {
  const name = nameOf(pool);
  const never = (reason: string): Fit => ({ kind: "never", pool, reason: `${name}: ${reason}` });
  const later = (room: boolean, reason: string): Fit => ({
    kind: "later",
    pool,
    room,
    reason: `${name}: ${reason}`,
  });
  if (!isEnabled(pool)) return never("pool is disabled by max-servers or max-concurrency");
  const nodes = record.reuse
    ? pickFree(census.freeIn(pool), record.nodeTypes)
    : record.nodeTypes.map(() => null);
  const launches = record.nodeTypes.filter((_label, index) => nodes[index] === null);
  if (launches.length === 0) return { kind: "now", pool, nodes };
  const withoutImage = imageMissing(world, pool, launches);
  if (withoutImage !== null) {
    const own = ownDataOf(record);
    return own.lease !== null || own.minReady ? later(false, withoutImage) : never(withoutImage);
  }
  const wish = launches.map((label) => amountsOf(pool.resourcesOf(label))).reduce(add, NOTHING);
  const whole = record.nodeTypes.map((label) => amountsOf(pool.resourcesOf(label))).reduce(add, NOTHING);
  const impossible = roomFor(world, pool, NOTHING, NOTHING, whole);
  if (impossible !== null) return never(`it would exceed the quota: ${impossible}`);
  const waits = waitFor(world, census, pool, launches.length, behind);
  if (waits !== null) return later(true, waits);
  const shortage = roomFor(world, pool, census.usedByPool(pool), census.usedByProvider(pool), wish);
  return shortage === null ? { kind: "now", pool, nodes } : later(true, shortage);
}

/** The sentence about the limit that is in the way of `wish` more, or null when there is room. */
export function roomFor(
  world: World,
  pool: ServedPool,
  usedByPool: Amounts,
  usedByProvider: Amounts,
  wish: Amounts,
): string | null {
  const inPool = shortageOf(poolLimits(pool.pool), usedByPool, wish);
  if (inPool !== null) return describePoolShortage(inPool);
  if (pool.pool.ignoreProviderQuota) return null;
  const limits = providerLimits(world.hand.limits.get(pool.provider.name));
  const atProvider = shortageOf(limits, usedByProvider, wish);
  return atProvider === null ? null : describeProviderShortage(atProvider);
}

/** Why nothing may be launched now although there may be room. */
export function waitFor(
  world: World,
  census: Census,
  pool: ServedPool,
  launches: number,
  behind: string | null,
): string | null {
  const blocked = world.hand.quotaBlocks.get(pool.provider.name) ?? 0;
  if (blocked > world.now) {
    const rest = Math.ceil(blocked - world.now);
    return `the provider refused the last launch for want of quota; next try in ${rest} s`;
  }
  const busy = census.launchingAt(pool);
  const limit = pool.provider.maxConcurrency;
  if (busy > 0 && busy + launches > limit) {
    return `max-concurrency is ${limit}, launching ${busy}, needed ${launches}`;
  }
  return behind === null ? null : `request ${behind} has waited long and gets the next free room`;
}

/** What is missing to launch these labels, or null. */
export function imageMissing(world: World, pool: ServedPool, labels: readonly string[]): string | null {
  for (const name of new Set(labels)) {
    const label = labelOf(pool, name);
    if (label === undefined) return `label '${name}' is not in the pool`;
    if (findImage(world.tree, pool, label) === null) {
      const image = label.diskimage ?? label.cloudImage ?? "(none)";
      return `image '${image}' of label '${name}' has no ready upload at provider '${pool.provider.name}'`;
    }
  }
  return null;
}

function pickFree(free: readonly ReadableNode[], labels: readonly string[]): (ReadableNode | null)[] {
  const taken = new Set<string>();
  return labels.map((label) => {
    const node = free.find((candidate) => !taken.has(candidate.id) && candidate.record.type.includes(label));
    if (node === undefined) return null;
    taken.add(node.id);
    return node;
  });
}
