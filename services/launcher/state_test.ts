import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HandState } from "./state.ts";

describe("what is in hand", () => {
  it("is busy while it is worked on", () => {
    const hand = new HandState(
      () => 0,
      () => 0.5,
    );
    hand.begin(["node:1"]);
    assert.equal(hand.isBusy("node:1"), true);
    assert.equal(hand.isBusy("node:2"), false);
    hand.succeed(["node:1"]);
    assert.equal(hand.isBusy("node:1"), false);
  });

  it("is tried again at once after one failure, then later and later, up to half a minute", () => {
    let now = 100;
    const hand = new HandState(
      () => now,
      () => 0.99,
    );
    const pauses: number[] = [];
    for (let count = 0; count < 14; count += 1) {
      hand.begin(["node:1"]);
      hand.fail(["node:1"]);
      const until = hand.retryAt("node:1") ?? now;
      pauses.push(until - now);
      assert.equal(hand.isBusy("node:1"), until > now);
      now = until;
    }
    assert.equal(pauses[0], 0);
    for (const [index, pause] of pauses.entries()) assert.ok(pause >= (pauses[index - 1] ?? 0));
    assert.ok((pauses.at(-1) ?? 0) <= 30 && (pauses.at(-1) ?? 0) > 25);
    hand.begin(["node:1"]);
    hand.succeed(["node:1"]);
    assert.equal(hand.retryAt("node:1"), null);
  });

  it("has seen a lease since it was given or renewed, whatever else of its request changes, until it is gone", () => {
    const hand = new HandState(
      () => 0,
      () => 0.5,
    );
    const seen = (at: number, expires: number) => {
      hand.seeLease("200-1", { duration: 60, expires }, at);
      return hand.leasesSeen.get("200-1")?.at;
    };
    assert.deepEqual([seen(100, 160), seen(110, 160), seen(120, 180)], [100, 100, 120]);
    hand.seeLease("200-1", null, 130);
    assert.equal(hand.leasesSeen.size, 0);
  });

  it("forgets the failures of what is gone", () => {
    const hand = new HandState(
      () => 0,
      () => 0.5,
    );
    hand.fail(["request:1"]);
    hand.fail(["request:1"]);
    assert.equal(hand.isBusy("request:1"), true);
    hand.prune(() => false);
    assert.equal(hand.isBusy("request:1"), false);
  });

  it("lets a label wait longer after each failure, and takes what fails meanwhile for the same one", () => {
    let now = 100;
    const hand = new HandState(
      () => now,
      () => 0.99,
    );
    const pauses: number[] = [];
    for (let count = 0; count < 9; count += 1) {
      for (const reason of ["no host", "no host either"]) hand.setBack("small", reason);
      const setback = hand.setbacks.get("small");
      assert.equal(setback?.reason, "no host");
      assert.equal(setback.count, count + 1);
      pauses.push(setback.until - now);
      now = setback.until;
    }
    for (const [index, pause] of pauses.entries()) assert.ok(pause >= (pauses[index - 1] ?? 0));
    assert.ok((pauses[0] ?? 0) <= 1 && (pauses.at(-1) ?? 0) > 50 && (pauses.at(-1) ?? 0) <= 60);
  });

  it("does not wait for as long as the clock was set back", () => {
    let now = 5000;
    const hand = new HandState(
      () => now,
      () => 0.5,
    );
    hand.fail(["node:1"]);
    hand.fail(["node:1"]);
    assert.ok(hand.isBusy("node:1"));
    now = 1000;
    assert.ok(!hand.isBusy("node:1"));
    assert.equal(hand.retryAt("node:1"), null);
  });

  it("forgets what it knows of providers and labels that have left the configuration", () => {
    const hand = new HandState(
      () => 5000,
      () => 0.5,
    );
    for (const name of ["here", "gone"]) {
      hand.limits.set(name, { instances: 1 });
      hand.foreign.set(name, { instances: 1 });
      hand.quotaBlocks.set(name, 5005);
      hand.setBack(name, "no host");
    }
    hand.keepOnly({ providers: new Set(["here"]), labels: new Set(["here"]) });
    for (const known of [hand.limits, hand.foreign, hand.quotaBlocks, hand.setbacks]) {
      assert.deepEqual([...known.keys()], ["here"]);
    }
  });
});
