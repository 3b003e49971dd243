import assert from "node:assert/strict";
import { test } from "node:test";
import { formatName, parseName } from "./names.ts";

const UPLOAD = "images/{image}/builds/{build}/providers/{provider}/uploads/{upload}";

test("a name is read and written by the same pattern", () => {
  const name = "images/debian-12/builds/abc/providers/local/uploads/0000000001";
  const values = parseName(UPLOAD, name);
  assert.deepEqual(values, { image: "debian-12", build: "abc", provider: "local", upload: "0000000001" });
  assert.equal(formatName(UPLOAD, values), name);
});

test("a name that does not fit is refused with what is expected", () => {
  const refused = ["", "nodes", "nodes/", "nodes/1/2", "node/1", "nodes/.", "nodes/..", "nodes/a\u0000b"];
  for (const name of refused) {
    assert.throws(() => parseName("nodes/{node}", name), /^.*name: .*expected nodes\/\{node\}/, name);
  }
});

test("a name that is longer than any resource's is refused with its length", () => {
  const name = `nodes/${"1".repeat(1_000_000)}`;
  assert.throws(
    () => parseName("nodes/{node}", name),
    /name: has 1000006 characters: expected nodes\/\{node\}/,
  );
});

test("the error names the field that holds the name", () => {
  assert.throws(() => parseName("images/{image}", "x", "parent"), /parent: 'x' does not fit/);
});
