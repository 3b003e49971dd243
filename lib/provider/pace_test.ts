import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../std/clock.ts";
import { within } from "../zookeeper/contract/fixture.ts";
import { manualClock } from "../zookeeper/contract/manual_clock.ts";
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

  test("waits for nobody: with the last who gives up its timer goes, and who comes then waits for what is left", async () => {
    const { clock, advance, timers } = manualClock();
    const pace = new Pace(0, clock);
    pace.refused(600_000);
    const leaving = [new AbortController(), new AbortController()];
    const gone = leaving.map(({ signal }) => assert.rejects(pace.turn(signal), /stopped/));
    await nextTurn();
    leaving[0]?.abort(new Error("stopped"));
    await nextTurn();
    assert.equal(timers(), 1);
    advance(200_000, 200_000);
    leaving[1]?.abort(new Error("stopped"));
    await Promise.all(gone);
    await nextTurn();
    assert.equal(timers(), 0);
    let begun = false;
    const later = pace.turn(never).then(() => {
      begun = true;
    });
    await nextTurn();
    advance(399_999, 399_999);
    await nextTurn();
    assert.equal(begun, false);
    advance(1);
    await later;
    assert.equal(timers(), 0);
  });

  test("who comes just when the last who waited has given up does not wait for ever", async () => {
    const { clock, advance } = manualClock();
    const pace = new Pace(0, clock);
    pace.refused(1000);
    const leaving = new AbortController();
    const gone = assert.rejects(pace.turn(leaving.signal), /stopped/);
    await nextTurn();
    leaving.abort(new Error("stopped"));
    const next = pace.turn(never);
    await gone;
    await nextTurn();
    advance(1000, 1000);
    await within(1000, next, "the turn");
  });

  test("does not wait for a clock that was set back", async () => {
    const { clock, sleeps, set } = settable();
    const pace = new Pace(1, clock);
    await pace.turn(never);
    set(-3_600_000);
    await pace.turn(never);
    assert.deepEqual(sleeps, [1000]);
  });

  test("a refusal holds up everybody for as long as the cloud asks, and slows down once", async () => {
    const { clock, sleeps } = settable();
    const pace = new Pace(0, clock);
    await Promise.all([pace.turn(never), pace.turn(never), pace.turn(never)]);
    assert.deepEqual(sleeps, []);
    assert.deepEqual([pace.refused(7000), pace.refused(9000), pace.refused(1000)], [true, false, false]);
    const waiting = Promise.all([pace.turn(never), pace.turn(never)]);
    assert.equal(
      pace.describe(),
      "the cloud refuses calls that come faster (429): the next is made in 9 s, then one every 0.02 s, and 2 wait",
    );
    await waiting;
    assert.deepEqual(sleeps, [9000, 20]);
    for (let calls = 0; calls < 100; calls += 1) pace.taken();
    assert.equal(pace.describe(), null);
  });

  test("counts how long calls were held up because the cloud refused some, once for all of them", async () => {
    const { clock } = settable();
    const configured = new Pace(2, clock);
    await Promise.all([configured.turn(never), configured.turn(never)]);
    assert.equal(configured.heldUpMs, 0);
    const pace = new Pace(0, clock);
    await pace.turn(never);
    pace.refused(7000);
    await clock.sleep(3000);
    assert.equal(pace.heldUpMs, 0);
    const waiting = Promise.all([pace.turn(never), pace.turn(never)]);
    await waiting;
    assert.equal(pace.heldUpMs, 4020);
    await clock.sleep(5000);
    assert.equal(pace.heldUpMs, 4020);
  });

  test("settles near what the cloud takes, and serves two pools alike", async () => {
    const { clock } = settable();
    const pace = new Pace(0, clock);
    const limit = 10;
    const inSecond = new Map<number, number>();
    let refusals = 0;
    const served: Record<string, number> = { first: 0, second: 0 };
    const until = 60_000;
    const worker = async (pool: string) => {
      while ((clock.elapsed?.() ?? 0) < until) {
        await pace.turn(never);
        const second = Math.floor((clock.elapsed?.() ?? 0) / 1000);
        inSecond.set(second, (inSecond.get(second) ?? 0) + 1);
        if ((inSecond.get(second) ?? 0) > limit) {
          refusals += 1;
          pace.refused(1000);
        } else {
          served[pool] = (served[pool] ?? 0) + 1;
          pace.taken();
        }
      }
    };
    const pools = ["first", "second"].flatMap((pool) => Array.from({ length: 20 }, () => pool));
    await Promise.all(pools.map(worker));
    const { first = 0, second = 0 } = served;
    const share = (first + second) / ((limit * until) / 1000);
    assert.ok(share > 0.6, `${share} of what the cloud takes`);
    assert.ok(refusals < (first + second) / 8, `${refusals} refusals`);
    assert.ok(Math.abs(first - second) < 0.2 * first, `${first} and ${second}`);
  });
});
