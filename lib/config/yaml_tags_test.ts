import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { plain, readDocument } from "./document.ts";
import { Problems } from "./problems.ts";
import { interpolate } from "./source.ts";

/** What a plain word is read as. */
function read(word: string): unknown {
  const problems = new Problems();
  const top = readDocument(interpolate(`x: ${word}`, "f", {}), problems);
  assert.ok(top, JSON.stringify(problems));
  return (plain(top) as { readonly x: unknown }).x;
}

// Each as PyYAML's safe_load reads it.
const words: Readonly<Record<string, readonly [word: string, value: unknown][]>> = {
  "a truth value": [
    ["yes", true],
    ["Yes", true],
    ["TRUE", true],
    ["On", true],
    ["no", false],
    ["False", false],
    ["OFF", false],
  ],
  nothing: [
    ["~", null],
    ["null", null],
    ["Null", null],
    ["", null],
  ],
  "a whole number": [
    ["0", 0],
    ["+7", 7],
    ["1_000", 1000],
    ["+010", 8],
    ["-012", -10],
    ["0777777", 262143],
    ["0x1F", 31],
    ["-0x1f", -31],
    ["0b1_0", 2],
    ["1:5", 65],
    ["-1:30", -90],
    ["1:02:03", 3723],
  ],
  "a number": [
    ["1.", 1],
    ["1._5", 1.5],
    ["+1.5", 1.5],
    ["010.5", 10.5],
    ["1.5e+10", 15000000000],
    ["1.5E-2", 0.015],
    [".5", 0.5],
    [".5e+12", 500000000000],
    ["+1:30.5", 90.5],
    ["1:30.", 90],
    ["1:2:03.5", 3723.5],
    [".inf", Infinity],
    ["+.INF", Infinity],
    ["-.Inf", -Infinity],
    [".nan", NaN],
    [".NaN", NaN],
  ],
  "a text": [
    "n Y xyes yesx ano nullx ~x 08 0o7 1e3 1.5e3 .5e3 -.5 1:60 1.2.3 x1.5 1.5x .inF .naN 2024-01-01".split(
      " ",
    ),
  ].flatMap((texts) => texts.map((word): [string, string] => [word, word])),
};

describe("a plain word is what it is to PyYAML", () => {
  for (const [kind, cases] of Object.entries(words)) {
    it(kind, () => {
      for (const [word, value] of cases) assert.deepEqual(read(word), value, word);
    });
  }
});
