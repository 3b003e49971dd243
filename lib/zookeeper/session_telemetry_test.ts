import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { context, metrics, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { systemClock } from "../std/clock.ts";
import { withSpan } from "../telemetry/trace.ts";
import { createSessionTelemetry } from "./session_telemetry.ts";
import { ZooKeeperError } from "./types.ts";

afterEach(() => {
  trace.disable();
  metrics.disable();
  context.disable();
});

let asked = 0;
const idle = () => {
  asked += 1;
  return { isConnected: true, inFlight: 3, waiting: 0 };
};
const refuse = () => Promise.reject(new ZooKeeperError("NO_NODE", "get was refused", "/a"));

test("a call within a trace has a span with its path, and one without a trace has none", async () => {
  const exporter = new InMemorySpanExporter();
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  const telemetry = createSessionTelemetry(systemClock, idle);
  await telemetry.observe("get", "/alone", async () => 1);
  await withSpan("outer", {}, async () => {
    assert.equal(await telemetry.observe("multi", undefined, async () => 2), 2);
    await assert.rejects(telemetry.observe("get", "/a", refuse), /NO_NODE/);
  });
  const spans = exporter.getFinishedSpans();
  assert.deepEqual(
    spans.map(({ name, attributes }) => [name, attributes["nodepool.zookeeper.path"]]),
    [
      ["zookeeper.multi", undefined],
      ["zookeeper.get", "/a"],
      ["outer", undefined],
    ],
  );
  assert.ok(spans.every((span) => span.spanContext().traceId === spans[0]?.spanContext().traceId));
});

test("calls, connections and losses are counted, and the state is told until it is stopped", async () => {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const provider = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(provider);
  const telemetry = createSessionTelemetry(systemClock, idle);
  await telemetry.observe("get", "/a", async () => 1);
  await assert.rejects(telemetry.observe("get", "/a", refuse));
  telemetry.connected("127.0.0.1:2181");
  telemetry.lost();

  const collect = async () => {
    exporter.reset();
    await reader.forceFlush();
    const found = exporter
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
    return new Map(found.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints]));
  };
  const told = await collect();
  assert.deepEqual(
    told.get("nodepool.zookeeper.call.duration")?.map(({ attributes }) => attributes),
    [
      { operation: "get", outcome: "ok" },
      { operation: "get", outcome: "NO_NODE" },
    ],
  );
  assert.deepEqual(told.get("nodepool.zookeeper.connections")?.[0]?.value, 1);
  assert.deepEqual(told.get("nodepool.zookeeper.sessions.lost")?.[0]?.value, 1);
  assert.deepEqual(told.get("nodepool.zookeeper.connected")?.[0]?.value, 1);
  assert.deepEqual(
    told.get("nodepool.zookeeper.calls")?.map(({ value, attributes }) => [attributes.state, value]),
    [
      ["in_flight", 3],
      ["waiting", 0],
    ],
  );
  telemetry.stop();
  asked = 0;
  await collect();
  assert.equal(asked, 0);
  await provider.shutdown();
});
