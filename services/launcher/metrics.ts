// What the launcher measures. Names and units follow OpenTelemetry; without an SDK nothing is recorded.
import { type Attributes, type BatchObservableResult, metrics } from "@opentelemetry/api";
import type { Config } from "../../lib/config/types.ts";
import type { NodeState } from "../../lib/model/node.ts";
import type { NodeEntry, RequestEntry, View } from "../../lib/zookeeper/view.ts";
import { poolLimits } from "./pool/quota.ts";
import { offeredLabels, type ServedPool } from "./pool/served.ts";

/** The launcher's instruments. Durations are in seconds. */
export interface Metrics {
  /** One launch ended; `result` is ready, failed, aborted or interrupted. */
  launch(duration: number, attributes: Attributes): void;
  /** One request was fulfilled; `duration` counts from its creation. */
  fulfilled(duration: number, attributes: Attributes): void;
  declined(attributes: Attributes): void;
  deleted(duration: number, attributes: Attributes): void;
  /** How many things a provider has without a record, and records without a thing, at the last look; by kind. */
  drift(provider: string, counts: Readonly<Record<string, number>>): void;
  /** Whether the cleanup of a provider is stopped. */
  brake(provider: string, on: boolean): void;
  /** Something without a record was removed: an instance, a port. */
  leaked(attributes: Attributes): void;
  /** An action was refused because somebody else was faster. */
  conflict(attributes: Attributes): void;
  /** Stops observing. */
  stop(): void;
}

/**
 * The states in which a label's nodes spend their lives: of these it is shown, too, that there are none, or nobody could
 * be told of it. Of the others, through which a node passes in a moment, only what there is.
 */
const SHOWN_STATES = [
  "building",
  "testing",
  "ready",
  "in-use",
  "used",
  "hold",
  "deleting",
] satisfies NodeState[];

/** Creates the instruments; gauges observe the view, and the pools, providers and limits that are in force at that time. */
export function createMetrics(
  view: Pick<View, "nodes" | "requests" | "current">,
  pools: () => readonly ServedPool[],
  providers: () => readonly string[],
  config: () => Pick<Config, "labels" | "tenantLimits">,
): Metrics {
  const meter = metrics.getMeter("nodepool.launcher");
  const launches = meter.createHistogram("nodepool.launch.duration", { unit: "s" });
  const waits = meter.createHistogram("nodepool.request.wait", { unit: "s" });
  const deletions = meter.createHistogram("nodepool.delete.duration", { unit: "s" });
  const declines = meter.createCounter("nodepool.request.declines");
  const leaks = meter.createCounter("nodepool.leaked.instances");
  const drifts = meter.createObservableGauge("nodepool.drift");
  const brakes = meter.createObservableGauge("nodepool.brake");
  const conflicts = meter.createCounter("nodepool.action.conflicts");
  const nodes = meter.createObservableGauge("nodepool.nodes");
  const ofLabels = meter.createObservableGauge("nodepool.label.nodes");
  const requests = meter.createObservableGauge("nodepool.requests");
  const addressable = meter.createObservableGauge("nodepool.requests.addressable");
  const ofPools = meter.createObservableGauge("nodepool.pool.limit");
  const ofTenants = meter.createObservableGauge("nodepool.tenant.limit");
  /** What the last look at each provider has found. */
  const found = new Map<string, { counts: Readonly<Record<string, number>>; brake: boolean | null }>();
  const note = (provider: string, more: Partial<{ counts: Record<string, number>; brake: boolean }>) => {
    const { counts, brake } = found.get(provider) ?? { counts: {}, brake: null };
    found.set(provider, { counts: { ...counts, ...more.counts }, brake: more.brake ?? brake });
  };
  const observeFound = (result: BatchObservableResult) => {
    const served = new Set(providers());
    for (const [provider, { counts, brake }] of found) {
      if (!served.has(provider)) {
        found.delete(provider);
        continue;
      }
      for (const [kind, count] of Object.entries(counts)) result.observe(drifts, count, { provider, kind });
      if (brake !== null) result.observe(brakes, brake ? 1 : 0, { provider });
    }
  };
  const observeLabels = (result: BatchObservableResult) => {
    // That there are none is said by who knows it.
    if (!view.current) return;
    for (const [key, count] of countByLabel(view.nodes(), config().labels.keys())) {
      const [label = "", state = ""] = key.split("\n");
      result.observe(ofLabels, count, { label, state });
    }
  };
  const observe = (result: BatchObservableResult) => {
    observeFound(result);
    for (const [key, count] of countBy(view.nodes(), ({ record }) => [record?.provider, record?.state])) {
      const [provider = "", state = ""] = key.split("\n");
      result.observe(nodes, count, { provider, state });
    }
    observeLabels(result);
    for (const [state, count] of countBy(view.requests(), ({ record }) => [record?.state])) {
      result.observe(requests, count, { state });
    }
    const open = openRequests(view.requests());
    for (const served of pools()) {
      const attributes = { provider: served.provider.name, pool: served.pool.name };
      result.observe(addressable, addressableBy(served, open), attributes);
      for (const [resource, limit] of finite(poolLimits(served.pool))) {
        result.observe(ofPools, limit, { ...attributes, resource });
      }
    }
    for (const [tenant, limits] of config().tenantLimits) {
      for (const [resource, limit] of finite(limits)) result.observe(ofTenants, limit, { tenant, resource });
    }
  };
  const observed = [nodes, ofLabels, requests, addressable, ofPools, ofTenants, drifts, brakes];
  meter.addBatchObservableCallback(observe, observed);
  return {
    launch: (duration, attributes) => launches.record(duration, attributes),
    fulfilled: (duration, attributes) => waits.record(duration, attributes),
    declined: (attributes) => declines.add(1, attributes),
    deleted: (duration, attributes) => deletions.record(duration, attributes),
    drift: (provider, counts) => note(provider, { counts }),
    brake: (provider, brake) => note(provider, { brake }),
    leaked: (attributes) => leaks.add(1, attributes),
    conflict: (attributes) => conflicts.add(1, attributes),
    stop: () => meter.removeBatchObservableCallback(observe, observed),
  };
}

/** The limits that there are. */
function finite(limits: Readonly<Record<string, number>>): [resource: string, limit: number][] {
  return Object.entries(limits).filter(([, limit]) => Number.isFinite(limit));
}

interface OpenRequests {
  readonly labels: readonly string[];
  readonly provider: string | null;
  count: number;
}

/** How many requests have no answer yet, by what they ask for: of thousands, most ask for the same. */
function openRequests(requests: Iterable<RequestEntry>): OpenRequests[] {
  const groups = new Map<string, OpenRequests>();
  for (const { record } of requests) {
    if (record?.state !== "requested" && record?.state !== "pending") continue;
    const { nodeTypes: labels, provider } = record;
    const key = JSON.stringify([labels, provider]);
    const group = groups.get(key) ?? { labels, provider, count: 0 };
    group.count += 1;
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** How many of them the pool could serve: it offers all their labels, and no other provider was asked for. */
function addressableBy(served: ServedPool, open: readonly OpenRequests[]): number {
  const offered = new Set(offeredLabels(served));
  return open
    .filter(({ labels }) => labels.every((label) => offered.has(label)))
    .filter(({ provider }) => provider === null || provider === served.provider.name)
    .reduce((sum, { count }) => sum + count, 0);
}

/** How many nodes each label has in each state, by label and state; a node of several labels is one of each. */
function countByLabel(nodes: Iterable<NodeEntry>, configured: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const label of configured) for (const state of SHOWN_STATES) counts.set(`${label}\n${state}`, 0);
  for (const { record } of nodes) {
    for (const label of record?.type ?? []) {
      const key = `${label}\n${record?.state}`;
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

function countBy<T>(items: Iterable<T>, keyOf: (item: T) => readonly (string | null | undefined)[]) {
  const counts = new Map<string, number>();
  for (const item of items) {
    const key = keyOf(item)
      .map((part) => part ?? "unknown")
      .join("\n");
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}
