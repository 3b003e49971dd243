import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { context, propagation, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { withSpan } from "../../lib/telemetry/trace.ts";
import { FakeProvider } from "../../test/harness/fake_provider.ts";
import { until } from "../../test/harness/launcher.ts";
import { ask, fulfilled, LauncherCase, simple } from "../../test/harness/launcher_case.ts";
import { startZooKeeper, type ZooKeeperServer } from "../../test/harness/zookeeper.ts";

describe("launcher: traces", () => {
  let server: ZooKeeperServer;
  const exporter = new InMemorySpanExporter();
  before(async () => {
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
    trace.setGlobalTracerProvider(
      new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
    );
    server = await startZooKeeper();
  });
  after(async () => {
    await server.close();
    trace.disable();
    context.disable();
    propagation.disable();
  });

  it("puts everything from CreateRequest to the fulfilled request into the caller's trace", async () => {
    const one = await LauncherCase.begin(server, "cloud");
    const asking = await one.launcher(simple(new FakeProvider("elsewhere")));
    const serving = await one.launcher({
      labels: { tiny: {} },
      providers: [{ driver: new FakeProvider("cloud"), pools: [{ name: "main", offers: ["tiny"] }] }],
    });
    await until("its pool in view", () => [...asking.view.pools()].length === 2);
    const { name, traceId } = await withSpan("nodepool request", {}, async (span) => {
      return { name: await ask(asking, ["tiny"]), traceId: span.spanContext().traceId };
    });
    await fulfilled(serving, name);
    const wanted = ["node.create", "node.key_scan", "node.launch", "request.claim", "request.fulfil"];
    const found = () =>
      exporter
        .getFinishedSpans()
        .filter((span) => span.spanContext().traceId === traceId)
        .map((span) => span.name)
        .filter((span) => wanted.includes(span))
        .sort();
    await until("the spans", () => found().length === wanted.length);
    assert.deepEqual(found(), wanted);
    await one.end();
  });
});
