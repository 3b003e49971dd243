import assert from "node:assert/strict";
import { test } from "node:test";
import { followSignals } from "./follow_signals.ts";

test("a signal is aborted with the first of those that it follows, for its reason", () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const { controller } = followSignals([first.signal, second.signal]);
  second.abort("the second");
  first.abort("the first");
  assert.equal(controller.signal.reason, "the second");
});

test("a signal is aborted at once where one of those that it follows is aborted already", () => {
  const living = new AbortController();
  const { controller } = followSignals([living.signal, AbortSignal.abort("long since")]);
  assert.equal(controller.signal.reason, "long since");
});

test("a signal that was let go follows nobody", () => {
  const other = new AbortController();
  const { controller, stop } = followSignals([other.signal]);
  stop();
  other.abort("late");
  assert.equal(controller.signal.aborted, false);
});
