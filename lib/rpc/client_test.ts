import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import {
  constants,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { type Clock, systemClock } from "../std/clock.ts";
import { silentLogger } from "../std/logger.ts";
import type { CallEnd } from "./call_limit.ts";
import { type Clients, connectClients } from "./client.ts";
import { ClientError } from "./client_error.ts";
import { unavailable } from "./errors.ts";
import { NodeServiceDefinition, type NodeServiceImplementation } from "./gen/nodepool/v1/node.ts";
import { RequestServiceDefinition, type RequestServiceImplementation } from "./gen/nodepool/v1/request.ts";
import { createRpcServer } from "./server.ts";
import { rpcService } from "./service.ts";

const cleanups: (() => unknown)[] = [];
after(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

async function connectTo(
  methods: Partial<NodeServiceImplementation<CallEnd>>,
  requestMethods: Partial<RequestServiceImplementation<CallEnd>> = {},
  clock: Clock = systemClock,
) {
  const unused = async () => ({});
  const implementation: NodeServiceImplementation<CallEnd> = {
    listNodes: unused,
    getNode: unused,
    holdNode: unused,
    releaseNode: unused,
    getConsoleLog: unused,
    deleteNode: unused,
    watchNodes: async function* () {},
    ...methods,
  };
  const requests: RequestServiceImplementation<CallEnd> = {
    listRequests: unused,
    getRequest: unused,
    createRequest: unused,
    watchRequest: async function* () {},
    renewRequest: unused,
    updateRequest: unused,
    releaseRequest: unused,
    explain: unused,
    ...requestMethods,
  };
  const server = createRpcServer({
    services: [
      rpcService(NodeServiceDefinition, implementation),
      rpcService(RequestServiceDefinition, requests),
    ],
    logger: silentLogger,
  });
  const address = `127.0.0.1:${await server.listen("127.0.0.1:0")}`;
  const clients = connectClients({ launcherAddress: address, builderAddress: address, clock });
  cleanups.push(
    () => server.stop(0),
    () => clients.close(),
  );
  return clients;
}

test("a read is tried again while a server is unavailable, a change is not", async () => {
  const calls = { listNodes: 0, holdNode: 0 };
  const clients = await connectTo({
    listNodes: async () => {
      calls.listNodes += 1;
      if (calls.listNodes < 3) throw unavailable("DRAINING", "going");
      return { nodes: [{ name: "nodes/1" }] };
    },
    holdNode: async () => {
      calls.holdNode += 1;
      throw unavailable("DRAINING", "going", 2500);
    },
  });
  assert.equal((await clients.nodes.listNodes({})).nodes.length, 1);
  assert.equal(calls.listNodes, 3);
  await assert.rejects(clients.nodes.holdNode({}), (error) => {
    assert.ok(error instanceof ClientError);
    assert.equal(error.reason, "DRAINING");
    assert.equal(error.retryAfterMs, 2500);
    return true;
  });
  assert.equal(calls.holdNode, 1);
});

test("a request that is asked for again has the id of the first call, the caller's or one of ours", async () => {
  const seen: string[] = [];
  const clients = await connectTo(
    {},
    {
      createRequest: async ({ requestId }) => {
        seen.push(requestId);
        if (seen.length % 2 === 1) throw unavailable("DRAINING", "going");
        return {};
      },
    },
  );
  await clients.requests.createRequest({});
  const own = "0b7e6d1c-5f43-4d0e-9a51-2f6f1f1d2c3b";
  await clients.requests.createRequest({ requestId: own });
  assert.match(seen[0] ?? "", /^[0-9a-f-]{36}$/);
  assert.deepEqual(seen, [seen[0], seen[0], own, own]);
});

/** A clock that stands until it is told to go on: of a call's time nothing goes by on the way to the server. */
function standingClock() {
  let stands = 0;
  const clock: Clock = { ...systemClock, elapsed: () => stands };
  const goOn = (milliseconds: number) => {
    stands += milliseconds;
  };
  return { clock, goOn };
}

/** Notes of each call how much time is left of it, when its server hears of it. */
function timesLeft() {
  const heard: { readonly deadline: number; readonly at: number }[] = [];
  const hear = ({ deadline }: CallEnd) => void heard.push({ deadline, at: Date.now() });
  /** Makes a call; asserts what was left each time that it was heard, in seconds. */
  const expect = async (seconds: readonly number[], call: () => Promise<unknown>) => {
    heard.length = 0;
    const before = Date.now();
    await call();
    assert.equal(heard.length, seconds.length);
    for (const [index, { deadline, at }] of heard.entries()) {
      // The server counts from a moment between the two.
      const expected = (seconds[index] ?? 0) * 1000;
      const isSo = before + expected <= deadline && deadline <= at + expected;
      assert.ok(isSo, `${expected} ms and not between ${deadline - at} and ${deadline - before}`);
    }
  };
  return { hear, expect };
}

test("a call that is to wait for nodes has that time besides its own, unless no server waits so long", async () => {
  const { hear, expect } = timesLeft();
  const answer = async (_request: unknown, end: CallEnd) => {
    hear(end);
    return {};
  };
  const methods = { createRequest: answer, releaseRequest: answer };
  const clients = await connectTo({}, methods, standingClock().clock);
  for (const [seconds, nanos, left] of [
    [600n, 0, 615],
    [-600n, 0, 15],
    [10_000_000n, 0, 15],
    [1n, 999_999_999, 17],
  ] as const) {
    const waitDuration = { seconds, nanos };
    await expect([left], () => clients.requests.createRequest({ waitDuration }));
    await expect([left], () => clients.requests.releaseRequest({ waitDuration }));
  }
});

test("a call that a provider has to answer has longer than others", async () => {
  const { hear, expect } = timesLeft();
  const getConsoleLog = async (_request: unknown, end: CallEnd) => {
    hear(end);
    return {};
  };
  const clients = await connectTo({ getConsoleLog }, {}, standingClock().clock);
  await expect([60], () => clients.nodes.getConsoleLog({}));
});

test("a server that is asked again is told how much of the call's time is left", async () => {
  const { clock, goOn } = standingClock();
  const { hear, expect } = timesLeft();
  let calls = 0;
  const createRequest = async (_request: unknown, end: CallEnd) => {
    hear(end);
    calls += 1;
    if (calls > 1) return {};
    goOn(40_000);
    throw unavailable("DRAINING", "going");
  };
  const clients = await connectTo({}, { createRequest }, clock);
  await expect([100, 60], () => clients.requests.createRequest({}, { deadlineMs: 100_000 }));
});

/** A server of HTTP/2 that answers each call in the way of the function, as a proxy may that has no server. */
async function connectToProxy(
  answer: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
): Promise<Clients> {
  const proxy = createHttp2Server();
  proxy.on("stream", answer);
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const address = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const clients = connectClients({ launcherAddress: address, builderAddress: address });
  cleanups.push(
    () => proxy.close(),
    () => clients.close(),
  );
  return clients;
}

test("a read is tried again when a proxy has no server for it just now", async () => {
  let calls = 0;
  const clients = await connectToProxy((stream) => {
    calls += 1;
    if (calls < 3) {
      stream.respond({ ":status": 502, "content-type": "text/html" });
      stream.end("<h1>502 Bad Gateway</h1>");
    } else {
      stream.respond({ ":status": 200, "content-type": "application/grpc" }, { waitForTrailers: true });
      stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }));
      stream.end(Buffer.alloc(5));
    }
  });
  assert.deepEqual((await clients.nodes.listNodes({})).nodes, []);
  assert.equal(calls, 3);
});

type Unary = (request: object) => Promise<unknown>;

test("every call that only reads is tried again", async () => {
  const calls = new Map<string, number>();
  const clients = await connectToProxy((stream, headers) => {
    const path = String(headers[":path"]);
    calls.set(path, (calls.get(path) ?? 0) + 1);
    stream.respond({ ":status": 200, "content-type": "application/grpc", "grpc-status": "14" });
    stream.end();
  });
  const tried: Promise<unknown>[] = [];
  for (const client of Object.values(clients)) {
    for (const [name, call] of Object.entries(client as Record<string, Unary>)) {
      if (!/^(get|list|explain)/.test(name)) continue;
      tried.push(assert.rejects(call({}), { code: "UNAVAILABLE" }));
    }
  }
  await Promise.all(tried);
  const once = [...calls].filter(([, count]) => count === 1).map(([path]) => path);
  assert.ok(calls.size > 12, `${calls.size} calls`);
  assert.deepEqual(once, []);
});

for (const code of ["NO_ERROR", "INTERNAL_ERROR", "CANCEL", "PROTOCOL_ERROR"] as const) {
  test(`a stream that a proxy ends with ${code} is told as one whose server is away`, async () => {
    const clients = await connectToProxy((stream) => {
      stream.respond({ ":status": 200, "content-type": "application/grpc" });
      stream.on("error", () => {});
      setTimeout(() => stream.close(constants[`NGHTTP2_${code}`]), 20);
    });
    const read = async () => {
      for await (const _ of clients.nodes.watchNodes({})) assert.fail("there is no message");
    };
    await assert.rejects(read(), { code: "UNAVAILABLE", reason: "UNREACHABLE" });
  });
}

test("a server without the service is told as another program", async () => {
  const clients = await connectTo({});
  await assert.rejects(
    clients.images.listImages({}),
    /the builder at 127\.0\.0\.1:\d+ does not know the call \/nodepool\.v1\.ImageService\/ListImages: is it another/,
  );
});

test("a caller's own signal ends a call with an abort, not with an error of the server", async () => {
  const clients = await connectTo({ getNode: () => new Promise(() => {}) });
  const controller = new AbortController();
  const call = clients.nodes.getNode({}, { signal: controller.signal });
  setTimeout(() => controller.abort(), 20);
  await assert.rejects(call, { name: "AbortError" });
  await assert.rejects(clients.nodes.getNode({}, { signal: AbortSignal.abort() }), { name: "AbortError" });
});

test("an address that cannot be one is refused before any call", () => {
  const connect = () => connectClients({ launcherAddress: "nowhere", builderAddress: "127.0.0.1:1" });
  assert.throws(connect, /'nowhere' is no address/);
});
