import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "./clock.ts";
import { Timers } from "./timers.ts";

/** A runtime whose time is set by hand. It has as many timers as were started and neither cancelled nor gone off. */
class Runtime {
  readonly timers = new Map<number, { readonly at: number; readonly callback: () => void }>();
  started = 0;
  #now = 0;

  now(): number {
    return this.#now;
  }

  start(callback: () => void, milliseconds: number): number {
    assert.ok(Number.isInteger(milliseconds) && milliseconds > 0 && milliseconds < 2 ** 31);
    this.started += 1;
    this.timers.set(this.started, { at: this.#now + milliseconds, callback });
    return this.started;
  }

  cancel(timer: number): void {
    this.timers.delete(timer);
  }

  /** Lets time go by, and calls what comes up on the way. */
  pass(milliseconds: number): void {
    const end = this.#now + milliseconds;
    while (true) {
      const [first] = [...this.timers].sort(([, one], [, other]) => one.at - other.at);
      if (first === undefined || first[1].at > end) break;
      this.timers.delete(first[0]);
      this.#now = first[1].at;
      first[1].callback();
    }
    this.#now = end;
  }
}

function start() {
  const runtime = new Runtime();
  const timers = new Timers(runtime);
  const called: string[] = [];
  const after = (milliseconds: number, name: string) => timers.after(milliseconds, () => called.push(name));
  return { runtime, timers, called, after };
}

describe("Timers", () => {
  it("calls each at its time, whatever the order in which they were asked for", () => {
    const { runtime, called, after } = start();
    after(30, "late");
    after(10, "early");
    after(20, "between");
    runtime.pass(9.5);
    assert.deepEqual(called, []);
    runtime.pass(0.5);
    assert.deepEqual(called, ["early"]);
    runtime.pass(20);
    assert.deepEqual(called, ["early", "between", "late"]);
  });

  it("calls nothing that was taken back, though it was due in the same moment", () => {
    const { runtime, timers, called, after } = start();
    let takeBack = () => {};
    timers.after(10, () => takeBack());
    takeBack = after(10, "taken back");
    after(12, "other");
    runtime.pass(20);
    assert.deepEqual(called, ["other"]);
  });

  it("has one timer of the runtime, and starts none for what is later than the first", () => {
    const { runtime, after } = start();
    after(1000, "first");
    for (let index = 0; index < 100; index += 1) after(2000 + index, "later")();
    assert.deepEqual([runtime.timers.size, runtime.started], [1, 1]);
  });

  it("has none once everything was taken back or called, so that a process may end", () => {
    const { runtime, after } = start();
    const [one, other] = [after(1000, "one"), after(2000, "other")];
    one();
    other();
    assert.equal(runtime.timers.size, 0);
    after(5, "called");
    runtime.pass(5);
    assert.equal(runtime.timers.size, 0);
  });

  it("calls what a callback asks for not before the callback has ended", () => {
    const { runtime, timers, called, after } = start();
    timers.after(10, () => {
      after(0, "asked for");
      called.push("ended");
    });
    runtime.pass(10);
    assert.deepEqual(called, ["ended"]);
    runtime.pass(1);
    assert.deepEqual(called, ["ended", "asked for"]);
  });

  it("hands what a callback throws to the runtime, and calls the others", () => {
    const { runtime, timers, called, after } = start();
    timers.after(10, () => {
      throw new Error("of the callback");
    });
    after(10, "other");
    assert.throws(() => runtime.pass(10), /of the callback/);
    runtime.pass(1);
    assert.deepEqual(called, ["other"]);
  });

  it("waits longer than the runtime's timers can", () => {
    const { runtime, called, after } = start();
    const year = 365 * 24 * 3_600_000;
    after(year, "a year later");
    after(Number.POSITIVE_INFINITY, "never");
    runtime.pass(year - 1);
    assert.deepEqual(called, []);
    runtime.pass(1);
    assert.deepEqual([called, runtime.timers.size], [["a year later"], 0]);
  });
});

describe("the machine's own clock", () => {
  it("calls back at the time and not before", async () => {
    const begun = performance.now();
    await new Promise<void>((resolve) => systemClock.after(30, resolve));
    assert.ok(performance.now() - begun >= 30);
  });
});
