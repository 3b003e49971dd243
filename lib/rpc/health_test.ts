import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallContext } from "nice-grpc-common";
import { Health } from "./health.ts";

function watch(health: Health, service: string, signal: AbortSignal) {
  const answers = health.implementation().watch({ service }, { signal } as CallContext);
  return answers[Symbol.asyncIterator]();
}

test("a change made while an answer is on its way is not lost", async () => {
  const health = new Health(["a"]);
  const controller = new AbortController();
  const statuses = watch(health, "a", controller.signal);
  assert.equal((await statuses.next()).value?.status, "NOT_SERVING");
  // The generator is suspended at its yield now, as it is while gRPC writes.
  health.setServing(true);
  assert.equal((await statuses.next()).value?.status, "SERVING");
  health.setServing(false);
  assert.equal((await statuses.next()).value?.status, "NOT_SERVING");
  controller.abort();
  assert.equal((await statuses.next()).done, true);
  assert.equal(health.watchers, 0);
});

test("a waiting watch wakes at each change and at the end", async () => {
  const health = new Health(["a"]);
  const controller = new AbortController();
  const statuses = watch(health, "", controller.signal);
  await statuses.next();
  const next = statuses.next();
  health.setServing(true);
  assert.equal((await next).value?.status, "SERVING");
  const last = statuses.next();
  controller.abort();
  assert.equal((await last).done, true);
});

test("one service may change alone", async () => {
  const health = new Health(["a", "b"]);
  health.setServing(true, "a");
  const { check } = health.implementation();
  const context = {} as CallContext;
  assert.deepEqual(await check({ service: "a" }, context), { status: "SERVING" });
  assert.deepEqual(await check({ service: "b" }, context), { status: "NOT_SERVING" });
});

test("an unknown service is SERVICE_UNKNOWN for a watch, which stays open", async () => {
  const controller = new AbortController();
  const statuses = watch(new Health([]), "nothing", controller.signal);
  assert.equal((await statuses.next()).value?.status, "SERVICE_UNKNOWN");
  const next = statuses.next();
  controller.abort();
  assert.equal((await next).done, true);
});
