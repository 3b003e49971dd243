import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { growthPercent } from "./heap_growth.ts";

const MB = 1024 * 1024;

describe("the growth of the heap", () => {
  it("is the same number of megabytes, however many are in use", () => {
    assert.equal(growthPercent(32 * MB), 125);
    assert.equal(growthPercent(64 * MB), 63);
  });

  it("is half of what is in use when that is much", () => {
    assert.equal(growthPercent(500 * MB), 50);
  });

  it("is twice what is in use when that is little", () => {
    assert.equal(growthPercent(5 * MB), 200);
  });
});
