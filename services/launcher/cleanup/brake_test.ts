import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BRAKE_WINDOW, Brake, Brakes, decideBrake } from "./brake.ts";

const suspects = (count: number) => Array.from({ length: count }, (_, index) => `cloud/node/${index}`);
const decide = (count: number, total: number, releasedUntil = 0) =>
  decideBrake({ suspects: count, total, releasedUntil, now: 1000 });

describe("the brake", () => {
  it("stays off up to 40 % of a provider's nodes, and goes on beyond", () => {
    assert.deepEqual(decide(8, 20), { on: false, reason: "" });
    assert.equal(new Brake().note(suspects(8), 20, 1000).on, false);
    const { on, reason } = decide(9, 20);
    assert.equal(on, true);
    assert.match(reason, /automatic deletion is stopped: .* 9 of 20 \(45 %, the limit is 40 %\)/);
  });

  it("is not put on by a handful of things", () => {
    assert.equal(decide(4, 4).on, false);
    assert.equal(decide(5, 5).on, true);
  });

  it("says that it is released, and with what numbers", () => {
    const { on, reason } = decide(9, 9, 1099.5);
    assert.equal(on, false);
    assert.match(reason, /within 5 minutes: 9 of 9 \(100 %.* released for another 100 s/);
    assert.equal(decide(9, 9, 1000).on, true, "its end");
  });

  it("counts what was found within five minutes, also what was deleted since", () => {
    const brake = new Brake();
    assert.equal(brake.note(suspects(4), 10, 1000).on, false);
    assert.equal(brake.note(["cloud/node/a"], 6, 1100).on, true, "5 within five minutes");
    assert.equal(brake.note([], 6, 1000 + BRAKE_WINDOW).on, false, "only one is left in the window");
  });

  it("goes on again when its release is over and it looks as bad as before", () => {
    const brake = new Brake();
    const keys = suspects(9);
    assert.equal(brake.note(keys, 10, 1000).on, true);
    brake.release(1000);
    assert.equal(brake.note(keys, 10, 1001).on, false);
    assert.equal(brake.note(keys, 10, 1000 + BRAKE_WINDOW).on, true);
  });

  it("is released no longer than that when the clock is set back", () => {
    const brake = new Brake();
    brake.release(100_000);
    assert.equal(brake.note(suspects(9), 10, 1000).on, true);
    assert.equal(decide(9, 10, 1000 + BRAKE_WINDOW).on, false, "as long as it may be");
  });

  it("forgets what was found by a clock that was set back since", () => {
    const brake = new Brake();
    brake.note(suspects(9), 10, 100_000);
    assert.equal(brake.note([], 10, 1000).on, false);
  });

  it("lets go as soon as it is released, before the next look", () => {
    const brake = new Brake();
    brake.note(suspects(9), 9, 1000);
    brake.release(1001);
    assert.deepEqual(brake.decision, {
      on: false,
      reason: "released; the next look at the provider goes on",
    });
  });

  it("of images is released until they were looked at again, and says what it is about", () => {
    const brake = new Brake("images");
    assert.match(brake.note(suspects(9), 9, 1000).reason, /images were in no record/);
    brake.release(1000);
    assert.equal(brake.note(suspects(9), 9, 1000 + 2 * 600).on, false);
  });

  it("tells of what the last look found wrong when that was, and of nothing else", () => {
    const brake = new Brake();
    brake.note(["cloud/node/0", "cloud/node/1"], 10, 1000);
    brake.note(["cloud/node/1"], 10, 1060);
    assert.equal(brake.suspectedAt("cloud/node/1"), 1060);
    assert.equal(brake.suspectedAt("cloud/node/0"), null);
    assert.equal(brake.suspectedAt("cloud/node/2"), null);
  });
});

describe("the brakes", () => {
  it("of a provider are told as one, and released as one", () => {
    const brakes = new Brakes(() => {});
    for (const subject of ["nodes", "images"] as const)
      brakes.of("cloud", subject).note(suspects(9), 9, 1000);
    const { on, reason } = brakes.decision("cloud");
    assert.equal(on, true);
    assert.match(reason, /nodes and instances were lost.*; automatic deletion is stopped: images were/);
    brakes.release("cloud", 1001);
    assert.deepEqual(brakes.decision("cloud"), { on: false, reason: "" });
  });

  it("tell of a release until nobody wants to hear of it", () => {
    const brakes = new Brakes(() => {});
    let released = 0;
    const stop = brakes.onRelease(() => {
      released += 1;
    });
    brakes.release("cloud", 1000);
    stop();
    brakes.release("cloud", 1001);
    assert.equal(released, 1);
  });

  it("tell of a release though a listener throws, which is told as well", () => {
    const heard: unknown[] = [];
    const brakes = new Brakes((error, provider) => heard.push([String(error), provider]));
    brakes.onRelease(() => {
      throw new Error("poison");
    });
    brakes.onRelease(() => heard.push("released"));
    brakes.release("cloud", 1000);
    assert.deepEqual(heard, [["Error: poison", "cloud"], "released"]);
  });

  it("of a provider are as new when it comes back into the configuration", () => {
    const brakes = new Brakes(() => {});
    for (const provider of ["cloud", "other"]) brakes.of(provider, "nodes").note(suspects(9), 9, 1000);
    brakes.keepOnly(new Set(["other"]));
    assert.equal(brakes.decision("cloud").on, false);
    assert.equal(brakes.decision("other").on, true);
    assert.equal(brakes.of("cloud", "nodes").note([], 9, 1001).on, false);
  });
});
