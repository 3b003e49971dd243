import assert from "node:assert/strict";
import { test } from "node:test";
import { atMost } from "./at_most.ts";
import { systemClock } from "./clock.ts";

test("work is waited for until it is done, or the time is over", async () => {
  let isDone = false;
  const work = systemClock.sleep(20).then(() => {
    isDone = true;
  });
  await atMost(systemClock, 10_000, work);
  assert.equal(isDone, true);
  await atMost(systemClock, 10, new Promise(() => {}));
});

test("work that fails in time is told of", async () => {
  await assert.rejects(atMost(systemClock, 10_000, Promise.reject(new Error("broken"))), /broken/);
});
