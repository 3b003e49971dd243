import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { MAX_PAGE_SIZE, paginate } from "./page.ts";

const same = (text: string) => text;

test("pages follow the keys, and the last one has no token", () => {
  const first = paginate(["c", "a", "b"], same, { pageSize: 2, pageToken: "" });
  assert.deepEqual(first.page, ["a", "b"]);
  const second = paginate(["c", "a", "b"], same, { pageSize: 2, pageToken: first.nextPageToken });
  assert.deepEqual(second, { page: ["c"], nextPageToken: "" });
});

test("a full last page has no token either", () => {
  assert.equal(paginate(["a", "b"], same, { pageSize: 2, pageToken: "" }).nextPageToken, "");
});

test("a page stays right when the item that its token names is gone", () => {
  const { nextPageToken } = paginate(["a", "b", "c", "d"], same, { pageSize: 2, pageToken: "" });
  assert.deepEqual(paginate(["a", "c", "d"], same, { pageSize: 9, pageToken: nextPageToken }).page, [
    "c",
    "d",
  ]);
});

test("0 and too many mean the largest page", () => {
  const many = Array.from({ length: MAX_PAGE_SIZE + 5 }, (_, index) => String(index).padStart(6, "0"));
  assert.equal(paginate(many, same, { pageSize: 0, pageToken: "" }).page.length, MAX_PAGE_SIZE);
  assert.equal(paginate(many, same, { pageSize: 1e6, pageToken: "" }).page.length, MAX_PAGE_SIZE);
});

test("a negative size is refused", () => {
  assert.throws(() => paginate([], same, { pageSize: -1, pageToken: "" }), /page_size: -1 is negative/);
});

test("a token that is not ours is refused", () => {
  for (const pageToken of ["nonsense", "!!", Buffer.from("a").toString("base64url"), "YWZ0ZXI6YQ=="]) {
    assert.throws(() => paginate(["a"], same, { pageSize: 1, pageToken }), /page_token: unknown token/);
  }
});
