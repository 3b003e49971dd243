import assert from "node:assert/strict";
import { test } from "node:test";
import { WatchTable } from "./watches.ts";

const heard = (
  watches: WatchTable<string>,
  kind: "created" | "deleted" | "changed" | "children",
  path: string,
) => [...watches.trigger({ kind, path })].sort().join(" ");

test("a data watch fires once, for creation, change and deletion", () => {
  for (const kind of ["created", "changed", "deleted"] as const) {
    const watches = new WatchTable<string>();
    watches.add("one", "data", "/a");
    assert.equal(heard(watches, "children", "/a"), "");
    assert.equal(heard(watches, kind, "/b"), "");
    assert.equal(heard(watches, kind, "/a"), "one");
    assert.equal(heard(watches, kind, "/a"), "");
    assert.equal(watches.size, 0);
  }
});

test("a child watch fires once, for the children and for the deletion of the parent", () => {
  const watches = new WatchTable<string>();
  watches.add("one", "children", "/a");
  assert.equal(heard(watches, "changed", "/a"), "");
  assert.equal(heard(watches, "children", "/a"), "one");
  assert.equal(heard(watches, "children", "/a"), "");
  watches.add("one", "children", "/a");
  assert.equal(heard(watches, "deleted", "/a"), "one");
  assert.equal(watches.size, 0);
});

test("a watcher with several fitting watches hears an event once, and all that fire once are used up", () => {
  const watches = new WatchTable<string>();
  for (const kind of ["data", "children", "persistent", "recursive"] as const) watches.add("one", kind, "/a");
  assert.deepEqual([...watches.trigger({ kind: "deleted", path: "/a" })], ["one"]);
  assert.equal(watches.size, 2);
});

test("a persistent watch stays and hears both kinds, of its path only", () => {
  const watches = new WatchTable<string>();
  watches.add("one", "persistent", "/a");
  for (let round = 0; round < 2; round++) {
    assert.equal(heard(watches, "changed", "/a"), "one");
    assert.equal(heard(watches, "children", "/a"), "one");
    assert.equal(heard(watches, "changed", "/a/b"), "");
  }
});

test("a recursive watch stays and hears of everything below, but not of children", () => {
  const watches = new WatchTable<string>();
  watches.add("a", "recursive", "/a");
  watches.add("root", "recursive", "/");
  assert.equal(heard(watches, "created", "/a"), "a root");
  assert.equal(heard(watches, "changed", "/a/b/c"), "a root");
  assert.equal(heard(watches, "deleted", "/ab"), "root");
  assert.equal(heard(watches, "children", "/a"), "");
});

test("a watcher that goes takes all its watches along", () => {
  const watches = new WatchTable<string>();
  watches.add("one", "data", "/a");
  watches.add("one", "recursive", "/");
  watches.add("two", "data", "/a");
  watches.removeWatcher("one");
  assert.equal(watches.size, 1);
  assert.equal(heard(watches, "changed", "/a"), "two");
});

test("removing says whether there was something to remove", () => {
  const watches = new WatchTable<string>();
  watches.add("one", "data", "/a");
  assert.equal(watches.remove("one", "children", "/a"), false);
  assert.equal(watches.remove("two", "data", "/a"), false);
  assert.equal(watches.has("one", "data", "/a"), true);
  assert.equal(watches.remove("one", "data", "/a"), true);
  assert.equal(watches.remove("one", "data", "/a"), false);
});
