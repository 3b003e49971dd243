import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTable, printable } from "./table.ts";

test("a wide character takes two columns, and one that stands on another none", () => {
  const rows = ["日本", "한국", "abcd", "e\u0301bcd", "\u{1f600}cd"].map((text) => [text]);
  assert.deepEqual(formatTable(["Word"], rows).split("\n").slice(3, -2), [
    "| 日本 |",
    "| 한국 |",
    "| abcd |",
    "| e\u0301bcd |",
    "| \u{1f600}cd |",
  ]);
});

test("no text turns what follows it around, or ends its line", () => {
  assert.equal(printable("a\u202eb\u2066c\u2069d\u2028e\u2029f"), "a b c d e f");
});
