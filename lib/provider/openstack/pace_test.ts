import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../../std/clock.ts";
import { Pace } from "./pace.ts";

/** A clock that somebody sets, beside one that goes on with each sleep. */
function settable() {
  let [elapsed, offset] = [0, 1_000_000];
  const sleeps: number[] = [];
  const clock: Clock = {
    now: () => offset + elapsed,
    elapsed: () => elapsed,
    sleep: async (milliseconds) => {
      await new Promise((resolve) => setImmediate(resolve));
      sleeps.push(milliseconds);
      elapsed += milliseconds;
    },
    after: () => () => {},
  };
  const set = (by: number) => {
    offset += by;
  };
  return { clock, sleeps, set };
}

const never = new AbortController().signal;

describe("the pace of calls", () => {
  test("keeps the distance, in the order in which they asked", async () => {
    const { clock, sleeps } = settable();
    const pace = new Pace(2, clock);
    const begun: number[] = [];
    const turn = async (number: number) => {
      await pace.turn(never);
      begun.push(number);
    };
    await Promise.all([turn(1), turn(2), turn(3)]);
    assert.deepEqual(begun, [1, 2, 3]);
    assert.deepEqual(sleeps, [2000, 2000]);
  });

  test("who gives up takes nobody's turn", async () => {
    const { clock, sleeps } = settable();
    const pace = new Pace(1, clock);
    await pace.turn(never);
    const leaving = new AbortController();
    const waiting = Array.from({ length: 500 }, () => pace.turn(leaving.signal));
    leaving.abort(new Error("no more"));
    const outcomes = await Promise.allSettled(waiting);
    assert.ok(outcomes.every(({ status }) => status === "rejected"));
    await pace.turn(never);
    assert.deepEqual(sleeps, [1000]);
  });

  test("does not wait for a clock that was set back", async () => {
    const { clock, sleeps, set } = settable();
    const pace = new Pace(1, clock);
    await pace.turn(never);
    set(-3_600_000);
    await pace.turn(never);
    assert.deepEqual(sleeps, [1000]);
  });
});
