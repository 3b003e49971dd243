import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { interpolate, type Source } from "./source.ts";

const env = { NODEPOOL_A: "long\nvalue", NODEPOOL_B: "", NODEPOOL_C: "c" };
const placesOf = ({ text, place }: Source, ...words: string[]) =>
  words.map((word) => {
    const { line, column } = place(text.indexOf(word));
    return `${word} ${line}:${column}`;
  });

describe("the places in a file that is interpolated", () => {
  it("are those of the file, before, in and after every value", () => {
    const source = interpolate("one %(NODEPOOL_A) two\nthree%(NODEPOOL_B) %(NODEPOOL_C) four", "f", env);
    assert.equal(source.text, "one long\nvalue two\nthree c four");
    assert.deepEqual(placesOf(source, "one", "long", "value", " two", "three", "c four", "four"), [
      "one 1:1",
      "long 1:5",
      "value 1:5",
      " two 1:18",
      "three 2:1",
      "c four 2:20",
      "four 2:34",
    ]);
  });

  it("are told apart from those of values, which may be secret", () => {
    const { text, isInterpolated } = interpolate("a%(NODEPOOL_C)b", "f", env);
    assert.equal(text, "acb");
    const parts = [
      [0, 1],
      [1, 2],
      [2, 3],
      [0, 2],
      [1, 3],
      [0, 3],
    ] as const;
    const found = parts.map(([start, end]) => isInterpolated(start, end));
    assert.deepEqual(found, [false, true, false, true, true, true]);
  });

  it("do not count the mark at the beginning of a file that says how it is encoded", () => {
    const source = interpolate("\uFEFFa: %(NODEPOOL_C)", "f", env);
    assert.equal(source.text, "a: c");
    assert.deepEqual(placesOf(source, "a", "c"), ["a 1:1", "c 1:4"]);
  });
});

describe("variables that the environment lacks", () => {
  const missing = (text: string) =>
    interpolate(text, "f", env).missing.map(({ name, offset }) => `${name} ${offset}`);

  it("stay as they are, and are told with their places, in order", () => {
    const text = "%(NODEPOOL_C)%(NODEPOOL_X) %(NODEPOOL_Y)";
    assert.equal(interpolate(text, "f", env).text, "c%(NODEPOOL_X) %(NODEPOOL_Y)");
    assert.deepEqual(missing(text), ["NODEPOOL_X 1", "NODEPOOL_Y 15"]);
  });

  it("are not told of where they stand in a comment", () => {
    assert.deepEqual(missing("# %(NODEPOOL_X)"), []);
    assert.deepEqual(missing("a\n\n \t # %(NODEPOOL_X) %(NODEPOOL_Y)\n# b\n%(NODEPOOL_Z)"), [
      "NODEPOOL_Z 40",
    ]);
    assert.deepEqual(missing("# a\nb %(NODEPOOL_X) # %(NODEPOOL_Y)"), ["NODEPOOL_X 6", "NODEPOOL_Y 22"]);
  });
});

describe("variables with an s behind them", () => {
  it("are told, whether they are set or not, where the s ends the word", () => {
    const { text, suffixed } = interpolate(
      "%(NODEPOOL_C)s, %(NODEPOOL_X)s\n# %(NODEPOOL_C)s\n%(NODEPOOL_C)small %(NODEPOOL_C)s-1 %(NODEPOOL_C) s",
      "f",
      env,
    );
    assert.equal(text, "cs, %(NODEPOOL_X)s\n# cs\ncsmall cs-1 c s");
    assert.deepEqual(suffixed, [
      { name: "NODEPOOL_C", offset: 0 },
      { name: "NODEPOOL_X", offset: 4 },
    ]);
  });
});
