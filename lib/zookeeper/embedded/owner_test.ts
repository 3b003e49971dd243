import assert from "node:assert/strict";
import { test } from "node:test";
import { CONTAINER, isSession, timeToLive, ttlOwner } from "./owner.ts";

test("an owner is a session unless it stands for nothing, a container or a time to live", () => {
  assert.ok(isSession(0x1000_0000_0001n));
  assert.ok(!isSession(0n));
  assert.ok(!isSession(CONTAINER));
  assert.ok(!isSession(ttlOwner(1n) ?? 0n));
});

test("a time to live of up to 2^40 - 1 ms comes back from its owner", () => {
  for (const milliseconds of [1n, 60_000n, 0xff_ffff_ffffn]) {
    assert.equal(timeToLive(ttlOwner(milliseconds) ?? 0n), Number(milliseconds));
  }
  for (const milliseconds of [-1n, 0n, 0x100_0000_0000n]) assert.equal(ttlOwner(milliseconds), null);
  assert.equal(timeToLive(0n), null);
  assert.equal(timeToLive(CONTAINER), null);
});
