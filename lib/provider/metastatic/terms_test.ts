import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Terms } from "./terms.ts";

const label = (name: string, settings: Readonly<Record<string, unknown>>) => {
  const blank = { diskimage: null, cloudImage: null, hostKeyChecking: false, consoleLog: false };
  return { name, ...blank, settings };
};

const terms = new Terms({
  pools: [
    {
      name: "one",
      labels: [
        label("share", { "backing-label": "large", "max-parallel-jobs": 2 }),
        label("other", { "backing-label": "large" }),
      ],
    },
    {
      name: "two",
      labels: [label("share", { "backing-label": "huge", "max-parallel-jobs": 8, "max-age": 60 })],
    },
  ],
});

describe("the terms of a label", () => {
  it("are those of its pool, with Nodepool's defaults", () => {
    assert.deepEqual(terms.in("one", "other"), {
      backingLabel: "large",
      slots: 1,
      graceTime: 60,
      minRetentionTime: 0,
      maxAge: Infinity,
    });
    assert.equal(terms.in("two", "share")?.slots, 8);
    assert.equal(terms.in("two", "other"), undefined);
  });

  it("are for a backing node those of its label, else those of the first pool", () => {
    assert.equal(terms.of("share", "huge")?.maxAge, 60);
    assert.equal(terms.of("share", "large")?.slots, 2);
    assert.equal(terms.of("share", "gone")?.slots, 2);
    assert.equal(terms.of("gone", "large"), undefined);
  });

  it("have no max-age where it is 0", () => {
    const labels = [label("share", { "backing-label": "large", "max-age": 0 })];
    assert.equal(new Terms({ pools: [{ name: "one", labels }] }).in("one", "share")?.maxAge, Infinity);
  });

  it("name each backing label once", () => {
    assert.deepEqual(terms.backingLabels, ["large", "huge"]);
  });
});
