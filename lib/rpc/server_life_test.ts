import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Channel, credentials } from "@grpc/grpc-js";
import { createClient } from "nice-grpc";
import { caught, cleanups, serve } from "../../test/harness/node_service.ts";
import { type Clock, systemClock } from "../std/clock.ts";
import { HealthDefinition } from "./gen/grpc/health/v1/health.ts";

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
  assert.equal((await caught(clients.nodes.getNode({}))).reason, "UNREACHABLE");
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
  const grace = Promise.withResolvers<() => void>();
  const after: Clock["after"] = (milliseconds, callback) => {
    if (milliseconds !== 150) return systemClock.after(milliseconds, callback);
    grace.resolve(callback);
    return () => {};
  };
  const begun = Promise.withResolvers<void>();
  const getNode = () => {
    begun.resolve();
    return new Promise<never>(() => {});
  };
  const { server, clients } = await serve({ getNode }, { clock: { ...systemClock, after } });
  const call = caught(clients.nodes.getNode({}, { retry: false }));
  await begun.promise;
  const stopping = server.stop(150);
  const endGrace = await grace.promise;
  endGrace();
  await stopping;
  assert.match((await call).code, /CANCELLED|UNAVAILABLE/);
});
