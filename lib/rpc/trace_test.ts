import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { context, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { silentLogger } from "../std/logger.ts";
import { currentTraceparent, withSpan } from "../telemetry/trace.ts";
import { type Clients, connectClients } from "./client.ts";
import { NodeServiceDefinition } from "./gen/nodepool/v1/node.ts";
import { createRpcServer, type RpcServer } from "./server.ts";
import { rpcService } from "./service.ts";

const exporter = new InMemorySpanExporter();
let server: RpcServer;
let clients: Clients;

const unused = async () => ({});

before(async () => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager());
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  );
  server = createRpcServer({
    logger: silentLogger,
    services: [
      rpcService(NodeServiceDefinition, {
        listNodes: async () => {
          await withSpan("work of the method", {}, async () => {});
          return { nextPageToken: currentTraceparent() ?? "" };
        },
        getNode: async () => {
          throw new TypeError("broken");
        },
        watchNodes: async function* () {
          for (const item of ["first", "second", "third"]) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            await withSpan(item, {}, async () => {});
            yield { resumeToken: currentTraceparent() ?? "" };
          }
        },
        holdNode: unused,
        releaseNode: unused,
        getConsoleLog: unused,
        deleteNode: unused,
      }),
    ],
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  clients = connectClients({ launcherAddress: address, builderAddress: address });
});

beforeEach(() => exporter.reset());

after(async () => {
  clients.close();
  await server.stop(1000);
  trace.disable();
  context.disable();
});

/** The finished spans by name, once there are as many; a server's span ends just after its answer was sent. */
async function finished(count: number): Promise<Map<string, ReadableSpan>> {
  while (exporter.getFinishedSpans().length < count) await new Promise((resolve) => setTimeout(resolve, 2));
  const spans = exporter.getFinishedSpans();
  assert.equal(spans.length, count, spans.map(({ name }) => name).join(", "));
  return new Map(spans.map((span) => [`${span.name} ${span.kind}`, span]));
}

const SERVER = 1;
const CLIENT = 2;
const INTERNAL = 0;

test("one call is one trace: caller, client, server, method", async () => {
  await withSpan("caller", {}, async () => {
    await clients.nodes.listNodes({});
  });
  const spans = await finished(4);
  const path = [
    `work of the method ${INTERNAL}`,
    `nodepool.v1.NodeService/ListNodes ${SERVER}`,
    `nodepool.v1.NodeService/ListNodes ${CLIENT}`,
    `caller ${INTERNAL}`,
  ].map((name) => spans.get(name));
  for (const [index, span] of path.entries()) {
    assert.equal(span?.parentSpanContext?.spanId, path[index + 1]?.spanContext().spanId);
    assert.equal(span?.spanContext().traceId, path[0]?.spanContext().traceId);
  }
});

test("every item of a stream is made in the call's span, not only the first", async () => {
  const traceparents: string[] = [];
  await withSpan("caller", {}, async () => {
    for await (const { resumeToken } of clients.nodes.watchNodes({})) traceparents.push(resumeToken);
  });
  const spans = await finished(6);
  const serverSpan = spans.get(`nodepool.v1.NodeService/WatchNodes ${SERVER}`)?.spanContext();
  assert.ok(serverSpan);
  for (const item of ["first", "second", "third"]) {
    assert.equal(spans.get(`${item} ${INTERNAL}`)?.parentSpanContext?.spanId, serverSpan.spanId, item);
  }
  const expected = `00-${serverSpan.traceId}-${serverSpan.spanId}-01`;
  assert.deepEqual(traceparents, [expected, expected, expected]);
});

test("a defect's answer names the trace, and both spans are failed", async () => {
  await assert.rejects(clients.nodes.getNode({}), /trace [0-9a-f]{32}$/);
  const spans = await finished(2);
  for (const span of spans.values()) {
    assert.equal(span.status.code, 2);
    assert.equal(span.attributes["rpc.response.status_code"], "INTERNAL");
  }
});
