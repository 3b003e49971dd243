import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { metrics } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import type { RequestEntry } from "../../lib/zookeeper/view.ts";
import { pool, request } from "../../test/harness/world.ts";
import { createMetrics } from "./metrics.ts";
import type { ServedPool } from "./pool/served.ts";

afterEach(() => metrics.disable());

/** What the gauge of addressable requests shows, by pool. */
async function addressable(pools: ServedPool[], requests: RequestEntry[]): Promise<Record<string, unknown>> {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const provider = new MeterProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
  metrics.setGlobalMeterProvider(provider);
  const instruments = createMetrics({ nodes: () => [], requests: () => requests }, () => pools);
  await provider.forceFlush();
  instruments.stop();
  const all = exporter
    .getMetrics()
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
  await provider.shutdown();
  const gauge = all.find(({ descriptor }) => descriptor.name === "nodepool.requests.addressable");
  return Object.fromEntries(
    (gauge?.dataPoints ?? []).map(({ attributes, value }) => [
      `${attributes.provider}/${attributes.pool}`,
      value,
    ]),
  );
}

// Nodepool's test_requests_by_provider_stats.
test("a pool's addressable requests are the open ones whose labels it offers, all of them", async () => {
  const pools = [pool("cloud/main", ["small"]), pool("cloud/big", ["small", "large"])];
  const requests = [
    request("200-1"),
    request("200-2", { state: "pending" }),
    request("200-3", { nodeTypes: ["small", "large"] }),
    request("200-4", { nodeTypes: ["other"] }),
    request("200-5", { state: "fulfilled" }),
  ];
  assert.deepEqual(await addressable(pools, requests), { "cloud/main": 2, "cloud/big": 3 });
});

test("a request for one provider is addressable by no pool of another", async () => {
  const pools = [pool("cloud/main", ["small"]), pool("other/main", ["small"])];
  const requests = [request("200-1", { provider: "other" })];
  assert.deepEqual(await addressable(pools, requests), { "cloud/main": 0, "other/main": 1 });
});

test("a pool that is switched off could serve nothing", async () => {
  const pools = [pool("cloud/main", ["small"], { maxServers: 0 })];
  assert.deepEqual(await addressable(pools, [request("200-1")]), { "cloud/main": 0 });
});
