import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { backoffDelay, isWaiting } from "./backoff.ts";
import { type Clock, delayUntil, elapsed, seconds, systemClock } from "./clock.ts";
import { codeOf, messageOf } from "./errors.ts";
import { EventQueue, SlowConsumerError } from "./event_queue.ts";
import { formatTime } from "./format_time.ts";
import { Gate } from "./gate.ts";
import { TaskGroup } from "./task_group.ts";

describe("backoffDelay", () => {
  const options = { initial: 100, maximum: 1000, random: () => 1 };

  it("doubles with each failure up to the maximum", () => {
    const delays = [1, 2, 3, 4, 5, 6].map((failures) => backoffDelay(failures, options));
    assert.deepEqual(delays, [100, 200, 400, 800, 1000, 1000]);
  });

  it("spreads a delay over its upper half", () => {
    assert.equal(backoffDelay(1, { ...options, random: () => 0 }), 50);
  });
});

describe("a pause", () => {
  it("lasts from its beginning to just before its end, and not before it, where the clock went back", () => {
    const pause = { since: 10, until: 20 };
    const waiting = [9, 10, 19, 20].map((now) => isWaiting(pause, now));
    assert.deepEqual(waiting, [false, true, true, false]);
  });
});

describe("what was thrown", () => {
  it("has its message, or is its own", () => {
    assert.deepEqual(
      [messageOf(new TypeError("wrong")), messageOf("text"), messageOf(null)],
      ["wrong", "text", "null"],
    );
  });

  it("has the code of a system error, and no other", () => {
    const found = [{ code: "ENOENT" }, { code: 5 }, {}, null, "ENOENT", undefined].map(codeOf);
    assert.deepEqual(found, ["ENOENT", ...Array(5).fill(undefined)]);
  });
});

describe("a time as people read it", () => {
  it("is UTC to the second", () => {
    assert.equal(formatTime(1_700_000_000.4), "2023-11-14T22:13:20Z");
  });

  it("is said of any number", () => {
    for (const odd of [1e20, -1e300, Infinity]) assert.match(formatTime(odd), / s after 1970$/);
  });
});

describe("a clock", () => {
  const clock: Clock = { now: () => 5500, sleep: () => Promise.resolve(), after: () => () => {} };

  it("gives Nodepool's seconds, with their fraction", () => assert.equal(seconds(clock), 5.5));

  it("measures by the time that nobody sets, where it has one", () => {
    assert.deepEqual([elapsed({ ...clock, elapsed: () => 7 }), elapsed(clock)], [7, 5500]);
  });
});

describe("the delay until a time", () => {
  it("is in milliseconds, never nothing and at most an hour", () => {
    assert.deepEqual(
      [1002.5, 1000, 900, 1_000_000, Infinity].map((at) => delayUntil(at, 1000)),
      [2500, 1, 1, 3_600_000, 3_600_000],
    );
  });
});

describe("the system clock", () => {
  it("waits for longer than the runtime's timers can", async () => {
    const [month, over] = [30 * 86_400_000, new AbortController()];
    let early = "";
    const cancels = [month, Infinity].map((time) =>
      systemClock.after(time, () => (early += ` after ${time}`)),
    );
    const sleep = systemClock.sleep(month, over.signal).then(() => (early += " sleep"));
    await systemClock.sleep(50);
    for (const cancel of cancels) cancel();
    over.abort(new Error("enough"));
    await assert.rejects(sleep, /enough/);
    assert.equal(early, "");
  });

  it("ends a sleep with the signal's reason", async () => {
    const reason = new Error("enough");
    const controller = new AbortController();
    const sleep = systemClock.sleep(60_000, controller.signal);
    controller.abort(reason);
    await assert.rejects(sleep, reason);
  });

  it("does not begin to sleep under a signal that is aborted already", async () => {
    await assert.rejects(systemClock.sleep(60_000, AbortSignal.abort(new Error("too late"))), /too late/);
  });
});

describe("EventQueue", () => {
  it("delivers what was pushed before it was closed", async () => {
    const queue = new EventQueue<number>();
    queue.push(1);
    queue.push(2);
    queue.close();
    assert.deepEqual(await Array.fromAsync(queue), [1, 2]);
  });

  it("wakes a consumer that waits", async () => {
    const queue = new EventQueue<string>();
    const first = queue[Symbol.asyncIterator]().next();
    queue.push("hello");
    assert.deepEqual(await first, { value: "hello", done: false });
  });

  it("ends for a consumer that waits", async () => {
    const [closed, failed] = [new EventQueue<string>(), new EventQueue<string>()];
    const ends = [closed, failed].map((queue) => queue[Symbol.asyncIterator]().next());
    closed.close();
    failed.fail(new Error("lost"));
    assert.deepEqual(await ends[0], { value: undefined, done: true });
    await assert.rejects(ends[1] ?? Promise.resolve(), /lost/);
  });

  it("delivers nothing more once it has failed, and does not fail once it has ended", async () => {
    const [failed, closed] = [new EventQueue<number>(), new EventQueue<number>()];
    for (const queue of [failed, closed]) queue.push(1);
    failed.fail(new Error("lost"));
    assert.equal(failed.push(2), false);
    await assert.rejects(Array.fromAsync(failed), /lost/);
    closed.close();
    closed.fail(new Error("too late"));
    assert.deepEqual(await Array.fromAsync(closed), [1]);
  });

  it("drops a consumer that falls behind by more than the limit", async () => {
    const queue = new EventQueue<number>(2);
    assert.deepEqual([queue.push(1), queue.push(2), queue.push(3)], [true, true, false]);
    await assert.rejects(Array.fromAsync(queue), SlowConsumerError);
  });

  it("takes nothing more once its consumer has left", async () => {
    const queue = new EventQueue<number>();
    queue.push(1);
    for await (const _ of queue) break;
    assert.equal(queue.push(2), false);
  });
});

describe("TaskGroup", () => {
  it("reports a task that fails, by its name", async () => {
    const failures: string[] = [];
    const group = new TaskGroup((error, name) => failures.push(`${name}: ${(error as Error).message}`));
    group.start("upload", async () => {
      throw new Error("refused");
    });
    await group.settle();
    assert.deepEqual(failures, ["upload: refused"]);
  });

  it("cancels its tasks when it is closed, and waits for them", async () => {
    const failures: unknown[] = [];
    const group = new TaskGroup((error) => failures.push(error));
    let ended = false;
    group.start("sleep", async (signal) => {
      await systemClock.sleep(60_000, signal).finally(() => {
        ended = true;
      });
    });
    await group.close();
    assert.deepEqual([ended, failures, group.size], [true, [], 0]);
  });

  it("starts nothing after it was closed", async () => {
    const group = new TaskGroup(() => {});
    await group.close();
    let started = false;
    group.start("late", async () => {
      started = true;
    });
    await group.settle();
    assert.equal(started, false);
  });
});

describe("a gate", () => {
  it("lets so many pass at once, the others in turn, and whoever gives up takes no place", async () => {
    const gate = new Gate(2);
    const begun: number[] = [];
    const ends: (() => void)[] = [];
    const pass = (index: number, signal?: AbortSignal) =>
      gate.pass(async () => {
        begun.push(index);
        await new Promise<void>((resolve) => ends.push(resolve));
      }, signal);
    const impatient = new AbortController();
    const [first, second] = [pass(0), pass(1)];
    const [left, third] = [pass(2, impatient.signal), pass(3)];
    impatient.abort(new Error("enough"));
    await assert.rejects(left, /enough/);
    assert.deepEqual(begun, [0, 1]);
    ends[1]?.();
    await second;
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(begun, [0, 1, 3]);
    ends[0]?.();
    ends[2]?.();
    await Promise.all([first, third]);
    await assert.rejects(
      gate.pass(() => Promise.reject(new Error("broken"))),
      /broken/,
    );
    const [last, more] = [pass(4), pass(5)];
    assert.deepEqual(begun, [0, 1, 3, 4, 5]);
    for (const end of ends) end();
    await Promise.all([last, more]);
  });
});
