import assert from "node:assert/strict";
import { test } from "node:test";
import { keptText } from "./text.ts";

test("a text is kept as it is", () => {
  for (const text of ["", "zuul", "ünïcode 💩", "x".repeat(4096)])
    assert.equal(keptText("reason", text), text);
});

test("one that is too long is refused with its length and the limit", () => {
  assert.throws(
    () => keptText("reason", "x".repeat(4097)),
    /reason: has 4097 characters: expected at most 4096/,
  );
});
