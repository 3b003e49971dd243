// The pools of this launcher's configuration that it serves, and what they say of themselves.
import { isDeepStrictEqual } from "node:util";
import type { Config, PoolConfig, PoolLabelConfig, ProviderConfig } from "../../../lib/config/types.ts";
import { newPool, type PoolRecord, poolWorkerId } from "../../../lib/model/component.ts";
import type { NodeRecord } from "../../../lib/model/node.ts";
import type { Host, Provider, Resources } from "../../../lib/provider/contract.ts";
import { hostsOf } from "../../../lib/provider/static/hosts.ts";

/** A pool whose provider works here. */
export interface ServedPool {
  /** The pool worker id: new at each start of the process, the word in `declined_by`. */
  readonly id: string;
  readonly provider: ProviderConfig;
  readonly pool: PoolConfig;
  /** The driver that it was opened with; absent in tests that launch nothing. */
  readonly driver?: Provider;
  /** The machines that its nodes are; null or absent when nodes are launched. */
  readonly hosts?: readonly Host[] | null;
  /** What one node of a label takes. */
  readonly resourcesOf: (label: string) => Resources;
}

/** Names a pool across launchers: provider/pool. */
export function poolKey(provider: string | null, pool: string | null): string {
  return `${provider ?? ""}/${pool ?? ""}`;
}

/** The name of a served pool. */
export function nameOf(served: ServedPool): string {
  return poolKey(served.provider.name, served.pool.name);
}

/** Whether the pool has anything to offer: `max-servers` of 0 or less closes it. */
export function isOpen({ pool }: Pick<ServedPool, "pool">): boolean {
  return pool.maxServers > 0;
}

/** Whether the pool may serve at all: it is open, and its provider not stopped by a `max-concurrency` of 0. */
export function isEnabled({ pool, provider }: Pick<ServedPool, "pool" | "provider">): boolean {
  return isOpen({ pool }) && provider.maxConcurrency > 0;
}

/** The labels that the pool offers: none while it is closed. While its provider is stopped, requests wait for it. */
export function offeredLabels(served: ServedPool): string[] {
  return isOpen(served) ? served.pool.labels.map((label) => label.name) : [];
}

/**
 * What a pool says of itself. `min_ready` is for the other launchers of ours: the first pool that keeps a label's is the
 * one whose launcher asks for nodes. Hosts are ready as it is, so that a pool of them keeps nothing.
 */
export function poolRecord(
  served: ServedPool,
  { labels }: Pick<Config, "labels">,
  more: Partial<PoolRecord> = {},
): PoolRecord {
  const { id, pool, provider, hosts } = served;
  const offered = offeredLabels(served);
  const kept = (hosts ? [] : offered)
    .map((name) => [name, labels.get(name)?.minReady ?? 0] as const)
    .filter(([, count]) => count > 0);
  return newPool({
    id,
    name: pool.name,
    priority: pool.priority,
    providerName: provider.name,
    supportedLabels: offered,
    extra: { min_ready: Object.fromEntries(kept) },
    ...more,
  });
}

const labelsOf = new WeakMap<PoolConfig, ReadonlyMap<string, PoolLabelConfig>>();

/** The pool's settings of a label. */
export function labelOf({ pool }: ServedPool, label: string): PoolLabelConfig | undefined {
  const known = labelsOf.get(pool) ?? new Map(pool.labels.map((settings) => [settings.name, settings]));
  labelsOf.set(pool, known);
  return known.get(label);
}

/**
 * Whether we offer none of a node's labels in its pool any more, `pool` where we serve it: they, or the pool while we
 * ran, were taken out of the configuration.
 */
export function isUnoffered(
  record: Pick<NodeRecord, "provider" | "pool" | "type">,
  pool: ServedPool | undefined,
  { retired }: { readonly retired: ReadonlySet<string> },
): boolean {
  if (pool === undefined) return retired.has(poolKey(record.provider, record.pool));
  return !record.type.some((label) => labelOf(pool, label) !== undefined);
}

/**
 * The pools of those providers of the configuration that are there. A pool that was served `before` keeps its id; one
 * of which nothing has changed stays the same object.
 */
export function servedPools(
  config: Config,
  providers: readonly Provider[],
  hostname: string,
  newUuid: () => string,
  before: readonly ServedPool[] = [],
): ServedPool[] {
  return config.providers.flatMap((provider) => {
    const driver = providers.find((candidate) => candidate.name === provider.name);
    if (driver === undefined) return [];
    return provider.pools.map((pool) => {
      const known = before.find((old) => nameOf(old) === poolKey(provider.name, pool.name));
      if (known?.driver === driver && isDeepStrictEqual(known.provider, provider)) return known;
      return {
        id: known?.id ?? poolWorkerId(hostname, provider.name, pool.name, newUuid().replaceAll("-", "")),
        provider,
        pool,
        driver,
        hosts: hostsOf(provider, pool),
        resourcesOf: (label: string) => driver.resourcesOf(pool.name, label),
      };
    });
  });
}

/** The availability zones that the pool's configuration lists. */
export function listedZones(served: ServedPool): readonly string[] {
  const zones = served.pool.settings["availability-zones"];
  return Array.isArray(zones) ? zones.filter((zone) => typeof zone === "string") : [];
}
