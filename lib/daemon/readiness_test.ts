import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../std/clock.ts";
import type { SessionState } from "../zookeeper/types.ts";
import { followReadiness } from "./readiness.ts";

/** A session and a view whose states the test sets, and a clock whose one timer it rings. */
function scene() {
  const listeners = new Set<() => void>();
  const timers = new Set<() => void>();
  const add = (listener: () => void) => {
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  };
  const session = {
    state: "connected" as SessionState,
    onState: (listener: (state: SessionState) => void) => add(() => listener(session.state)),
  };
  const view = {
    current: true,
    onCurrent: (listener: (current: boolean) => void) => add(() => listener(view.current)),
  };
  const clock: Clock = {
    now: () => 0,
    sleep: async () => {},
    after: (_milliseconds, callback) => {
      timers.add(callback);
      return () => timers.delete(callback);
    },
  };
  const told: boolean[] = [];
  const setServing = (serving: boolean) => {
    if (told.at(-1) !== serving) told.push(serving);
  };
  const stop = followReadiness({ session, view, clock, setServing });
  const change = (state: SessionState, current: boolean) => {
    session.state = state;
    view.current = current;
    for (const listener of listeners) listener();
  };
  const ring = () => {
    for (const timer of [...timers]) {
      timers.delete(timer);
      timer();
    }
  };
  return { change, ring, told, stop, listeners, timers };
}

test("a daemon serves while connected and current", () => {
  assert.deepEqual(scene().told, [true]);
});

test("a short disturbance does not count, a longer one does, and its end counts at once", () => {
  const { change, ring, told } = scene();
  change("suspended", false);
  change("connected", true);
  ring();
  assert.deepEqual(told, [true]);
  change("suspended", true);
  assert.deepEqual(told, [true]);
  ring();
  assert.deepEqual(told, [true, false]);
  change("connected", false);
  assert.deepEqual(told, [true, false]);
  change("connected", true);
  assert.deepEqual(told, [true, false, true]);
});

test("nothing is left behind at the end", () => {
  const { change, stop, listeners, timers } = scene();
  change("lost", false);
  stop();
  assert.equal(listeners.size, 0);
  assert.equal(timers.size, 0);
});
