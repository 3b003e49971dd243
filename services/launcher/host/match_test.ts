import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { matchAll } from "./match.ts";

const things: Readonly<Record<string, readonly string[]>> = {
  small: ["one", "two"],
  large: ["one", "two", "three"],
  huge: ["three"],
  none: [],
};
const match = (...wishes: string[]) => matchAll(wishes, (wish) => things[wish] ?? []);

describe("a match", () => {
  it("gives the first thing that will do", () => {
    assert.deepEqual(match("large"), ["one"]);
    assert.deepEqual(match("small", "large", "none"), ["one", "two", null]);
  });

  it("leaves nobody without who need not go without", () => {
    assert.deepEqual(match("large", "small", "small"), ["three", "two", "one"]);
    assert.deepEqual(match("large", "large", "large", "huge").filter((thing) => thing === null).length, 1);
    assert.deepEqual(match("huge", "huge"), ["three", null]);
  });

  it("gives each thing once", () => {
    const given = match("large", "large", "small", "huge").filter((thing) => thing !== null);
    assert.equal(new Set(given).size, given.length);
    assert.equal(given.length, 3);
  });
});
