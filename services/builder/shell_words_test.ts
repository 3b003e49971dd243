import assert from "node:assert/strict";
import { test } from "node:test";
import { shellWords } from "./shell_words.ts";

const CASES: readonly [string, string[]][] = [
  ["", []],
  ["   ", []],
  ["disk-image-create", ["disk-image-create"]],
  ["  disk-image-create   -n  ", ["disk-image-create", "-n"]],
  ["a 'b c' d", ["a", "b c", "d"]],
  ['a "b c" d', ["a", "b c", "d"]],
  ["a ''", ["a", ""]],
  ['""', [""]],
  ["a'b'\"c\"d", ["abcd"]],
  ["a\\ b", ["a b"]],
  ["'a\\b'", ["a\\b"]],
  ['"a\\"b\\\\c\\d"', ['a"b\\c\\d']],
  ["echo $HOME *.txt | rm ; x", ["echo", "$HOME", "*.txt", "|", "rm", ";", "x"]],
  ["tab\tand\nline", ["tab", "and", "line"]],
  ["--qemu-img-options 'compat=0.10'", ["--qemu-img-options", "compat=0.10"]],
];

for (const [line, words] of CASES) {
  test(`${JSON.stringify(line)} has ${words.length} words`, () => assert.deepEqual(shellWords(line), words));
}

test("a quote that is not closed is refused and named", () => {
  assert.throws(() => shellWords("a 'b"), /a quote \('\) is not closed: a 'b/);
  assert.throws(() => shellWords('a "b'), /a quote \("\) is not closed/);
});

test("a line that ends in a backslash is refused", () => {
  assert.throws(() => shellWords("a \\"), /ends in a backslash/);
});
