import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { ViewWaiters } from "./view_waiters.ts";

const never = new AbortController().signal;

describe("who waits for the view", () => {
  it("goes on when so many events have been applied", async () => {
    const waiters = new ViewWaiters();
    const order: string[] = [];
    const later = waiters.wait(2, never).then(() => order.push("later"));
    const sooner = waiters.wait(1).then(() => order.push("sooner"));
    waiters.wake(1);
    await sooner;
    assert.deepEqual([order, waiters.size], [["sooner"], 1]);
    waiters.wake(2);
    await later;
    assert.deepEqual([order, waiters.size], [["sooner", "later"], 0]);
  });

  it("hears when there will be no more of them", async () => {
    const waiters = new ViewWaiters();
    const waiting = [waiters.wait(1, never), waiters.wait(2)];
    waiters.fail(new Error("closed"));
    await Promise.all(waiting.map((one) => assert.rejects(one, /closed/)));
    assert.equal(waiters.size, 0);
  });

  it("is forgotten when it gives up", async () => {
    const waiters = new ViewWaiters();
    const stop = new AbortController();
    const waiting = waiters.wait(1, stop.signal);
    assert.equal(waiters.size, 1);
    stop.abort(new Error("given up"));
    await assert.rejects(waiting, /given up/);
    await assert.rejects(waiters.wait(1, stop.signal), /given up/);
    assert.equal(waiters.size, 0);
  });
});
