import assert from "node:assert/strict";
import { test } from "node:test";
import { manualClock } from "../contract/manual_clock.ts";
import { defaultTimeoutRange, negotiateTimeout, SessionTracker } from "./sessions.ts";

function newTracker() {
  const { clock, advance, timers } = manualClock();
  const expired: bigint[] = [];
  const tracker = new SessionTracker(clock, (id) => expired.push(id));
  return { tracker, advance, timers, expired };
}

test("a silent session expires after its timeout", () => {
  const { tracker, advance, expired, timers } = newTracker();
  tracker.track(1n, 4_000);
  tracker.track(2n, 6_000);
  advance(3_999);
  assert.deepEqual(expired, []);
  advance(1);
  assert.deepEqual(expired, [1n]);
  advance(2_000);
  assert.deepEqual(expired, [1n, 2n]);
  assert.equal(timers(), 0);
});

test("a session whose client is heard lives on", () => {
  const { tracker, advance, expired } = newTracker();
  tracker.track(1n, 4_000);
  for (let round = 0; round < 10; round++) {
    advance(3_000);
    tracker.touch(1n);
  }
  assert.deepEqual(expired, []);
  advance(4_000);
  assert.deepEqual(expired, [1n]);
});

test("after the machine slept, clients get their time anew", () => {
  const { tracker, advance, expired } = newTracker();
  tracker.track(1n, 4_000);
  advance(3_600_000, 3_600_000);
  assert.deepEqual(expired, []);
  advance(4_000);
  assert.deepEqual(expired, [1n]);
});

for (const [direction, hours] of [
  ["back", -1],
  ["forward", 1],
] as const) {
  test(`a clock that is set ${direction} changes no session's time`, () => {
    const { clock, advance } = manualClock();
    let set = 0;
    const expired: bigint[] = [];
    const settable = { ...clock, now: () => clock.now() + set, elapsed: clock.now };
    const tracker = new SessionTracker(settable, (id) => expired.push(id));
    tracker.track(1n, 4_000);
    advance(1_000);
    tracker.touch(1n);
    set = hours * 3_600_000;
    advance(3_999);
    assert.deepEqual(expired, []);
    advance(1);
    assert.deepEqual(expired, [1n]);
  });
}

test("a session that has ended does not expire", () => {
  const { tracker, advance, expired, timers } = newTracker();
  tracker.track(1n, 4_000);
  tracker.track(2n, 4_000);
  tracker.forget(1n);
  tracker.close();
  advance(10_000);
  assert.deepEqual(expired, []);
  assert.equal(timers(), 0);
});

test("timeouts lie between 2 s and 40 s", () => {
  assert.equal(negotiateTimeout(1, defaultTimeoutRange), 2_000);
  assert.equal(negotiateTimeout(10_000, defaultTimeoutRange), 10_000);
  assert.equal(negotiateTimeout(100_000, defaultTimeoutRange), 40_000);
});
