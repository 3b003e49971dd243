// What stands in the way of serving a request, and what a pool can do for it. Pure.
import type { World } from "../actions.ts";
import type { Census, ReadableNode } from "./census.ts";
import { type Amounts, add, amountsOf, describeTenantShortage, NOTHING, shortageOf } from "./quota.ts";
import type { ServedPool } from "./served.ts";

/** The rules that stand in the way of serving a request, in the order in which they are looked at. */
export type Rule =
  | "disabled"
  | "image"
  | "impossible"
  | "foreign-use"
  | "too-few-hosts"
  | "tenant"
  | "limits"
  | "refused"
  | "concurrency"
  | "aging"
  | "pool-limit"
  | "provider-limit"
  | "reuse"
  | "hosts"
  | "host-check";

/** A rule that stands in the way, and the sentence that says so with its numbers. */
export interface Obstacle {
  readonly rule: Rule;
  readonly text: string;
}

/** An older request that waits for room, and to which min-ready leaves it. */
export function waitsFirst(request: string): Obstacle {
  return { rule: "aging", text: `request ${request} waits for room and goes first` };
}

/** One that nobody passes any more. */
export function hasWaitedLong(request: string): Obstacle {
  return { rule: "aging", text: `request ${request} has waited long and gets the next free room` };
}

/** What a request waits for. */
export type Wait = "image" | "turn" | "room";

/** What a pool can do for a request. */
export type Fit =
  /** One node per label; null: launch one, in this zone if any. */
  | {
      readonly kind: "now";
      readonly pool: ServedPool;
      readonly nodes: readonly (ReadableNode | null)[];
      readonly zone: string | null;
    }
  /** It waits for its image, for its turn, or for room: only the last is helped by nodes that go. */
  | {
      readonly kind: "later";
      readonly pool: ServedPool;
      readonly wait: Wait;
      readonly rule: Rule;
      readonly reason: string;
      /** There is room: all that it waits for is an answer, or launches that are under way. @default false */
      readonly isBrief?: boolean;
    }
  | { readonly kind: "never"; readonly pool: ServedPool; readonly rule: Rule; readonly reason: string };

/** That a pool can serve a request, and not now. */
export type LaterFit = Extract<Fit, { readonly kind: "later" }>;

/** What nodes of these labels take. */
export function wishOf(pool: ServedPool, labels: readonly string[]): Amounts {
  return labels.map((label) => amountsOf(pool.resourcesOf(label))).reduce(add, NOTHING);
}

/** The tenant's limit that is in the way of `wish` more; "impossible" when it is so even with nothing in use. */
export function tenantObstacle(
  world: World,
  census: Census,
  tenant: string | null,
  wish: Amounts,
): Obstacle | null {
  const limits = tenant === null ? undefined : world.config.tenantLimits.get(tenant);
  if (tenant === null || limits === undefined) return null;
  const impossible = shortageOf(limits, NOTHING, wish);
  if (impossible !== null) return { rule: "impossible", text: describeTenantShortage(tenant, impossible) };
  const shortage = shortageOf(limits, census.usedByTenant(tenant), wish);
  return shortage === null ? null : { rule: "tenant", text: describeTenantShortage(tenant, shortage) };
}

/** The same for a request in the queue, from which a part may be kept for one that goes before it. */
export function tenantTurn(
  world: World,
  census: Census,
  tenant: string | null,
  wish: Amounts,
): Obstacle | null {
  const obstacle = tenantObstacle(world, census, tenant, wish);
  const limits = tenant === null ? undefined : world.config.tenantLimits.get(tenant);
  const kept = tenant === null ? undefined : census.shareOf(tenant);
  if (obstacle !== null || tenant === null || limits === undefined || kept === undefined) return obstacle;
  if (shortageOf(limits, add(census.usedByTenant(tenant), kept.amounts), wish) === null) return null;
  const text = `request ${kept.request} has waited long and gets the next of what tenant '${tenant}' may have`;
  return { rule: "aging", text };
}
