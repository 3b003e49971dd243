import assert from "node:assert/strict";
import { test } from "node:test";
import { type Attempt, lastReady, withAttempt } from "./history.ts";

const DAY = 86_400;

function attempt(build: string, startedAt: number, result: Attempt["result"] = "ready"): Attempt {
  const given = {
    builder: "one",
    reason: "there is no ready build",
    formats: ["raw"],
    error: null,
    exitCode: 0,
  };
  return { build, startedAt, result, endedAt: startedAt + 1, sizes: { raw: 1 }, phases: [], ...given };
}

const ids = (attempts: readonly Attempt[]) => attempts.map(({ build }) => build);

test("the result takes the place of what was written at the beginning", () => {
  const begun = withAttempt([attempt("a", 1)], attempt("b", 2, "building"), 2, DAY);
  const ended = withAttempt(begun, attempt("b", 2, "failed"), 3, DAY);
  assert.deepEqual(ids(ended), ["a", "b"]);
  assert.equal(ended[1]?.result, "failed");
});

test("attempts go after their time, but for the newest that is ready", () => {
  const old = [attempt("a", 1), attempt("b", 2), attempt("c", 3, "failed")];
  const kept = withAttempt(old, attempt("d", DAY * 2, "failed"), DAY * 2, DAY);
  assert.deepEqual(ids(kept), ["b", "d"]);
  assert.equal(lastReady(kept)?.build, "b");
});

test("of an image that fails all the time a hundred attempts are kept", () => {
  let attempts: readonly Attempt[] = [attempt("ready", 1)];
  for (let time = 2; time < 300; time += 1) {
    attempts = withAttempt(attempts, attempt(String(time), time, "failed"), time, DAY);
  }
  assert.equal(attempts.length, 101);
  assert.deepEqual([attempts[0]?.build, attempts.at(-1)?.build], ["ready", "299"]);
});

test("of attempts that say much as many are kept as ZooKeeper takes in one document", () => {
  const phases = Array.from({ length: 50 }, (_, number) => ({
    name: `\u2030${number}`.padEnd(100, "\u2030"),
    startedAt: 1.5e9 + number / 3,
  }));
  let attempts: readonly Attempt[] = [];
  for (let time = 1; time <= 100; time += 1) {
    attempts = withAttempt(attempts, { ...attempt(String(time), time, "failed"), phases }, time, DAY);
  }
  assert.equal(attempts.at(-1)?.build, "100");
  const bytes = new TextEncoder().encode(JSON.stringify(attempts)).length;
  assert.ok(bytes > 400_000 && bytes < 600_000, `${bytes} bytes`);
});
