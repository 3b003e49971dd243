import assert from "node:assert/strict";
import { test } from "node:test";
import { sleepBy } from "./clock.ts";
import { followSignals, sleepUnder } from "./follow_signals.ts";

test("a signal is aborted with the first of those that it follows, for its reason", () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const { signal } = followSignals([first.signal, second.signal]);
  second.abort("the second");
  first.abort("the first");
  assert.equal(signal.reason, "the second");
});

test("a signal is aborted at once where one of those that it follows is aborted already", () => {
  const living = new AbortController();
  const { signal } = followSignals([living.signal, AbortSignal.abort("long since")]);
  assert.equal(signal.reason, "long since");
});

test("a signal that was let go follows nobody", () => {
  const other = new AbortController();
  const { signal, stop } = followSignals([other.signal]);
  stop();
  other.abort("late");
  assert.equal(signal.aborted, false);
});

test("a listener that is given at the start hears why the signal was aborted, whoever did it", () => {
  const heard: unknown[] = [];
  const ended = (reason: unknown) => heard.push(reason);
  const other = new AbortController();
  followSignals([other.signal], ended);
  other.abort("another's");
  followSignals([], ended).abort("its own");
  followSignals([AbortSignal.abort("long since")], ended);
  assert.deepEqual(heard, ["another's", "its own", "long since"]);
});

test("a sleep under several signals ends in its time, or with the first of them that is aborted", async () => {
  const waiting: (() => void)[] = [];
  const asked: number[] = [];
  const after = (milliseconds: number, callback: () => void) => {
    asked.push(milliseconds);
    waiting.push(callback);
    return () => void waiting.splice(waiting.indexOf(callback), 1);
  };
  const clock = { sleep: sleepBy(after) };
  const [first, second] = [new AbortController(), new AbortController()];
  const whole = sleepUnder(clock, 200, [first.signal, second.signal]);
  waiting.shift()?.();
  await whole;
  const cut = sleepUnder(clock, 300, [first.signal, second.signal]);
  second.abort(new Error("the second"));
  await assert.rejects(cut, /the second/);
  await assert.rejects(sleepUnder(clock, 400, [first.signal, second.signal]), /the second/);
  assert.deepEqual([asked, waiting], [[200, 300], []]);
});
