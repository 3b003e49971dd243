// Counting against limits. Pure.
import type { PoolConfig } from "../../../lib/config/types.ts";

/** Amounts of everything that is counted, by name: instances, cores, ram (MiB), volumes, ... Missing is nothing. */
export type Amounts = Readonly<Record<string, number>>;

/** A limit that stands in the way, with its numbers. */
export interface Shortage {
  readonly what: string;
  readonly limit: number;
  readonly used: number;
  readonly needed: number;
}

export const NOTHING: Amounts = {};

/** What a node counts: its own resources where they are known, else its label's. A node is one instance. */
export function amountsOf(resources: Readonly<Record<string, unknown>> | null): Amounts {
  const amounts: Record<string, number> = { instances: 1 };
  if (resources === null) return amounts;
  for (const name of Object.keys(resources)) {
    const value = resources[name];
    if (typeof value === "number" && Number.isFinite(value)) amounts[name] = value;
  }
  return amounts;
}

export function areSame(one: Amounts, other: Amounts): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

export function add(left: Amounts, right: Amounts): Amounts {
  if (left === NOTHING) return right;
  if (right === NOTHING) return left;
  const sum: Record<string, number> = { ...left };
  for (const [name, amount] of Object.entries(right)) sum[name] = (sum[name] ?? 0) + amount;
  return sum;
}

const POOL_KEYS: Readonly<Record<string, string>> = {
  instances: "max-servers",
  cores: "max-cores",
  ram: "max-ram",
  volumes: "max-volumes",
  "volume-gb": "max-volume-gb",
};

const poolLimitsOf = new WeakMap<PoolConfig, Amounts>();

/** The limits that a pool's configuration sets; what it does not mention is unlimited. */
export function poolLimits(pool: PoolConfig): Amounts {
  const known = poolLimitsOf.get(pool);
  if (known !== undefined) return known;
  const limits: Record<string, number> = {
    instances: pool.maxServers,
    cores: pool.maxCores,
    ram: pool.maxRam,
  };
  const others = pool.settings["max-resources"];
  const named = [
    ["volumes", pool.settings["max-volumes"]] as const,
    ["volume-gb", pool.settings["max-volume-gb"]] as const,
  ];
  for (const [name, limit] of [...named, ...Object.entries(others ?? {})]) {
    if (typeof limit === "number") limits[name] = limit;
  }
  poolLimitsOf.set(pool, limits);
  return limits;
}

/** Whether any of these limits bounds what `wish` takes. */
export function bounds(limits: Readonly<Record<string, number | undefined>>, wish: Amounts): boolean {
  return Object.entries(wish).some(
    ([name, amount]) => amount > 0 && Number.isFinite(limits[name] ?? Infinity),
  );
}

/** The first limit that `needed` more would exceed, or null. What a limit does not mention is unlimited. */
export function shortageOf(
  limits: Readonly<Record<string, number | undefined>>,
  used: Amounts,
  needed: Amounts,
): Shortage | null {
  for (const [what, amount] of Object.entries(needed)) {
    const limit = limits[what] ?? Infinity;
    const before = used[what] ?? 0;
    if (amount > 0 && before + amount > limit) return { what, limit, used: before, needed: amount };
  }
  return null;
}

/** The units of what does not name its own. */
const UNITS: Readonly<Record<string, string>> = { ram: " MiB" };

/** `foreign` of what is in use belongs to others. */
function numbers({ what, limit, used, needed }: Shortage, foreign = 0): string {
  const unit = UNITS[what] ?? "";
  const others = foreign > 0 ? ` (${foreign}${unit} of it not ours)` : "";
  return `${limit}${unit}, in use ${used}${unit}${others}, needed ${needed}${unit}`;
}

/** A pool's shortage as a sentence part: "max-servers is 3, in use 3, needed 1". */
export function describePoolShortage(shortage: Shortage): string {
  return `${POOL_KEYS[shortage.what] ?? `max-resources of ${shortage.what}`} is ${numbers(shortage)}`;
}

/** A provider's shortage as a sentence part; `foreign` of what is in use belongs to others. */
export function describeProviderShortage(shortage: Shortage, foreign: number): string {
  return `the provider's quota of ${shortage.what} is ${numbers(shortage, foreign)}`;
}

/** A tenant's shortage as a sentence part. */
export function describeTenantShortage(tenant: string, shortage: Shortage): string {
  return `the limit of ${shortage.what} of tenant '${tenant}' is ${numbers(shortage)}`;
}
