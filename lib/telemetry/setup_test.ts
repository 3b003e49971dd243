import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { afterEach, describe, test } from "node:test";
import { context, metrics, trace } from "@opentelemetry/api";
import { until } from "../../test/harness/launcher.ts";
import { freePort } from "../../test/harness/ports.ts";
import { startTelemetry, type TelemetryOptions } from "./setup.ts";
import { currentTraceparent, withSpan } from "./trace.ts";

afterEach(() => {
  trace.disable();
  metrics.disable();
  context.disable();
});

const who = { service: "nodepool-test", version: "1.2.3" };

/** An OTLP collector: each export is told with its path, and answered with a status; gives its address, and what ends it. */
async function collect(onExport: (path: string, body: string) => void, status = () => 200) {
  const server = createServer(async (request: IncomingMessage, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    onExport(request.url ?? "", body);
    response.statusCode = status();
    response.setHeader("content-type", "application/json").end("{}");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { endpoint: `http://127.0.0.1:${address.port}`, close };
}

test("without OTEL_ variables nothing is recorded", async () => {
  const telemetry = await startTelemetry({ ...who, env: {} });
  assert.equal(await withSpan("work", {}, async () => currentTraceparent()), null);
  await telemetry.shutdown();
});

test("OTEL_SDK_DISABLED and Deno's own telemetry keep ours from starting", async () => {
  for (const name of ["OTEL_SDK_DISABLED", "OTEL_DENO"]) {
    await startTelemetry({ ...who, env: { OTEL_TRACES_EXPORTER: "console", [name]: "true" } });
    assert.equal(await withSpan("work", {}, async () => currentTraceparent()), null);
  }
});

test("the console exporter writes a line for each span", async () => {
  const lines: string[] = [];
  const telemetry = await startTelemetry({
    ...who,
    env: { OTEL_TRACES_EXPORTER: "console" },
    write: (line) => lines.push(line),
  });
  await withSpan("outer", { attributes: { node: "7" } }, () => withSpan("inner", {}, async () => {}));
  await telemetry.shutdown();
  assert.equal(lines.length, 2);
  assert.match(lines[0] ?? "", /^span [0-9a-f]{32} [0-9a-f]{16} <- [0-9a-f]{16} +\d+\.\d ms {2}inner\n$/);
  assert.match(lines[1] ?? "", /<- -{16} .*outer node=7\n$/);
});

test("an OTLP endpoint gets spans and metrics, with the resource, before shutdown ends", async () => {
  const received = new Map<string, string>();
  const { endpoint, close } = await collect((path, body) => received.set(path, body));
  const telemetry = await startTelemetry({
    ...who,
    instance: "host-1",
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `${endpoint}/`,
      OTEL_RESOURCE_ATTRIBUTES: "deployment.environment=a%20b",
    },
  });
  metrics.getMeter("nodepool").createCounter("things").add(3);
  await withSpan("sent", {}, async () => {});
  await telemetry.shutdown();
  close();
  const spans = received.get("/v1/traces") ?? "";
  assert.match(spans, /"name":"sent"/);
  assert.match(spans, /nodepool-test/);
  assert.match(spans, /1\.2\.3/);
  assert.match(spans, /a b/);
  const sent = received.get("/v1/metrics") ?? "";
  assert.match(sent, /things/);
  assert.ok(sent.includes('{"key":"service.instance.id","value":{"stringValue":"host-1"}}'), sent);
});

test("an empty OTLP endpoint is as none: that of the one signal counts", async () => {
  const received = new Set<string>();
  const { endpoint, close } = await collect((path) => received.add(path));
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: "", OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/own` };
  const telemetry = await startTelemetry({ ...who, env });
  await withSpan("sent", {}, async () => {});
  await telemetry.shutdown();
  close();
  assert.deepEqual([...received], ["/own"]);
});

for (const name of ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]) {
  for (const endpoint of ["127.0.0.1:4318", "localhost:4318", "http://"]) {
    test(`${name}=${endpoint} is told, and nothing is recorded`, async () => {
      const lines: string[] = [];
      const write = (line: string) => lines.push(line);
      const env = { OTEL_METRICS_EXPORTER: "none", [name]: endpoint };
      const telemetry = await startTelemetry({ ...who, env, write });
      assert.equal(await withSpan("work", {}, async () => currentTraceparent()), null);
      await telemetry.shutdown();
      assert.deepEqual(lines, [`${name} is no URL, as http://127.0.0.1:4318: traces are not sent\n`]);
    });
  }
}

test("a collector that refuses is told once, and again after it has taken something", async () => {
  const lines: string[] = [];
  const answers = [404, 404, 200, 404];
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const { endpoint, close } = await collect(
    () => answers.length === 0 && resolve(),
    () => answers.shift() ?? 404,
  );
  const env = { OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: endpoint, OTEL_METRIC_EXPORT_INTERVAL: "20" };
  const telemetry = await startTelemetry({ ...who, env, write: (line) => lines.push(line) });
  metrics.getMeter("nodepool").createCounter("things").add(1);
  await answered;
  await telemetry.shutdown();
  close();
  assert.deepEqual(lines, ["metrics are not sent: Not Found\n", "metrics are not sent: Not Found\n"]);
});

test("an exporter that is not known is told, and passed over", async () => {
  const lines: string[] = [];
  await startTelemetry({
    ...who,
    env: { OTEL_TRACES_EXPORTER: "zipkin" },
    write: (line) => lines.push(line),
  });
  assert.deepEqual(lines, [
    'OTEL_TRACES_EXPORTER is "zipkin", which is passed over; it must be otlp, console or none\n',
  ]);
});

test("a gauge shows what was observed last, and not what was observed before and is gone", async () => {
  const exports: string[] = [];
  let heard = () => {};
  const { endpoint, close } = await collect((_path, body) => {
    exports.push(body);
    heard();
  });
  const telemetry = await startTelemetry({
    ...who,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
      OTEL_METRIC_EXPORT_INTERVAL: "250",
    },
  });
  let states = ["building", "ready"];
  const gauge = metrics.getMeter("nodepool").createObservableGauge("nodes");
  gauge.addCallback((result) => {
    for (const state of states) result.observe(1, { state });
  });
  const next = async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    heard = resolve;
    await promise;
    return exports.at(-1) ?? "";
  };
  const first = await next();
  assert.ok(first.includes("building") && first.includes("ready"));
  // What is on its way meanwhile was observed before.
  states = ["ready", "changed"];
  let later = "";
  while (!later.includes("changed")) later = await next();
  await telemetry.shutdown();
  close();
  assert.ok(later.includes("ready") && !later.includes("building"), later);
});

for (const interval of ["60s", "0", "-5", ""]) {
  test(`an export interval of "${interval}" is passed over, and told unless it is empty`, async () => {
    const lines: string[] = [];
    let exports = 0;
    const { endpoint, close } = await collect(() => {
      exports += 1;
    });
    const telemetry = await startTelemetry({
      ...who,
      env: {
        OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
        OTEL_METRIC_EXPORT_INTERVAL: interval,
      },
      write: (line) => lines.push(line),
    });
    metrics.getMeter("nodepool").createCounter("things").add(1);
    await new Promise((next) => setTimeout(next, 300));
    assert.equal(exports, 0);
    await telemetry.shutdown();
    close();
    assert.equal(lines.length, interval === "" ? 0 : 1);
    for (const line of lines) assert.match(line, /^OTEL_METRIC_EXPORT_INTERVAL is "\S+"; it must be /);
  });
}

test("shutdown does not wait for a collector that does not answer", async (t) => {
  const held: ServerResponse[] = [];
  const collector = createServer((_request, response) => held.push(response)).listen(0, "127.0.0.1");
  await once(collector, "listening");
  // The exporter itself gives up after that.
  process.env.OTEL_EXPORTER_OTLP_TIMEOUT = "600000";
  t.after(() => {
    delete process.env.OTEL_EXPORTER_OTLP_TIMEOUT;
    collector.close();
    for (const response of held) response.writeHead(400, { connection: "close" }).end();
  });
  const { port } = collector.address() as AddressInfo;
  const telemetry = await startTelemetry({
    ...who,
    flushLimitMs: 300,
    env: { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`, OTEL_METRICS_EXPORTER: "none" },
    write: () => {},
  });
  await withSpan("lost", {}, async () => {});
  let isOver = false;
  void telemetry.shutdown().then(() => {
    isOver = true;
  });
  await until("the shutdown", () => isOver && held.length > 0);
});

describe("metrics for a Prometheus", () => {
  const serve = async (given: Partial<TelemetryOptions> = {}, more: Record<string, string> = {}) => {
    const lines: string[] = [];
    const port = await freePort();
    const env = {
      OTEL_METRICS_EXPORTER: "prometheus",
      OTEL_EXPORTER_PROMETHEUS_PORT: String(port),
      ...more,
    };
    const telemetry = await startTelemetry({ ...who, env, write: (line) => lines.push(line), ...given });
    const url = `http://127.0.0.1:${port}/metrics`;
    return { telemetry, lines, port, url, text: async () => await (await fetch(url)).text() };
  };

  test("are at /metrics, and a gauge shows only what was observed last", async () => {
    const named = { OTEL_RESOURCE_ATTRIBUTES: "service.instance.id=mine" };
    const { telemetry, text } = await serve({ instance: "host-1" }, named);
    metrics.getMeter("nodepool").createCounter("nodepool.things").add(3, { "a.b": "c" });
    let states = ["building", "ready"];
    metrics
      .getMeter("nodepool")
      .createObservableGauge("nodepool.nodes")
      .addCallback((result) => {
        for (const state of states) result.observe(1, { state });
      });
    const first = await text();
    assert.match(first, /^nodepool_things_total\{a_b="c"\} 3$/m);
    assert.match(first, /^nodepool_nodes\{state="building"\} 1$/m);
    states = ["ready"];
    const second = await text();
    assert.match(second, /^nodepool_things_total\{a_b="c"\} 3$/m);
    assert.doesNotMatch(second, /building/);
    const attributes = 'service_name="nodepool-test",service_version="1.2.3",service_instance_id="mine"';
    assert.ok(second.split("\n").includes(`target_info{${attributes}} 1`), second);
    await telemetry.shutdown();
  });

  test("are not there any more after the shutdown, which does not wait for who has fetched them", async () => {
    const { telemetry, text } = await serve();
    await text();
    const before = performance.now();
    await telemetry.shutdown();
    // The connection of who has fetched them would be closed after 4 s.
    assert.ok(performance.now() - before < 3500);
    await assert.rejects(text());
  });

  test("whose port somebody else has are told to be nowhere", async () => {
    const first = await serve();
    await first.text();
    const second = await serve({}, { OTEL_EXPORTER_PROMETHEUS_PORT: String(first.port) });
    await until("it is told", () => second.lines.length > 0);
    assert.match(
      second.lines[0] ?? "",
      /^metrics cannot be fetched: .*EADDRINUSE.*PROMETHEUS_PORT of its own\n$/s,
    );
    await first.telemetry.shutdown();
    await second.telemetry.shutdown();
  });

  test("are not served by a command, which ends before anybody comes", async () => {
    const { text, lines } = await serve({ isLasting: false });
    await assert.rejects(text());
    assert.deepEqual(lines, []);
  });
});
