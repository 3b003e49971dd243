import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { growthPercent } from "./heap_growth.ts";

const MB = 1024 * 1024;

describe("the growth of the heap", () => {
  it("is a smaller share of a larger heap", () => {
    assert.equal(growthPercent(70 * MB), 100);
    assert.equal(growthPercent(100 * MB), 70);
  });

  it("is half at least", () => {
    assert.equal(growthPercent(500 * MB), 50);
  });

  it("is twice at most", () => {
    assert.equal(growthPercent(5 * MB), 200);
  });
});
