import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../std/clock.ts";
import { withHeartbeat } from "./heartbeat.ts";

/** A clock whose timers end when the test says so. */
function handClock() {
  const timers = new Map<() => void, number>();
  const clock: Clock = {
    now: () => 0,
    sleep: () => assert.fail("it sleeps"),
    after: (milliseconds, callback) => {
      timers.set(callback, milliseconds);
      return () => timers.delete(callback);
    },
  };
  const elapse = () => {
    for (const callback of timers.keys()) callback();
  };
  return { clock, timers, elapse };
}

const never = new AbortController().signal;

test("a stream that is silent for half a minute sends a beat, and goes on with what comes then", async () => {
  const { clock, timers, elapse } = handClock();
  const word = Promise.withResolvers<string>();
  const stream = withHeartbeat(
    async function* () {
      yield await word.promise;
    },
    { beat: "", clock, signal: never },
  );
  const first = stream.next();
  assert.deepEqual([...timers.values()], [30_000]);
  elapse();
  assert.deepEqual(await first, { done: false, value: "" });
  word.resolve("one");
  assert.deepEqual(await stream.next(), { done: false, value: "one" });
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
  assert.equal(timers.size, 0);
});

test("who stops reading in a silence ends what is waited for", async () => {
  const { clock, elapse } = handClock();
  let isEnded = false;
  const stream = withHeartbeat<string>(
    async function* (signal) {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      isEnded = true;
    },
    { beat: "", clock, signal: never },
  );
  const first = stream.next();
  elapse();
  await first;
  await stream.return();
  assert.equal(isEnded, true);
});

test("a stream that fails in a silence fails when the beat was taken", async () => {
  const { clock, elapse } = handClock();
  const fault = Promise.withResolvers<never>();
  const stream = withHeartbeat<string>(
    async function* () {
      yield await fault.promise;
    },
    { beat: "", clock, signal: never },
  );
  const first = stream.next();
  elapse();
  await first;
  fault.reject(new Error("the disk is gone"));
  await new Promise((resolve) => setImmediate(resolve));
  await assert.rejects(stream.next(), /the disk is gone/);
});
