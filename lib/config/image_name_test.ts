import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fillImageName, unfillablePart } from "./image_name.ts";

describe("the name of an image at its provider", () => {
  const fields = { image_name: "debian", upload_id: "0000000042", timestamp: "1790000000" };
  const cases: readonly [string, string][] = [
    ["{image_name}-{timestamp}", "debian-1790000000"],
    ["{image_name}-{image_name}-{upload_id}", "debian-debian-0000000042"],
    ["plain", "plain"],
    // As Python's str.format has it.
    ["{image_name:.3}-{timestamp:s}", "deb-1790000000"],
    ["{image_name!s:.3}", "deb"],
    [
      "{image_name:8}|{image_name:>8}|{image_name:x^9}|{image_name:.<8.2}",
      "debian  |  debian|xdebianxx|de......",
    ],
    ["{image_name:3}", "debian"],
    ["img-{{{image_name}}}-{{x}}", "img-{debian}-{x}"],
  ];
  for (const [format, name] of cases) {
    it(`of ${format} is ${name}`, () => {
      assert.equal(unfillablePart(format), null);
      assert.equal(fillImageName(format, fields), name);
    });
  }

  it("has no other fields, and no format that is not a text's", () => {
    const formats = [
      "a{name}b",
      "{image_name:05d}",
      "{image_name!r}",
      "{image_name.x}",
      "{image_name",
      "{{{}}}",
    ];
    assert.deepEqual(formats.map(unfillablePart), [
      "{name}",
      "{image_name:05d}",
      "{image_name!r}",
      "{image_name.x}",
      "{image_name",
      "{}",
    ]);
  });
});
