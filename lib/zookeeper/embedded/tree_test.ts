import assert from "node:assert/strict";
import { test } from "node:test";
import { isValidPath } from "./paths.ts";
import { type Change, type Outcome, Tree } from "./tree.ts";
import { errorCode } from "./wire.ts";
import { statOf } from "./znode.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const create = (path: string, more: { sequential?: boolean; owner?: bigint } = {}): Change => ({
  kind: "create",
  path,
  data: bytes("data"),
  sequential: more.sequential ?? false,
  ephemeralOwner: more.owner ?? 0n,
});
const remove = (path: string, version = -1): Change => ({ kind: "delete", path, version });
const set = (path: string, text: string, version = -1): Change => ({
  kind: "set",
  path,
  data: bytes(text),
  version,
});

/** A tree whose commits get zxids 1, 2, ... and times 1001, 1002, ... */
function newTree() {
  const tree = new Tree();
  let zxid = 0;
  const commit = (...changes: Change[]): Outcome => {
    zxid++;
    return tree.commit(changes, zxid, 1000 + zxid);
  };
  const paths = (outcome: Outcome) => (outcome.committed ? outcome.results.map(({ path }) => path) : outcome);
  const stat = (path: string) => {
    const node = tree.get(path);
    assert.ok(node, `${path} exists`);
    return statOf(node);
  };
  return { tree, commit, paths, stat };
}

/** Everything that a tree holds, to compare two moments. */
const dump = (tree: Tree) =>
  [...tree.entries()]
    .map(([path, node]) => ({
      path,
      ...node,
      data: node.data && [...node.data],
      children: node.children?.size ?? 0,
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));

test("a new tree is as ZooKeeper's: cversion -1 and /zookeeper", () => {
  const { stat } = newTree();
  assert.equal(stat("/").cversion, -1);
  assert.equal(stat("/").numChildren, 1);
  assert.equal(stat("/zookeeper").numChildren, 2);
});

test("creations and deletions of children both count in cversion, and set pzxid", () => {
  const { commit, stat } = newTree();
  commit(create("/a"));
  commit(create("/a/b"));
  commit(create("/a/c"));
  commit(remove("/a/b"));
  assert.equal(stat("/a").cversion, 3);
  assert.equal(stat("/a").pzxid, 4);
  assert.equal(stat("/a").mzxid, 1);
  assert.equal(stat("/a").version, 0);
});

test("the sequence number counts creations only", () => {
  const { commit, paths } = newTree();
  commit(create("/a"), create("/a/lock"), remove("/a/lock"));
  assert.deepEqual(paths(commit(create("/a/", { sequential: true }))), ["/a/0000000001"]);
  assert.deepEqual(
    paths(commit(create("/a/x-", { sequential: true }), create("/a/x-", { sequential: true }))),
    ["/a/x-0000000002", "/a/x-0000000003"],
  );
});

test("the sequence number wraps as Java's int does", () => {
  const { tree, commit, paths } = newTree();
  commit(create("/a"));
  const parent = tree.get("/a");
  assert.ok(parent);
  parent.childrenCreated = 2 ** 31 - 1;
  assert.deepEqual(paths(commit(create("/a/", { sequential: true }))), ["/a/2147483647"]);
  assert.deepEqual(paths(commit(create("/a/", { sequential: true }))), ["/a/-2147483648"]);
});

test("a failed step takes back all steps before it, to the last field", () => {
  const { tree, commit } = newTree();
  commit(create("/a"), create("/a/b"), create("/a/e", { owner: 7n }));
  const before = dump(tree);
  const outcome = commit(
    create("/a/c"),
    set("/a/b", "changed"),
    remove("/a/e"),
    create("/a/s-", { sequential: true, owner: 7n }),
    remove("/a/b", 9),
    remove("/nothing"),
  );
  assert.deepEqual(outcome, { committed: false, index: 4, code: errorCode.badVersion });
  assert.deepEqual(dump(tree), before);
  assert.deepEqual(tree.ephemeralsOf(7n), ["/a/e"]);
});

test("a committed transaction can be undone", () => {
  const { tree, commit } = newTree();
  commit(create("/a"), create("/a/b"));
  const before = dump(tree);
  const outcome = commit(remove("/a/b"), create("/a/b", { owner: 5n }), set("/a", "x"), {
    kind: "setAcl",
    path: "/a",
    version: 0,
  });
  assert.ok(outcome.committed);
  assert.notDeepEqual(dump(tree), before);
  outcome.undo();
  assert.deepEqual(dump(tree), before);
  assert.deepEqual(tree.ephemeralsOf(5n), []);
});

test("a refused step fails with its code, but not before the steps in front of it", () => {
  const { commit } = newTree();
  const refused: Change = { kind: "refused", code: errorCode.invalidAcl };
  assert.deepEqual(commit(create("/a"), refused), { committed: false, index: 1, code: errorCode.invalidAcl });
  assert.deepEqual(commit(remove("/a"), refused), { committed: false, index: 0, code: errorCode.noNode });
});

test("events name what changed, the znode before its parent", () => {
  const { commit } = newTree();
  const outcome = commit(create("/a"), create("/a/b"), set("/a/b", "x"), remove("/a/b"), {
    kind: "check",
    path: "/a",
    version: 0,
  });
  assert.ok(outcome.committed);
  assert.deepEqual(
    outcome.events.map(({ kind, path }) => `${kind} ${path}`),
    [
      "created /a",
      "children /",
      "created /a/b",
      "children /a",
      "changed /a/b",
      "deleted /a/b",
      "children /a",
    ],
  );
});

test("ephemerals are found by their session", () => {
  const { tree, commit } = newTree();
  commit(
    create("/a"),
    create("/a/x", { owner: 3n }),
    create("/a/y", { owner: 3n }),
    create("/a/z", { owner: 4n }),
  );
  assert.deepEqual(tree.ephemeralsOf(3n), ["/a/x", "/a/y"]);
  commit(remove("/a/x"));
  assert.deepEqual(tree.ephemeralsOf(3n), ["/a/y"]);
  assert.equal(tree.ephemerals, 2);
});

test("paths are valid as ZooKeeper has them", () => {
  for (const path of ["/", "/a", "/a/b", "/a b", "/ä", "/a.b", "/..."]) assert.ok(isValidPath(path), path);
  const bad = [
    "",
    "a",
    "/a/",
    "//",
    "/a//b",
    "/.",
    "/a/../b",
    "/a\0",
    "/\u0007",
    "/\u0085",
    "/😀",
    "/\ufff5",
  ];
  for (const path of bad) assert.ok(!isValidPath(path), JSON.stringify(path));
});
