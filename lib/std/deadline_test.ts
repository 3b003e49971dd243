import assert from "node:assert/strict";
import { test } from "node:test";
import { deadline } from "./deadline.ts";

/** A clock whose timers are called by hand. */
class Timers {
  readonly waiting = new Set<() => void>();
  after = (_milliseconds: number, callback: () => void) => {
    this.waiting.add(callback);
    return () => this.waiting.delete(callback);
  };
}

test("a deadline ends with the error that is made when the time is up", () => {
  const timers = new Timers();
  const { signal } = deadline(timers, 1000, () => new Error("too late"), []);
  assert.equal(signal.aborted, false);
  for (const callback of timers.waiting) callback();
  assert.match(String(signal.reason), /too late/);
});

test("a deadline that is stopped leaves no timer and follows nobody", () => {
  const [timers, other] = [new Timers(), new AbortController()];
  const { signal, stop } = deadline(timers, 1000, () => new Error("too late"), [other.signal]);
  stop();
  other.abort("late");
  assert.deepEqual([timers.waiting.size, signal.aborted], [0, false]);
});

test("a deadline that never comes sets no timer, and follows the others", () => {
  const [timers, other] = [new Timers(), new AbortController()];
  const { signal } = deadline(timers, Number.POSITIVE_INFINITY, () => new Error("too late"), [other.signal]);
  assert.equal(timers.waiting.size, 0);
  other.abort("gone");
  assert.equal(signal.reason, "gone");
});
