// Whether a pool can serve a request now, later or never, and the first rule in the way. Pure.
import type { RequestRecord } from "../../../lib/model/request.ts";
import { formatTime } from "../../../lib/std/format_time.ts";
import type { World } from "../actions.ts";
import { fitHosts, neverOnHosts } from "../host/fit.ts";
import { ownDataOf } from "../request/own_data.ts";
import type { Census } from "./census.ts";
import { findImage } from "./image.ts";
import {
  type Fit,
  type LaterFit,
  type Obstacle,
  type Rule,
  tenantTurn,
  type Wait,
  wishOf,
} from "./obstacle.ts";
import {
  type Amounts,
  add,
  describePoolShortage,
  describeProviderShortage,
  describeTenantShortage,
  NOTHING,
  poolLimits,
  shortageOf,
} from "./quota.ts";
import { isOpen, labelOf, listedZones, nameOf, type ServedPool } from "./served.ts";

const WAITS: Readonly<Record<Rule, Wait>> = {
  disabled: "turn",
  image: "image",
  impossible: "turn",
  "foreign-use": "turn",
  "too-few-hosts": "turn",
  tenant: "turn",
  limits: "turn",
  refused: "room",
  concurrency: "turn",
  aging: "turn",
  "pool-limit": "room",
  "provider-limit": "room",
  reuse: "turn",
  hosts: "turn",
  "host-check": "turn",
};

/** What a request waits for that this rule is in the way of. */
export const waitFor = (rule: Rule): Wait => WAITS[rule];

/** While a provider says that its quota is used up, nothing is launched there for this many seconds. */
export const QUOTA_PAUSE_SECONDS = 5;

/** In the way of every launch in a pool that is closed. */
export const DISABLED: Obstacle = { rule: "disabled", text: "pool is disabled by max-servers" };

const STOPPED: Obstacle = {
  rule: "disabled",
  text: "max-concurrency of the provider is 0: nothing is served there until it is raised",
};

/** In the way of whatever an open pool could do while its provider takes no requests; or null. */
export function stoppedBy({ provider }: ServedPool): Obstacle | null {
  return provider.maxConcurrency > 0 ? null : STOPPED;
}

/** Looks at one pool that offers all labels of the request. `behind`: that an older request gets the room first. */
export function fitOf(
  world: World,
  census: Census,
  pool: ServedPool,
  request: { readonly id: string; readonly record: RequestRecord },
  behind: Obstacle | null,
): Fit {
  const { record } = request;
  const never = ({ rule, text }: Obstacle): Fit => {
    return { kind: "never", pool, rule, reason: `${nameOf(pool)}: ${text}` };
  };
  const later = ({ rule, text }: Obstacle): LaterFit => {
    return { kind: "later", pool, wait: waitFor(rule), rule, reason: `${nameOf(pool)}: ${text}` };
  };
  if (!isOpen(pool)) return never(DISABLED);
  const stopped = stoppedBy(pool);
  if (stopped !== null) return later(stopped);
  if (pool.hosts) return fitHosts(world, census, pool, request);
  const nodes = record.reuse
    ? census.pick(pool, { labels: record.nodeTypes, zone: null })
    : record.nodeTypes.map(() => null);
  const launches = record.nodeTypes.filter((_label, index) => nodes[index] === null);
  const zone = nodes.find((node) => node !== null)?.record.az ?? zoneFor(pool, request);
  const whole = wishOf(pool, record.nodeTypes);
  const tenant = tenantTurn(world, census, record.tenantName, whole);
  if (tenant?.rule === "impossible") return never(tenant);
  if (launches.length === 0) {
    return tenant === null ? { kind: "now", pool, nodes, zone } : later(tenant);
  }
  const withoutImage = imageMissing(world, pool, launches);
  if (withoutImage !== null) return waitsForImage(record) ? later(withoutImage) : never(withoutImage);
  const impossible = exceeded(world, pool, whole);
  if (impossible !== null) return never(impossible);
  if (tenant !== null) return later(tenant);
  const wish = launches.length === nodes.length ? whole : wishOf(pool, launches);
  const turn = quotaObstacle(world, pool) ?? turnOf(census, pool, launches.length);
  const shortage = behind ?? roomNow(world, census, pool, wish);
  if (turn !== null) return { ...later(turn), isBrief: turn.rule !== "refused" && shortage === null };
  return shortage === null ? { kind: "now", pool, nodes, zone } : later(shortage);
}

function waitsForImage(record: RequestRecord): boolean {
  const { lease, minReady } = ownDataOf(record);
  return lease !== null || minReady;
}

/** Why a pool can never serve a request for these labels, as it is configured now; or null. */
export function neverFits(
  world: World,
  pool: ServedPool,
  labels: readonly string[],
  tenant: string | null,
): Obstacle | null {
  if (!isOpen(pool)) return DISABLED;
  const gone = labels.find((name) => labelOf(pool, name) === undefined);
  if (gone !== undefined) return { rule: "image", text: `label '${gone}' is not in the pool` };
  const whole = wishOf(pool, labels);
  const limits = tenant === null ? undefined : world.config.tenantLimits.get(tenant);
  const ofTenant = limits === undefined ? null : shortageOf(limits, NOTHING, whole);
  if (tenant !== null && ofTenant !== null) {
    return { rule: "impossible", text: describeTenantShortage(tenant, ofTenant) };
  }
  if (pool.hosts) return neverOnHosts(pool, labels);
  return exceeded(world, pool, whole);
}

/** The limit that would be exceeded with nothing in use, or, else, with nothing of ours; or null. */
function exceeded(world: World, pool: ServedPool, wish: Amounts): Obstacle | null {
  const say = (rule: Rule, { text }: Obstacle) => ({ rule, text: `it would exceed the quota: ${text}` });
  const besideOthers = roomFor(world, pool, { ...EMPTY, foreign: foreignAt(world, pool) }, wish);
  if (besideOthers === null) return null;
  const alone = roomFor(world, pool, EMPTY, wish);
  return alone === null ? say("foreign-use", besideOthers) : say("impossible", alone);
}

/** What is in the way of launching these labels as things stand, or null. */
export function launchObstacle(
  world: World,
  census: Census,
  pool: ServedPool,
  labels: readonly string[],
): Obstacle | null {
  return (
    stoppedBy(pool) ??
    imageMissing(world, pool, labels) ??
    quotaObstacle(world, pool) ??
    turnOf(census, pool, labels.length) ??
    roomNow(world, census, pool, wishOf(pool, labels))
  );
}

/** The limit that is in the way of `wish` more as things stand, or null when there is room. */
export function roomNow(world: World, census: Census, pool: ServedPool, wish: Amounts): Obstacle | null {
  const [inPool, atProvider] = [census.usedByPool(pool), census.usedByProvider(pool)];
  return roomFor(world, pool, { inPool, atProvider, foreign: foreignAt(world, pool) }, wish);
}

/** What is in use: by nodes of the pool, by all nodes of its provider, and there by instances that are not ours. */
type Use = Readonly<Record<"inPool" | "atProvider" | "foreign", Amounts>>;

const EMPTY: Use = { inPool: NOTHING, atProvider: NOTHING, foreign: NOTHING };

const foreignAt = ({ hand }: World, pool: ServedPool) => hand.foreign.get(pool.provider.name) ?? NOTHING;

function roomFor(world: World, pool: ServedPool, use: Use, wish: Amounts): Obstacle | null {
  const inPool = shortageOf(poolLimits(pool.pool), use.inPool, wish);
  if (inPool !== null) return { rule: "pool-limit", text: describePoolShortage(inPool) };
  if (pool.pool.ignoreProviderQuota) return null;
  const { foreign } = use;
  const limits = world.hand.limits.get(pool.provider.name) ?? {};
  const atProvider = shortageOf(limits, add(use.atProvider, foreign), wish);
  if (atProvider === null) return null;
  const text = describeProviderShortage(atProvider, foreign[atProvider.what] ?? 0);
  return { rule: "provider-limit", text };
}

/** The sentence about a provider that has just refused for want of quota, or has not told its quota; or null. */
export function quotaObstacle(world: World, pool: ServedPool): Obstacle | null {
  if (world.hand.asking.has(pool.provider.name) && !pool.pool.ignoreProviderQuota) {
    return { rule: "limits", text: "the provider has not told its limits yet" };
  }
  const end = endOfRefusal(world, pool);
  if (!Number.isFinite(end)) return null;
  // The time, and not how long it is until then: the sentence is told until the next decision.
  const next = formatTime(Math.ceil(end));
  const text = `the provider refused the last launch for want of quota; the next try is at ${next}`;
  return { rule: "refused", text };
}

/** When (seconds) a launch may be tried again where the provider has just refused one; Infinity where it has not. */
export function endOfRefusal({ hand, now }: World, pool: ServedPool): number {
  const end = hand.quotaBlocks.get(pool.provider.name) ?? 0;
  // A rest that is longer comes of a clock that was set back.
  return end > now && end <= now + QUOTA_PAUSE_SECONDS ? end : Infinity;
}

/** The sentence about too many launches at once, or null. */
export function turnOf(census: Census, pool: ServedPool, launches: number): Obstacle | null {
  const busy = census.launchingAt(pool);
  const limit = pool.provider.maxConcurrency;
  if (busy === 0 || busy + launches <= limit) return null;
  const text = `max-concurrency is ${limit}, launching ${busy}, needed ${launches}`;
  return { rule: "concurrency", text };
}

/** What is missing to launch these labels, or null. */
export function imageMissing(world: World, pool: ServedPool, labels: readonly string[]): Obstacle | null {
  for (const name of new Set(labels)) {
    const label = labelOf(pool, name);
    if (label === undefined) return { rule: "image", text: `label '${name}' is not in the pool` };
    if (findImage(world.tree, pool, label) === null) {
      const text = `image '${label.diskimage}' of label '${name}' has no ready upload at provider '${pool.provider.name}'`;
      return { rule: "image", text };
    }
  }
  return null;
}

/**
 * The zone in which all new nodes of a request are launched: one that the pool lists, or, where it lists none and the
 * request is for several nodes, one that the provider has. Null: the provider's choice, for it knows where there is room.
 */
export function zoneFor(
  pool: ServedPool,
  { id, record }: { readonly id: string; readonly record: RequestRecord },
): string | null {
  const listed = listedZones(pool);
  const known = record.nodeTypes.length > 1 ? (pool.driver?.zones?.() ?? []) : [];
  const zones = listed.length > 0 ? listed : known;
  return zones[Number(id.slice(-10).replace(/\D/g, "")) % zones.length] ?? null;
}
