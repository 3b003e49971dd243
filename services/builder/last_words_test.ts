import assert from "node:assert/strict";
import { test } from "node:test";
import { LastWords } from "./last_words.ts";

function said(...lines: string[]): string | null {
  const words = new LastWords();
  for (const line of lines) words.hear(`${line}\n`);
  return words.line;
}

test("the last line that names a problem is told", () => {
  assert.equal(
    said("ERROR: Element 'nosuch' not found", "cleaning up", "done"),
    "ERROR: Element 'nosuch' not found",
  );
});

test("without one, the last line is told", () => {
  assert.equal(said("one", "two", ""), "two");
});

test("what a shell traces and where Python was is no problem's name, and times are left out", () => {
  const lines = [
    "2026-11-22 12:00:00.123 | no space here: error 5",
    "2026-11-22 12:00:01.000 | + error() { :; }",
  ];
  assert.equal(said(...lines, '  File "x.py", line 1, in error'), "no space here: error 5");
});

test("a command that said nothing has no last words", () => {
  assert.equal(said(), null);
});
