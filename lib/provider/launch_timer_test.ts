import assert from "node:assert/strict";
import { test } from "node:test";
import { launchTimer } from "./launch_timer.ts";

/** What is set ends at once; each time calls were held up for a part of it. */
function waited(milliseconds: number, heldUp: readonly number[]): number[] {
  const waits: number[] = [];
  let total = 0;
  const held = [...heldUp];
  const queue: (() => void)[] = [];
  const clock = {
    after: (wait: number, callback: () => void) => {
      waits.push(wait);
      queue.push(() => {
        total += held.shift() ?? 0;
        callback();
      });
      return () => {};
    },
  };
  let isOver = false;
  launchTimer(clock, { heldUpMs: () => total }).after(milliseconds, () => {
    isOver = true;
  });
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
  assert.ok(isOver);
  return waits;
}

test("a launch's time is longer by what calls were held up meanwhile, and twice as long at most", () => {
  assert.deepEqual(waited(1000, []), [1000]);
  assert.deepEqual(waited(1000, [300, 100, 0]), [1000, 300, 100]);
  assert.deepEqual(waited(1000, [1000, 1000]), [1000, 1000]);
  assert.deepEqual(waited(1000, [700, 700]), [1000, 700, 300]);
});

test("a launch's timer can be cancelled while it runs on", () => {
  let cancelled = 0;
  let fire = () => {};
  const clock = {
    after: (_wait: number, callback: () => void) => {
      fire = callback;
      return () => {
        cancelled += 1;
      };
    },
  };
  let total = 0;
  const cancel = launchTimer(clock, { heldUpMs: () => total }).after(1000, () =>
    assert.fail("it was cancelled"),
  );
  total = 500;
  fire();
  cancel();
  assert.equal(cancelled, 1);
});
