import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { test } from "node:test";
import { MAX_PAGE_SIZE, paginate } from "./page.ts";

const same = (text: string) => text;

test("pages follow the keys, and the last one has no token", () => {
  const first = paginate("list", ["c", "a", "b"], same, same, { pageSize: 2, pageToken: "" });
  assert.deepEqual(first.page, ["a", "b"]);
  const second = paginate("list", ["c", "a", "b"], same, same, {
    pageSize: 2,
    pageToken: first.nextPageToken,
  });
  assert.deepEqual(second, { page: ["c"], nextPageToken: "" });
});

test("all that is listed is on one page, whatever the order in which it comes", () => {
  const sorted = Array.from({ length: 40 }, (_, index) => String.fromCharCode(60 + index));
  const orders = [sorted, sorted.toReversed(), sorted.map((_, index) => sorted[(index * 7) % 40] ?? "")];
  for (const items of orders) {
    const pages: string[] = [];
    let pageToken = "";
    do {
      const { page, nextPageToken } = paginate("list", items, same, same, { pageSize: 3, pageToken });
      pages.push(page.join(""));
      pageToken = nextPageToken;
    } while (pageToken !== "");
    assert.deepEqual(pages, sorted.join("").match(/.{1,3}/g));
  }
});

test("a full last page has no token either", () => {
  assert.equal(paginate("list", ["a", "b"], same, same, { pageSize: 2, pageToken: "" }).nextPageToken, "");
});

test("a page stays right when the item that its token names is gone", () => {
  const { nextPageToken } = paginate("list", ["a", "b", "c", "d"], same, same, {
    pageSize: 2,
    pageToken: "",
  });
  assert.deepEqual(
    paginate("list", ["a", "c", "d"], same, same, { pageSize: 9, pageToken: nextPageToken }).page,
    ["c", "d"],
  );
});

test("0 and too many mean the largest page", () => {
  const many = Array.from({ length: MAX_PAGE_SIZE + 5 }, (_, index) => String(index).padStart(6, "0"));
  assert.equal(paginate("list", many, same, same, { pageSize: 0, pageToken: "" }).page.length, MAX_PAGE_SIZE);
  assert.equal(
    paginate("list", many, same, same, { pageSize: 1e6, pageToken: "" }).page.length,
    MAX_PAGE_SIZE,
  );
});

test("a negative size is refused", () => {
  assert.throws(
    () => paginate("list", [], same, same, { pageSize: -1, pageToken: "" }),
    /page_size: -1 is negative/,
  );
});

test("a token that is not ours is refused", () => {
  for (const pageToken of ["nonsense", "!!", Buffer.from("a").toString("base64url"), "YWZ0ZXI6YQ=="]) {
    assert.throws(
      () => paginate("list", ["a"], same, same, { pageSize: 1, pageToken }),
      /page_token: unknown token/,
    );
  }
});

test("a token of another list is refused", () => {
  const items = ["a", "b"];
  const { nextPageToken } = paginate("nodes", items, same, same, { pageSize: 1, pageToken: "" });
  const next = { pageSize: 1, pageToken: nextPageToken };
  assert.deepEqual(paginate("nodes", items, same, same, next).page, ["b"]);
  for (const list of ["requests", "node", "nodes/a"]) {
    assert.throws(() => paginate(list, items, same, same, next), /page_token: unknown token/);
  }
});

test("a page ends where its messages would be too large together, and the next one goes on there", () => {
  const keys = ["a", "b", "c", "d", "e"];
  const large = (key: string) => ({ name: key, comment: "€".repeat(300_000), time: new Date(0) });
  const seen: string[] = [];
  let pageToken = "";
  do {
    const { page, nextPageToken } = paginate("list", keys, same, large, { pageSize: 0, pageToken });
    assert.ok(page.length === 3 || nextPageToken === "", `${page.length} messages of 900 kB`);
    seen.push(...page.map(({ name }) => name));
    pageToken = nextPageToken;
  } while (pageToken !== "");
  assert.deepEqual(seen, keys);
});

test("a message that is too large by itself is a page of its own", () => {
  const huge = (key: string) => key.repeat(4_000_000);
  const { page, nextPageToken } = paginate("list", ["a", "b"], same, huge, { pageSize: 0, pageToken: "" });
  assert.equal(page.length, 1);
  assert.notEqual(nextPageToken, "");
});
