import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Channel, credentials } from "@grpc/grpc-js";
import { createClient } from "nice-grpc";
import { TransitionError } from "../model/node.ts";
import { systemClock } from "../std/clock.ts";
import type { LogFields, Logger } from "../std/logger.ts";
import { silentLogger } from "../std/logger.ts";
import { type Clients, connectClients } from "./client.ts";
import { ClientError, isUnreachable } from "./client_error.ts";
import { failedPrecondition, invalidArgument, notFound } from "./errors.ts";
import { HealthDefinition } from "./gen/grpc/health/v1/health.ts";
import { NodeServiceDefinition, type NodeServiceImplementation } from "./gen/nodepool/v1/node.ts";
import { createRpcServer, type RpcServer, type RpcServerOptions } from "./server.ts";
import { rpcService } from "./service.ts";

const unused = async () => ({});

/** A node service whose methods each show one behaviour of the server. */
function testService(given: Partial<NodeServiceImplementation> = {}): NodeServiceImplementation {
  return {
    listNodes: async () => ({ nodes: [{ name: "nodes/0000000001", state: "STATE_READY" }] }),
    getNode: unused,
    watchNodes: async function* () {},
    holdNode: unused,
    releaseNode: unused,
    getConsoleLog: unused,
    deleteNode: unused,
    ...given,
  };
}

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

async function serve(
  implementation: Partial<NodeServiceImplementation> = {},
  options: Partial<RpcServerOptions> = {},
): Promise<{ server: RpcServer; clients: Clients; address: string }> {
  const server = createRpcServer({
    services: [rpcService(NodeServiceDefinition, testService(implementation))],
    logger: silentLogger,
    ...options,
  });
  const port = await server.listen("127.0.0.1:0");
  const address = `127.0.0.1:${port}`;
  const clients = connectClients({ launcherAddress: address, builderAddress: address });
  cleanups.push(
    () => server.stop(0),
    () => clients.close(),
  );
  return { server, clients, address };
}

function recordingLogger(): { logger: Logger; lines: { message: string; fields: LogFields }[] } {
  const lines: { message: string; fields: LogFields }[] = [];
  const write = (message: string, fields: LogFields = {}) => {
    lines.push({ message, fields });
  };
  const logger: Logger = {
    debug: () => {},
    info: write,
    warn: write,
    error: write,
    child: () => logger,
  };
  return { logger, lines };
}

const caught = async (promise: Promise<unknown>): Promise<ClientError> => {
  const error = await promise.then(
    () => assert.fail("the call succeeded"),
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof ClientError, String(error));
  return error;
};

test("a unary call and a stream are answered", async () => {
  const { clients } = await serve({
    watchNodes: async function* () {
      yield { event: { $case: "deleted", value: "nodes/1" }, resumeToken: "a" };
      yield { event: { $case: "bookmark", value: { synced: true } }, resumeToken: "b" };
    },
  });
  const { nodes } = await clients.nodes.listNodes({});
  assert.equal(nodes[0]?.name, "nodes/0000000001");
  const tokens: string[] = [];
  for await (const { resumeToken } of clients.nodes.watchNodes({})) tokens.push(resumeToken);
  assert.deepEqual(tokens, ["a", "b"]);
});

const unsayable: [what: string, text: string][] = [
  ["half a character", "\ud83d"],
  ["a hundred thousand characters", "x".repeat(100_000)],
  ["ten thousand characters of three bytes", "€".repeat(10_000)],
];
for (const [what, text] of unsayable) {
  test(`an error about ${what} reaches its caller, and other calls on the connection go on`, async () => {
    const { clients } = await serve({
      getNode: async () => {
        throw notFound("node", text);
      },
      holdNode: async () => {
        throw invalidArgument("reason", text);
      },
      deleteNode: async () => {
        throw failedPrecondition("NODE_CANNOT_BE_DELETED", text, { name: text });
      },
      watchNodes: async function* (_request, { signal }) {
        yield { event: { $case: "bookmark", value: { synced: true } }, resumeToken: "a" };
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    const watch = clients.nodes.watchNodes({})[Symbol.asyncIterator]();
    await watch.next();
    const failures = [clients.nodes.getNode({}), clients.nodes.holdNode({}), clients.nodes.deleteNode({})];
    const errors = await Promise.all(failures.map(caught));
    assert.deepEqual(
      errors.map(({ code, reason }) => [code, reason]),
      [
        ["NOT_FOUND", "NODE_NOT_FOUND"],
        ["INVALID_ARGUMENT", "INVALID_ARGUMENT"],
        ["FAILED_PRECONDITION", "NODE_CANNOT_BE_DELETED"],
      ],
    );
    for (const { message } of errors) assert.ok(message.length < 1100, `${message.length} characters`);
    const ended = Promise.race([watch.next(), new Promise((resolve) => setTimeout(resolve, 50, "open"))]);
    assert.equal(await ended, "open");
  });
}

test("the caller's deadline reaches the server and ends the call there", async () => {
  let cancelled: (reason: unknown) => void = () => {};
  const seen = new Promise((resolve) => {
    cancelled = resolve;
  });
  const { clients } = await serve({
    getNode: (_request, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          cancelled(signal.reason);
          reject(signal.reason);
        });
      }),
  });
  const error = await caught(clients.nodes.getNode({ name: "nodes/1" }, { deadlineMs: 150 }));
  assert.equal(error.code, "DEADLINE_EXCEEDED");
  assert.match(error.message, /^the launcher at 127\.0\.0\.1:\d+ did not answer within 150 ms$/);
  assert.match(String(await seen), /DEADLINE_EXCEEDED/);
});

test("a unary call without a deadline is ended by the server's own, even when the method does not heed it", async () => {
  const { clients } = await serve({ getNode: () => new Promise(() => {}) }, { defaultDeadlineMs: 100 });
  const options = { deadlineMs: Number.POSITIVE_INFINITY };
  const error = await caught(clients.nodes.getNode({ name: "nodes/1" }, options));
  assert.equal(error.code, "DEADLINE_EXCEEDED");
});

test("a caller that goes away cancels the method", async () => {
  let aborted = () => {};
  const seen = new Promise<void>((resolve) => {
    aborted = resolve;
  });
  const { clients } = await serve({
    watchNodes: async function* (_request, { signal }) {
      yield { resumeToken: "first" };
      await once(signal, "abort");
      aborted();
    },
  });
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const _ of clients.nodes.watchNodes({}, { signal: controller.signal })) controller.abort();
  }, /abort/i);
  await seen;
});

test("an error arrives with its code, reason and details", async () => {
  const { clients } = await serve({
    holdNode: async () => {
      throw failedPrecondition("NODE_DELETED", "node 7 is gone", { name: "nodes/7" });
    },
  });
  const error = await caught(clients.nodes.holdNode({ name: "nodes/7" }));
  assert.equal(error.code, "FAILED_PRECONDITION");
  assert.equal(error.reason, "NODE_DELETED");
  assert.equal(error.message, "node 7 is gone");
  assert.ok(error.details.some(({ $type }) => $type === "google.rpc.PreconditionFailure"));
});

test("what the domain throws is turned into an answer without the method's help", async () => {
  const { clients } = await serve({
    holdNode: async () => {
      throw new TransitionError("a node in state 'deleted' cannot become 'hold'");
    },
  });
  assert.equal((await caught(clients.nodes.holdNode({}))).code, "FAILED_PRECONDITION");
});

test("a defect is INTERNAL with a fixed text, and only the log tells what it was", async () => {
  const { logger, lines } = recordingLogger();
  const { clients } = await serve(
    {
      getNode: async () => {
        throw new TypeError("secret detail");
      },
    },
    { logger },
  );
  const error = await caught(clients.nodes.getNode({}));
  assert.equal(error.code, "INTERNAL");
  assert.doesNotMatch(error.message, /secret/);
  const line = lines.find(({ message }) => message === "call failed");
  assert.match(String(line?.fields.error), /secret detail/);
});

test("each call leaves one line with method, code and time", async () => {
  const { logger, lines } = recordingLogger();
  const { clients } = await serve({}, { logger });
  await clients.nodes.listNodes({});
  assert.equal(lines.length, 1);
  assert.equal(lines[0]?.fields.method, "nodepool.v1.NodeService/ListNodes");
  assert.equal(lines[0]?.fields.code, "OK");
  assert.equal(typeof lines[0]?.fields.milliseconds, "number");
});

test("a call that is too large is refused and the server goes on", async () => {
  const { clients } = await serve();
  const filter = "x".repeat(5 * 1024 * 1024);
  assert.equal((await caught(clients.nodes.listNodes({ filter }))).code, "RESOURCE_EXHAUSTED");
  assert.equal((await clients.nodes.listNodes({})).nodes.length, 1);
});

const buf = fileURLToPath(new URL("../../node_modules/.bin/buf", import.meta.url));

async function bufCurl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(buf, [
    "curl",
    "--protocol",
    "grpc",
    "--http2-prior-knowledge",
    ...args,
  ]);
  return stdout;
}

test("reflection lets buf curl list the methods and call them, health included", async () => {
  const { server, address } = await serve();
  server.setServing(true);
  const methods = await bufCurl("--list-methods", `http://${address}`);
  assert.match(methods, /^nodepool\.v1\.NodeService\/WatchNodes$/m);
  assert.match(methods, /^grpc\.health\.v1\.Health\/Watch$/m);
  assert.doesNotMatch(methods, /ImageService/);
  const nodes = await bufCurl("-d", "{}", `http://${address}/nodepool.v1.NodeService/ListNodes`);
  assert.equal(JSON.parse(nodes).nodes[0].state, "STATE_READY");
  const health = await bufCurl("-d", "{}", `http://${address}/grpc.health.v1.Health/Check`);
  assert.deepEqual(JSON.parse(health), { status: "SERVING" });
});

function healthClient(address: string) {
  const channel = new Channel(address, credentials.createInsecure(), {});
  cleanups.push(() => channel.close());
  return createClient(HealthDefinition, channel);
}

test("health is told per service, and an unknown one is NOT_FOUND", async () => {
  const { server, address } = await serve();
  const health = healthClient(address);
  const service = "nodepool.v1.NodeService";
  assert.equal((await health.check({ service })).status, "NOT_SERVING");
  server.setServing(true);
  assert.equal((await health.check({ service })).status, "SERVING");
  assert.equal((await health.check({ service: "" })).status, "SERVING");
  await assert.rejects(health.check({ service: "nodepool.v1.Nothing" }), /NOT_FOUND/);
});

test("stop tells health watchers, ends streams with UNAVAILABLE, and lets unary calls finish", async () => {
  let finish = () => {};
  let started = () => {};
  const running = new Promise<void>((resolve) => {
    started = resolve;
  });
  const { server, clients, address } = await serve({
    getNode: () => {
      started();
      return new Promise((resolve) => {
        finish = () => resolve({ node: { name: "nodes/1" } });
      });
    },
    watchNodes: async function* () {
      yield { resumeToken: "t" };
      await new Promise(() => {});
    },
  });
  server.setServing(true);
  const statuses: string[] = [];
  const watching = (async () => {
    for await (const { status } of healthClient(address).watch({})) statuses.push(status);
  })().catch((error: Error) => error.message);
  const stream = clients.nodes.watchNodes({})[Symbol.asyncIterator]();
  assert.equal((await stream.next()).value?.resumeToken, "t");
  const unary = clients.nodes.getNode({});
  await running;
  while (statuses.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));

  const stopping = server.stop(10_000);
  const ended = await caught(stream.next());
  assert.equal(ended.code, "UNAVAILABLE");
  assert.equal(ended.reason, "DRAINING");
  assert.equal(ended.retryAfterMs, 500);
  assert.match(String(await watching), /UNAVAILABLE/);
  assert.deepEqual(statuses, ["SERVING", "NOT_SERVING"]);
  finish();
  assert.equal((await unary).node?.name, "nodes/1");
  await stopping;
  assert.ok(isUnreachable(await caught(clients.nodes.getNode({}))));
});

test("a call that comes in when the server has begun to stop is served: its caller could not know", async () => {
  const { promise: pause, resolve: goOn } = Promise.withResolvers<void>();
  const { server, clients } = await serve({}, { clock: { ...systemClock, sleep: () => pause } });
  const stopping = server.stop(10_000);
  const call = await clients.nodes.listNodes({}, { retry: false }).finally(goOn);
  assert.equal(call.nodes.length, 1);
  await stopping;
});

test("stop cuts off what does not end within the grace", async () => {
  const { server, clients } = await serve({ getNode: () => new Promise(() => {}) });
  const call = caught(clients.nodes.getNode({}));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = performance.now();
  await server.stop(150);
  assert.ok(performance.now() - before < 2000);
  assert.match((await call).code, /CANCELLED|UNAVAILABLE/);
});

test("a server that nobody runs is named in one sentence", async () => {
  const clients = connectClients({ launcherAddress: "127.0.0.1:1", builderAddress: "127.0.0.1:1" });
  cleanups.push(() => clients.close());
  const error = await caught(clients.nodes.listNodes({}));
  assert.equal(error.message, "cannot reach the launcher at 127.0.0.1:1: is it running? (ECONNREFUSED)");
  assert.match((await caught(clients.images.listImages({}))).message, /^cannot reach the builder at/);
});
