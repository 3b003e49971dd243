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

/** What a request waits for. */
export type Wait = "image" | "turn" | "room";

/** What a pool can do for a request. */
export type Fit =
  /** One node per label; null: launch one. */
  | { readonly kind: "now"; readonly pool: ServedPool; readonly nodes: readonly (ReadableNode | null)[] }
  /** It waits for its image, for its turn, or for room: only the last is helped by nodes that go. */
  | { readonly kind: "later"; readonly pool: ServedPool; readonly wait: Wait; readonly reason: string }
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
  const later = (wait: Wait, reason: string): Fit => ({
    kind: "later",
    pool,
    wait,
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
    return own.lease !== null || own.minReady ? later("image", withoutImage) : never(withoutImage);
  }
  const wish = launches.map((label) => amountsOf(pool.resourcesOf(label))).reduce(add, NOTHING);
  const whole = record.nodeTypes.map((label) => amountsOf(pool.resourcesOf(label))).reduce(add, NOTHING);
  const impossible = roomFor(world, pool, NOTHING, NOTHING, whole);
  if (impossible !== null) return never(`it would exceed the quota: ${impossible}`);
  const refused = quotaBlock(world, pool);
  if (refused !== null) return later("room", refused);
  const turn = turnOf(census, pool, launches.length);
  if (turn !== null) return later("turn", turn);
  if (behind !== null) return later("turn", `request ${behind} has waited long and gets the next free room`);
  const shortage = roomFor(world, pool, census.usedByPool(pool), census.usedByProvider(pool), wish);
  return shortage === null ? { kind: "now", pool, nodes } : later("room", shortage);
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

/** The sentence about a provider that has just refused for want of quota, or null. */
export function quotaBlock(world: World, pool: ServedPool): string | null {
  const rest = (world.hand.quotaBlocks.get(pool.provider.name) ?? 0) - world.now;
  if (rest <= 0) return null;
  return `the provider refused the last launch for want of quota; next try in ${Math.ceil(rest)} s`;
}

/** The sentence about too many launches at once, or null. */
export function turnOf(census: Census, pool: ServedPool, launches: number): string | null {
  const busy = census.launchingAt(pool);
  const limit = pool.provider.maxConcurrency;
  if (busy === 0 || busy + launches <= limit) return null;
  return `max-concurrency is ${limit}, launching ${busy}, needed ${launches}`;
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
