import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BRAKE_WINDOW, Brake, Brakes, decideBrake } from "./brake.ts";

const suspects = (count: number, time = 1000) =>
  new Map(Array.from({ length: count }, (_, index) => [`cloud/node/${index}`, time] as const));
const decide = (count: number, total: number, releasedUntil = 0) =>
  decideBrake({ suspects: suspects(count), total, releasedUntil, now: 1000 });

describe("the brake", () => {
  it("stays off up to 40 % of a provider's nodes, and goes on beyond", () => {
    assert.deepEqual(decide(8, 20), { on: false, reason: "" });
    const { on, reason } = decide(9, 20);
    assert.equal(on, true);
    assert.match(reason, /automatic deletion is stopped: .* 9 of 20 \(45 %, the limit is 40 %\)/);
  });

  it("is not put on by a handful of things", () => {
    assert.equal(decide(4, 4).on, false);
    assert.equal(decide(5, 5).on, true);
  });

  it("says that it is released, and with what numbers", () => {
    const { on, reason } = decide(9, 9, 1100);
    assert.equal(on, false);
    assert.match(reason, /9 of 9 .* released for another 100 s/);
  });

  it("counts what was found within five minutes, also what was deleted since", () => {
    const brake = new Brake();
    assert.equal(brake.note(suspects(4).keys(), 10, 1000).on, false);
    assert.equal(brake.note(["cloud/node/a"], 6, 1100).on, true, "5 within five minutes");
    assert.equal(brake.note([], 6, 1000 + BRAKE_WINDOW).on, false, "only one is left in the window");
  });

  it("goes on again when its release is over and it looks as bad as before", () => {
    const brake = new Brake();
    const keys = [...suspects(9).keys()];
    assert.equal(brake.note(keys, 10, 1000).on, true);
    brake.release(1000);
    assert.equal(brake.note(keys, 10, 1001).on, false);
    assert.equal(brake.note(keys, 10, 1000 + BRAKE_WINDOW).on, true);
  });
});

describe("the brakes", () => {
  it("of a provider are as new when it comes back into the configuration", () => {
    const brakes = new Brakes();
    for (const provider of ["cloud", "other"]) brakes.of(provider, "nodes").note(suspects(9).keys(), 9, 1000);
    brakes.keepOnly(new Set(["other"]));
    assert.equal(brakes.decision("cloud").on, false);
    assert.equal(brakes.decision("other").on, true);
    assert.equal(brakes.of("cloud", "nodes").note([], 9, 1001).on, false);
  });
});
