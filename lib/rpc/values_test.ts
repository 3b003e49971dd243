import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { int32Of, int64Of, timestampOf } from "./values.ts";

describe("a number out of ZooKeeper", () => {
  it("is a time where a timestamp can say it", () => {
    assert.deepEqual(timestampOf(1_700_000_000.5), new Date(1_700_000_000_500));
    assert.equal(timestampOf(253_402_300_799)?.toISOString(), "9999-12-31T23:59:59.000Z");
    for (const odd of [null, 0, 253_402_300_800, 1e20, 1e300, -1e20, Infinity, -Infinity, NaN]) {
      assert.equal(timestampOf(odd), undefined, String(odd));
    }
  });

  it("is a whole number of 32 bits where it is one", () => {
    for (const whole of [0, 22, -1, 2 ** 31 - 1, -(2 ** 31)]) assert.equal(int32Of(whole), whole);
    for (const odd of [0.5, 2 ** 31, 1e300, Infinity, NaN]) assert.equal(int32Of(odd), 0, String(odd));
  });

  it("is a whole number of 64 bits where it fits", () => {
    assert.equal(int64Of(8192.7), 8192n);
    assert.equal(int64Of(-3), -3n);
    for (const odd of [2 ** 63, -(2 ** 64), 1e300, Infinity, NaN])
      assert.equal(int64Of(odd), 0n, String(odd));
  });
});
