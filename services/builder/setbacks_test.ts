import assert from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../lib/std/clock.ts";
import { isTroubled } from "./plan.ts";
import { Setbacks } from "./setbacks.ts";

const NOW = 1000;
const clock: Clock = {
  now: () => NOW * 1000,
  after: () => assert.fail("it sets timers"),
  sleep: () => assert.fail("it sleeps"),
};
/** Doubles from 10 s up to 60 s; at most half of it is taken off by chance. */
const setbacks = () => new Setbacks(clock, { initial: 10_000, maximum: 60_000 });

test("each failure doubles the wait up to the maximum, and success ends it", () => {
  const one = setbacks();
  for (const most of [10, 20, 40, 60, 60]) {
    const wait = one.fail("build/a", "broken", null) - NOW;
    assert.ok(wait >= most / 2 && wait <= most, `${wait} of ${most}`);
  }
  assert.equal(one.entries.get("build/a")?.failures, 5);
  one.clear("build/a");
  assert.equal(one.entries.size, 0);
});

test("what somebody else is at waits for a moment, and that is no failure", () => {
  const one = setbacks();
  one.wait("delete-upload/a/b0/cloud/1");
  const { failures, until, error } = one.entries.get("delete-upload/a/b0/cloud/1") ?? {};
  assert.deepEqual([failures, until, error], [0, NOW + 10, null]);
  assert.deepEqual(one.errorsOf("a"), []);
});

test("who waits for somebody else has failed as often as before", () => {
  const one = setbacks();
  one.fail("delete-build/a/b0", "no node", null);
  one.wait("delete-build/a/b0");
  one.fail("delete-build/a/b0", "no node", null);
  assert.equal(one.entries.get("delete-build/a/b0")?.failures, 2);
});

test("errors say where they happened", () => {
  const one = setbacks();
  one.fail("build/a", "no element", null);
  one.fail("upload/a/b1/cloud", "503", null);
  one.fail("delete-upload/a/b0/cloud/1", "in use", null);
  one.fail("delete-build/a/b0", "no node", null);
  one.fail("build/ab", "of another image", null);
  assert.deepEqual(one.errorsOf("a"), [
    "no element",
    "upload to cloud: 503",
    "deletion at cloud: in use",
    "deletion of build b0: no node",
  ]);
});

test("a provider is in trouble when uploads of three images have failed there since the last that succeeded", () => {
  const one = setbacks();
  const troubled = () => isTroubled(one.troubles.get("cloud"));
  for (let attempt = 0; attempt < 5; attempt += 1) one.fail("upload/a/b1/cloud", "refused", null);
  one.fail("upload/b/b1/cloud", "503", null);
  one.fail("upload/c/b1/other", "503", null);
  assert.equal(troubled(), false);
  one.fail("upload/c/b1/cloud", "503", null);
  assert.equal(troubled(), true);
  one.clear("upload/d/b1/cloud");
  assert.equal(troubled(), false);
});

test("what has failed is forgotten of images and providers that were changed", () => {
  const one = setbacks();
  for (const image of ["a", "b", "c"]) one.fail(`upload/${image}/b1/cloud`, "no credentials", null);
  one.fail("build/a", "broken", null);
  one.fail("build/b", "broken", null);
  one.forget(new Set(["a"]), new Set(["cloud"]));
  assert.deepEqual([...one.entries.keys()], ["build/b"]);
  assert.equal(one.troubles.size, 0);
});

test("a clock that is set meanwhile makes no wait longer or shorter", () => {
  for (const jump of [-86_400, 86_400]) {
    let [now, passed] = [NOW, 0];
    const settable: Clock = { ...clock, now: () => now * 1000, elapsed: () => passed * 1000 };
    const one = new Setbacks(settable, { initial: 10_000, maximum: 60_000 });
    for (const image of ["a", "b", "c"]) one.fail(`upload/${image}/b1/cloud`, "503", null);
    const waits = () => [one.entries.get("upload/a/b1/cloud"), one.troubles.get("cloud")];
    const before = waits().map((each) => (each?.until ?? 0) - now);
    now += jump + 2;
    passed += 2;
    assert.deepEqual(
      waits().map((each) => Math.round((each?.until ?? 0) - now + 2)),
      before.map(Math.round),
    );
  }
});
